"""What an ALTER that leaves the rows as they are would make wrong: what was computed from them, or found by comparing texts.

The servers give a column that is in no index another collation, a number other zeros in front or decimals shown, and a table
another default collation without a look at the rows. In which partition a row is, what a generated column has stored, or an index
has of an expression, stays as it was before, and rows are not found.
"""

import re

from engine.mysql.planning.mentions import computed_from, goes_by, mentions
from engine.mysql.shown import NAME, pieces, unquoted
from engine.mysql.tables import Column, Table

_RENAMED = re.compile(rf"(?:RENAME COLUMN ({NAME}) TO|CHANGE COLUMN ({NAME})) ({NAME})")
_RETYPED = re.compile(r"(?:MODIFY|CHANGE) COLUMN |COLLATE=|CHARSET=")
_DEFAULTS = ("CHARSET", "COLLATE")
WHY_COPIED = "in place it would keep what was computed, or placed, by the old definition"


def retypes(clauses: str) -> bool:
    """Whether columns, or the table, may get another collation by *clauses*, or columns be read otherwise."""
    return _RETYPED.search(clauses) is not None


def misplaces(clauses: str, before: Table, after: Table) -> bool:
    """Whether what is read in expressions is another thing after *clauses*, and partitions, stored values or keys hang on it."""
    pairs = _pairs(clauses, before, after)
    names = {new.name.lower() for old, new in pairs if _read_otherwise(old, new)}
    # What was too long for a generated column is computed whole for a longer one.
    computed = {
        new.name.lower() for old, new in pairs if new.generated and old.column_type != new.column_type
    }
    literals = any(before.options.get(key) != after.options.get(key) for key in _DEFAULTS)
    if literals:
        computed |= {new.name.lower() for _, new in pairs if new.generated and _makes_text(new.expression)}
    if not (names or computed or literals):
        return False
    computed |= computed_from(after, names | computed)
    expressions = [part.expression for index in after.indexes for part in index.parts if part.expression]
    return (
        mentions(after.partitions, names | computed, bare=True)
        or any(column.generated == "STORED" for column in after.columns if column.name.lower() in computed)
        or any(goes_by(index, computed, names | computed) for index in after.indexes)
        or (literals and any(map(_makes_text, expressions)))
    )


def _pairs(clauses: str, before: Table, after: Table) -> list[tuple[Column, Column]]:
    """(column before, column after) of those that stay."""
    came_from = {
        unquoted(new).lower(): unquoted(one or other) for one, other, new in _RENAMED.findall(clauses)
    }
    found = [
        (before.column(came_from.get(column.name.lower(), column.name)), column) for column in after.columns
    ]
    return [(old, new) for old, new in found if old is not None]


def _read_otherwise(old: Column, new: Column) -> bool:
    """Whether what is stored compares in another way, or becomes another text: with other zeros in front, other decimals."""
    if old.collation != new.collation:
        return True
    shown = "zerofill" in f"{old.column_type} {new.column_type}" or new.kind == "real"
    return shown and old.column_type != new.column_type


def _makes_text(expression: str) -> bool:
    """Whether there may be a text in it that is of no column, which the default collation goes for: a literal, or a number's."""
    return any(
        piece.kind == "string" or (piece.kind == "word" and not piece.text[0].isdigit())
        for piece in pieces(expression)
    )
