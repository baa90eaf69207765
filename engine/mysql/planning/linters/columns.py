"""Linters of columns: types that run out or round, character sets, default values that are no date, renames."""

from collections.abc import Iterator

from engine.annotations import advice
from engine.base import Finding, Severity
from engine.mysql.planning.linters.case import Case
from engine.mysql.tables import Column

CHARSETS = ("utf8mb4", "binary")


def has_timestamp(case: Case) -> Iterator[Finding]:
    """An error where the change brings a TIMESTAMP in; old ones are only pointed out."""
    for old, column in case.pairs():
        if column.data_type == "timestamp":
            known = old is not None and old.data_type == "timestamp"
            day = case.last_timestamp[:10]
            message = f'Column "{column.name}" uses TIMESTAMP which overflows on {day}. Consider using DATETIME instead.'
            severity = Severity.WARNING if known else Severity.ERROR
            yield case.finding(severity, "has_timestamp", message, column=column.name)


def has_float(case: Case) -> Iterator[Finding]:
    """FLOAT and DOUBLE, which keep no decimal fraction exactly."""
    for old, column in case.pairs():
        if column.kind != "real":
            continue
        about = f'olumn "{column.name}" in table "{case.name}"'
        if case.now is None or (old is not None and old.kind == "real"):
            message = f"C{about} uses {column.data_type} data type"
        elif old is None:
            message = f"New c{about} uses {column.data_type} data type"
        else:
            message = f"C{about} modified to use floating-point data type"
        yield case.finding(Severity.WARNING, "has_float", message, column=column.name)


def allow_charset(case: Case) -> Iterator[Finding]:
    """Character sets that cannot hold every character; a column is named when it differs from its table."""
    if case.wanted is None:
        return
    of_table = case.wanted.options.get("CHARSET", "")
    if of_table and of_table not in CHARSETS:
        message = f'Character set "{of_table}" given for table "{case.name}" is not allowed'
        yield case.finding(Severity.WARNING, "allow_charset", message)
    for old, column in case.pairs():
        if column.charset is None or column.charset in (*CHARSETS, of_table):
            continue
        kind = "Column" if case.now is None or old is not None else "New column"
        message = f'{kind} "{column.name}" in table "{case.name}" uses a disallowed character set: "{column.charset}"'
        yield case.finding(Severity.WARNING, "allow_charset", message, column=column.name)


def zero_date(case: Case) -> Iterator[Finding]:
    """A date that is none, as the default value."""
    for _, column in case.pairs():
        if column.kind in ("date", "moment") and (column.default or "").lstrip("'").startswith("0000-00-00"):
            message = f'column {column.name} with type "{column.column_type}" has a zero default value'
            yield case.finding(Severity.WARNING, "zero_date", message, column=column.name)


def rename_column(case: Case) -> Iterator[Finding]:
    """Renames that were asked for; and a column that goes while one like it comes, which may have been meant as one."""
    for old, column in case.pairs():
        if old is not None and old.name.lower() != column.name.lower():
            message = f'Column rename detected in table "{case.name}": "{old.name}" becomes "{column.name}"'
            yield case.finding(Severity.WARNING, "rename_column", message, column=column.name)
    added = [column for old, column in case.pairs() if old is None and case.now is not None]
    for old in case.gone():
        for column in added:
            if _alike(old, column):
                message = (
                    f'column "{old.name}" is dropped and "{column.name}" of the same type is added: '
                    f"if this is a rename, write {advice(old.name)} beside it"
                )
                yield case.finding(Severity.INFO, "rename_column", message, column=column.name)


def _alike(one: Column, two: Column) -> bool:
    return (one.column_type, one.charset, bool(one.generated)) == (
        two.column_type, two.charset, bool(two.generated)
    )  # fmt: skip
