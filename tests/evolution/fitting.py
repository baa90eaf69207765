"""Takes out of a schema what no server would take: what refers to something that is gone, and what does not go together."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from tests.evolution.kinds import Kind
from tests.evolution.model import (
    AnyCheck,
    AnyColumn,
    AnyForeignKey,
    AnyIndex,
    AnySchema,
    AnyTable,
    Expression,
    Part,
)

LONGEST_KEY = 3072
NARROW = ("COMPACT", "REDUNDANT")
Named = TypeVar("Named", AnyTable, AnyColumn, AnyIndex)
Change = Callable[[AnyTable], AnyTable]


def fitting(schema: AnySchema, flavour: str) -> AnySchema:
    """The rest of it, which most often is a schema that the flavour takes."""
    tables = _apart(tuple(table for table in schema.tables if _has_values(table)))
    schema = replace(schema, tables=tuple(_Fitting(table, flavour).table() for table in tables))
    return replace(schema, tables=tuple(_tied(schema, table, flavour) for table in schema.tables))


def _has_values(table: AnyTable) -> bool:
    return any(not column.computed and not column.invisible for column in table.columns)


def _apart(things: Sequence[Named]) -> tuple[Named, ...]:
    """Each name once, whatever its case."""
    found: dict[str, Named] = {}
    for thing in things:
        found.setdefault(thing.name.lower(), thing)
    return tuple(found.values())


class _Fitting:
    """One table, as far as it can be looked at alone."""

    def __init__(self, table: AnyTable, flavour: str) -> None:
        self._table = table
        self._mysql = flavour == "mysql"
        self._narrow = dict(table.options).get("ROW_FORMAT") in NARROW
        plain = _apart(table.columns)
        self._columns = {column.uid: column for column in plain}
        self._columns = {c.uid: c for c in plain if not c.computed or self._computable(c.computed)}

    def table(self) -> AnyTable:
        """What is left."""
        table = self._table
        parted = table.partitioning
        if parted and not self._partitionable(parted.column):
            parted = None
        indexes = _apart([index for index in map(self._index, table.indexes) if index])
        if parted:
            indexes = tuple(one for one in indexes if self._takes_partitions(one, parted.column))
        key = next((index.columns for index in indexes if index.kind == "PRIMARY KEY"), ())
        return replace(
            table,
            columns=tuple(self._column(column, key, indexes) for column in self._columns.values()),
            indexes=indexes,
            checks=tuple(check for check in table.checks if self._checkable(check)),
            partitioning=parted,
        )

    def _column(self, column: AnyColumn, key: Sequence[int], indexes: Sequence[AnyIndex]) -> AnyColumn:
        shapes = {uid for index in indexes if index.kind == "SPATIAL KEY" for uid in index.columns}
        first = {index.columns[0] for index in indexes if index.kind in ("PRIMARY KEY", "UNIQUE KEY", "KEY")}
        auto = column.auto and column.uid in first and column.kind.family == "integer"
        nullable = column.nullable and column.uid not in {*key, *shapes} and not auto
        bare = column.default == "NULL" and not nullable
        default = "" if auto or bare or column.computed else column.default
        hidden = column.invisible and (nullable or bool(default) or bool(column.computed) or self._mysql)
        return replace(column, auto=auto, nullable=nullable, default=default, invisible=hidden)

    def _computable(self, expression: Expression) -> bool:
        found = [self._columns.get(uid) for uid in expression.columns]
        return all(
            column and not column.computed and not column.auto and column.kind.family == expression.family
            for column in found
        )

    def _checkable(self, check: AnyCheck) -> bool:
        found = [self._columns.get(uid) for uid in check.expression.columns]
        family = check.expression.family
        return all(column and column.kind.family == family and not column.auto for column in found)

    def _index(self, index: AnyIndex) -> AnyIndex | None:
        columns = [self._columns.get(uid) for uid in index.columns]
        found = [column for column in columns if column]
        if len(found) < len(index.parts) or not index.parts:
            return None
        if index.kind == "FULLTEXT KEY":
            return index if self._searchable(found) else None
        if index.kind == "SPATIAL KEY":
            return index if found[0].kind.family == "shape" and not found[0].computed else None
        parts = [self._part(part, column) for part, column in zip(index.parts, found, strict=True)]
        kept = tuple(part for part in parts if part)
        if len(kept) < len(index.parts) or sum(column.kind.bytes for column in found) > self._longest():
            return None
        if index.kind == "PRIMARY KEY" and any(
            c.computed or p.expression for c, p in zip(found, kept, strict=True)
        ):
            return None
        return replace(index, parts=kept)

    def _longest(self) -> int:
        return 767 if self._narrow else LONGEST_KEY

    def _searchable(self, columns: Sequence[AnyColumn]) -> bool:
        return (
            all(column.kind.family == "text" and not column.computed for column in columns)
            and len({column.collation for column in columns}) == 1
            and not columns[0].collation.endswith("nopad_bin")
        )

    def _part(self, part: Part, column: AnyColumn) -> Part | None:
        if part.expression:
            fits = self._mysql and part.expression.family == column.kind.family and not column.auto
            return part if fits and not column.computed else None
        if column.kind.key == "none":
            return None
        if column.kind.key == "begin":
            return replace(part, begin=part.begin or 5)
        short = column.kind.family not in ("text", "binary") or column.kind.bytes <= part.begin
        return replace(part, begin=0 if short or part.begin > 4 else part.begin)

    def _partitionable(self, uid: int) -> bool:
        column = self._columns.get(uid)
        shapes = any(other.kind.family == "shape" for other in self._columns.values())
        return bool(column and column.kind.family == "integer" and not column.computed and not shapes)

    def _takes_partitions(self, index: AnyIndex, uid: int) -> bool:
        if index.kind in ("FULLTEXT KEY", "SPATIAL KEY"):
            return False
        return not index.unique or any(p.column == uid and not (p.begin or p.expression) for p in index.parts)


def _tied(schema: AnySchema, table: AnyTable, flavour: str) -> AnyTable:
    """With the foreign keys that can be, and without what they do not suffer."""
    kept = tuple(key for key in table.foreign_keys if _refers(schema, table, key))
    if flavour != "mysql":
        return replace(table, foreign_keys=kept)
    acted = {uid for key in kept if key.actions for uid in key.columns}
    based = {uid for column in table.columns if column.computed for uid in column.computed.columns}
    kept = tuple(key for key in kept if not (key.actions and based & set(key.columns)))
    checks = tuple(check for check in table.checks if not acted & set(check.expression.columns))
    return replace(table, foreign_keys=kept, checks=checks)


def _refers(schema: AnySchema, table: AnyTable, key: AnyForeignKey) -> bool:
    parent = schema.table(key.parent)
    if parent is None or parent.partitioning or table.partitioning:
        return False
    own, theirs = ([t.column(uid) for uid in uids] for t, uids in
                   ((table, key.columns), (parent, key.parent_columns)))  # fmt: skip
    if not all(map(_referrable, (*own, *theirs))):
        return False
    alike = all(
        a and b and _compared(table, a) == _compared(parent, b) for a, b in zip(own, theirs, strict=True)
    )
    reached = any(i.unique and i.whole and i.columns == key.parent_columns for i in parent.indexes)
    emptied = "SET NULL" in key.actions and not all(column and column.nullable for column in own)
    return alike and reached and not emptied


def _compared(table: AnyTable, column: AnyColumn) -> tuple[Kind, str]:
    """By what two values of it are the same."""
    return column.kind, column.collation or dict(table.options).get("COLLATE", "")


def _referrable(column: AnyColumn | None) -> bool:
    return column is not None and column.computed is None and column.kind.key == "whole"


def with_table(schema: AnySchema, uid: int, change: Change) -> AnySchema:
    """With one table changed."""
    return replace(
        schema, tables=tuple(change(table) if table.uid == uid else table for table in schema.tables)
    )


def with_column(table: AnyTable, column: AnyColumn) -> AnyTable:
    """With one column as it is to be."""
    return replace(table, columns=tuple(column if column.uid == old.uid else old for old in table.columns))
