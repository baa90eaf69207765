"""Read the head of a CREATE statement, and say of everything else in a schema file why it is not taken."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from engine.lexer import Kind, Token
from engine.mysql.flavour import Flavour
from engine.mysql.names import is_helper_name

_HINTS = {
    "a schema file holds no rows; move this to a script of your own (mysqldump: --no-data)":
        "INSERT REPLACE UPDATE DELETE SELECT WITH VALUES LOAD TRUNCATE CALL DO HANDLER TABLE LOCK UNLOCK",
    "remove it: the plan chooses its own transactions": "BEGIN START COMMIT ROLLBACK SAVEPOINT RELEASE XA",
    "change the CREATE statement instead: files say what should be, not how to get there": "ALTER",
    "write `-- renamed from: old` above the CREATE TABLE of the new name instead": "RENAME",
    "remove the CREATE statement instead: what is not in the files is dropped, after asking": "DROP",
    "remove it: which schema the files are for is said by their folder": "USE",
    "remove it: accounts and their rights are no schema": "GRANT REVOKE",
    "remove it: upkeep is no schema": "ANALYZE OPTIMIZE CHECK REPAIR FLUSH SHOW EXPLAIN DESCRIBE DESC KILL RESET INSTALL",
}  # fmt: skip
_REFUSED = {word: hint for hint, words in _HINTS.items() for word in words.split()}
_UNMANAGED = frozenset(["VIEW", "TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "SEQUENCE"])
_ROWS = {
    "SELECT": "takes its columns from a query", "AS": "takes its columns from a query", "LIKE": "is a copy of another table",
    "TABLE": "takes its columns from a query", "VALUES": "holds rows", "IGNORE": "takes rows from a query",
    "REPLACE": "takes rows from a query", "(": "takes its columns from a query",
}  # fmt: skip
_KEPT_SETTINGS = frozenset(
    {
        "character_set_client", "character_set_results", "names", "foreign_key_checks", "unique_checks", "sql_notes",
        "sql_quote_show_create",
    }
)  # fmt: skip
_PLAIN_MODES = frozenset(
    {
        "NO_AUTO_VALUE_ON_ZERO", "STRICT_TRANS_TABLES", "STRICT_ALL_TABLES", "NO_ENGINE_SUBSTITUTION", "NO_ZERO_DATE",
        "ERROR_FOR_DIVISION_BY_ZERO", "NO_ZERO_IN_DATE", "ONLY_FULL_GROUP_BY", "NO_AUTO_CREATE_USER", "ALLOW_INVALID_DATES",
        "TRADITIONAL",
    }
)  # fmt: skip


class Misfit(Exception):
    """A statement that is refused: the reason, and where."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset


def refusal(first: Token) -> str:
    """Why a statement that begins with *first* is no part of the files."""
    if hint := _REFUSED.get(first.word):
        return f"{first.word} is not part of a schema: {hint}"
    if first.text in ("\\", "."):
        return "a command of the mysql program is not SQL: remove it"
    return f"not understood: near {first.text!r} (expected a CREATE statement)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the head says. `blanked` are tokens that must not reach the server."""

    kind: str  # table | index
    name: str
    table: str
    blanked: tuple[Token, ...]


