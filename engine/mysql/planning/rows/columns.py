"""Ask the rows about columns: values that are missing, or that a new type refuses or alters; counters near their end."""

from collections.abc import Iterator

from engine.base import Finding, Severity
from engine.mysql.planning.lossless import lossless
from engine.mysql.planning.rows.after import has_default, live_rows, live_value
from engine.mysql.planning.rows.answers import Answers
from engine.mysql.planning.rows.asking import Unanswered
from engine.mysql.planning.rows.fits import fit
from engine.mysql.planning.rows.zones import shifted
from engine.mysql.shown import solid_pieces
from engine.mysql.tables import INTEGER_BITS, Column

FULL = 0.85  # of what an AUTO_INCREMENT column can count to


def null_columns(answers: Answers) -> Iterator[Finding]:
    """NOT NULL over NULLs."""
    for old, column in answers.case.kept():
        if old is not None and old.nullable and not column.nullable and not column.generated:
            what = f'column "{column.name}" becomes NOT NULL'
            yield from answers.live(
                f"{live_value(old)} IS NULL", Severity.BLOCKED, "not_null", what, column.name
            )


def new_columns(answers: Answers) -> Iterator[Finding]:
    """NOT NULL columns without a value for the rows that are there."""
    for old, column in answers.case.kept():
        given = column.nullable or has_default(column) or column.generated or column.auto_increment
        if old is not None or given:
            continue
        what = f'column "{column.name}" is new, NOT NULL and without a default'
        if answers.case.online and (column.kind == "shape" or column.data_type == "vector"):
            reason = "an online copy can give the rows that are there no value: add it in a plan of its own, or without NOT NULL"
            yield answers.finding(Severity.BLOCKED, "not_null", f"{what}: {reason}", column.name)
        elif column.kind == "shape" and _needs_geometry(answers, column):
            yield answers.finding(Severity.BLOCKED, "not_null", f"{what}: every row would fail", column.name)
        else:
            message = f"{what}: the rows that are there get {_given(column)}"
            yield answers.finding(Severity.WARNING, "not_null", message, column.name)


def _needs_geometry(answers: Answers, column: Column) -> bool:
    """Whether the server does not leave the value empty: MariaDB does, but in a SPATIAL index."""
    indexed = any(
        index.kind == "SPATIAL" and column.name.lower() in map(str.lower, index.columns)
        for index in answers.wanted.indexes
    )
    return indexed or not answers.asking.flavour.mariadb


def _given(column: Column) -> str:
    """In words, what rows that are there have in a new column that says nothing of it."""
    if column.kind == "shape":
        return "an empty value, which is no geometry"
    if column.data_type == "json":
        return "a JSON null"
    return "a zero date" if column.kind in ("date", "moment", "time") else column.implicit_default


def types(answers: Answers) -> Iterator[Finding]:
    """Values that the new type refuses or alters."""
    for old, column in answers.case.kept():
        if old is not None and not column.generated and not lossless(old, column):
            yield from _type(answers, old, column)


def appearances(answers: Answers) -> Iterator[Finding]:
    """Values that stay what they are and read otherwise: a DOUBLE shows all digits of what a FLOAT shows six of."""
    for old, column in answers.case.kept():
        if old is None or column.generated or (old.data_type, column.data_type) != ("float", "double"):
            continue
        value = live_value(old)
        after = f"CAST({value} AS DOUBLE)"
        what = f'column "{column.name}" becomes DOUBLE and shows more digits of its values'
        yield from answers.live(
            f"CAST(CAST({value} AS CHAR) AS DOUBLE) <> {after}", Severity.WARNING, "type_change", what, column.name,
            fails=False, reads=(value, after),
        )  # fmt: skip


def reference_systems(answers: Answers) -> Iterator[Finding]:
    """Spatial columns that take values of one reference system only."""
    for old, column in answers.case.kept():
        system = _system(column)
        if old is not None and system and system != _system(old):
            what = f'column "{column.name}" takes values of SRID {system} only'
            yield from answers.live(
                f"ST_SRID({live_value(old)}) <> {system}", Severity.BLOCKED, "srid", what, column.name
            )


def zero_dates(answers: Answers) -> Iterator[Finding]:
    """Dates that are none, where a column of dates changes: they stay, and a strict server takes no new ones."""
    for old, column in answers.case.kept():
        kinds = {old.kind, column.kind} if old is not None else set()
        if old is None or old.line == column.line or not kinds <= {"date", "moment"}:
            continue
        value = live_value(old)
        what = f'column "{column.name}" has dates without a month or a day, which stay as they are'
        yield from answers.live(
            f"(MONTH({value}) = 0 OR DAYOFMONTH({value}) = 0)", Severity.INFO, "zero_date", what, column.name, fails=False
        )  # fmt: skip


