"""Take the text of SHOW CREATE TABLE apart, one element per line, and put it together again in its canonical form.

Canonical: no AUTO_INCREMENT counter, no version comments around what they hold, no CHARACTER SET where a
COLLATE follows, neither of them where the table says the same, no referential action that is the default, no name of the
table's own schema; indexes, foreign keys and checks by name.
"""

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from engine.mysql.quoting import quote_name

STRING = r"'(?:[^'\\]|\\(?s:.)|'')*'"
"""The pattern of a string literal of the server's own writing."""
NAME = r"`(?:[^`]|``)+`"
"""The pattern of a name in backticks."""
_TOKEN = re.compile(
    rf"""
      (?P<string>{STRING})
    | (?P<name>{NAME})
    | (?P<note>\s?/\*(?!M?!).*?\*/)
    | (?P<open>/\*M?!\d*\s?)
    | (?P<close>\s?\*/)
    | (?P<space>\s+)
    | (?P<word>[\w$]+)
    | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_QUOTED = re.compile(f"{NAME}|{STRING}".encode())
_PARTITION = re.compile(r"\n\s*(?:/\*!\d+ )?\s*(?=PARTITION BY )")
_TABLESPACE = "TABLESPACE"
FILE_PER_TABLE = "innodb_file_per_table"
"""The tablespace of a table that has been in another one: a file of its own, as of a table that says nothing."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A token of the text."""

    kind: str
    text: str

    @property
    def word(self) -> str:
        """A bare word in upper case, empty for anything else."""
        return self.text.upper() if self.kind == "word" else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The elements of a table's canonical text. `texts` of each kind by name, in canonical order."""

    name: str
    columns: Mapping[str, str]
    periods: tuple[str, ...]
    indexes: Mapping[str, str]
    foreign_keys: Mapping[str, str]
    checks: Mapping[str, str]
    options: Mapping[str, str]
    partitions: str = field(default="")
    counter: int = 0  # AUTO_INCREMENT, which the text leaves out

    @property
    def text(self) -> str:
        """A CREATE TABLE statement, without the ;."""
        groups = (self.columns.values(), self.periods, self.indexes.values(), self.foreign_keys.values())
        lines = [line for group in (*groups, self.checks.values()) for line in group]
        return create_text(self.name, lines, self.options, self.partitions)


def create_text(name: str, lines: Sequence[str], options: Mapping[str, str], partitions: str) -> str:
    """A canonical CREATE TABLE statement, without the ;."""
    body = ",\n".join(f"  {line}" for line in lines)
    tail = "".join(f" {_option(key, value)}" for key, value in options.items())
    return f"CREATE TABLE {quote_name(name)} (\n{body}\n){tail}{partitions and chr(10) + partitions}"


def read_shown(text: str, stands_for: Mapping[str, str], home: str, plain: Container[str]) -> Shown:
    """*text* of SHOW CREATE TABLE, taken apart. Schemas that tables are referred to in become those that they stand for, the
    table's own *home* no qualifier at all; a column in *plain* loses its collation, which is the table's.
    """
    found = list(pieces(text))
    start = next(at for at, piece in enumerate(found) if piece.text == "(")
    elements, end = split_list(found, start)
    name = next(unquoted(piece.text) for piece in found[:start] if piece.kind == "name")
    groups: dict[str, dict[str, str]] = {
        "column": {},
        "period": {},
        "index": {},
        "foreign key": {},
        "check": {},
    }
    for element in elements:
        kind, element_name = _kind(element)
        if kind == "column":
            element = _without_charset(element, whole=element_name in plain)
        line = _sequence(joined(element), stands_for)
        groups[kind][element_name] = _reference(line, stands_for, home) if kind == "foreign key" else line
    tail = "".join(piece.text for piece in found[end + 1 :])
    options, partitions = _tail(tail)
    counter = int(options.pop("AUTO_INCREMENT", 0))
    return Shown(
        name=name,
        columns=groups["column"],
        periods=tuple(groups["period"].values()),
        indexes=_by_name(groups["index"]),
        foreign_keys=_by_name(groups["foreign key"]),
        checks=_by_name(groups["check"]),
        options=options,
        partitions=partitions,
        counter=counter,
    )


def readable(raw: bytes) -> str:
    """What SHOW CREATE TABLE tells, as text. A string literal that is no UTF-8 (binary, or one with a character set in front that
    the server does not translate) becomes the hexadecimal number that means the same.
    """
    return _QUOTED.sub(_in_utf8, raw).decode()


def pieces(text: str) -> Iterator[Piece]:
    """The tokens of *text*, version comments opened up, others left out: MariaDB marks columns of an old format by them."""
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "sign"
        if kind not in ("note", "open", "close"):
            yield Piece(kind, match.group())


def solid_pieces(text: str) -> list[Piece]:
    """The same without the space between them."""
    return [piece for piece in pieces(text) if piece.kind != "space"]


def joined(found: Sequence[Piece]) -> str:
    """The text of *found* on one line."""
    return "".join(piece.text for piece in found).strip()


def split_list(found: Sequence[Piece], start: int) -> tuple[list[list[Piece]], int]:
    """The elements of the list in parentheses that opens at *start*, and where it closes."""
    elements: list[list[Piece]] = [[]]
    depth = 0
    for at in range(start, len(found)):
        text = found[at].text
        depth += (text == "(") - (text == ")")
        if depth == 0:
            return [_trimmed(element) for element in elements], at
        if depth == 1 and text == ",":
            elements.append([])
        elif at > start:
            elements[-1].append(found[at])
    raise ValueError("the text of SHOW CREATE TABLE has a parenthesis that is never closed")


def unquoted(text: str) -> str:
    """A name without its backticks."""
    return text[1:-1].replace("``", "`")


def string_value(text: str) -> str:
    """What a string literal of the server's own writing means."""
    escapes = {"n": "\n", "r": "\r", "0": "\0", "t": "\t", "Z": "\x1a"}
    return re.sub(
        r"\\(.)|''", lambda m: escapes.get(m[1], m[1]) if m[1] else "'", text[1:-1], flags=re.DOTALL
    )


def letters(value: str) -> str:
    """SQL of the bytes of a text, which are the same only where it is spelled alike."""
    return f"CAST(CONVERT({value} USING utf8mb4) AS BINARY)"


def _in_utf8(quoted: re.Match[bytes]) -> bytes:
    try:
        quoted[0].decode()
    except UnicodeDecodeError:
        value = string_value(quoted[0].decode("latin-1")).encode("latin-1")
        return f" 0x{value.hex()}".encode()
    return quoted[0]


def _trimmed(found: list[Piece]) -> list[Piece]:
    while found and found[0].kind == "space":
        found = found[1:]
    while found and found[-1].kind == "space":
        found = found[:-1]
    return found


def _kind(element: Sequence[Piece]) -> tuple[str, str]:
    solid = [piece for piece in element if piece.kind != "space"]
    first = solid[0]
    if first.kind == "name":
        return "column", unquoted(first.text)
    if first.word == "PERIOD":
        return "period", joined(element)
    if first.word == "CONSTRAINT":
        word = solid[2].word
        return ("foreign key" if word == "FOREIGN" else "check"), unquoted(solid[1].text)
    if first.word == "PRIMARY":
        return "index", "PRIMARY"
    return "index", next(unquoted(piece.text) for piece in solid if piece.kind == "name")


def _by_name(lines: Mapping[str, str]) -> dict[str, str]:
    return {
        name: lines[name] for name in sorted(lines, key=lambda name: (name != "PRIMARY", name.lower(), name))
    }


def _sequence(line: str, stands_for: Mapping[str, str]) -> str:
    """The schema of a sequence stays in front of its name: nextval(`shop`.`numbers`)."""
    for schema, meant in stands_for.items():
        line = line.replace(f"({quote_name(schema)}.", f"({quote_name(meant)}.")
    return line


def _reference(line: str, stands_for: Mapping[str, str], home: str) -> str:
    for schema, meant in {**stands_for, home: home}.items():
        qualifier = "" if meant == home else f"{quote_name(meant)}."
        line = line.replace(f" REFERENCES {quote_name(schema)}.", f" REFERENCES {qualifier}")
    return re.sub(r" ON (?:DELETE|UPDATE) (?:RESTRICT|NO ACTION)(?= ON |\Z)", "", line)


def _without_charset(element: Sequence[Piece], *, whole: bool) -> list[Piece]:
    """CHARACTER SET x goes where COLLATE follows, which says it too; *whole*: both go wherever they are."""
    found = list(element)
    depth = 0
    for at, piece in enumerate(found):
        depth += (piece.text == "(") - (piece.text == ")")
        if depth == 0 and piece.word == "CHARACTER":
            collated = at + 6 < len(found) and found[at + 6].word == "COLLATE"
            if whole or collated:
                return found[:at] + found[at + (10 if whole and collated else 6) :]
            return found
        if depth == 0 and piece.word == "COLLATE":
            return found[:at] + found[at + 4 :] if whole else found
    return found


def _tail(text: str) -> tuple[dict[str, str], str]:
    """The options behind the ), and the text from PARTITION BY on."""
    cut = _PARTITION.search(text)
    partitions = text[cut.end() :].strip() if cut else ""
    if cut and "/*" in cut.group():
        partitions = partitions.removesuffix("*/").rstrip()
    found = solid_pieces(text[: cut.start()] if cut else text)
    return dict(_options(found)), partitions


def literal(value: str) -> str:
    """*value* as the server writes a string."""
    text = (
        value.replace("\\", "\\\\")
        .replace("'", "''")
        .replace("\n", "\\n")
        .replace("\r", "\\r")
        .replace("\0", "\\0")
    )
    return f"'{text}'"


def in_utf8(text: str) -> str:
    """*text*; a string literal such that it keeps its characters, whatever character set those of the session have."""
    return f"_utf8mb4{text}" if text.startswith("'") else text


def _options(found: Sequence[Piece]) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(found):
        if found[at].word == _TABLESPACE:  # stands without =
            if unquoted(found[at + 1].text) != FILE_PER_TABLE:
                yield _TABLESPACE, found[at + 1].text
            at += 2
            continue
        equals = next((i for i in range(at, len(found)) if found[i].text == "="), None)
        if equals is None or found[at].word == "WITH":
            yield " ".join(piece.text for piece in found[at:equals]), ""
            return
        key = " ".join(piece.text for piece in found[at:equals] if piece.word != "DEFAULT")
        end = equals + 1
        if found[end].text == "(":
            end = split_list(found, end)[1]
        yield key, "".join(piece.text for piece in found[equals + 1 : end + 1])
        at = end + 1


def _option(key: str, value: str) -> str:
    if key == _TABLESPACE:
        return f"{key} {value}"
    name = f"DEFAULT {key}" if key == "CHARSET" else key
    return f"{name}={value}" if value else name