class Head:
    """Reads the tokens of one CREATE statement."""

    def __init__(self, found: Sequence[Token], names: Collection[str], flavour: Flavour) -> None:
        """*names*: qualifiers that may be there, folded."""
        self._found = found
        self._names = names
        self._flavour = flavour
        self._at = 1
        self._blanked: list[Token] = []

    def read(self) -> Shape:
        """The shape. Misfit for anything but a table with its columns, and an index."""
        self._skip("OR", "REPLACE", blank=True)
        kind = self._kind()
        self._skip("IF", "NOT", "EXISTS", blank=True)
        if kind == "index":
            name = self._name()
            while self._peek().word != "ON":
                if not self._peek().text:
                    raise Misfit("not understood: ON and the name of a table are missing", self._peek().start)
                self._at += 1
            self._at += 1
            table = self._qualified_name()
        else:
            name = table = self._qualified_name()
            self._check_body()
        return Shape(kind=kind, name=name, table=table, blanked=tuple(self._blanked))

    def _peek(self, ahead: int = 0) -> Token:
        at = self._at + ahead
        return self._found[at] if at < len(self._found) else Token(Kind.SIGN, "", self._found[-1].end)

    def _skip(self, *words: str, blank: bool = False) -> bool:
        found = [self._peek(ahead) for ahead in range(len(words))]
        if [token.word for token in found] != list(words):
            return False
        self._at += len(words)
        self._blanked += found if blank else []
        return True

    def _kind(self) -> str:
        first = self._peek()
        if first.word == "TEMPORARY":
            raise Misfit("a temporary table belongs to a connection, not to the schema", first.start)
        if self._skip("TABLE"):
            return "table"
        for word in ("ONLINE", "OFFLINE", "UNIQUE", "FULLTEXT", "SPATIAL", "VECTOR"):
            self._skip(word)
        if self._skip("INDEX"):
            return "index"
        words = {token.word for token in self._found[1:12]}
        if unmanaged := sorted(words & _UNMANAGED):
            thing = unmanaged[0].lower()
            raise Misfit(
                f"a {thing} in files is not supported yet: remove it; one that is live is left alone and listed",
                first.start,
            )
        if first.word in ("DATABASE", "SCHEMA"):
            raise Misfit(
                "the schema is made by you, once; its folder of files says what is in it", first.start
            )
        raise Misfit(
            f"not understood: CREATE {first.text} (known: TABLE, [UNIQUE|FULLTEXT|SPATIAL] INDEX)",
            first.start,
        )

    def _qualified_name(self) -> str:
        if self._peek(1).text == ".":
            schema = self._peek()
            if self._flavour.folded(schema.name) not in self._names:
                raise Misfit(
                    f"the qualifier {schema.text} names another schema; write the bare name", schema.start
                )
            self._blanked += [schema, self._peek(1)]
            self._at += 2
        return self._name()

    def _name(self) -> str:
        token = self._peek()
        if token.kind not in (Kind.WORD, Kind.QUOTED) or not token.name:
            raise Misfit(f"not understood: expected a name, not {token.text or 'the end'!r}", token.start)
        if is_helper_name(token.name):
            raise Misfit(
                f"the name {token.name} is reserved: SchemaBot names tables of its own like that", token.start
            )
        self._at += 1
        return token.name

    def _check_body(self) -> None:
        """Columns in parentheses, and nothing behind them that brings columns or rows from elsewhere."""
        opening = self._peek()
        inner = self._peek(1)
        if opening.text != "(":
            what = _ROWS.get(opening.word, "has no columns in parentheses")
            raise Misfit(f"CREATE TABLE that {what}: write the columns", opening.start)
        if inner.word == "LIKE" and inner.kind is Kind.WORD:
            raise Misfit(f"CREATE TABLE that {_ROWS['LIKE']}: write the columns", inner.start)
        depth = 0
        for at in range(self._at, len(self._found)):
            token = self._found[at]
            depth += (token.text == "(") - (token.text == ")")
            if depth == 1 and token.text == "(":
                self._check_group(at)
            if depth == 0 and token.text != ")":
                self._check_option(at)

    def _check_group(self, at: int) -> None:
        """What begins a group in parentheses of its own, however many: a query may."""
        first = next((token for token in self._found[at:] if token.text != "("), self._found[at])
        if first.kind is Kind.WORD and first.word in ("SELECT", "WITH", "VALUES", "TABLE"):
            raise Misfit(f"CREATE TABLE that {_ROWS['SELECT']}: write the columns", first.start)

    def _check_option(self, at: int) -> None:
        token, following = self._found[at], self._found[at + 1] if at + 1 < len(self._found) else None
        after = following.word if following else ""
        before = self._found[at - 1].text
        if token.word == "CREATE" and before != "=":
            raise Misfit("a statement begins here: a ; is missing at the end of the one before", token.start)
        if token.word in _ROWS and before != "=":
            raise Misfit(
                f"CREATE TABLE that {_ROWS[token.word]}: write the columns, and no rows", token.start
            )
        if token.word == "START" and after == "TRANSACTION":
            raise Misfit("START TRANSACTION is not part of a schema: remove it", token.start)
        if token.word == "WITH" and after == "SYSTEM":
            raise Misfit(
                "system-versioned tables are not supported: their history would be lost or falsified",
                token.start,
            )


def harmless_setting(found: Sequence[Token]) -> str:
    """Why a SET statement is refused; empty when it changes nothing that a schema is made of."""
    for assignment in _split_commas(found[1:]):
        words = [token for token in assignment if token.word not in ("SESSION", "LOCAL")]
        if not words:
            return "not understood: SET"
        if words[0].text == "@" and len(words) > 1 and words[1].text != "@":
            continue  # a variable of the dump's own
        signs = [token for token in words if token.text not in ("@", ".")]
        name, values = signs[0].text.lower(), [token.name for token in signs[1:] if token.text != "="]
        if name in _KEPT_SETTINGS or _is_plain(
            name, values, from_variable=words[-2].text == "@" if len(words) > 1 else False
        ):
            continue
        return f"SET {signs[0].text} is not part of a schema: remove it (files are read under settings of our own)"
    return ""


def _is_plain(name: str, values: Sequence[str], *, from_variable: bool) -> bool:
    """Whether the setting has no bearing on tables: back to what it was, the time zone we use, modes that read SQL the same."""
    if from_variable:
        return name in ("sql_mode", "time_zone", "collation_connection")
    value = values[-1].strip("'\"") if values else ""
    if name == "time_zone":
        return value == "+00:00"
    return name == "sql_mode" and all(
        mode.strip().upper() in _PLAIN_MODES for mode in value.split(",") if mode.strip()
    )


def _split_commas(found: Sequence[Token]) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    for token in found:
        if token.text == ",":
            parts.append([])
        else:
            parts[-1].append(token)
    return parts
