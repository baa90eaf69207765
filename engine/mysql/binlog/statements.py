"""What a statement that stands as text in the binary log means to watched tables."""

import re
from collections.abc import Collection
from enum import Enum
from typing import NamedTuple

from engine.mysql.binlog.charsets import readings
from engine.mysql.binlog.errors import StatementLogged, TableChanged
from engine.mysql.binlog.watched import TableName

_QUOTED_CHARACTERS = 300  # of a statement in a message


class Meaning(Enum):
    """What a statement does to the transaction it stands in."""

    BEGINS = "begins"
    ENDS = "ends"
    INSIDE = "inside"  # stands between begin and end: savepoints, XA END
    ALONE = "alone"  # is a transaction of its own, unless it stands in one


class Logged(NamedTuple):
    """A statement as it stands in the log."""

    text: bytes
    schema: bytes  # the default one of its session
    status: bytes  # variables of its session


# Executable comments are text like any other, so that only their marks go.
_TOKENS = re.compile(
    r"""
      (?P<skip> \s+ | /\*(?:M?!\d*) | \*/ | /\*.*?(?:\*/|\Z) | \#[^\n]* | --(?=[\s\x00-\x1f]|\Z)[^\n]* )
    | (?P<string> '(?:[^'\\]|''|\\.)*(?:'|\Z) )
    | `(?P<quoted>(?:[^`]|``)*)` | "(?P<double>(?:[^"\\]|""|\\.)*)(?:"|\Z)
    | (?P<word> [\w$\u0080-\uffff]+ )
    | (?P<sign> . )
    """,
    re.VERBOSE | re.DOTALL,
)
# Of the server's objects these may name a table in their bodies, and change none when they are made.
_HARMLESS_OBJECTS = frozenset(
    {"VIEW", "PROCEDURE", "FUNCTION", "EVENT", "USER", "ROLE", "SERVER", "SEQUENCE", "PACKAGE", "TABLESPACE"}
    | {"INSTANCE", "LOGFILE", "RESOURCE", "LIBRARY"}
)
_OBJECTS = _HARMLESS_OBJECTS | {"TABLE", "TABLES", "TEMPORARY", "INDEX", "TRIGGER", "DATABASE", "SCHEMA"}
_HARMLESS = frozenset(
    {
        "GRANT",
        "REVOKE",
        "SET",
        "FLUSH",
        "ANALYZE",
        "OPTIMIZE",
        "REPAIR",
        "CHECK",
        "INSTALL",
        "UNINSTALL",
        "RESET",
    }
    | {"PURGE", "CHANGE", "START", "STOP", "BINLOG", "USE", "KILL"}
)
_DEFINITIONS = frozenset({"CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE"})


_BEFORE_TABLES = frozenset({"TABLE", "ON", "REFERENCES"})
"""Of ALTER TABLE, CREATE INDEX and DROP INDEX."""
_CHANGED = "a watched table was changed by another's statement, so the copy of its rows is void"
_LOGGED = (
    "a statement was logged as text, so which rows it changed is unknown, and from any schema it may reach the table through a "
    "view, a trigger or a function; binlog_format must be ROW in every session: SET GLOBAL binlog_format = ROW, have whoever "
    "still writes by statement connect anew, then plan again"
)


class Statements:
    """Judges statements against the tables that are watched."""

    def __init__(self, watched: Collection[TableName]) -> None:
        # Names know no case here: a false alarm about `T` beside `t` is better than a missed one.
        self._schemas = {folded(schema) for schema, _ in watched}
        self._watched = {(folded(schema), folded(table)): table for schema, table in watched}

    def meaning_of(self, logged: Logged) -> Meaning:
        """As `meaning`. Where a text may say one thing or another, it harms if either does."""
        schema = logged.schema.decode("utf-8", "replace")
        texts = readings(logged.text, logged.status)
        if not texts:
            return self._unread(logged.text.decode("utf-8", "replace"), schema)
        meanings = [self.meaning(text, schema) for text in texts]
        return meanings[0]

    def _unread(self, text: str, schema: str) -> Meaning:
        """Which tables a definition names is not known: it may be any."""
        tokens = _inner(_tokens(text))
        if tokens and tokens[0][0].upper() in _DEFINITIONS:
            raise TableChanged(f"{_CHANGED}: {_quoted(text)}")
        return self.meaning(text, schema)

    def meaning(self, text: str, schema: str) -> Meaning:
        """What *text*, run with *schema* as the default, does. TableChanged or StatementLogged when it harms what is watched."""
        tokens = _inner(_tokens(text))
        words = [word.upper() for word, plain in tokens[:3] if plain]
        control = _control(words)
        if control is not None:
            return control
        verb = words[0] if words else ""
        if tokens and (verb not in _HARMLESS or _executes(tokens)):
            self._check(tokens, verb, schema, _quoted(text))
        return Meaning.ALONE

    def _check(self, tokens: list[tuple[str, bool]], verb: str, schema: str, quoted: str) -> None:
        if verb in _DEFINITIONS:
            named = {
                place: table for place in range(len(tokens)) if (table := self._named(tokens, place, schema))
            }
            if self._changes(tokens, verb, list(named)):
                raise TableChanged(f"{_CHANGED}: {quoted}", next(iter(named.values()), ""))
            return
        # What writes through a trigger, a view or a function names neither the table that it changes nor its schema; and which
        # of them there are in other schemas, only who has rights there may see.
        raise StatementLogged(f"{_LOGGED}: {quoted}")

    def _named(self, tokens: list[tuple[str, bool]], place: int, schema: str) -> str:
        """The watched table that the word there names, alone or behind its schema (others have such names, too); empty: none."""
        if place - _first(tokens, place) == 2:
            schema = tokens[place - 2][0]
        return self._watched.get((folded(schema), folded(tokens[place][0])), "")

    def _changes(self, tokens: list[tuple[str, bool]], verb: str, named: list[int]) -> bool:
        words = [word.upper() if plain else "" for word, plain in tokens]
        # TABLE need not stand there, and a definer may be called like a kind of object.
        if verb == "TRUNCATE":
            return bool(named)
        if "TRIGGER" in words:  # its body may name any table; DROP TRIGGER tells none
            return "ON" in words and _name_after(tokens, words.index("ON")) in named
        kind = next((word for word in words if word in _OBJECTS), "")
        if kind in ("DATABASE", "SCHEMA"):
            return verb == "DROP" and any(folded(word) in self._schemas for word, _ in tokens)
        # A temporary table hides the watched one from its own session only.
        if kind in _HARMLESS_OBJECTS or kind == "TEMPORARY" or not named:
            return False
        if verb == "RENAME" or (verb == "DROP" and kind != "INDEX"):
            return True
        if verb == "CREATE" and kind == "TABLE":
            return (
                any(_before(tokens, at) == "REFERENCES" for at in named) or _created(tokens, words) in named
            )
        # Columns, indexes and the like may be called as a table is.
        return any(_before(tokens, at) in _BEFORE_TABLES for at in named)


