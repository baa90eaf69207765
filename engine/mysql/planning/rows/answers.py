"""Count the rows of a case that meet a condition, and say it as a finding: how many, and the key of one of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine.base import Finding, Severity
from engine.mysql.planning.linters.case import Case
from engine.mysql.planning.mentions import mentions
from engine.mysql.planning.rows.after import KEY_ALIAS, live_rows, rows_after, undecided
from engine.mysql.planning.rows.asking import Asking, Unanswered
from engine.mysql.quoting import quote_name
from engine.mysql.tables import Column, Table

UNDECIDED = "what the rows get is known only when the change runs"
Reads = tuple[()] | tuple[str, str]
"""SQL of what is read of a row before and afterwards, where the example is to show that."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers about one table, which is there (`now`) and goes on to exist (`wanted`)."""

    asking: Asking
    case: Case
    now: Table
    wanted: Table

    def after(
        self, condition: str, severity: Severity, linter: str, what: str, column: str = "", *, fails: bool = True,
        reads: Reads = (), before: Column | None = None,
    ) -> Iterator[Finding]:  # fmt: skip
        """About the rows as they will be. *before*: see `rows_after`."""
        if self.undecided(condition):
            yield self.unchecked(what, UNDECIDED, column)
            return
        keys = [f"{KEY_ALIAS}{at}" for at in range(len(self.now.row_key))]
        rows = rows_after(self.case, before)
        yield from self._count(
            rows, keys, condition, severity, linter, what, column, fails=fails, reads=reads
        )

    def undecided(self, expression: str) -> bool:
        """Whether it goes by values that nobody knows before the change."""
        return mentions(expression, undecided(self.case))

    def live(
        self, condition: str, severity: Severity, linter: str, what: str, column: str, *, fails: bool = True,
        reads: Reads = (),
    ) -> Iterator[Finding]:  # fmt: skip
        """About the rows as they are."""
        keys = [f"r.{quote_name(name)}" for name in self.now.row_key]
        rows = live_rows(self.now)
        yield from self._count(
            rows, keys, condition, severity, linter, what, column, fails=fails, reads=reads
        )

    def number(self, rows: str) -> int:
        """How many; 0 when counting took too long."""
        try:
            return int(self.asking.rows(f"COUNT(*) FROM {rows}")[0][0])
        except Unanswered:
            return 0

    def unchecked(self, what: str, why: str, column: str = "") -> Finding:
        """That something was not looked at."""
        return self.finding(Severity.INFO, "data", f"{what}: not checked: {why}", column)

    def finding(self, severity: Severity, linter: str, message: str, column: str = "") -> Finding:
        """One about the table, or one of its columns."""
        return self.case.finding(severity, linter, message, column=column)

    def _count(
        self, rows: str, keys: Sequence[str], condition: str, severity: Severity, linter: str, what: str, column: str,
        *, fails: bool, reads: Reads,
    ) -> Iterator[Finding]:  # fmt: skip
        """First one of them, which is quick where there are many, then how many."""
        told = ", ".join([*keys, *(f"CONVERT({value} USING utf8mb4)" for value in reads)]) or "1"
        try:
            example = self.asking.rows(f"{told} FROM {rows} WHERE {condition} LIMIT 1")
            count = self.number(f"{rows} WHERE {condition}") if example else 0
        except Unanswered as reason:
            yield self.unchecked(what, str(reason), column)
            return
        if example:
            named = ", ".join(
                f"{name} {shown(value)}" for name, value in zip(self.now.row_key, example[0], strict=False)
            )
            becomes = " becomes ".join(map(_cut, map(str, example[0][len(keys) :]))) if reads else ""
            such = ": ".join(text for text in (named, becomes) if text)
            many = f"{count:,} row{'' if count == 1 else 's'}" if count else "some rows"
            would = " would fail" if fails else ""
            yield self.finding(
                severity, linter, f"{what}{would}: {many}{such and f' (for example {such})'}", column
            )


def shown(value: object) -> str:
    """A value for people, cut where it is long."""
    text = (
        f"x'{value.hex()}'"
        if isinstance(value, bytes)
        else repr(value)
        if isinstance(value, str)
        else str(value)
    )
    return _cut(text)


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
