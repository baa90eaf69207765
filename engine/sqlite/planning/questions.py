"""Ask the rows, before anybody approves the plan, whether the change would fail on them or lose some of their values."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import apsw

from engine.base import Finding, Severity
from engine.sqlite.affinity import affinity, loses, misfits, stored_as, type_changed
from engine.sqlite.catalog import Catalog, Column, ForeignKey, Relation
from engine.sqlite.planning.checks import check_expressions, normal_checks
from engine.sqlite.planning.desired import Desired
from engine.sqlite.planning.foreign_keys import foreign_key_mismatches
from engine.sqlite.planning.rebuild_sql import source_column, stable_keys
from engine.sqlite.planning.renames import Renames
from engine.sqlite.quoting import quote_name, quote_names
from engine.sqlite.texts import index_text

QUESTION_SECONDS = 2.0
PLAN_SECONDS = 10.0  # for all questions of one plan

_SELF = "_schemabot_key"  # under this alias the key of a row goes along, to be shown as the example


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the questions of one plan share. `deadline`, on time.monotonic, ends all questions."""

    target: apsw.Connection
    live: Catalog
    desired: Desired
    renames: Renames
    seconds: float = QUESTION_SECONDS  # for one question
    deadline: float = field(default_factory=lambda: time.monotonic() + PLAN_SECONDS)


def ask_rows(context: Context, now: Relation, wanted: Relation) -> list[Finding]:
    """Findings about the rows of the live table *now*, which is to become *wanted*."""
    if not context.target.execute(f"SELECT EXISTS (SELECT 1 FROM {quote_name(now.name)})").get:  # noqa: S608
        return []
    asking = _Asking(context, now, wanted)
    questions = (
        asking.null_columns, asking.lossy_types, asking.strict_types,
        asking.checks, asking.unique_keys, asking.foreign_keys,
    )  # fmt: skip
    return [finding for question in questions for finding in question()]


class _TooLong(Exception):
    """The question's time was up."""


