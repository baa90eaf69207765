"""The same table with something about it changed, its text too: what stands between the live table and the desired one."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from engine.mysql.planning.partitions import with_columns_renamed
from engine.mysql.quoting import quote_name, quote_names
from engine.mysql.shown import create_text
from engine.mysql.tables import Check, Column, ForeignKey, Index, Table

Constraint = TypeVar("Constraint", ForeignKey, Check)

_LENGTH = re.compile(r"(varchar|varbinary)\((\d+)\)")


def without_foreign_keys(table: Table, names: Collection[str]) -> Table:
    """*table* without the foreign keys of those *names*."""
    return _rewritten(table, foreign_keys=[key for key in table.foreign_keys if key.name not in names])


def without_checks(table: Table, names: Collection[str]) -> Table:
    """*table* without the CHECKs of those *names*."""
    return _rewritten(table, checks=[check for check in table.checks if check.name not in names])


def with_constraints(table: Table, foreign_keys: Sequence[ForeignKey], checks: Sequence[Check]) -> Table:
    """*table* with these instead of its own."""
    return _rewritten(table, foreign_keys=foreign_keys, checks=checks)


def with_columns(table: Table, columns: Sequence[Column]) -> Table:
    """*table* with these instead of its own, of the same names."""
    return _rewritten(replace(table, columns=tuple(columns)))


def with_indexes(table: Table, indexes: Sequence[Index]) -> Table:
    """*table* with these instead of its own, of the same names."""
    return _rewritten(replace(table, indexes=tuple(indexes)))


def content_of(one: ForeignKey | Check) -> str:
    """What a constraint says, whatever its name."""
    return one.line.replace(quote_name(one.name), "", 1)


def with_name(one: Constraint, name: str) -> Constraint:
    """The same constraint by another name."""
    return replace(one, name=name, line=one.line.replace(quote_name(one.name), quote_name(name), 1))


def as_spelled(table: Table, parents: Mapping[str, Mapping[str, Table]]) -> Table:
    """*table* with the columns that its foreign keys refer to written as *parents* (by schema and name) write them: so does the
    server, where the parent is there before the key.
    """
    keys = [
        _referring(key, parent) if (parent := parents.get(key.parent_schema, {}).get(key.parent)) else key
        for key in table.foreign_keys
    ]
    return table if tuple(keys) == table.foreign_keys else _rewritten(table, foreign_keys=keys)


def _referring(key: ForeignKey, parent: Table) -> ForeignKey:
    columns = tuple(column.name if (column := parent.column(name)) else name for name in key.parent_columns)
    before, _, behind = key.line.rpartition(f"({quote_names(key.parent_columns)})")
    return replace(key, line=f"{before}({quote_names(columns)}){behind}", parent_columns=columns)


def with_partitions_of(table: Table, now: Table, columns: Mapping[str, str]) -> Table:
    """*table* with the partitions that it has *now*; *columns* are the renamed ones, by new name in lower case."""
    names = {old.lower(): column.name for new, old in columns.items() if (column := table.column(new))}
    return _rewritten(table, partitions=with_columns_renamed(now.partitions, names))


def counting(table: Table) -> str:
    """The text of *table* with the number that it begins to count at, where it says one."""
    counter = {"AUTO_INCREMENT": str(table.counter)} if table.counter else {}
    return create_text(table.name, table.lines, {**counter, **table.options}, table.partitions)


def _rewritten(
    table: Table,
    *,
    foreign_keys: Sequence[ForeignKey] | None = None,
    checks: Sequence[Check] | None = None,
    partitions: str | None = None,
) -> Table:
    table = replace(
        table,
        foreign_keys=table.foreign_keys if foreign_keys is None else tuple(foreign_keys),
        checks=table.checks if checks is None else tuple(checks),
        partitions=table.partitions if partitions is None else partitions,
    )
    return replace(table, text=create_text(table.name, table.lines, table.options, table.partitions))


def same_type(one: Column, other: Column) -> bool:
    """Whether a foreign key can hold between them as they are."""
    return (one.column_type, one.collation) == (other.column_type, other.collation)


def stays_tied(before: Column, after: Column) -> bool:
    """Whether a foreign key may stay while one of its columns changes: it has the same type, or text of any length gets longer,
    and a key holds between two lengths.
    """
    was, becomes = (_LENGTH.fullmatch(column.column_type) for column in (before, after))
    if was and becomes and was[1] == becomes[1] and before.collation == after.collation:
        return int(was[2]) <= int(becomes[2])
    return same_type(before, after)
