"""Draws changes of a schema, one after the other."""

from collections.abc import Callable
from dataclasses import replace

from tests.evolution.drawing import COLUMNS, COMMENTS, TABLES, Drawing
from tests.evolution.fitting import fitting, with_column, with_table
from tests.evolution.kinds import COMPUTED, kinds_of
from tests.evolution.model import AnyColumn, AnyIndex, AnySchema, AnyTable, Expression


class Changing:
    """Changes that people make to their files."""

    def __init__(self, drawing: Drawing) -> None:
        self._drawing = drawing
        self._choose = drawing.choose

    def changed(self, schema: AnySchema) -> AnySchema:
        """After one to six changes."""
        for _ in range(self._choose.between(1, 6)):
            schema = fitting(self._changed_once(schema), self._choose.flavour)
        return schema

    def _changed_once(self, schema: AnySchema) -> AnySchema:
        if not schema.tables or self._choose.chance(6):
            return self._drawing.with_new_table(schema)
        table = self._choose.among(schema.tables)
        if self._choose.chance(4):
            return replace(schema, tables=tuple(t for t in schema.tables if t.uid != table.uid))
        if self._choose.chance(8):
            return self._drawing.with_new_foreign_key(schema, table.uid)
        if self._choose.chance(15):
            return self._retyped(schema, table)
        if self._choose.chance(10):
            column = self._drawing.column(schema.last + 1)
            grown = with_table(schema, table.uid, lambda t: self._with_new(t, column))
            return replace(grown, last=column.uid)
        if self._choose.chance(6):
            computed = self._drawing.computed(table, schema.last + 1)
            grown = with_table(schema, table.uid, lambda t: self._with_new(t, computed))
            return replace(grown, last=computed.uid)
        return with_table(schema, table.uid, self._choose.among(self._changes()))

    def _changes(self) -> tuple[Callable[[AnyTable], AnyTable], ...]:
        """Of one table alone."""
        return (
            self._other_column, self._other_column, self._other_column, self._renamed_column,
            self._renamed_column, self._dropped_column, self._moved_column, self._new_index, self._new_index,
            self._fewer_indexes, self._other_index, self._other_key, self._new_check, self._fewer_checks,
            self._fewer_foreign_keys, self._other_action, self._other_options, self._repartitioned,
            self._renamed, self._other_computed, self._other_case,
        )  # fmt: skip

    def _with_new(self, table: AnyTable, column: AnyColumn) -> AnyTable:
        at = self._choose.between(0, len(table.columns))
        return replace(table, columns=(*table.columns[:at], column, *table.columns[at:]))

    def _retyped(self, schema: AnySchema, table: AnyTable) -> AnySchema:
        """Another type, mostly of the same family; foreign keys lead to others that get it, too."""
        plain = [column for column in table.columns if not column.computed] or list(table.columns)
        column = self._choose.among(plain)
        kinds = kinds_of(self._choose.flavour)
        near = [kind for kind in kinds if kind.family == column.kind.family and kind != column.kind]
        far = not near or self._choose.chance(20)
        kind = self._choose.among(kinds if far else near)
        collation = column.collation if not far else self._drawing.collation(kind)
        for uid in _linked(schema, column.uid):
            holder = schema.holder(uid)
            assert holder is not None
            found = holder.column(uid)
            assert found is not None
            other = replace(found, kind=kind, collation=collation, default="", on_update=False)
            schema = with_table(schema, holder.uid, lambda t, c=other: with_column(t, c))  # type: ignore[misc]
        return schema

    def _other_column(self, table: AnyTable) -> AnyTable:
        """The same type, otherwise told."""
        column = self._choose.among(table.columns)
        match self._choose.between(0, 6):
            case 0:
                column = replace(column, nullable=not column.nullable)
            case 1:
                column = replace(column, comment=self._choose.among(("", *COMMENTS)))
            case 2:
                column = replace(column, default=self._drawing.default(column.kind))
            case 3:
                column = replace(column, default="", on_update=False)
            case 4:
                column = replace(column, invisible=not column.invisible)
            case 5:
                column = replace(column, collation=self._drawing.collation(column.kind))
            case _:
                column = replace(column, auto=not column.auto)
        return with_column(table, column)

    def _other_computed(self, table: AnyTable) -> AnyTable:
        """Of a generated column the expression or the kind, or a column that is generated from now on or no more."""
        computed = [column for column in table.columns if column.computed]
        if not computed:
            return self._made_computed(table)
        column = self._choose.among(computed)
        assert column.computed is not None
        options = COMPUTED[column.computed.family]
        match self._choose.between(0, 2):
            case 0:
                return with_column(table, replace(column, stored=not column.stored))
            case 1:
                templates = [template for template, kind in options if kind == column.kind.sql]
                template = self._choose.among(templates or [column.computed.template])
                expression = replace(column.computed, template=template)
                return with_column(table, replace(column, computed=expression))
            case _:
                return with_column(table, replace(column, computed=None))

    def _made_computed(self, table: AnyTable) -> AnyTable:
        column, source = self._choose.among(table.columns), self._choose.among(table.columns)
        if column == source or source.kind.family != "integer" or column.kind.family != "integer":
            return table
        expression = Expression(template="{0} + 1", columns=(source.uid,), family="integer")
        return with_column(table, replace(column, computed=expression, auto=False))

    def _renamed_column(self, table: AnyTable) -> AnyTable:
        column = self._choose.among(table.columns)
        return with_column(table, replace(column, name=self._choose.among(COLUMNS)))

    def _other_case(self, table: AnyTable) -> AnyTable:
        column = self._choose.among(table.columns)
        return with_column(table, replace(column, name=column.name.swapcase()))

    def _dropped_column(self, table: AnyTable) -> AnyTable:
        column = self._choose.among(table.columns)
        left = tuple(other for other in table.columns if other.uid != column.uid)
        return replace(table, columns=left) if left else table

    def _moved_column(self, table: AnyTable) -> AnyTable:
        column = self._choose.among(table.columns)
        left = replace(table, columns=tuple(other for other in table.columns if other.uid != column.uid))
        return self._with_new(left, column)

    def _new_index(self, table: AnyTable) -> AnyTable:
        index = self._drawing.index(table)
        return replace(table, indexes=(*(one for one in table.indexes if one.name != index.name), index))

    def _fewer_indexes(self, table: AnyTable) -> AnyTable:
        if not table.indexes:
            return table
        gone = self._choose.among(table.indexes)
        return replace(table, indexes=tuple(index for index in table.indexes if index != gone))

    def _other_index(self, table: AnyTable) -> AnyTable:
        """Its name, its comment, whether it is unique, the order of its parts."""
        named = [index for index in table.indexes if index.name]
        if not named:
            return table
        index = self._choose.among(named)
        plain = index.kind in ("KEY", "UNIQUE KEY")
        match self._choose.between(0, 3):
            case 0:
                other = replace(index, name=f"{index.name} x")
            case 1:
                other = replace(index, comment="" if index.comment else "it's new")
            case 2:
                other = replace(index, parts=index.parts[::-1])
            case _:
                other = replace(index, kind="KEY" if index.unique else "UNIQUE KEY") if plain else index
        return replace(table, indexes=tuple(other if one == index else one for one in table.indexes))

    def _other_key(self, table: AnyTable) -> AnyTable:
        """Another primary key, or none."""
        others = tuple(index for index in table.indexes if index.kind != "PRIMARY KEY")
        if self._choose.chance(20):
            return replace(table, indexes=others)
        parts = self._drawing.index(table).parts
        return replace(table, indexes=(AnyIndex(name="", parts=parts, kind="PRIMARY KEY"), *others))

    def _new_check(self, table: AnyTable) -> AnyTable:
        check = self._drawing.check(table)
        kept = tuple(one for one in table.checks if not one.name or one.name != check.name)
        return replace(table, checks=(*kept, check))

    def _fewer_checks(self, table: AnyTable) -> AnyTable:
        return replace(table, checks=table.checks[1:])

    def _fewer_foreign_keys(self, table: AnyTable) -> AnyTable:
        return replace(table, foreign_keys=table.foreign_keys[1:])

    def _other_action(self, table: AnyTable) -> AnyTable:
        if not table.foreign_keys:
            return table
        first, *others = table.foreign_keys
        actions = " ON DELETE CASCADE" if not first.actions else ""
        return replace(table, foreign_keys=(replace(first, actions=actions), *others))

    def _other_options(self, table: AnyTable) -> AnyTable:
        return replace(
            table, options=() if table.options and self._choose.chance(30) else self._drawing.options()
        )

    def _repartitioned(self, table: AnyTable) -> AnyTable:
        old = table.partitioning
        if old is None:
            return replace(table, partitioning=self._drawing.partitioning(table))
        match self._choose.between(0, 3):
            case 0:
                return replace(table, partitioning=None)
            case 1:
                return replace(table, partitioning=replace(old, bounds=(*old.bounds, old.bounds[-1] + 10)))
            case 2:
                return replace(table, partitioning=replace(old, bounds=old.bounds[1:] or old.bounds, count=3))
            case _:
                return replace(table, partitioning=self._drawing.partitioning(table))

    def _renamed(self, table: AnyTable) -> AnyTable:
        return replace(table, name=self._choose.among(TABLES))


def _linked(schema: AnySchema, uid: int) -> set[int]:
    """The column, and all that foreign keys tie to it."""
    pairs = [
        pair
        for table in schema.tables
        for key in table.foreign_keys
        for pair in zip(key.columns, key.parent_columns, strict=True)
    ]
    found = {uid}
    while more := {other for pair in pairs if found & set(pair) for other in pair} - found:
        found |= more
    return found
