"""Ask the rows, before anybody approves the plan, whether the change would fail on them or lose some of their values."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from engine.base import Finding, Severity
from engine.mysql.catalog import plainly
from engine.mysql.planning.linters.case import Case
from engine.mysql.planning.linters.lossless import INTEGER_BITS, lossless
from engine.mysql.planning.partitions import read_partitioning
from engine.mysql.planning.rows.after import (
    DATES,
    has_default,
    implicit_default,
    live_rows,
    live_value,
    rows_after,
)
from engine.mysql.planning.rows.answers import Answers, shown
from engine.mysql.planning.rows.asking import Asking, Unanswered
from engine.mysql.planning.rows.computed import computed
from engine.mysql.planning.rows.fits import fit
from engine.mysql.planning.rows.partitioned import homeless
from engine.mysql.quoting import quote_name, quote_table
from engine.mysql.shown import joined, pieces, split_list
from engine.mysql.tables import Column, ForeignKey, Index, Table

FULL = 0.85  # of what an AUTO_INCREMENT column can count to
_SPATIAL = ("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon")
_SPATIAL_TOO = ("geomcollection", "geometrycollection")  # of two ages

Parents = Callable[[str, str], Case | None]
"""(schema, table by its new name) → its case, changed or not; None for a table that is not in the plan."""


def ask_rows(asking: Asking, case: Case, parents: Parents) -> list[Finding]:
    """Findings about the rows of the live table of *case*, which goes on to exist. It reads, and locks nothing.

    `blocked`: rows on which the change would fail. `error`: values that it would alter. `info`: what was looked at, or not.
    """
    if case.now is None or case.wanted is None:
        return []
    questions = _Questions(Answers(asking, case, case.now), case.now, case.wanted, parents)
    with plainly(asking.link):
        return list(questions.all())


@dataclass(frozen=True, slots=True)
class _Questions:
    """The questions about one table."""

    answers: Answers
    now: Table
    wanted: Table
    parents: Parents

    @property
    def case(self) -> Case:
        return self.answers.case

    @property
    def asking(self) -> Asking:
        return self.answers.asking

    def all(self) -> Iterator[Finding]:
        try:
            if not self.asking.rows(f"1 FROM {live_rows(self.now)} LIMIT 1"):
                return
        except Unanswered as reason:
            yield self.answers.unchecked("the rows", str(reason))
            return
        for question in (
            self.null_columns, self.new_columns, self.types, self.reference_systems, self.partitions, self.computed,
            self.unique_keys, self.foreign_keys, self.checks, self.zero_dates, self.counters,
        ):  # fmt: skip
            yield from question()

    # -- the questions -------------------------------------------------------------------------------------------

    def null_columns(self) -> Iterator[Finding]:
        """NOT NULL over NULLs."""
        for old, column in self.case.pairs():
            if old is not None and old.nullable and not column.nullable and not column.generated:
                what = f'column "{column.name}" becomes NOT NULL'
                yield from self.answers.live(
                    f"{live_value(old)} IS NULL", Severity.BLOCKED, "not_null", what, column.name
                )

    def new_columns(self) -> Iterator[Finding]:
        """NOT NULL columns without a value for the rows that are there."""
        for old, column in self.case.pairs():
            given = column.nullable or has_default(column) or column.generated or column.auto_increment
            if old is not None or given:
                continue
            what = f'column "{column.name}" is new, NOT NULL and without a default'
            if column.data_type in (*_SPATIAL, *_SPATIAL_TOO) and not self.asking.flavour.mariadb:
                yield self.answers.finding(
                    Severity.BLOCKED, "not_null", f"{what}: every row would fail", column.name
                )
            else:
                value = "a zero date" if column.data_type in DATES else implicit_default(column)
                message = f"{what}: the rows that are there get {value}"
                yield self.answers.finding(Severity.WARNING, "not_null", message, column.name)

    def types(self) -> Iterator[Finding]:
        """Values that the new type refuses or alters."""
        for old, column in self.case.pairs():
            if old is not None and not column.generated and not lossless(old, column):
                yield from self._type(old, column)

    def reference_systems(self) -> Iterator[Finding]:
        """Spatial columns that take values of one reference system only."""
        for old, column in self.case.pairs():
            system = _system(column)
            if old is not None and system and system != _system(old):
                what = f'column "{column.name}" takes values of SRID {system} only'
                yield from self.answers.live(
                    f"ST_SRID({live_value(old)}) <> {system}", Severity.BLOCKED, "srid", what, column.name
                )

    def partitions(self) -> Iterator[Finding]:
        """Rows for which there is no partition afterwards."""
        if condition := homeless(self.now.partitions, self.wanted.partitions, self.case.parts):
            what = f"{read_partitioning(self.wanted.partitions).head} with no partition for some rows"
            yield from self.answers.after(condition, Severity.BLOCKED, "partitions", what)

    def computed(self) -> Iterator[Finding]:
        """Values that the server computes for the rows that are there."""
        yield from computed(self.answers, self.wanted)

    def unique_keys(self) -> Iterator[Finding]:
        """Unique keys that are new, or compare their columns in another way, over duplicates."""
        changed = {
            column.name.lower()
            for old, column in self.case.pairs()
            if old is not None and (old.collation != column.collation or not lossless(old, column))
        }
        for index in self.wanted.indexes:
            if index.unique and (
                self.case.is_new(index) or changed & {name.lower() for name in index.columns}
            ):
                yield from self._duplicates(index)

    def foreign_keys(self) -> Iterator[Finding]:
        """Foreign keys that are new or made again, over orphans: there may be old ones, from a time without checks."""
        known = {
            (self.case.translated(key.columns), key.parent_schema, key.parent, key.parent_columns)
            for key in self.now.foreign_keys
        }
        for key in self.wanted.foreign_keys:
            columns = tuple(name.lower() for name in key.columns)
            again = any(
                part.startswith("ADD") and f"{quote_name(key.name)} FOREIGN KEY" in part
                for part in self.case.parts
            )
            if again or (columns, key.parent_schema, key.parent, key.parent_columns) not in known:
                yield from self._orphans(key)

    def checks(self) -> Iterator[Finding]:
        """CHECKs that are new, over rows that do not meet them."""
        known = set(_check_expressions(self.now))
        for expression in _check_expressions(self.wanted):
            if expression not in known:
                yield from self.answers.after(
                    f"NOT {expression}", Severity.BLOCKED, "check", f"CHECK {expression}"
                )

    def zero_dates(self) -> Iterator[Finding]:
        """Dates that are none, where a column of dates changes: they stay, and a strict server takes no new ones."""
        for old, column in self.case.pairs():
            kinds = {old.data_type, column.data_type} if old is not None else set()
            if old is None or old.line == column.line or not kinds <= {"date", "datetime", "timestamp"}:
                continue
            value = live_value(old)
            what = f'column "{column.name}" has dates without a month or a day, which stay as they are'
            yield from self.answers.live(
                f"(MONTH({value}) = 0 OR DAYOFMONTH({value}) = 0)", Severity.INFO, "zero_date", what, column.name, fails=False
            )  # fmt: skip

    def counters(self) -> Iterator[Finding]:
        """AUTO_INCREMENT columns that will soon have counted to the end."""
        for old, column in self.case.pairs():
            if (
                old is None
                or not column.auto_increment
                or {old.data_type, column.data_type} - INTEGER_BITS.keys()
            ):
                continue
            limit = 2 ** (INTEGER_BITS[column.data_type] - (not column.unsigned)) - 1
            try:
                ((last,),) = self.asking.rows(f"MAX({live_value(old)}) FROM {live_rows(self.now)}")
            except Unanswered as reason:
                yield self.answers.unchecked(f'how far column "{column.name}" has counted', str(reason))
                continue
            if last is not None and int(last) >= FULL * limit:
                message = (
                    f'Column "{column.name}" is AUTO_INCREMENT and at {int(last):,}: '
                    f"{100 * int(last) // limit} % of what {column.column_type} can count to"
                )
                yield self.answers.finding(Severity.WARNING, "auto_inc_capacity", message, column.name)

    # -- how they are asked --------------------------------------------------------------------------------------

    def _type(self, old: Column, column: Column) -> Iterator[Finding]:
        what = f'type of column "{column.name}" changes from {old.column_type} to {column.column_type}'
        if old.charset and column.charset and old.charset != column.charset:
            what += f" ({old.charset} to {column.charset})"
        found = fit(old, column, live_value(old), mariadb=self.asking.flavour.mariadb)
        if found is None:
            yield self.answers.unchecked(
                what, "no question is known that tells what becomes of the values", column.name
            )
            return
        said: list[Finding] = []
        if found.refused:
            said += self.answers.live(found.refused, Severity.BLOCKED, "type_change", what, column.name)
        if found.changed:
            taken = f" AND NOT COALESCE({found.refused}, 0)" if found.refused else ""
            alters = f"Unsafe operation detected: {what} and alters values"
            said += self.answers.live(
                f"{found.changed}{taken}", Severity.ERROR, "unsafe", alters, column.name, fails=False
            )
        if not said:
            message = f"{what}: all rows were read, no value is lost"
            said.append(self.answers.finding(Severity.INFO, "type_change", message, column.name))
        yield from said

    def _duplicates(self, index: Index) -> Iterator[Finding]:
        what = f"UNIQUE ({', '.join(part.column or str(part.expression) for part in index.parts)})"
        terms = [_term(part.column, part.expression, part.prefix) for part in index.parts]
        if self._unknown(index):
            return  # it counts by itself
        given = " AND ".join(f"{term} IS NOT NULL" for term in terms)
        grouped = (
            f"{', '.join(f'{term} AS v{at}' for at, term in enumerate(terms))} "
            f"FROM {rows_after(self.case)} WHERE {given} GROUP BY {', '.join(terms)} HAVING COUNT(*) > 1"
        )
        try:
            example = self.asking.rows(f"{grouped} LIMIT 1")
            count = self.answers.number(f"(SELECT {grouped}) AS groups_") if example else 0
        except Unanswered as reason:
            yield self.answers.unchecked(what, str(reason))
            return
        if example:
            values = ", ".join(map(shown, example[0]))
            times = f"{count:,} value{'' if count == 1 else 's'}" if count else "some values"
            message = f"{what} would fail: {times} twice or more (for example {values})"
            file, line = self.case.locate(self.case.name, index.name)
            yield Finding(
                severity=Severity.BLOCKED, linter="unique", message=message, table=self.case.name,
                column=index.columns[0] if index.columns else "", file=file, line=line,
            )  # fmt: skip

    def _unknown(self, index: Index) -> bool:
        """Whether a part of the key gets values from the server that are different for each row."""
        pairs = {column.name.lower(): (old, column) for old, column in self.case.pairs()}
        mine = [pairs[name.lower()] for name in index.columns]
        return any(old is None and column.auto_increment for old, column in mine)

    def _orphans(self, key: ForeignKey) -> Iterator[Finding]:
        what = f"FOREIGN KEY ({', '.join(key.columns)}) REFERENCES {key.parent}"
        given = [f"{quote_name(self.wanted.name)}.{quote_name(column)} IS NOT NULL" for column in key.columns]
        parent = self.parents(key.parent_schema, key.parent)
        if parent is None or parent.now is not None:
            columns = self._sources(parent, key)
            if columns is None:
                yield self.answers.unchecked(what, "the columns it refers to are new", key.columns[0])
                return
            rows = f"{quote_table(key.parent_schema, key.parent)} AS r"
            if parent is not None and parent.now is not None:
                rows = live_rows(parent.now)
            same = " AND ".join(
                f"r.{quote_name(there)} = {quote_name(self.wanted.name)}.{quote_name(here)}"
                for there, here in zip(columns, key.columns, strict=True)
            )
            given.append(f"NOT EXISTS (SELECT 1 FROM {rows} WHERE {same})")  # noqa: S608
        yield from self.answers.after(
            " AND ".join(given), Severity.BLOCKED, "has_foreign_key", what, key.columns[0]
        )

    def _sources(self, parent: Case | None, key: ForeignKey) -> Sequence[str] | None:
        """The live names of the columns that *key* refers to; None when one of them is new."""
        if parent is None or parent.wanted is None:
            return key.parent_columns  # of a schema that is not in the plan
        columns = [parent.wanted.column(name) for name in key.parent_columns]
        found = [source.name for column in columns if column and (source := parent.source(column))]
        return found if len(found) == len(columns) else None


def _term(column: str | None, expression: str | None, prefix: int | None) -> str:
    if column is None:
        return str(expression)
    return f"LEFT({quote_name(column)}, {prefix})" if prefix else quote_name(column)


def _system(column: Column) -> str:
    """The SRID that the definition says; empty where it says none, and on MariaDB, which minds none."""
    found = [piece for piece in pieces(column.line) if piece.kind != "space"]
    return next((found[at + 1].text for at, piece in enumerate(found[:-1]) if piece.word == "SRID"), "")


def _check_expressions(table: Table) -> list[str]:
    """The conditions of all enforced CHECKs, on lines of their own or behind a column, with their parentheses."""
    found = []
    for line in (*(check.line for check in table.checks), *(column.line for column in table.columns)):
        parts = list(pieces(line))
        for at, piece in enumerate(parts):
            if piece.word != "CHECK":
                continue
            start = next(i for i in range(at, len(parts)) if parts[i].text == "(")
            end = split_list(parts, start)[1]
            if "ENFORCED" not in [part.word for part in parts[end:]]:
                found.append(joined(parts[start : end + 1]))
    return found
