"""Ask whether what the change computes is what the application has, or would compute: a change runs in UTC.

Where a table is copied the server computes STORED columns anew, and the keys of indexes also where it is rebuilt in place, though
nobody changed them; and what is computed from a TIMESTAMP is another value in each time zone.
"""

from collections.abc import Iterator

from engine.base import Finding, Severity
from engine.mysql.planning.mentions import computed_from, mentions
from engine.mysql.planning.rows.after import (
    BEFORE,
    as_stored,
    default_of,
    expression_of,
    rows_after,
    undecided,
)
from engine.mysql.planning.rows.answers import Answers
from engine.mysql.planning.rows.asking import Unanswered
from engine.mysql.planning.rows.computed import made_anew
from engine.mysql.planning.rows.zones import ON_YOUR_OWN
from engine.mysql.quoting import quote_name
from engine.mysql.tables import Column

_UNSAFE = "Unsafe operation detected"


def recomputed(answers: Answers) -> Iterator[Finding]:
    """Values that stay in the files but not in the rows, or that are not what the application's time zone would make them."""
    kept = _kept_columns(answers)
    for old, column in kept:
        yield from _other_than_before(answers, old, column)
    for value, what, name in _written(answers, {column.name for _, column in kept}):
        if not answers.undecided(value) and name.lower() not in undecided(answers.case):
            yield from _other_in_utc(answers, value, what, name)


def _kept_columns(answers: Answers) -> list[tuple[Column, Column]]:
    """STORED columns that are computed anew as before."""
    return [
        (old, column)
        for old, column in answers.case.kept()
        if answers.case.copied
        and old is not None
        and old.generated == column.generated == "STORED"
        and expression_of(old) == expression_of(column)
    ]


def _other_than_before(answers: Answers, old: Column, column: Column) -> Iterator[Finding]:
    expression = expression_of(column)
    of_moments = _of_moments(answers, expression)
    how, remedy = ("anew in UTC", f"{ON_YOUR_OWN}; ") if of_moments else ("anew", "")
    what = f'column "{column.name}" stays, but is computed {how} in the copy, as {expression}: {remedy}other values'
    before, after = quote_name(BEFORE), as_stored(expression, old)
    differs = f"NOT ({_exactly(after, old)} <=> {_exactly(before, old)})"
    for finding in answers.after(
        differs, Severity.ERROR, "unsafe", what, column.name, fails=False, reads=(before, after), before=old
    ):
        if finding.severity is Severity.ERROR or (of_moments and answers.case.zone):
            yield answers.finding(Severity.ERROR, "unsafe", f"{_UNSAFE}: {finding.message}", column.name)
        else:
            yield finding


def _exactly(value: str, column: Column) -> str:
    """For comparing it with what is in the column, as the column would have it."""
    if column.charset and not column.members:
        return f"CAST(CONVERT({value} USING {column.charset}) AS BINARY)"
    return f"CAST({value} AS JSON)" if column.data_type == "json" else value


def _written(answers: Answers, kept: set[str]) -> Iterator[tuple[str, str, str]]:
    """(what is computed for the rows and written, where to, name of the column)."""
    copied, made = answers.case.copied, made_anew(answers)
    keys = {name.lower() for index in made for name in index.columns}
    for old, column in answers.case.kept():
        what = f'column "{column.name}"'
        if column.generated and column.name not in kept:
            if column.name.lower() in keys or (copied and column.generated == "STORED"):
                yield _in_column(expression_of(column), column), what, column.name
        elif old is None and _of_moments(answers, default_of(column)):
            yield _in_column(default_of(column), column), what, column.name
    for part in (part for index in made for part in index.parts if part.expression):
        yield str(part.expression), f"index on {part.expression}", ""


def _in_column(value: str, column: Column) -> str:
    """A TIMESTAMP is the same moment everywhere."""
    return f"UNIX_TIMESTAMP({value})" if column.data_type == "timestamp" else as_stored(value, column)


def _other_in_utc(answers: Answers, value: str, what: str, name: str) -> Iterator[Finding]:
    zone = answers.case.zone
    if not zone:
        return
    question = f"SUM(CRC32({value})) FROM {rows_after(answers.case)}"
    try:
        if answers.asking.rows(question) == answers.asking.rows_elsewhere(question):
            return
        why = "some values are others there"
    except Unanswered as reason:
        if not _of_moments(answers, value):
            return
        why = f"not checked: {reason}"
    message = (
        f"{_UNSAFE}: {what} is computed in UTC, while the server's time_zone is {zone}: {ON_YOUR_OWN}; {why}"
    )
    yield answers.finding(Severity.ERROR, "unsafe", message, name)


def _of_moments(answers: Answers, expression: str) -> bool:
    """Whether it names a TIMESTAMP, or what is computed from one."""
    table = answers.wanted
    moments = {column.name.lower() for column in table.columns if column.data_type == "timestamp"}
    return mentions(expression, moments | computed_from(table, moments))
