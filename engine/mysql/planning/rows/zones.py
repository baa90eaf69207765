"""Ask the rows whether they read otherwise once a TIMESTAMP becomes something else: each session reads it in its own time zone.

Changes run in UTC. The application is taken to read and write in the time zone that the server has for all.
"""

from collections.abc import Iterator

from engine.base import Finding, Severity
from engine.mysql.link import Link
from engine.mysql.planning.rows.after import live_value
from engine.mysql.planning.rows.answers import Answers
from engine.mysql.tables import Column

_UTC = ("UTC", "+00:00")  # others may be the same at some times of the year
ON_YOUR_OWN = "do that by an ALTER TABLE of your own in the application's time zone, then pull"


def server_zone(link: Link) -> str:
    """The time zone that the server has for all; empty: UTC at all times, as changes run in."""
    ((zone, of_system),) = link.rows("SELECT @@GLOBAL.time_zone, @@system_time_zone")
    if zone in _UTC or (zone, of_system) == ("SYSTEM", "UTC"):
        return ""
    return str(of_system if zone == "SYSTEM" else zone)


def shifted(answers: Answers, old: Column, column: Column) -> Iterator[Finding]:
    """Values of *old* that the application reads, or wrote, in another time zone than the change."""
    if (old.data_type == "timestamp") == (column.data_type == "timestamp"):
        return
    what = f'type of column "{column.name}" changes from {old.column_type} to {column.column_type} in UTC'
    zone = answers.case.zone
    if not zone:
        return
    value = live_value(old)
    there = f"CONVERT_TZ({value}, '+00:00', @@GLOBAL.time_zone)"
    what = (
        f"Unsafe operation detected: {what}, while the server's time_zone is {zone}: "
        f"{ON_YOUR_OWN}; values that would read otherwise"
    )
    reads = (there, value) if old.data_type == "timestamp" else (value, there)
    yield from answers.live(
        f"{there} <> {value}", Severity.ERROR, "unsafe", what, column.name, fails=False, reads=reads
    )
