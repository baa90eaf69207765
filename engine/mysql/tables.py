"""What a table is made of, as the server tells it: the records. `engine.mysql.catalog` reads them."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from engine.mysql.quoting import quote_name
from engine.mysql.shown import STRING, create_text, literal, string_value

MOST_CODES = 1024
"""A range of an ENUM or SET is told to the server as a list of its values; of longer lists it makes heavy weather."""
OWN_KEY = "my_row_id"
"""The column that MySQL makes a primary key of by itself."""
INTEGER_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
"""The types of whole numbers."""
TEXT_BYTES = {
    **dict.fromkeys(("tinytext", "tinyblob"), 255),
    **dict.fromkeys(("text", "blob"), 65_535),
    **dict.fromkeys(("mediumtext", "mediumblob"), 16_777_215),
    **dict.fromkeys(("longtext", "longblob"), 4_294_967_295),
}
"""The most that a value of a type takes which has no length of its own."""
_KINDS = {
    **dict.fromkeys(INTEGER_BITS, "whole"),
    **dict.fromkeys(("float", "double"), "real"),
    **dict.fromkeys(("datetime", "timestamp"), "moment"),
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext"), "text"),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), "binary"),
    **dict.fromkeys(("enum", "set"), "members"),
    **dict.fromkeys(("geometry", "point", "linestring", "polygon"), "shape"),
    **dict.fromkeys(("multipoint", "multilinestring", "multipolygon"), "shape"),
    **dict.fromkeys(("geomcollection", "geometrycollection"), "shape"),  # of two ages
}
_NOTHING = {
    **dict.fromkeys(("whole", "decimal", "real", "bit", "year"), "0"),
    **dict.fromkeys(("date", "moment", "time"), "0"),
    "json": "CAST(_utf8mb4'null' AS JSON)",
    "uuid": "'00000000-0000-0000-0000-000000000000'",
    "inet6": "'::'",
    "inet4": "'0.0.0.0'",
}
"""SQL of a kind's value that is none; of any other kind it is an empty text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column. `line` is its own line of SHOW CREATE TABLE, name included, without the closing comma."""

    name: str
    line: str
    data_type: str  # lower case, bare: bigint, varchar, enum
    column_type: str  # as information_schema has it: bigint(20) unsigned, enum('a','b')
    nullable: bool
    default: str | None
    charset: str | None
    collation: str | None
    generated: str  # "" | "VIRTUAL" | "STORED"
    expression: str  # of a generated column
    auto_increment: bool

    @property
    def kind(self) -> str:
        """The family of its type: whole, real, moment, text, binary, members or shape; of another type that itself."""
        return _KINDS.get(self.data_type, self.data_type)

    @property
    def figures(self) -> tuple[int, ...]:
        """Those of the type: length, or digits and scale. None of a number that has no meaning but for display."""
        if self.kind in ("whole", "year", "members"):
            return ()
        told = self.column_type.partition("(")[2].partition(")")[0]
        return tuple(map(int, re.findall(r"\d+", told)))

    @property
    def scale(self) -> int:
        """Of a DECIMAL, its digits behind the point."""
        return self.figures[1] if self.data_type == "decimal" else 0

    @property
    def unsigned(self) -> bool:
        """A number without a sign."""
        return "unsigned" in self.column_type

    @property
    def members(self) -> tuple[str, ...]:
        """Of an ENUM or SET, in order."""
        if self.kind != "members":
            return ()
        return tuple(string_value(text) for text in re.findall(STRING, self.column_type))

    @property
    def codes(self) -> range:
        """Of an ENUM or SET, the numbers that it is stored as and sorted by; of another column none."""
        count = {"enum": len(self.members) + 1, "set": 2 ** len(self.members)}
        return range(count.get(self.data_type, 0))

    @property
    def implicit_default(self) -> str:
        """SQL of what ALTER TABLE gives the rows that are there where a new column is NOT NULL and says no value."""
        return literal(self.members[0]) if self.data_type == "enum" else _NOTHING.get(self.kind, "''")


