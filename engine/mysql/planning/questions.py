"""Ask the rows, before anybody approves the plan, whether the change would fail on them or lose some of their values."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from engine.base import Finding, Severity
from engine.mysql.catalog import plainly
from engine.mysql.planning.linters.case import Case
from engine.mysql.planning.mentions import mentions
from engine.mysql.planning.partitions import read_partitioning
from engine.mysql.planning.rows.after import altered_columns, live_rows
from engine.mysql.planning.rows.answers import Answers
from engine.mysql.planning.rows.asking import Asking, Unanswered
from engine.mysql.planning.rows.columns import (
    appearances,
    counters,
    new_columns,
    new_counters,
    null_columns,
    passed_counters,
    reference_systems,
    types,
    zero_dates,
)
from engine.mysql.planning.rows.computed import computed, computed_again
from engine.mysql.planning.rows.keys import Parents, foreign_keys, unique_keys
from engine.mysql.planning.rows.partitioned import homeless
from engine.mysql.planning.rows.recomputed import recomputed
from engine.mysql.shown import joined, pieces, solid_pieces, split_list
from engine.mysql.tables import Table


def ask_rows(asking: Asking, case: Case, parents: Parents) -> list[Finding]:
    """Findings about the rows of the live table of *case*, which goes on to exist. It reads, and locks nothing.

    `blocked`: rows on which the change would fail. `error`: values that it would alter. `info`: what was looked at, or not.
    """
    if case.now is None or case.wanted is None:
        return []
    answers = Answers(asking, case, case.now, case.wanted)
    with plainly(asking.link), asking.within(case.wanted):
        return list(_all(answers, parents))


def _all(answers: Answers, parents: Parents) -> Iterator[Finding]:
    yield from passed_counters(answers)  # of an empty table, too
    try:
        if not answers.asking.rows(f"1 FROM {live_rows(answers.now)} LIMIT 1"):
            return
    except Unanswered as reason:
        yield answers.unchecked("the rows", str(reason))
        yield from (finding for finding in recomputed(answers) if finding.severity is Severity.ERROR)
        return
    for question in _FIRST:
        yield from question(answers)
    yield from foreign_keys(answers, parents)
    for question in _LAST:
        yield from question(answers)


def _partitions(answers: Answers) -> Iterator[Finding]:
    """Rows for which there is no partition afterwards."""
    if condition := homeless(
        answers.now.partitions, answers.wanted.partitions, answers.case.parts, altered_columns(answers.case)
    ):
        what = f"{read_partitioning(answers.wanted.partitions).head} with no partition for some rows"
        yield from answers.after(condition, Severity.BLOCKED, "partitions", what)


def _checks(answers: Answers) -> Iterator[Finding]:
    """CHECKs that are new, or over columns that become others, and rows that do not meet them."""
    known = set(_conditions(_lines(answers.now)))
    unseen = _not_looked_at(answers)
    altered = altered_columns(answers.case)
    for expression in _conditions(_lines(answers.wanted)):
        if expression in unseen:
            what = (
                f"Unsafe operation detected: CHECK {expression} is not met, which the server does not look at when it "
                f"{unseen[expression]}"
            )
            yield from answers.after(f"NOT {expression}", Severity.ERROR, "unsafe", what, fails=False)
        elif expression not in known or mentions(expression, altered):
            yield from answers.after(f"NOT {expression}", Severity.BLOCKED, "check", f"CHECK {expression}")


def _periods(answers: Answers) -> Iterator[Finding]:
    """Periods that are new, or whose columns become others, and rows that end before they begin, or when."""
    altered = altered_columns(answers.case)
    for period in answers.wanted.periods:
        if period in answers.now.periods and not mentions(period, altered):
            continue
        begins, ends = (
            piece.text for piece in solid_pieces(period[period.index("(") :]) if piece.kind == "name"
        )
        yield from answers.after(f"NOT {begins} < {ends}", Severity.BLOCKED, "check", period)


def _not_looked_at(answers: Answers) -> dict[str, str]:
    """The CHECKs in lines of columns that MariaDB adds or changes without a look at the rows: what it does, and what follows."""
    if answers.case.copied or not answers.asking.flavour.mariadb:
        return {}
    follows = "each later write of such a row fails"
    return {
        expression: f"adds a column: {follows}; give the column a DEFAULT"
        if old is None
        else f"changes a column: {follows}; correct the rows first"
        for old, column in answers.case.kept()
        if old is None or old.line != column.line
        for expression in _conditions([column.line])
    }


def _lines(table: Table) -> Iterator[str]:
    yield from (check.line for check in table.checks)
    yield from (column.line for column in table.columns)


def _conditions(lines: Iterable[str]) -> list[str]:
    """The conditions of all enforced CHECKs in lines of a table, with their parentheses."""
    found = []
    for line in lines:
        parts = list(pieces(line))
        for at, piece in enumerate(parts):
            if piece.word != "CHECK":
                continue
            start = next(i for i in range(at, len(parts)) if parts[i].text == "(")
            end = split_list(parts, start)[1]
            if "ENFORCED" not in [part.word for part in parts[end:]]:
                found.append(joined(parts[start : end + 1]))
    return found


_Question = Callable[[Answers], Iterator[Finding]]
_FIRST: Sequence[_Question] = (
    null_columns, new_columns, types, appearances, reference_systems, _partitions, computed, unique_keys,
)  # fmt: skip
_LAST: Sequence[_Question] = (
    _checks,
    _periods,
    zero_dates,
    counters,
    new_counters,
    computed_again,
    recomputed,
)
