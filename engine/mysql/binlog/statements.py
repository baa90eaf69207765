"""What a statement that stands as text in the binary log means to watched tables."""

import re
from collections.abc import Collection
from enum import Enum

from engine.mysql.binlog.errors import StatementLogged, StreamUnusable, TableChanged
from engine.mysql.binlog.watched import TableName

_QUOTED_CHARACTERS = 300  # of a statement in a message


class Meaning(Enum):
    """What a statement does to the transaction it stands in."""

    BEGINS = "begins"
    ENDS = "ends"
    INSIDE = "inside"  # stands between begin and end: savepoints, XA END
    ALONE = "alone"  # is a transaction of its own, unless it stands in one


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


class Statements:
    """Judges statements against the tables that are watched."""

    def __init__(self, watched: Collection[TableName]) -> None:
        # Names know no case here: a false alarm about `T` beside `t` is better than a missed one.
        self._schemas = {schema.lower() for schema, _ in watched}
        self._tables = {table.lower(): name for name in watched for table in [name[1]]}

    def meaning(self, text: str, schema: str) -> Meaning:
        """What *text*, run with *schema* as the default, does. TableChanged or StatementLogged when it harms what is watched."""
        tokens = _tokens(text)
        words = [word.upper() for word, plain in tokens[:3] if plain]
        control = _control(words)
        if control is not None:
            return control
        if error := self._harm(tokens, words[0] if words else "", schema):
            raise error(f"{self._why[error]}: {' '.join(text.split())[:_QUOTED_CHARACTERS]}")
        return Meaning.ALONE

    _why = {  # noqa: RUF012
        TableChanged: "a watched table was changed by another's statement, so the copy of its rows is void",
        StatementLogged: "a statement was logged as text, so which rows it changed is unknown; binlog_format must be ROW in "
        "every session",
    }

    def _harm(self, tokens: list[tuple[str, bool]], verb: str, schema: str) -> type[StreamUnusable] | None:
        if verb in _HARMLESS or not tokens:
            return None
        named = any(word.lower() in self._tables for word, _ in tokens)
        if verb in _DEFINITIONS:
            return TableChanged if self._changes(tokens, verb, named) else None
        # What writes through a trigger, a view or a function does not name the table it changes.
        return StatementLogged if named or schema.lower() in self._schemas else None

    def _changes(self, tokens: list[tuple[str, bool]], verb: str, named: bool) -> bool:
        words = [word.upper() if plain else "" for word, plain in tokens]
        kind = next((word for word in words if word in _OBJECTS), "")
        if kind in ("DATABASE", "SCHEMA"):
            return verb == "DROP" and any(word.lower() in self._schemas for word, _ in tokens)
        if kind in _HARMLESS_OBJECTS or not named:
            return False
        if verb == "CREATE" and kind in ("TABLE", "TEMPORARY"):
            return "REFERENCES" in words or self._creates_watched(tokens)
        return True

    def _creates_watched(self, tokens: list[tuple[str, bool]]) -> bool:
        """Whether the created table itself is a watched one: CREATE TABLE other LIKE watched is nobody's harm."""
        start = (
            next(place for place, (word, plain) in enumerate(tokens) if plain and word.upper() == "TABLE") + 1
        )
        rest = tokens[start:]
        if [word.upper() for word, _ in rest[:3]] == ["IF", "NOT", "EXISTS"]:
            rest = rest[3:]
        name = rest[2] if len(rest) > 2 and rest[1][0] == "." else rest[0]
        return name[0].lower() in self._tables


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
