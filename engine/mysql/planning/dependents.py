"""Views, routines, events and triggers that a plan leaves alone and that may not work any more once it has run.

People are told by name. What this user may not see at all (events without EVENT, routines without EXECUTE) is not told of.
"""

import re
from collections.abc import Iterable, Iterator

from engine.base import Finding, Severity
from engine.mysql.link import Link
from engine.mysql.names import is_capture
from engine.mysql.planning.order import Unit

_STORED = """
    SELECT 'view', TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA = %s
    UNION ALL
    SELECT LOWER(ROUTINE_TYPE), ROUTINE_NAME, ROUTINE_DEFINITION FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s
    UNION ALL SELECT 'event', EVENT_NAME, EVENT_DEFINITION FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s
    ORDER BY 1, 2
"""
_TRIGGERS = """
    SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_STATEMENT FROM information_schema.TRIGGERS
    WHERE TRIGGER_SCHEMA = %s ORDER BY TRIGGER_NAME
"""


def dependents(link: Link, schema: str, units: Iterable[Unit]) -> Iterator[Finding]:
    """Warnings about what is stored in *schema* and mentions what *units* take away or rename there."""
    losing = [unit for unit in units if unit.now is not None and unit.key[0] == schema]
    losing = [unit for unit in losing if _name_goes(unit) or _lost_columns(unit)]
    if not losing:
        return
    stored = [
        (f"{kind} {name}", str(text or "")) for kind, name, text in link.rows(_STORED, schema, schema, schema)
    ]
    triggers = [row for row in link.rows(_TRIGGERS, schema) if not is_capture(row[1], row[0])]
    for unit in losing:
        for thing, text in stored:
            yield from _about(unit, thing, text, on=False)
        for name, table, text in triggers:
            here = unit.now is not None and table == unit.now.name
            if here and unit.wanted is None:
                yield _warning(unit, "", f"trigger {name} goes with table {table}")
            else:
                yield from _about(unit, f"trigger {name}", str(text or ""), on=here)
    if closed := [thing for thing, text in stored if not text]:
        yield _not_looked_into(losing[0], closed)


def _name_goes(unit: Unit) -> bool:
    return unit.kind in ("drop", "rename")


def _lost_columns(unit: Unit) -> list[str]:
    """Names of columns that a table which goes on to exist has no more."""
    if unit.now is None or unit.wanted is None:
        return []
    return [column.name for column in unit.now.columns if unit.wanted.column(column.name) is None]


def _about(unit: Unit, thing: str, text: str, *, on: bool) -> Iterator[Finding]:
    """*on*: a trigger of the table itself, which need not name it to use its columns."""
    assert unit.now is not None
    table = unit.now.name
    named = _mentions(text, table)
    if named and _name_goes(unit):
        yield _warning(unit, "", f"{thing} uses table {table}, which will not be there by that name")
    if on or (named and not _name_goes(unit)):
        for column in _lost_columns(unit):
            if _mentions(text, column):
                what = f"column {column} of {table}, which will not be there by that name"
                yield _warning(unit, column, f"{thing} seems to use {what}")


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", text, re.IGNORECASE) is not None


def _not_looked_into(unit: Unit, closed: Iterable[str]) -> Finding:
    message = (
        f"not looked into whether they use what will not be there by its name, as this user may not: {', '.join(closed)} "
        "(to views opens GRANT SHOW VIEW, to routines SHOW_ROUTINE, on MariaDB SELECT on mysql.proc)"
    )
    return Finding(severity=Severity.WARNING, linter="broken", message=message, table=unit.key[1])


def _warning(unit: Unit, column: str, message: str) -> Finding:
    text = f"{message}: it is not managed here, look after it yourself"
    return Finding(severity=Severity.WARNING, linter="broken", message=text, table=unit.key[1], column=column)
