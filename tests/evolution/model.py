"""A schema in the making: tables and columns that keep their identity through changes, whatever they are called."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from engine.annotations import advice
from engine.mysql.quoting import quote_name
from tests.evolution.kinds import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """SQL over columns of the table; `{0}` stands for the first of them."""

    template: str
    columns: tuple[int, ...]
    family: str  # of the columns

    def sql(self, names: Mapping[int, str]) -> str:
        """With the names that the columns have now."""
        return self.template.format(*(quote_name(names[uid]) for uid in self.columns))


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyColumn:
    """A column; `uid` is its own for ever."""

    uid: int
    name: str
    kind: Kind
    collation: str = ""
    nullable: bool = True
    default: str = ""
    on_update: bool = False
    comment: str = ""
    invisible: bool = False
    auto: bool = False
    computed: Expression | None = None
    stored: bool = False

    def sql(self, names: Mapping[int, str]) -> str:
        """Its definition."""
        parts = [quote_name(self.name), self.kind.sql]
        if self.collation:
            parts.append(f"COLLATE {self.collation}")
        if self.computed:
            parts.append(f"AS ({self.computed.sql(names)}) {'STORED' if self.stored else 'VIRTUAL'}")
        else:
            parts.append("NULL" if self.nullable else "NOT NULL")
            parts += [f"DEFAULT {self.default}"] if self.default else []
            parts += [f"ON UPDATE CURRENT_TIMESTAMP{self.kind.fraction}"] if self.on_update else []
            parts += ["AUTO_INCREMENT"] if self.auto else []
        parts += ["INVISIBLE"] if self.invisible else []
        parts += [f"COMMENT {quote_text(self.comment)}"] if self.comment else []
        return " ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of an index: a column, or the begin of it, or an expression."""

    column: int
    begin: int = 0
    descending: bool = False
    expression: Expression | None = None

    def sql(self, names: Mapping[int, str]) -> str:
        """As an index lists it."""
        if self.expression:
            shown = f"({self.expression.sql(names)})"
        else:
            shown = quote_name(names[self.column]) + (f"({self.begin})" if self.begin else "")
        return shown + (" DESC" if self.descending else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyIndex:
    """An index; the primary key is one without a name."""

    name: str
    parts: tuple[Part, ...]
    kind: str = "KEY"  # PRIMARY KEY | UNIQUE KEY | KEY | FULLTEXT KEY | SPATIAL KEY
    comment: str = ""

    @property
    def columns(self) -> tuple[int, ...]:
        """In order."""
        return tuple(part.column for part in self.parts)

    @property
    def unique(self) -> bool:
        """Whether no two rows may be alike in it."""
        return self.kind in ("PRIMARY KEY", "UNIQUE KEY")

    @property
    def whole(self) -> bool:
        """Of whole columns."""
        return not any(part.begin or part.expression for part in self.parts)

    def sql(self, names: Mapping[int, str]) -> str:
        """Its definition."""
        listed = ", ".join(part.sql(names) for part in self.parts)
        name = f" {quote_name(self.name)}" if self.name else ""
        return f"{self.kind}{name} ({listed})" + (
            f" COMMENT {quote_text(self.comment)}" if self.comment else ""
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyCheck:
    """A CHECK; without a name the server gives it one."""

    name: str
    expression: Expression

    def sql(self, names: Mapping[int, str]) -> str:
        """Its definition."""
        name = f"CONSTRAINT {quote_name(self.name)} " if self.name else ""
        return f"{name}CHECK ({self.expression.sql(names)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyForeignKey:
    """A foreign key to the columns of a unique index of a table."""

    name: str
    columns: tuple[int, ...]
    parent: int
    parent_columns: tuple[int, ...]
    actions: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyPartitioning:
    """By the values of one column."""

    method: str  # HASH | KEY | RANGE | LIST
    column: int
    bounds: tuple[int, ...] = ()
    count: int = 2
    top: bool = False

    def sql(self, names: Mapping[int, str]) -> str:
        """What stands behind the options."""
        head = f" PARTITION BY {self.method} ({quote_name(names[self.column])})"
        if self.method in ("HASH", "KEY"):
            return f"{head} PARTITIONS {self.count}"
        return f"{head} ({', '.join(self._parts())})"

    def _parts(self) -> Iterator[str]:
        below = 0
        for bound in self.bounds:
            values = ", ".join(str(number) for number in range(below, bound))
            how = f"IN ({values})" if self.method == "LIST" else f"LESS THAN ({bound})"
            yield f"PARTITION p{bound} VALUES {how}"
            below = bound
        if self.top and self.method == "RANGE":
            yield "PARTITION top VALUES LESS THAN MAXVALUE"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyTable:
    """A table; `uid` is its own for ever."""

    uid: int
    name: str
    columns: tuple[AnyColumn, ...]
    indexes: tuple[AnyIndex, ...] = ()
    checks: tuple[AnyCheck, ...] = ()
    foreign_keys: tuple[AnyForeignKey, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    partitioning: AnyPartitioning | None = None

    @property
    def names(self) -> dict[int, str]:
        """Of its columns."""
        return {column.uid: column.name for column in self.columns}

    @property
    def key(self) -> AnyIndex | None:
        """The primary key."""
        return next((index for index in self.indexes if index.kind == "PRIMARY KEY"), None)

    def column(self, uid: int) -> AnyColumn | None:
        """The one with that identity."""
        return next((column for column in self.columns if column.uid == uid), None)


@dataclass(frozen=True, slots=True)
class AnySchema:
    """Some tables; `last` is the highest identity that was ever given away."""

    tables: tuple[AnyTable, ...] = ()
    last: int = field(default=0, compare=False)

    def table(self, uid: int) -> AnyTable | None:
        """The one with that identity."""
        return next((table for table in self.tables if table.uid == uid), None)

    def holder(self, column: int) -> AnyTable | None:
        """The table that has the column."""
        return next((table for table in self.tables if table.column(column)), None)

    def statements(self, before: "AnySchema | None" = None) -> list[str]:
        """Its CREATE TABLEs, told what has had another name *before*."""
        return [self._statement(table, before or self) for table in self.tables]

    def _statement(self, table: AnyTable, before: "AnySchema") -> str:
        names, was = table.names, before.table(table.uid)
        lines = [_told(column, was) + column.sql(names) for column in table.columns]
        lines += [index.sql(names) for index in table.indexes]
        lines += [check.sql(names) for check in table.checks]
        lines += [self._foreign_key(names, key) for key in table.foreign_keys]
        options = "".join(f" {name}={value}" for name, value in table.options)
        parted = table.partitioning.sql(names) if table.partitioning else ""
        above = f"{advice(was.name)}\n" if was and was.name != table.name else ""
        listed = ",\n  ".join(lines)
        return f"{above}CREATE TABLE {quote_name(table.name)} (\n  {listed}\n){options}{parted}"

    def _foreign_key(self, names: Mapping[int, str], key: AnyForeignKey) -> str:
        parent = self.table(key.parent)
        assert parent is not None
        name = f"CONSTRAINT {quote_name(key.name)} " if key.name else ""
        own = ", ".join(quote_name(names[uid]) for uid in key.columns)
        theirs = ", ".join(quote_name(parent.names[uid]) for uid in key.parent_columns)
        return f"{name}FOREIGN KEY ({own}) REFERENCES {quote_name(parent.name)} ({theirs})" + key.actions


def _told(column: AnyColumn, was: AnyTable | None) -> str:
    old = was.column(column.uid) if was else None
    return f"{advice(old.name)}\n  " if old and old.name != column.name else ""


def quote_text(text: str) -> str:
    """As a string of SQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
