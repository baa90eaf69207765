"""What of a table names certain columns, in the texts that the server writes."""

from collections.abc import Collection

from engine.mysql.quoting import quote_name
from engine.mysql.shown import pieces, unquoted
from engine.mysql.tables import Column, Index, Table


def mentions(text: str, names: Collection[str], *, bare: bool = False) -> bool:
    """Whether one of *names* (lower case) is in it. *bare*: also where it is not quoted, as in lists of columns of partitions."""
    return any(
        unquoted(piece.text).lower() in names
        if piece.kind == "name"
        else bare and piece.text.lower() in names
        for piece in pieces(text)
    )


def definition_of(column: Column) -> str:
    """All of its line but its name."""
    return column.line.removeprefix(quote_name(column.name))


def computed_from(table: Table, names: Collection[str]) -> set[str]:
    """The generated columns that use *names*, or use each other: those behind in the table may use those before."""
    found: set[str] = set()
    for column in table.columns:
        if column.generated and mentions(definition_of(column), {*names, *found}):
            found.add(column.name.lower())
    return found


def goes_by(index: Index, columns: Collection[str], names: Collection[str]) -> bool:
    """Whether *index* has one of *columns* as a part, or an expression of it uses one of *names*; all in lower case."""
    return any(
        mentions(part.expression, names) if part.expression else (part.column or "").lower() in columns
        for part in index.parts
    )