class _Asking:
    """The questions about one table. They read its rows as they will be: renamed, converted, defaults filled in."""

    def __init__(self, context: Context, now: Relation, wanted: Relation) -> None:
        self._context = context
        self._now = now
        self._wanted = wanted
        self._renamed = context.renames.of(wanted.name)
        keys = stable_keys(context.target, now)
        self._key = keys[0].columns if keys else (() if now.without_rowid else ("rowid",))

    # -- the questions -------------------------------------------------------------------------------------------

    def null_columns(self) -> Iterator[Finding]:
        """NOT NULL over NULLs; a new NOT NULL column without a value. Of a NULL the row's number would make a number."""
        rowid, was_rowid = self._rowid(self._wanted), self._rowid(self._now)
        for column in self._wanted.columns:
            if column.generated or not (self._required(self._wanted, column) or column.name == rowid):
                continue
            old = self._old(column)
            if old is None and column.default is None and column.name != rowid:
                message = (
                    f'column "{column.name}" is new, NOT NULL and without a default: every row would fail'
                )
                yield self._finding(Severity.BLOCKED, "not_null", message, column.name)
            elif old is not None and old.name != was_rowid and not self._required(self._now, old):
                yield from self._count(
                    f"{quote_name(column.name)} IS NULL", Severity.BLOCKED, "not_null", column.name,
                    f'column "{column.name}" becomes {"the row number, never NULL" if column.name == rowid else "NOT NULL"}',
                )  # fmt: skip

    def lossy_types(self) -> Iterator[Finding]:
        """A type change that alters values: unsafe by the count of them; unproven when it takes too long."""
        for old, column in self._converted():
            condition = loses(f"r.{quote_name(old.name)}", affinity(column, strict=self._wanted.strict))
            what = (
                f'type of column "{column.name}" changes from {old.type or "none"} to {column.type or "none"}'
            )
            try:
                count, example = self._ask(self._plain_rows(), condition)
            except (_TooLong, apsw.Error):
                message = f"Unsafe operation detected: {what} (not checked: table too large)"
                yield self._finding(Severity.ERROR, "unsafe", message, column.name)
                continue
            if count:
                message = (
                    f"Unsafe operation detected: {what} and alters {_rows(count)} (for example {example})"
                )
                yield self._finding(Severity.ERROR, "unsafe", message, column.name)
            else:
                message = f"{what}: all rows were read, no value is lost"
                yield self._finding(Severity.INFO, "type_change", message, column.name)

    def strict_types(self) -> Iterator[Finding]:
        """A STRICT table over values of other types."""
        rowid, was_rowid = self._rowid(self._wanted), self._rowid(self._now)
        for column in self._wanted.columns:
            old = self._old(column)
            if column.generated or not (self._wanted.strict or column.name == rowid):
                continue
            if old is None and column.default is None:
                continue
            if old and (
                old.name == was_rowid or (self._now.strict and old.type.upper() == column.type.upper())
            ):
                continue
            condition = misfits(quote_name(column.name), column)
            kind = "the table is STRICT" if self._wanted.strict else "the row's number"
            what = f'column "{column.name}" takes only {column.type} ({kind})'
            yield from self._count(condition, Severity.BLOCKED, "strict", column.name, what)

    def checks(self) -> Iterator[Finding]:
        """A CHECK that is new, over all rows."""
        known = normal_checks(self._now.sql)
        changed = self._compared_otherwise()
        for check in check_expressions(self._wanted.sql):
            if check.form in known and not check.names & changed:
                continue
            what = f"CHECK ({check.text})"
            yield from self._count(
                f"NOT ({check.text})", Severity.BLOCKED, "check", check.column, what, compared=True
            )

    def unique_keys(self) -> Iterator[Finding]:
        """A unique key that is new, over duplicates."""
        known = set(_unique_keys(self._context.target, self._now))
        translated = {column.lower(): new.lower() for new, column in self._pairs()}
        known = {_translate(key, translated) for key in known}
        changed = self._compared_otherwise()
        for key in _unique_keys(self._context.desired.scratch.connection, self._wanted):
            if _translate(key, {}) in known and not changed & {term.lower() for term, _ in key.terms}:
                continue
            yield from self._duplicates(key)

    def foreign_keys(self) -> Iterator[Finding]:
        """A foreign key that is new, over orphans."""
        if self._wanted.name in foreign_key_mismatches(
            self._context.desired.scratch.connection, [self._wanted]
        ):
            return  # it refers to no key at all, and so the linter says
        translated = {old.lower(): new for new, old in self._pairs()}
        tables = {old.lower(): new for new, old in self._context.renames.tables.items()}
        known = {
            (tables.get(key.table.lower(), key.table.lower()),
             tuple(translated.get(c.lower(), c).lower() for c in key.columns))
            for key in self._now.foreign_keys
        }  # fmt: skip
        for key in self._wanted.foreign_keys:
            if (key.table.lower(), tuple(column.lower() for column in key.columns)) not in known:
                yield from self._orphans(key)

    # -- how they are asked --------------------------------------------------------------------------------------

    def _duplicates(self, key: "_UniqueKey") -> Iterator[Finding]:
        terms = [f"({term}) COLLATE {collation}" for term, collation in key.terms]
        given = " AND ".join(f"({term}) IS NOT NULL" for term, _ in key.terms)
        rows = self._rows(compared=bool(key.where))
        grouped = (
            f"SELECT {', '.join(terms)} FROM ({rows}) AS {quote_name(self._wanted.name)} "  # noqa: S608
            f"WHERE {given} AND ({key.where or '1'}) GROUP BY {', '.join(terms)} HAVING count(*) > 1"
        )
        what = f"UNIQUE ({', '.join(term for term, _ in key.terms)})"
        try:
            found = self._run(f"SELECT *, count(*) OVER () FROM ({grouped}) LIMIT 1")  # noqa: S608
        except _TooLong:
            yield self._unchecked(what)
        except apsw.Error as error:
            yield self._unchecked(what, str(error))
        else:
            if found:
                *values, groups = found[0]
                value = ", ".join(_shown(value) for value in values)
                message = f"{what} would fail: {groups:,} value{'' if groups == 1 else 's'} twice or more (for example {value})"
                yield self._finding(Severity.BLOCKED, "unique", message, "")

    def _orphans(self, key: ForeignKey) -> Iterator[Finding]:
        parent = self._context.live.get(self._context.renames.source(key.table))
        wanted_parent = self._context.desired.catalog.get(key.table)
        given = " AND ".join(f"r.{quote_name(column)} IS NOT NULL" for column in key.columns)
        what = f"FOREIGN KEY ({', '.join(key.columns)}) REFERENCES {key.table}"
        condition = given
        if parent is not None and parent.kind == "table" and wanted_parent is not None:
            to = key.to or tuple(c.name for c in sorted(wanted_parent.columns, key=lambda c: c.key) if c.key)
            renamed = self._context.renames.of(key.table)
            names = [renamed.get(column.lower(), column) for column in to]
            if len(names) != len(key.columns) or any(parent.column(name) is None for name in names):
                yield self._unchecked(what, "the columns it refers to are new")
                return
            same = " AND ".join(
                f"p.{quote_name(there)} = r.{quote_name(here)}"
                for here, there in zip(key.columns, names, strict=True)
            )
            condition += f" AND NOT EXISTS (SELECT 1 FROM {quote_name(parent.name)} AS p WHERE {same})"  # noqa: S608
        yield from self._count(
            condition, Severity.BLOCKED, "has_foreign_key", key.columns[0], what, alias="r"
        )

    def _count(
        self,
        condition: str,
        severity: Severity,
        linter: str,
        column: str,
        what: str,
        *,
        alias: str = "",
        compared: bool = False,
    ) -> Iterator[Finding]:
        try:
            rows = f"({self._rows(compared=compared)}) AS {quote_name(alias or self._wanted.name)}"
            count, example = self._ask(rows, condition)
        except _TooLong:
            yield self._unchecked(what)
        except apsw.Error as error:
            yield self._unchecked(what, str(error))
        else:
            if count:
                message = f"{what} would fail: {_rows(count)} (for example {example})"
                yield self._finding(severity, linter, message, column)

    def _ask(self, rows: str, condition: str) -> tuple[int, str]:
        """How many of *rows* meet *condition*, and the key of one of them."""
        keys = [f"{_SELF}{at}" for at in range(len(self._key))]
        first, *others = keys or ["1"]
        found = self._run(
            f"SELECT count(*), min({first}){''.join(', ' + key for key in others)} FROM {rows} WHERE {condition}"  # noqa: S608
        )
        count, *values = found[0]
        named = ", ".join(f"{name} {_shown(value)}" for name, value in zip(self._key, values, strict=False))
        return int(count), named or "a row"

    def _run(self, sql: str) -> list[tuple[Any, ...]]:
        context = self._context
        limit = min(time.monotonic() + context.seconds, context.deadline)
        context.target.set_progress_handler(lambda: time.monotonic() > limit, 20_000)
        try:
            return context.target.execute(sql).fetchall()
        except apsw.InterruptError as error:
            raise _TooLong from error
        finally:
            context.target.set_progress_handler(None)

    def _converted_value(self, old: Column, column: Column, kind: str, *, compared: bool) -> str:
        """SQL of the live value as the new column will hold it; *compared*: it compares as the new column does, too.

        A CASE has no affinity: what becomes a number or stays one compares as that number, but not with numbers in quotes.
        """
        value = f"r.{quote_name(old.name)}"
        if affinity(old, strict=self._now.strict) != kind:
            plain = {"TEXT": f"CAST({value} AS TEXT)", "BLOB": f"+{value}"} if compared else {}
            value = plain.get(kind) or stored_as(value, kind)
        if compared:
            wanted = self._context.desired.scratch.connection
            collation = wanted.column_metadata("main", self._wanted.name, column.name)[1]
            value = f"{value} COLLATE {quote_name(collation)}"
        return value

    def _rows(self, *, compared: bool = False) -> str:
        """A SELECT of the live rows as they will be: new names, converted values, defaults."""
        columns = []
        for column in self._wanted.columns:
            old = self._old(column)
            if column.generated:
                continue
            kind = affinity(column, strict=self._wanted.strict)
            if old is None:
                value = stored_as(f"({column.default})", kind) if column.default is not None else "NULL"
            else:
                value = self._converted_value(old, column, kind, compared=compared)
            columns.append(f"{value} AS {quote_name(column.name)}")
        return f"SELECT {', '.join([*columns, *self._key_terms()])} FROM {quote_name(self._now.name)} AS r"  # noqa: S608

    def _plain_rows(self) -> str:
        """The live rows as they are, beside their keys."""
        names = quote_names([column.name for column in self._now.columns])
        return (
            f"(SELECT {', '.join([names, *self._key_terms()])} FROM {quote_name(self._now.name)} AS r) AS r"  # noqa: S608
        )

    def _key_terms(self) -> list[str]:
        return [f"r.{quote_name(name)} AS {_SELF}{at}" for at, name in enumerate(self._key)]

    # -- columns -------------------------------------------------------------------------------------------------

    def _old(self, column: Column) -> Column | None:
        return source_column(self._now, column, self._renamed)

    def _pairs(self) -> list[tuple[str, str]]:
        return [
            (column.name, old.name)
            for column in self._wanted.columns
            if (old := self._old(column)) is not None
        ]

    def _converted(self) -> list[tuple[Column, Column]]:
        """(live column, desired column) where values may be converted."""
        return [
            (old, column)
            for column in self._wanted.columns
            if not column.generated
            and (old := self._old(column)) is not None
            and type_changed(old, column, self._now, self._wanted)
        ]

    def _compared_otherwise(self) -> set[str]:
        """Columns (lower case) whose values compare as something else afterwards."""
        return {
            column.name.lower()
            for column in self._wanted.columns
            if (old := self._old(column)) is not None
            and affinity(old, strict=self._now.strict) != affinity(column, strict=self._wanted.strict)
        }

    def _rowid(self, table: Relation) -> str:
        """The INTEGER PRIMARY KEY column of the live or the desired table, or nothing."""
        wanted = self._context.desired.scratch.connection
        keys = stable_keys(self._context.target if table is self._now else wanted, table)
        return next((key.columns[0] for key in keys if key.rowid), "")

    @staticmethod
    def _required(table: Relation, column: Column) -> bool:
        return column.not_null or (table.without_rowid and column.key > 0)

    def _unchecked(self, what: str, why: str = "table too large") -> Finding:
        return self._finding(Severity.INFO, "data", f"{what}: not checked: {why}", "")

    def _finding(self, severity: Severity, linter: str, message: str, column: str) -> Finding:
        file, line = self._context.desired.line(self._wanted.name, column)
        return Finding(
            severity=severity, linter=linter, message=message, table=self._wanted.name, column=column, file=file, line=line
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _UniqueKey:
    """Terms (SQL and collation) that must be unique among the rows that meet `where`."""

    terms: tuple[tuple[str, str], ...]
    where: str


def _unique_keys(connection: apsw.Connection, relation: Relation) -> list[_UniqueKey]:
    found = []
    for name, _ in connection.execute(
        'SELECT name, origin FROM pragma_index_list(?) WHERE "unique" ORDER BY name', (relation.name,)
    ).fetchall():
        terms = connection.execute(
            "SELECT name, coll FROM pragma_index_xinfo(?) WHERE key = 1 ORDER BY seqno", (name,)
        ).fetchall()
        part = relation.indexes.get(str(name).lower())
        texts = index_text(part.sql) if part else None
        named = tuple(
            (
                quote_name(str(column)) if column is not None else (texts.terms[at] if texts else "NULL"),
                str(collation),
            )
            for at, (column, collation) in enumerate(terms)
        )
        found.append(_UniqueKey(named, (texts.where or "") if texts else ""))
    rowid = next((k for k in stable_keys(connection, relation) if k.rowid), None)
    if rowid is not None:
        found.append(_UniqueKey(((quote_name(rowid.columns[0]), "BINARY"),), ""))
    return found


def _translate(key: _UniqueKey, names: Mapping[str, str]) -> _UniqueKey:
    return _UniqueKey(
        tuple((names.get(term.lower(), term.lower()), collation) for term, collation in key.terms), key.where
    )


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
