"""Ask whether the server can compute, for the rows that are there, a generated column, a DEFAULT or the key of an index.

It computes strictly when it writes rows, where a SELECT only warns, and nothing tells which of the warnings it will mind then:
JSON_VALUE makes NULL of what is no JSON, with a warning and without failing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pymysql.constants import FIELD_TYPE

from engine.base import Finding, Severity
from engine.mysql.planning.lossless import lossless
from engine.mysql.planning.rows.after import (
    BEFORE,
    as_stored,
    computed_as,
    expression_of,
    rows_after,
    undecided,
)
from engine.mysql.planning.rows.answers import UNDECIDED, Answers
from engine.mysql.planning.rows.asking import NotTaken, Unanswered
from engine.mysql.planning.rows.fits import fit
from engine.mysql.quoting import quote_name
from engine.mysql.shown import letters
from engine.mysql.tables import Column, Index

_BINARY = 63
_KINDS = {
    **dict.fromkeys(
        (FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG, FIELD_TYPE.NEWDECIMAL),
        "decimal(65,30)",
    ),
    FIELD_TYPE.DOUBLE: "double",
    FIELD_TYPE.FLOAT: "float",
    FIELD_TYPE.DATE: "date",
    FIELD_TYPE.DATETIME: "datetime",
    FIELD_TYPE.TIMESTAMP: "timestamp",
    FIELD_TYPE.TIME: "time",
}  # fmt: skip
_STRINGS = (
    FIELD_TYPE.VAR_STRING, FIELD_TYPE.STRING, FIELD_TYPE.VARCHAR, FIELD_TYPE.TINY_BLOB, FIELD_TYPE.BLOB,
    FIELD_TYPE.MEDIUM_BLOB, FIELD_TYPE.LONG_BLOB,
)  # fmt: skip


def computed(answers: Answers) -> Iterator[Finding]:
    """What would fail, or was not looked at, of what is new."""
    keys = _keys(answers.wanted.indexes)
    for old, column in answers.case.kept():
        if column.generated and (old is None or old.line != column.line):
            written = column.generated == "STORED" or column.name.lower() in keys or answers.case.copied
            yield from _generated(answers, column, written=written)
            was = answers.case.source(column)
            if was is not None and was.generated and was.expression != column.expression:
                yield from _anew(answers, was, column)
        elif default := computed_as(old, column):
            what = f'column "{column.name}" is new, and its DEFAULT is {default}'
            yield from _Computing(
                answers=answers, column=column, expression=default, what=what, written=True
            ).findings()
    yield from _indexes(answers, [index for index in answers.wanted.indexes if answers.case.is_new(index)])


def computed_again(answers: Answers) -> Iterator[Finding]:
    """The same of what stays and is computed again: strictly, where the server was not strict when the rows were written."""
    made = made_anew(answers)
    keys = _keys(made)
    for old, column in answers.case.kept():
        stays = column.generated and old is not None and old.line == column.line
        if stays and (answers.case.copied or (column.generated == "VIRTUAL" and column.name.lower() in keys)):
            yield from _generated(answers, column, written=True, stays=True)
    yield from _indexes(answers, [index for index in made if not answers.case.is_new(index)])


def made_anew(answers: Answers) -> list[Index]:
    """The indexes that the change makes."""
    return [index for index in answers.wanted.indexes if answers.case.rebuilt or answers.case.is_new(index)]


def _keys(indexes: Iterable[Index]) -> set[str]:
    return {name.lower() for index in indexes for name in index.columns}


def _generated(answers: Answers, column: Column, *, written: bool, stays: bool = False) -> Iterator[Finding]:
    expression = expression_of(column)
    what = (
        f'column "{column.name}" {"stays, and is computed anew" if stays else "is computed"} as {expression}'
    )
    yield from _Computing(
        answers=answers, column=column, expression=expression, what=what, written=written, stays=stays
    ).findings()


def _indexes(answers: Answers, indexes: Iterable[Index]) -> Iterator[Finding]:
    for part in (part for index in indexes for part in index.parts if part.expression):
        expression = str(part.expression)
        yield from _failing(answers, expression, f"index on {expression}", "", written=True)


def _anew(answers: Answers, old: Column, column: Column) -> Iterator[Finding]:
    """Values that another expression replaces."""
    what = (
        f'column "{column.name}" is computed anew, as {expression_of(column)} instead of {expression_of(old)}'
    )
    after = as_stored(expression_of(column), column)
    reads = (quote_name(BEFORE), after)
    one, other = map(letters, reads)
    differs = f"NOT ({one} <=> {other})"
    for finding in answers.after(
        differs, Severity.WARNING, "computed", f"{what}: other values", column.name, fails=False, reads=reads, before=old
    ):  # fmt: skip
        yield replace(finding, severity=Severity.WARNING)  # also where it could not be asked


@dataclass(frozen=True, slots=True, kw_only=True)
class _Computing:
    """The questions about one column."""

    answers: Answers
    column: Column
    expression: str
    what: str
    written: bool  # its values are stored, or in an index; else they are computed when read
    stays: bool = False

    def findings(self) -> Iterator[Finding]:
        """What would fail, or was not looked at."""
        if self.column.name.lower() in undecided(self.answers.case):
            yield self.answers.unchecked(self.what, UNDECIDED, self.column.name)
            return
        failing = list(
            _failing(self.answers, self.expression, self.what, self.column.name, written=self.written)
        )
        yield from failing or (*self._nulls(), *self._misfits())

    def _nulls(self) -> Iterator[Finding]:
        if not self.column.nullable:
            yield from self._told(f"{self.expression} IS NULL", "not_null", f"{self.what} and NOT NULL")

    def _misfits(self) -> Iterator[Finding]:
        column, what = self.column, f"{self.what} into {self.column.column_type}"
        source = _source(self.answers, self.expression)
        if source is not None and lossless(source, column):
            return
        # What is computed is stored as by an INSERT, whose ways with text are the same on both servers.
        end = self.answers.asking.flavour.last_timestamp
        found = fit(source, column, self.expression, mariadb=False, last_timestamp=end) if source else None
        if found is None and not self.stays:
            yield self.answers.unchecked(
                what, "no question is known that tells whether the values fit", column.name
            )
        elif found is not None and found.refused:
            yield from self._told(found.refused, "type_change", what)

    def _told(self, condition: str, linter: str, what: str) -> Iterator[Finding]:
        if not self.written:
            what = f"{what}: whatever writes all rows anew, or an index of it,"
        severity = Severity.BLOCKED if self.written else Severity.WARNING
        yield from self.answers.after(condition, severity, linter, what, self.column.name)


def _failing(
    answers: Answers, expression: str, what: str, column: str, *, written: bool
) -> Iterator[Finding]:
    """What the server says against computing it."""
    rows = rows_after(answers.case)
    try:
        answers.asking.kind(f"{expression} FROM {rows} LIMIT 0")
        said, severity = _complaint(answers, f"BIT_XOR(CRC32({expression})) FROM {rows}")
    except Unanswered as reason:
        yield answers.unchecked(what, str(reason), column)
        return
    if not said:
        return
    if not written:
        severity, message = Severity.WARNING, f"{what}: for some rows that fails when it is read: {said}"
    elif severity is Severity.BLOCKED:
        message = f"{what} would fail: {said}"
    else:
        message = (
            f"Unsafe operation detected: {what}, of which the server says for some rows: {said}: "
            "the change fails on them, or they get what it makes of them"
        )
    yield answers.finding(severity, "computed", message, column)


def _complaint(answers: Answers, query: str) -> tuple[str, Severity]:
    """What the server says of a query that it can make sense of; empty: nothing."""
    try:
        return answers.asking.complaint(query), Severity.ERROR
    except NotTaken as refused:
        return str(refused), Severity.BLOCKED


def _source(answers: Answers, expression: str) -> Column | None:
    """What is computed, as if it were a column of its own; None where that is of no type known here."""
    kind, charset = answers.asking.kind(f"{expression} FROM {rows_after(answers.case)} LIMIT 0")
    name = _KINDS.get(kind, "")
    if kind in _STRINGS:
        name = "varbinary" if charset == _BINARY else "varchar"
    if not name:
        return None
    return Column(
        name="", line="", data_type=name.partition("(")[0], column_type=name, nullable=True, default=None,
        charset="utf8mb4" if name == "varchar" else None, collation=None, generated="", expression="", auto_increment=False,
    )  # fmt: skip
