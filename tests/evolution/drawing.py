"""Draws columns, indexes, checks, foreign keys, options and partitions, and whole schemas of them."""

from collections.abc import Sequence
from dataclasses import replace

from tests.evolution.choosing import Choosing
from tests.evolution.fitting import fitting
from tests.evolution.kinds import CHECKS, COMPUTED, EXPRESSIONS, KINDS, Kind, collations_of, kinds_of
from tests.evolution.model import (
    AnyCheck,
    AnyColumn,
    AnyForeignKey,
    AnyIndex,
    AnyPartitioning,
    AnySchema,
    AnyTable,
    Expression,
    Part,
)

TABLES = ("t", "u", "Order", "two words", "tick`s", "größe", "100%", "x'y", "v")
COLUMNS = (
    "a", "b", "c", "d", "e", "f", "select", "Key", "two words", "tick`s", "größe", "100%s", "x'y", "g", "h", "i", "j",
)  # fmt: skip
COMMENTS = ("plain", "it's 100%", "a, (b) `c`", "back\\slash", "-- renamed from: a", "ünï", "/* c */ ; #")
ACTIONS = (
    "", " ON DELETE CASCADE", " ON DELETE SET NULL", " ON UPDATE CASCADE", " ON DELETE CASCADE ON UPDATE SET NULL",
    " ON DELETE RESTRICT ON UPDATE NO ACTION",
)  # fmt: skip
KEY_KINDS = ("INT", "BIGINT", "INT UNSIGNED", "VARCHAR(20)", "BIGINT UNSIGNED", "SMALLINT", "CHAR(8)", "DATE",
             "VARBINARY(20)", "DECIMAL(9,3)", "ENUM('x','y','z')", "DATETIME(6)", "TIMESTAMP", "BINARY(4)")  # fmt: skip
OPTIONS = {
    "ROW_FORMAT": ("DYNAMIC", "COMPRESSED", "COMPACT", "REDUNDANT"),
    "COLLATE": ("utf8mb4_bin", "latin1_swedish_ci", "utf8mb4_unicode_ci"),
    "COMMENT": ("'x'", "'it''s 100%'"),
    "STATS_PERSISTENT": ("0", "1"),
    "AUTO_INCREMENT": ("100",),
}