def counters(answers: Answers) -> Iterator[Finding]:
    """AUTO_INCREMENT columns that will soon have counted to the end."""
    for old, column in answers.case.kept():
        if old is None or not column.auto_increment or {old.kind, column.kind} != {"whole"}:
            continue
        limit = _last_number(column)
        try:
            ((last,),) = answers.asking.rows(f"MAX({live_value(old)}) FROM {live_rows(answers.now)}")
        except Unanswered as reason:
            yield answers.unchecked(f'how far column "{column.name}" has counted', str(reason))
            continue
        if last is not None and int(last) >= FULL * limit:
            message = (
                f'Column "{column.name}" is AUTO_INCREMENT and at {int(last):,}: '
                f"{100 * int(last) // limit} % of what {column.column_type} can count to"
            )
            yield answers.finding(Severity.WARNING, "auto_inc_capacity", message, column.name)


def passed_counters(answers: Answers) -> Iterator[Finding]:
    """AUTO_INCREMENT columns that get too narrow for where they stand: the table counts on from there, whatever ids are left."""
    for old, column in answers.case.pairs():
        goes_on = old is not None and old.auto_increment and column.auto_increment
        if goes_on and column.kind == "whole" and answers.now.counter > _last_number(column):
            message = (
                f'Unsafe operation detected: column "{column.name}" stands at AUTO_INCREMENT={answers.now.counter:,}, and '
                f"{column.column_type} can count to {_last_number(column):,}: each later INSERT without an id would fail; "
                "ALTER TABLE … AUTO_INCREMENT = 1 first, which goes back to the greatest id"
            )
            yield answers.finding(Severity.ERROR, "unsafe", message, column.name)


def new_counters(answers: Answers) -> Iterator[Finding]:
    """AUTO_INCREMENT columns that are to number the rows that are there, and have too few numbers."""
    for old, column in answers.case.kept():
        bits = INTEGER_BITS.get(column.data_type, 64)
        if old is not None or not column.auto_increment or bits == 64:  # no table has so many rows
            continue
        what = f'column "{column.name}" is new and numbers the rows'
        try:
            ((rows,),) = answers.asking.rows(f"COUNT(*) FROM {live_rows(answers.now)}")
        except Unanswered as reason:
            yield answers.unchecked(what, str(reason), column.name)
            continue
        if int(rows) >= _last_number(column):
            message = (
                f"{what}: {int(rows):,} of them, and {column.column_type} can count to {_last_number(column):,}: "
                "the change would fail, or leave no number for the next row"
            )
            yield answers.finding(Severity.BLOCKED, "auto_inc_capacity", message, column.name)


def _last_number(column: Column) -> int:
    """The greatest value of an integer column."""
    return (1 << INTEGER_BITS[column.data_type] - (not column.unsigned)) - 1


def _type(answers: Answers, old: Column, column: Column) -> Iterator[Finding]:
    what = f'type of column "{column.name}" changes from {old.column_type} to {column.column_type}'
    if old.charset and column.charset and old.charset != column.charset:
        what += f" ({old.charset} to {column.charset})"
    said = list(shifted(answers, old, column))
    flavour = answers.asking.flavour
    found = fit(
        old, column, live_value(old), mariadb=flavour.mariadb, last_timestamp=flavour.last_timestamp,
        by_alter=not answers.case.online,
    )  # fmt: skip
    if found is None:
        yield from said
        yield answers.unchecked(
            what, "no question is known that tells what becomes of the values", column.name
        )
        return
    if found.refused:
        said += answers.live(found.refused, Severity.BLOCKED, "type_change", what, column.name)
    if found.changed:
        taken = f" AND NOT COALESCE({found.refused}, 0)" if found.refused else ""
        alters = f"Unsafe operation detected: {what} and alters values"
        said += answers.live(
            f"{found.changed}{taken}", Severity.ERROR, "unsafe", alters, column.name, fails=False
        )
    if not said:
        message = f"{what}: all rows were read, no value is lost of those that are there now; others may come before the apply"
        said.append(answers.finding(Severity.INFO, "type_change", message, column.name))
    yield from said


def _system(column: Column) -> str:
    """The SRID that the definition says; empty where it says none, and on MariaDB, which minds none."""
    found = solid_pieces(column.line)
    return next((found[at + 1].text for at, piece in enumerate(found[:-1]) if piece.word == "SRID"), "")
