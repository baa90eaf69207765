"""Characters that a server does not tell: those beyond U+FFFF (😀) in members of ENUM and SET, on MariaDB in plain defaults too.

They are told as ? there. A live column that has some is not written again, as no plan could but write the ?; in files they are
refused, as nobody could see what was made.
"""

import re
from collections.abc import Iterator, Sequence

from engine.errors import Refused
from engine.files import Statement
from engine.lexer import MYSQL, Token, significant
from engine.mysql.link import Link
from engine.mysql.planning.order import Unit
from engine.mysql.planning.scratch import Scratch
from engine.mysql.quoting import quote_name, quote_table
from engine.mysql.shown import NAME, solid_pieces, string_value, unquoted
from engine.mysql.tables import Column, Table
from engine.mysql.trouble import ServerRefused

_LAST_TOLD = "\uffff"
"""The last character that fits into three bytes of UTF-8."""
_WRITTEN = re.compile(f"(?:MODIFY|CHANGE) COLUMN ({NAME}) ")


def lost_character(statements: Sequence[Statement], table: Table) -> str:
    """Why the definition cannot be had, with its place: a character that is not in the text of the *table* that was made."""
    if not any(max(statement.text) > _LAST_TOLD for statement in statements):
        return ""
    found = [(statement, token) for statement in statements for token in _definition(statement)]
    for statement, token in found:
        for sign in token.text:
            if sign > _LAST_TOLD and sum(t.text.count(sign) for _, t in found) > _told(table, sign):
                return (
                    f"{statement.where(token.start)}: {sign} (U+{ord(sign):X}) in a definition: the server tells it as ?, so "
                    "that the outcome could not be verified; write it another way"
                )
    return ""


def refuse_untold(target: Link, scratch: Scratch, unit: Unit, parts: Sequence[str]) -> None:
    """Refused: one of *parts* writes a column of the unit's live table again, of which the server does not tell all."""
    doubtful = {_column_of(part) for part in parts if "?" in part}
    for column in unit.now.columns if unit.now else ():
        names = {column.name.lower(), *(new for new, old in unit.columns.items() if old == column.name)}
        if names & doubtful and unit.now and not _all_told(target, scratch, unit.now, column):
            raise Refused(
                f"{unit.now.name}: {column.name} has characters beyond U+FFFF in its definition, which the server tells as ?: "
                "this change would write the ? for good. Change this column by an ALTER TABLE of your own, then pull"
            )


def _definition(statement: Statement) -> Iterator[Token]:
    """All but comments, which do no harm."""
    before = ""
    for token in significant(statement.text, MYSQL):
        if before != "COMMENT":
            yield token
        before = token.word if token.text != "=" else before


def _told(table: Table, sign: str) -> int:
    """How often; MySQL writes whole defaults, and both write values of partitions, as hexadecimal numbers."""
    return table.text.count(sign) + table.text.lower().count(sign.encode().hex())


def _column_of(part: str) -> str:
    found = _WRITTEN.match(part)
    return unquoted(found[1]).lower() if found else ""


def _all_told(target: Link, scratch: Scratch, table: Table, column: Column) -> bool:
    """Whether what is told of a column is what it is; no where that cannot be found out."""
    try:
        if any("?" in member for member in column.members):
            return _members(target, scratch, table, column) == column.members
        default = _default(column)
        return "?" not in default or _text(_true_default(target, table, column)) == default
    except ServerRefused:
        return False


def _default(column: Column) -> str:
    """The plain default, empty when there is none."""
    found = solid_pieces(column.line)
    at = next((at for at, piece in enumerate(found[:-1]) if piece.word == "DEFAULT"), len(found))
    told = found[at + 1] if at < len(found) else None
    return string_value(told.text) if told and told.kind == "string" else ""


def _true_default(target: Link, table: Table, column: Column) -> object:
    return target.value(
        f"SELECT DEFAULT({quote_name(column.name)}) FROM (SELECT 1) AS one"  # noqa: S608
        f" LEFT JOIN {quote_table(table.schema, table.name)} ON FALSE"
    )


def _members(target: Link, scratch: Scratch, table: Table, column: Column) -> tuple[str, ...]:
    """The true members, as values of an empty copy of the column; none where the live table is on another server."""
    link = scratch.link
    place = scratch.schema("utf8mb4", "utf8mb4_bin")
    if target.row("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", place) is None:
        return ()
    copy, name = quote_table(place, "members"), quote_name(column.name)
    source = quote_table(table.schema, table.name)
    link.run(f"CREATE TABLE {copy} ENGINE = InnoDB SELECT {name} FROM {source} LIMIT 0")  # noqa: S608
    numbers = range(len(column.members))
    values = ", ".join(f"({1 << at if column.data_type == 'set' else at + 1})" for at in numbers)
    link.run("START TRANSACTION")  # rows that stay would keep the schema of a plan that died
    try:
        link.run(f"INSERT INTO {copy} VALUES {values}")  # noqa: S608
        return tuple(_text(row[0]) for row in link.rows(f"SELECT {name} FROM {copy} ORDER BY {name} + 0"))  # noqa: S608
    finally:
        link.run("ROLLBACK")


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
