"""Mend the file of one MySQL table where a linter would complain, word by word: everything else stays as it was written."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

TOKEN = re.compile(
    r"""
    (?P<space>\s+ | --[\s][^\n]* | --$ | \#[^\n]* | /\*(?!!).*?\*/)
  | (?P<quoted>`(?:[^`]|``)+`)
  | (?P<text>'(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*")
  | (?P<word>[A-Za-z_$][\w$]*)
  | (?P<number>\d+(?:\.\d+)?)
  | (?P<sign>(?!/\*|\*/)[(),;=+\-*/%<>!.&|^~@:?])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
NO_COLUMNS = frozenset(
    [
        "KEY",
        "INDEX",
        "PRIMARY",
        "UNIQUE",
        "CONSTRAINT",
        "FOREIGN",
        "CHECK",
        "FULLTEXT",
        "SPATIAL",
        "PERIOD",
        "LIKE",
    ]
)
SMALL_INTEGERS = frozenset(
    ["TINYINT", "SMALLINT", "MEDIUMINT", "INT", "INTEGER", "INT1", "INT2", "INT3", "INT4"]
)
INEXACT = frozenset(["FLOAT", "DOUBLE", "REAL", "FLOAT4", "FLOAT8"])
MOMENTS = frozenset(("TIMESTAMP", "DATETIME"))
OLD_CHARSETS = frozenset(("LATIN1", "UTF8", "UTF8MB3"))
OLD_COLLATION = re.compile(r"(?:latin1|utf8|utf8mb3)_\w+", re.IGNORECASE)
NEW_CHARSET, NEW_COLLATION = "utf8mb4", "utf8mb4_unicode_ci"
TIMESTAMP_ENDS = (
    "uses TIMESTAMP, which ends in 2038 (on MariaDB 11.5 and newer in 2106): use DATETIME instead"
)


class NotUnderstood(Exception):
    """The file is not one CREATE TABLE that can be read: it is left alone."""


@dataclass(frozen=True, slots=True)
class Token:
    """One word or sign of the statement; `upper`: a bare word in capitals, else ""."""

    start: int
    end: int
    text: str
    upper: str


@dataclass(slots=True)
class Mending:
    """What is to be replaced, why, and what only a person can mend."""

    edits: list[tuple[int, int, str]] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def replace(self, first: Token, last: Token, text: str, why: str) -> None:
        """Put *text* where *first* to *last* stand."""
        self.edits.append((first.start, last.end, text))
        self.done.append(why)

    def result(self, sql: str) -> str:
        """The text with every edit made."""
        for start, end, text in sorted(self.edits, reverse=True):
            sql = sql[:start] + text + sql[end:]
        return sql


def mend(sql: str) -> tuple[str, list[str], list[str]]:
    """The mended text, what was done, and what is left to a person; NotUnderstood: nothing is known about it."""
    definitions, options = _table(list(_tokens(sql)))
    mending = Mending()
    for definition in definitions:
        if definition[0].upper not in NO_COLUMNS:
            _mend_column(definition, mending)
    _mend_options(options, mending)
    return mending.result(sql), mending.done, mending.left


# -- reading ------------------------------------------------------------------------------------------------------


def _tokens(sql: str) -> Iterator[Token]:
    at = 0
    while at < len(sql):
        found = TOKEN.match(sql, at)
        if found is None:
            raise NotUnderstood(f"what begins at its character {at + 1} cannot be read")
        at = found.end()
        if found.lastgroup != "space":
            upper = found[0].upper() if found.lastgroup == "word" else ""
            yield Token(found.start(), found.end(), found[0], upper)


def _table(tokens: Sequence[Token]) -> tuple[list[list[Token]], list[Token]]:
    """The definitions between the parentheses of the only CREATE TABLE, and the options behind them."""
    words = [token.upper for token in tokens[:2]]
    if words != ["CREATE", "TABLE"]:
        raise NotUnderstood("it is not a CREATE TABLE")
    opening = next((at for at, token in enumerate(tokens) if token.text == "("), None)
    closing = _matching(tokens, opening) if opening is not None else None
    if opening is None or closing is None:
        raise NotUnderstood("its parentheses do not match")
    rest = list(tokens[closing + 1 :])
    if rest and rest[-1].text == ";":
        rest.pop()
    if any(token.text == ";" for token in rest):
        raise NotUnderstood("it has more than one statement")
    if any(token.upper in ("SELECT", "AS") for token in rest):
        raise NotUnderstood("it takes its columns from a SELECT")
    definitions = _split(tokens[opening + 1 : closing])
    if not all(definitions):
        raise NotUnderstood("a definition is empty")
    return definitions, rest


def _matching(tokens: Sequence[Token], opening: int) -> int | None:
    depth = 0
    for at in range(opening, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[at].text, 0)
        if depth == 0:
            return at
    return None


def _split(tokens: Sequence[Token]) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.text == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


# -- mending ------------------------------------------------------------------------------------------------------


def _mend_column(tokens: Sequence[Token], mending: Mending) -> None:
    if len(tokens) < 2:
        return
    name, kind = tokens[0].text.strip("`"), tokens[1]
    end = 1
    if kind.upper == "DOUBLE" and len(tokens) > 2 and tokens[2].upper == "PRECISION":
        end = 2
    arguments = ""
    if len(tokens) > end + 1 and tokens[end + 1].text == "(":
        closing = _matching(tokens, end + 1)
        if closing is not None:
            arguments = "".join(token.text for token in tokens[end + 2 : closing])
            end = closing
    behind = _outside(tokens[end + 1 :])
    attributes = [token.upper for token in behind]
    last = tokens[end]
    if kind.upper in SMALL_INTEGERS and "AUTO_INCREMENT" in attributes:
        mending.replace(kind, last, "BIGINT", f"{name}: {kind.text} AUTO_INCREMENT becomes BIGINT")
    elif kind.upper in INEXACT:
        precision = arguments if "," in arguments else "10,2"
        mending.replace(
            kind, last, f"DECIMAL({precision})", f"{name}: {kind.text} becomes DECIMAL({precision})"
        )
    elif kind.upper in MOMENTS:
        _mend_moment(name, last, behind, arguments, mending)
        if kind.upper == "TIMESTAMP":
            mending.left.append(f"{name} {TIMESTAMP_ENDS}")


