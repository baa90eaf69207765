"""Ask the rows whether they read otherwise once a TIMESTAMP becomes something else: each session reads it in its own time zone.

Changes run in UTC. The application is taken to read and write in the time zone that the server has for all.
"""

from collections.abc import Iterator

from engine.base import Finding, Severity
from engine.mysql.planning.rows.after import live_value
from engine.mysql.planning.rows.answers import Answers
from engine.mysql.planning.rows.asking import Unanswered
from engine.mysql.tables import Column

_UTC = ("UTC", "+00:00")  # others may be the same at some times of the year


def shifted(answers: Answers, old: Column, column: Column) -> Iterator[Finding]:
    """Values of *old* that the application reads, or wrote, in another time zone than the change."""
    if (old.data_type == "timestamp") == (column.data_type == "timestamp"):
        return
    what = f'type of column "{column.name}" changes from {old.column_type} to {column.column_type} in UTC'
    try:
        ((zone, of_system),) = answers.asking.rows("@@GLOBAL.time_zone, @@system_time_zone")
    except Unanswered as reason:
        yield answers.unchecked(what, str(reason), column.name)
        return
    if zone in _UTC or (zone, of_system) == ("SYSTEM", "UTC"):
        return
    value = live_value(old)
    there = f"CONVERT_TZ({value}, '+00:00', @@GLOBAL.time_zone)"
    what = (
        f"Unsafe operation detected: {what}, while the server's time_zone is {of_system if zone == 'SYSTEM' else zone}: "
        "do that by an ALTER TABLE of your own in the application's time zone, then pull; values that would read otherwise"
    )
    reads = (there, value) if old.data_type == "timestamp" else (value, there)
    yield from answers.live(
        f"{there} <> {value}", Severity.ERROR, "unsafe", what, column.name, fails=False, reads=reads
    )