def folded(name: str) -> str:
    """The same for all names that are one to a server with lower_case_table_names, and for some that are not."""
    return name.replace(
        "\u0130", "i"
    ).casefold()  # a capital I with its dot, which Python makes two characters of


def _quoted(text: str) -> str:
    return " ".join(text.split())[:_QUOTED_CHARACTERS]


def _first(tokens: list[tuple[str, bool]], place: int) -> int:
    """Where the name that ends at *place* begins: at its schema, or at the dot that MariaDB takes without one."""
    if tokens[place - 1 : place] != [(".", False)]:
        return place
    word, plain = tokens[place - 2] if place >= 2 else (",", False)
    alone = word == "," or (
        plain and word.upper() in _BEFORE_TABLES | {"EXISTS", "TO", "TABLES", "TRUNCATE", "INTO", "FROM"}
    )
    return place - 1 if alone else place - 2


def _before(tokens: list[tuple[str, bool]], place: int) -> str:
    """The word before the name that ends at *place*, IF EXISTS left out."""
    words = [word.upper() if plain else "" for word, plain in tokens[: _first(tokens, place)]]
    for condition in (["IF", "NOT", "EXISTS"], ["IF", "EXISTS"]):
        if words[-len(condition) :] == condition:
            words = words[: -len(condition)]
    return words[-1] if words else ""


def _inner(tokens: list[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """What MariaDB's SET STATEMENT variable = value FOR … runs: it logs the whole text."""
    words = [word.upper() if plain else "" for word, plain in tokens]
    if words[:2] == ["SET", "STATEMENT"] and "FOR" in words:
        return _inner(tokens[words.index("FOR") + 1 :])
    return tokens


def _executes(tokens: list[tuple[str, bool]]) -> bool:
    """Whether it is MariaDB's ANALYZE of a statement, which runs it, and not of a table."""
    words = [word.upper() for word, _ in tokens[:2]]
    return words[0] == "ANALYZE" and words[1:] not in (
        ["TABLE"],
        ["TABLES"],
        ["LOCAL"],
        ["NO_WRITE_TO_BINLOG"],
    )


def _created(tokens: list[tuple[str, bool]], words: list[str]) -> int:
    """Where the name of the created table stands: CREATE TABLE other LIKE watched is nobody's harm."""
    place = words.index("TABLE")
    return _name_after(
        tokens, place + 3 if words[place + 1 : place + 4] == ["IF", "NOT", "EXISTS"] else place
    )


def _name_after(tokens: list[tuple[str, bool]], place: int) -> int:
    """Where the name ends that follows the word at *place*: it may have a schema in front, or just the dot."""
    dots = [at for at in (place + 1, place + 2) if tokens[at : at + 1] == [(".", False)]]
    return dots[0] + 1 if dots else place + 1


def _tokens(text: str) -> list[tuple[str, bool]]:
    """(text, whether it is a bare word) of everything that is not space, comment or string."""
    found = []
    for match in _TOKENS.finditer(text):
        match match.lastgroup:
            case "word":
                found.append((match["word"], True))
            case "quoted":
                found.append((match["quoted"].replace("``", "`"), False))
            case "double":
                found.append((match["double"], False))
            case "sign":
                found.append((match["sign"], False))
    return found


def _control(words: list[str]) -> Meaning | None:
    match words:
        case ["BEGIN", *_] | ["START", "TRANSACTION", *_] | ["XA", "START" | "BEGIN", *_]:
            return Meaning.BEGINS
        case (
            ["ROLLBACK", "TO", *_]
            | ["ROLLBACK", "WORK", "TO"]
            | ["SAVEPOINT" | "RELEASE", *_]
            | ["XA", "END", *_]
        ):
            return Meaning.INSIDE
        case ["COMMIT" | "ROLLBACK" | "XA", *_]:
            return Meaning.ENDS
    return None
