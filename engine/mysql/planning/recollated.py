"""What an ALTER that leaves the rows as they are would make wrong: what was found by comparing texts.

The servers give a column that is in no index another collation without a look at the rows. In which partition a row is, what a
generated column has stored, or an index has of an expression, stays as the old collation had it, and rows are not found.
"""

import re

from engine.mysql.planning.mentions import computed_from, goes_by, mentions
from engine.mysql.shown import unquoted
from engine.mysql.tables import Table

_NAME = r"`(?:[^`]|``)+`"
_RENAMED = re.compile(rf"(?:RENAME COLUMN ({_NAME}) TO|CHANGE COLUMN ({_NAME})) ({_NAME})")
_RETYPED = re.compile(r"(?:MODIFY|CHANGE) COLUMN ")
WHY_COPIED = "in place it would keep what was computed, or placed, by the old collation"


def retypes(clauses: str) -> bool:
    """Whether columns may get another collation by *clauses*."""
    return _RETYPED.search(clauses) is not None


def misplaces(clauses: str, before: Table, after: Table) -> bool:
    """Whether columns have another collation after *clauses*, and partitions, stored values or keys hang on it."""
    names = _recollated(clauses, before, after)
    if not names:
        return False
    computed = computed_from(after, names)
    return (
        mentions(after.partitions, names | computed, bare=True)
        or any(column.generated == "STORED" for column in after.columns if column.name.lower() in computed)
        or any(goes_by(index, computed, names) for index in after.indexes)
    )


def _recollated(clauses: str, before: Table, after: Table) -> set[str]:
    came_from = {
        unquoted(new).lower(): unquoted(one or other) for one, other, new in _RENAMED.findall(clauses)
    }
    found = set()
    for column in after.columns:
        source = before.column(came_from.get(column.name.lower(), column.name))
        if source is not None and source.collation != column.collation:
            found.add(column.name.lower())
    return found