def cuts_spaces(before: Column, after: Column) -> bool:
    """Whether a text may lose spaces at its end when *before* becomes *after*, which no server refuses; a CHAR has none."""
    return before.data_type == "varchar" and (after.data_type == "char" or after.figures < before.figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """What a table has beside its columns. `line` is as that of a column."""

    name: str
    line: str

    def named(self, name: str) -> Self:
        """The same by another name."""
        return replace(self, name=name, line=self.line.replace(quote_name(self.name), quote_name(name), 1))

    @property
    def content(self) -> str:
        """What it says, whatever its name."""
        return self.line.replace(quote_name(self.name), "", 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexPart:
    """One part of an index: a column, or an expression (then `column` is None)."""

    column: str | None
    expression: str | None = None
    prefix: int | None = None
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Index(Element):
    """An index; the primary key is named PRIMARY."""

    unique: bool
    kind: str  # BTREE | FULLTEXT | SPATIAL | …
    parts: tuple[IndexPart, ...]
    visible: bool = True

    @property
    def finds(self) -> bool:
        """Whether the server can be told to find rows by it, and in order: not by one that is left out, nor by a hash."""
        return self.visible and self.kind == "BTREE"

    @property
    def hashed(self) -> bool:
        """Whether it is a hash, which MariaDB keeps in a column of its own, behind all others."""
        return self.unique and self.kind == "HASH"

    @property
    def columns(self) -> tuple[str, ...]:
        """The plain columns, in order; expressions left out."""
        return tuple(part.column for part in self.parts if part.column is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey(Element):
    """A foreign key of the table."""

    columns: tuple[str, ...]
    parent_schema: str
    parent: str
    parent_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(Element):
    """A CHECK constraint that stands on a line of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A base table. `text` is canonical: two tables with the same text are the same, whatever their AUTO_INCREMENT and the order
    of their indexes."""

    schema: str
    name: str
    text: str = field(repr=False)
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...]
    foreign_keys: tuple[ForeignKey, ...]
    checks: tuple[Check, ...]
    # ENGINE, CHARSET, COLLATE, COMMENT, ROW_FORMAT, …: as SHOW CREATE has them after the ).
    options: Mapping[str, str]
    partitions: str  # the text from PARTITION BY on, without the version comment; "" when there is none
    periods: tuple[str, ...] = ()  # lines PERIOD FOR … of MariaDB's application-time tables
    triggers: tuple[str, ...] = ()  # names of triggers on it that are not ours
    counter: int = field(default=0, compare=False)  # where AUTO_INCREMENT stands; the text is silent about it
    absorbed: frozenset[str] = field(default=frozenset(), compare=False)
    """Of a desired table: partitions whose rows go into those that follow, when they go."""
    own_key: Column | None = field(default=None, compare=False)
    """A primary key that MySQL made by itself, invisible. Neither the text nor `columns` have it, as files have none."""
    _by_name: Mapping[str, Column] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """A plan asks for each column of a wide table many times."""
        columns = (*self.columns, self.own_key) if self.own_key else self.columns
        by_name = {column.name.lower(): column for column in columns}
        object.__setattr__(self, "_by_name", by_name)

    @property
    def fingerprint(self) -> str:
        """A digest of the canonical text."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:32]

    @property
    def lines(self) -> list[str]:
        """What stands between the parentheses of the canonical text, in its order."""
        return [
            *(column.line for column in self.columns), *self.periods, *(index.line for index in self.indexes),
            *(key.line for key in self.foreign_keys), *(check.line for check in self.checks),
        ]  # fmt: skip

    def rewritten(self) -> Self:
        """The same with the text that all else of it gives."""
        return replace(self, text=create_text(self.name, self.lines, self.options, self.partitions))

    def column(self, name: str) -> Column | None:
        """The column of that name, `own_key` too; column names know no case."""
        return self._by_name.get(name.lower())

    def index(self, name: str) -> Index | None:
        """The index of that name; index names know no case."""
        wanted = name.lower()
        return next((index for index in self.indexes if index.name.lower() == wanted), None)

    @property
    def row_key(self) -> tuple[str, ...]:
        """The columns by which a row is found: of the primary key, else of the first unique key whose columns are all NOT NULL.

        Whole columns only, none of them FLOAT, DOUBLE, BIT or JSON, whose values do not compare reliably, or an ENUM or SET of
        more than MOST_CODES values; of an index that `finds`. Empty: there is none.
        """
        for index in self._primary_first():
            if index.unique and index.finds and self._finds_rows(index):
                return index.columns
        return ()

    @property
    def main_key(self) -> Index | None:
        """What the server takes for the primary key: that, else the first unique one of whole columns that are NOT NULL."""
        for index in self._primary_first():
            if index.name == "PRIMARY" or (index.unique and not index.hashed and self._whole(index)):
                return index
        return None

    def unique_over(self, names: Sequence[str]) -> Index | None:
        """The unique index that `finds` by just these columns, whole and NOT NULL, in whatever order; the primary key first."""
        wanted = sorted(name.lower() for name in names)
        for index in self._primary_first():
            columns = [self.column(name) for name in index.columns]
            if (
                index.unique
                and index.finds
                and sorted(name.lower() for name in index.columns) == wanted
                and all(column is not None and not column.nullable for column in columns)
                and not any(part.prefix for part in index.parts)
                and len(columns) == len(index.parts)
            ):
                return index
        return None

    def _primary_first(self) -> list[Index]:
        if self.own_key is None:
            return sorted(self.indexes, key=lambda found: found.name != "PRIMARY")
        parts = (IndexPart(column=self.own_key.name),)
        return [Index(name="PRIMARY", line="", unique=True, kind="BTREE", parts=parts), *self.indexes]

    def _finds_rows(self, index: Index) -> bool:
        columns = [self.column(name) for name in index.columns]
        return self._whole(index) and all(
            column is not None
            and column.kind not in ("real", "bit", "json")
            and column.codes.stop <= MOST_CODES
            for column in columns
        )

    def _whole(self, index: Index) -> bool:
        """Of whole columns, none of which is ever NULL."""
        columns = [self.column(name) for name in index.columns]
        return all(part.column is not None and part.prefix is None for part in index.parts) and all(
            column is not None and not column.nullable for column in columns
        )
