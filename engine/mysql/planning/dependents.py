"""Views and triggers that a plan leaves alone and that may not work any more once it has run: people are told by name."""

import re
from collections.abc import Iterable, Iterator

from engine.base import Finding, Severity
from engine.mysql.link import Link
from engine.mysql.names import is_capture
from engine.mysql.planning.order import Unit

_VIEWS = "SELECT TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA = %s ORDER BY TABLE_NAME"
_TRIGGERS = """
    SELECT TRIGGER_NAME, EVENT_OBJECT_TABLE, ACTION_STATEMENT FROM information_schema.TRIGGERS
    WHERE TRIGGER_SCHEMA = %s ORDER BY TRIGGER_NAME
"""


def dependents(link: Link, schema: str, units: Iterable[Unit]) -> Iterator[Finding]:
    """Warnings about the views and triggers of *schema* that mention what *units* take away or rename there."""
    losing = [unit for unit in units if unit.now is not None and unit.key[0] == schema]
    losing = [unit for unit in losing if _name_goes(unit) or _lost_columns(unit)]
    if not losing:
        return
    views = link.rows(_VIEWS, schema)
    triggers = [row for row in link.rows(_TRIGGERS, schema) if not is_capture(row[1], row[0])]
    for unit in losing:
        for name, text in views:
            yield from _about(unit, f"view {name}", str(text or ""), on=False)
        for name, table, text in triggers:
            here = unit.now is not None and table == unit.now.name
            if here and unit.wanted is None:
                yield _warning(unit, "", f"trigger {name} goes with table {table}")
            else:
                yield from _about(unit, f"trigger {name}", str(text or ""), on=here)


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


def _warning(unit: Unit, column: str, message: str) -> Finding:
    text = f"{message}: it is not managed here, look after it yourself"
    return Finding(severity=Severity.WARNING, linter="broken", message=text, table=unit.key[1], column=column)
