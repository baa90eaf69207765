"""What a person should know about the shape of a change. Errors are only what the change itself brings in."""

from collections.abc import Callable, Iterable, Iterator

from engine.annotations import advice
from engine.base import Finding, Severity
from engine.mysql.planning.linters.case import Case
from engine.mysql.planning.linters.columns import (
    allow_charset,
    has_float,
    has_timestamp,
    rename_column,
    zero_date,
)
from engine.mysql.planning.linters.keys import (
    has_foreign_key,
    invisible_index_before_drop,
    primary_key,
    redundant_indexes,
)
from engine.mysql.planning.linters.losses import (
    altered_types,
    bared,
    dropped,
    forgetful_engines,
    unique_collations,
)
from engine.mysql.planning.linters.names import (
    allow_engine,
    carried_names,
    name_case,
    rename_table,
    reserved_words,
)
from engine.mysql.tables import Table

LINTERS: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    dropped, altered_types, forgetful_engines, bared, unique_collations, invisible_index_before_drop, has_timestamp, primary_key,
    allow_charset, allow_engine, has_foreign_key, has_float, name_case, redundant_indexes, rename_column, rename_table,
    carried_names, reserved_words, zero_date,
)  # fmt: skip


def judge(case: Case) -> list[Finding]:
    """The findings about one change, worst first.

    The original's fourteenth linter, `multiple_alter_table`, is not among them: the ALTERs of a plan are made by the planner,
    and are several only where one would not do.
    """
    found = [finding for linter in LINTERS for finding in linter(case)]
    return sorted(found, key=lambda finding: list(Severity).index(finding.severity))


def gone_and_new(cases: Iterable[Case]) -> list[Finding]:
    """Of all cases of a plan: a table that is dropped and one with the same columns that is created, perhaps renamed."""
    cases = list(cases)
    gone = [case.now for case in cases if case.now is not None and case.wanted is None]
    created = [case for case in cases if case.now is None]
    return [
        case.finding(
            Severity.INFO,
            "rename_table",
            f'table "{old.name}" is dropped and "{case.name}" with the same columns is created: '
            f"if this is a rename, write {advice(old.name)} above it",
        )
        for old in gone
        for case in created
        if case.wanted is not None and _columns(old) == _columns(case.wanted)
    ]


def _columns(table: Table) -> list[tuple[str, str]]:
    return [(column.name.lower(), column.column_type) for column in table.columns]
