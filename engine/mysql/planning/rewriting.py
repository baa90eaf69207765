"""The same table with something about it changed, its text too: what stands between the live table and the desired one."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from engine.mysql.planning.partitions import with_columns_renamed
from engine.mysql.quoting import quote_names
from engine.mysql.tables import Check, Column, ForeignKey, Index, Table

_LENGTH = re.compile(r"(varchar|varbinary)\((\d+)\)")


def without_foreign_keys(table: Table, names: Collection[str]) -> Table:
    """*table* without the foreign keys of those *names*."""
    left = tuple(key for key in table.foreign_keys if key.name not in names)
    return replace(table, foreign_keys=left).rewritten()


def without_checks(table: Table, names: Collection[str]) -> Table:
    """*table* without the CHECKs of those *names*."""
    left = tuple(check for check in table.checks if check.name not in names)
    return replace(table, checks=left).rewritten()


def with_constraints(table: Table, foreign_keys: Sequence[ForeignKey], checks: Sequence[Check]) -> Table:
    """*table* with these instead of its own."""
    return replace(table, foreign_keys=tuple(foreign_keys), checks=tuple(checks)).rewritten()


def with_columns(table: Table, columns: Sequence[Column]) -> Table:
    """*table* with these instead of its own, of the same names."""
    return replace(table, columns=tuple(columns)).rewritten()


def with_indexes(table: Table, indexes: Sequence[Index]) -> Table:
    """*table* with these instead of its own, of the same names."""
    return replace(table, indexes=tuple(indexes)).rewritten()


def as_spelled(table: Table, parents: Mapping[str, Mapping[str, Table]]) -> Table:
    """*table* with the columns that its foreign keys refer to written as *parents* (by schema and name) write them: so does the
    server, where the parent is there before the key.
    """
    keys = tuple(
        _referring(key, parent) if (parent := parents.get(key.parent_schema, {}).get(key.parent)) else key
        for key in table.foreign_keys
    )
    return table if keys == table.foreign_keys else replace(table, foreign_keys=keys).rewritten()


def _referring(key: ForeignKey, parent: Table) -> ForeignKey:
    columns = tuple(column.name if (column := parent.column(name)) else name for name in key.parent_columns)
    before, _, behind = key.line.rpartition(f"({quote_names(key.parent_columns)})")
    return replace(key, line=f"{before}({quote_names(columns)}){behind}", parent_columns=columns)


def with_partitions_of(table: Table, now: Table, columns: Mapping[str, str]) -> Table:
    """*table* with the partitions that it has *now*; *columns* are the renamed ones, by new name in lower case."""
    names = {old.lower(): column.name for new, old in columns.items() if (column := table.column(new))}
    return replace(table, partitions=with_columns_renamed(now.partitions, names)).rewritten()


def counting(table: Table) -> str:
    """The text of *table* with the number that it begins to count at, where it says one."""
    counter = {"AUTO_INCREMENT": str(table.counter)} if table.counter else {}
    return replace(table, options={**counter, **table.options}).rewritten().text


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
