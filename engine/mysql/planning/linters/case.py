"""What the linters judge: one table, as it is and as it shall be, and where it stands in the files."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from engine.base import Finding, Severity
from engine.mysql.planning.columns import remade
from engine.mysql.tables import Column, Index, Table

Locate = Callable[[str, str], tuple[str, int]]
"""(table, name of one of its columns, indexes or foreign keys or "") → file and line, ("", 0) when it is in no file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One change of a plan. `now`: None when the table is created. `wanted`: None when it is dropped."""

    now: Table | None
    wanted: Table | None
    locate: Locate
    # Lower-case new column → the old one, as annotated.
    renamed: Mapping[str, str] = field(default_factory=dict)
    # Of the ALTERs that were made for it: ["ADD COLUMN a int", "DROP PARTITION p0"].
    parts: Sequence[str] = ()
    copied: bool = False  # every row is written into a new table, by the server or by us
    online: bool = False  # by us
    zone: str = "SYSTEM"  # the server's time zone; empty: UTC, as sessions that change tables have
    last_timestamp: str = "2038-01-19 03:14:07"  # see Flavour
    rebuilt: bool = False  # all indexes are made anew: it is copied, or rebuilt in place

    @property
    def name(self) -> str:
        """The table, by the name that people will know it by."""
        table = self.wanted or self.now
        return table.name if table else ""

    def source(self, column: Column) -> Column | None:
        """The live column whose values go into the desired *column*."""
        if self.now is None:
            return None
        return self.now.column(self.renamed.get(column.name.lower(), column.name))

    def pairs(self) -> Iterator[tuple[Column | None, Column]]:
        """(live column, desired column): all desired columns in order."""
        for column in self.wanted.columns if self.wanted else ():
            yield self.source(column), column

    def kept(self) -> Iterator[tuple[Column | None, Column]]:
        """As `pairs`, and None also for a live column that the server can only drop, with its values, and add the desired one."""
        for old, column in self.pairs():
            yield None if old is not None and remade(old, column) else old, column

    def gone(self) -> list[Column]:
        """The live columns that feed none of the desired ones."""
        if self.now is None or self.wanted is None:
            return []
        kept = {old.name.lower() for old, _ in self.pairs() if old is not None}
        return [column for column in self.now.columns if column.name.lower() not in kept]

    def translated(self, columns: Sequence[str]) -> tuple[str, ...]:
        """Live column names as they are afterwards, lower case."""
        after = {old.name.lower(): new.name.lower() for old, new in self.pairs() if old is not None}
        return tuple(after.get(name.lower(), name.lower()) for name in columns)

    def is_new(self, index: Index) -> bool:
        """Whether the desired *index* is not in the live table, under whatever name."""
        if self.now is None:
            return True
        return all(self.shape(old, live=True) != self.shape(index) for old in self.now.indexes)

    def shape(self, index: Index, *, live: bool = False) -> tuple[object, ...]:
        """What an index is, but for its name and visibility; columns by their new names."""
        parts = tuple(
            (
                self.translated([part.column])[0] if live and part.column else (part.column or "").lower(),
                part.expression, part.prefix, part.descending,
            )
            for part in index.parts
        )  # fmt: skip
        return (index.name == "PRIMARY", index.unique, index.kind, parts)

    def finding(
        self, severity: Severity, linter: str, message: str, *, column: str = "", at: str = ""
    ) -> Finding:
        """A finding about the table, one of its columns, or what is named *at* (an index, a foreign key)."""
        file, line = self.locate(self.name, column or at)
        return Finding(
            severity=severity, linter=linter, message=message, table=self.name, column=column, file=file, line=line
        )  # fmt: skip