def _outside(tokens: Sequence[Token]) -> list[Token]:
    """Those that stand in no parentheses."""
    found, depth = [], 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.text != ")":
            found.append(token)
    return found


def _mend_moment(name: str, kind: Token, behind: Sequence[Token], arguments: str, mending: Mending) -> None:
    attributes = [token.upper for token in behind]
    if {"DEFAULT", "GENERATED", "AS"} & set(attributes):
        return
    required = ("NOT", "NULL") in pairwise(attributes)
    default = f"CURRENT_TIMESTAMP{f'({arguments})' if arguments else ''}" if required else "NULL"
    # Right behind what says whether it may be NULL; before COMMENT, ON UPDATE and the like.
    place = next((token for token in behind if token.upper == "NULL"), kind)
    mending.edits.append((place.end, place.end, f" DEFAULT {default}"))
    mending.done.append(f"{name}: gets DEFAULT {default}")


def _mend_options(tokens: Sequence[Token], mending: Mending) -> None:
    words = [token for token in tokens if token.text != "="]
    for before, token in pairwise(words):
        value = token.text.strip("'\"`")
        if before.upper in ("CHARSET", "SET") and value.upper() in OLD_CHARSETS:
            mending.replace(token, token, NEW_CHARSET, f"character set {value} becomes {NEW_CHARSET}")
        if before.upper == "COLLATE" and OLD_COLLATION.fullmatch(value):
            mending.replace(token, token, NEW_COLLATION, f"collation {value} becomes {NEW_COLLATION}")