class Drawing:
    """Hands out parts of a schema; what does not go together is taken out afterwards (`fitting`)."""

    def __init__(self, choose: Choosing) -> None:
        self.choose = choose

    def schema(self) -> AnySchema:
        """One to four tables."""
        found = AnySchema()
        for _ in range(self.choose.between(1, 4)):
            found = self.with_new_table(found)
        for table in found.tables:
            for _ in range(self.choose.among((0, 0, 1, 2))):
                found = self.with_new_foreign_key(found, table.uid)
        return fitting(found, self.choose.flavour)

    def with_new_table(self, schema: AnySchema) -> AnySchema:
        """One more, and nothing refers to it."""
        uid = schema.last + 1
        count = self.choose.between(1, 6)
        columns = [self.column(uid + 1 + number) for number in range(count)]
        columns[0] = self._key_column(columns[0])
        table = AnyTable(uid=uid, name=self.choose.among(TABLES), columns=tuple(columns))
        table = self._with_key(table)
        for _ in range(self.choose.among((0, 1, 2, 3))):
            table = replace(table, indexes=(*table.indexes, self.index(table)))
        if self.choose.chance(30):
            table = replace(table, columns=(*table.columns, self.computed(table, uid + count + 1)))
        if self.choose.chance(30):
            table = replace(table, checks=(*table.checks, self.check(table)))
        if self.choose.chance(30):
            table = replace(table, options=self.options())
        if self.choose.chance(15):
            table = replace(table, partitioning=self.partitioning(table))
        return AnySchema((*schema.tables, table), uid + count + 1)

    def column(self, uid: int) -> AnyColumn:
        """Of any type."""
        kind = self.choose.among(kinds_of(self.choose.flavour))
        nullable = not self.choose.chance(35)
        return AnyColumn(
            uid=uid,
            name=self.choose.among(COLUMNS[uid % 7 :]),
            kind=kind,
            collation=self.collation(kind),
            nullable=nullable,
            default=self.default(kind) if self.choose.chance(35) else "",
            on_update=kind.family == "moment" and kind.fraction != "-" and self.choose.chance(20),
            comment=self.choose.among(COMMENTS) if self.choose.chance(15) else "",
            invisible=self.choose.chance(8),
        )

    def collation(self, kind: Kind) -> str:
        """Of a text; empty: the table's."""
        if kind.family not in ("text", "choice") or not self.choose.chance(30):
            return ""
        return self.choose.among(collations_of(self.choose.flavour))

    def default(self, kind: Kind) -> str:
        """Something that may stand behind DEFAULT."""
        options = ("NULL", *kind.defaults)
        if kind.family == "moment" and kind.fraction != "-":
            options += (f"CURRENT_TIMESTAMP{kind.fraction}",)
        return self.choose.among(options)

    def computed(self, table: AnyTable, uid: int) -> AnyColumn:
        """A generated column."""
        template, kind, source = "{0} + 1", "BIGINT", table.columns[0]
        fit = [column for column in table.columns if column.kind.family in COMPUTED]
        if fit:
            source = self.choose.among(fit)
            template, kind = self.choose.among(COMPUTED[source.kind.family])
        return AnyColumn(
            uid=uid,
            name=self.choose.among(COLUMNS[uid % 7 :]),
            kind=KINDS[kind],
            computed=Expression(template=template, columns=(source.uid,), family=source.kind.family),
            stored=self.choose.chance(50),
            comment="computed" if self.choose.chance(10) else "",
        )

    def index(self, table: AnyTable) -> AnyIndex:
        """Of any kind."""
        texts = [column for column in table.columns if column.kind.family == "text"]
        shapes = [column for column in table.columns if column.kind.family == "shape"]
        name = self.choose.among(("k", "k2", "Key three", "k4", "a"))
        if texts and self.choose.chance(15):
            parts = tuple(Part(column=column.uid) for column in self.choose.some(texts, 2))
            return AnyIndex(name=name, parts=parts, kind="FULLTEXT KEY")
        if shapes and self.choose.chance(40):
            return AnyIndex(name=name, parts=(Part(column=shapes[0].uid),), kind="SPATIAL KEY")
        columns = self.choose.some([c for c in table.columns if c.kind.key != "none"] or table.columns, 3)
        return AnyIndex(
            name=name,
            parts=tuple(map(self._part, columns)),
            kind="UNIQUE KEY" if self.choose.chance(30) else "KEY",
            comment="by hand" if self.choose.chance(8) else "",
        )

    def check(self, table: AnyTable) -> AnyCheck:
        """Over one column."""
        fit = [column for column in table.columns if column.kind.family in CHECKS] or list(table.columns)
        column = self.choose.among(fit)
        template = self.choose.among(CHECKS.get(column.kind.family, ("{0} IS NOT NULL",)))
        expression = Expression(template=template, columns=(column.uid,), family=column.kind.family)
        return AnyCheck(name=f"ck {column.uid}" if self.choose.chance(50) else "", expression=expression)

    def with_new_foreign_key(self, schema: AnySchema, uid: int) -> AnySchema:
        """The table has columns for it then, of the types of the parent's."""
        parent, table = self.choose.among(schema.tables), schema.table(uid)
        targets = [index for index in parent.indexes if index.unique and index.whole]
        if not targets or table is None:
            return schema
        target = self.choose.among(targets)
        columns, last = list(table.columns), schema.last
        own: list[int] = []
        for theirs in (parent.column(uid) for uid in target.columns):
            assert theirs is not None
            last += 1
            columns.append(AnyColumn(uid=last, name=f"r{last}", kind=theirs.kind, collation=theirs.collation))
            own.append(last)
        key = AnyForeignKey(
            name=f"fk {last}" if self.choose.chance(50) else "",
            columns=tuple(own),
            parent=parent.uid,
            parent_columns=target.columns,
            actions=self.choose.among(ACTIONS),
        )
        made = replace(table, columns=tuple(columns), foreign_keys=(*table.foreign_keys, key))
        return AnySchema(tuple(made if t.uid == table.uid else t for t in schema.tables), last)

    def options(self) -> tuple[tuple[str, str], ...]:
        """One or two of a table's."""
        names = self.choose.some(tuple(OPTIONS), 2)
        return tuple((name, self.choose.among(OPTIONS[name])) for name in names)

    def partitioning(self, table: AnyTable) -> AnyPartitioning:
        """By a column of the primary key, if there is one."""
        uids: Sequence[int] = table.key.columns if table.key else [column.uid for column in table.columns]
        return AnyPartitioning(
            method=self.choose.among(("HASH", "RANGE", "KEY", "LIST")),
            column=self.choose.among(uids),
            bounds=self.choose.among(((10, 30), (5, 10, 20, 40), (30,))),
            count=self.choose.between(2, 4),
            top=self.choose.chance(60),
        )

    def _part(self, column: AnyColumn) -> Part:
        expression = None
        if self.choose.mysql and column.kind.family in EXPRESSIONS and self.choose.chance(15):
            template = self.choose.among(EXPRESSIONS[column.kind.family])
            expression = Expression(template=template, columns=(column.uid,), family=column.kind.family)
        return Part(
            column=column.uid,
            begin=self.choose.between(1, 4) if self.choose.chance(15) else 0,
            descending=self.choose.chance(20),
            expression=expression,
        )

    def _key_column(self, column: AnyColumn) -> AnyColumn:
        if self.choose.chance(15):
            return column
        kind = KINDS[self.choose.among(KEY_KINDS)]
        auto = kind.family == "integer" and self.choose.chance(25)
        return replace(
            column, kind=kind, collation=self.collation(kind), auto=auto, nullable=False, default="",
            on_update=False,
        )  # fmt: skip

    def _with_key(self, table: AnyTable) -> AnyTable:
        how = self.choose.among(("PRIMARY KEY",) * 7 + ("UNIQUE KEY", ""))
        if not how:
            return table
        first, *others = [column for column in table.columns if column.kind.key != "none"] or table.columns
        columns = [first, *(self.choose.some(others, 2) if others and self.choose.chance(25) else ())]
        parts = tuple(Part(column=column.uid) for column in columns)
        name = "" if how == "PRIMARY KEY" else "only"
        return replace(table, indexes=(AnyIndex(name=name, parts=parts, kind=how),))
