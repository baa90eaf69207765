"""The clauses that turn the columns of one table into those of another: dropped, added, changed, moved."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.mysql.quoting import quote_name
from engine.mysql.tables import Column, Table


@dataclass(slots=True)
class ColumnParts:
    """The clauses, those that drop apart from the others."""

    drops: list[str] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)  # in the order of the wanted columns


def column_parts(now: Table, wanted: Table) -> ColumnParts:
    """Clauses of ALTER TABLE; none when the columns are the same."""
    found = ColumnParts()
    kept = [column.name for column in wanted.columns if _stays(now.column(column.name), column)]
    for column in now.columns:
        if column.name not in kept and not _same_name(kept, column):
            found.drops.append(f"DROP COLUMN {quote_name(column.name)}")
    still = _in_order(now, kept)
    previous = ""
    for column in wanted.columns:
        place = f" AFTER {quote_name(previous)}" if previous else " FIRST"
        before = now.column(column.name)
        if column.name not in kept:
            last = column is wanted.columns[-1] and all(
                _same_name(kept, c) or c.name in kept for c in now.columns
            )
            found.rest.append(f"ADD COLUMN {column.line}{'' if last and previous else place}")
        elif column.name not in still:
            found.rest.append(f"MODIFY COLUMN {column.line}{place}")
        elif before is not None and not same_column(before, column):
            verb = (
                "MODIFY COLUMN" if before.name == column.name else f"CHANGE COLUMN {quote_name(before.name)}"
            )
            found.rest.append(f"{verb} {column.line}")
        previous = column.name
    return found


def same_column(one: Column, other: Column) -> bool:
    """Whether they are the same but for their place. A line without COLLATE means what the table's default is."""
    return (one.line, one.charset, one.collation) == (other.line, other.charset, other.collation)


def remade(one: Column, other: Column) -> bool:
    """Whether the server can only drop the one and add the other: whether a value is kept or computed changes."""
    return "VIRTUAL" in (one.generated, other.generated) and one.generated != other.generated


def _stays(before: Column | None, after: Column) -> bool:
    return before is not None and not remade(before, after)


def _same_name(kept: Sequence[str], column: Column) -> bool:
    return column.name.lower() in {name.lower() for name in kept}


def _in_order(now: Table, kept: Sequence[str]) -> set[str]:
    """Of the kept columns, the most that can stay where they are (a longest increasing subsequence)."""
    places = {column.name.lower(): at for at, column in enumerate(now.columns)}
    tails: list[int] = []
    chains: list[list[str]] = []
    for name in kept:
        place = places[name.lower()]
        at = bisect_left(tails, place)
        chain = [*(chains[at - 1] if at else []), name]
        tails[at : at + 1] = [place]
        chains[at : at + 1] = [chain]
    return set(chains[-1]) if chains else set()
