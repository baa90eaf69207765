"""Views, routines, events and triggers that a plan leaves alone and that may not work any more once it has run.

People are told by name. What this user may not see at all (events without EVENT, routines without EXECUTE) is not told of.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from engine.base import Finding, Severity
from engine.mysql.link import Link
from engine.mysql.names import is_capture
from engine.mysql.planning.order import Unit
from engine.mysql.planning.rows.asking import Asking, Unanswered
from engine.mysql.quoting import quote_name
from engine.mysql.shown import literal
from engine.mysql.spec import SYSTEM_SCHEMAS

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
_ANYWHERE = """
    * FROM (
        SELECT TABLE_SCHEMA AS place, 'view' AS kind, TABLE_NAME AS name, VIEW_DEFINITION AS body FROM information_schema.VIEWS
        UNION ALL SELECT ROUTINE_SCHEMA, LOWER(ROUTINE_TYPE), ROUTINE_NAME, ROUTINE_DEFINITION FROM information_schema.ROUTINES
        UNION ALL SELECT EVENT_SCHEMA, 'event', EVENT_NAME, EVENT_DEFINITION FROM information_schema.EVENTS
        UNION ALL SELECT TRIGGER_SCHEMA, 'trigger', TRIGGER_NAME, ACTION_STATEMENT FROM information_schema.TRIGGERS
    ) AS found WHERE place NOT IN ({system}) AND ({mentioned}) ORDER BY 1, 2, 3
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A view, routine, event or trigger, in any schema that is not the server's own."""

    schema: str
    thing: str  # "view shop.totals"
    text: str

    def names(self, unit: Unit) -> bool:
        """Whether it names the live table of *unit* with its schema, as it must from another one."""
        assert unit.now is not None
        schema, table = map(_named, (unit.key[0], unit.now.name))
        return re.search(rf"{schema}\s*\.\s*{table}", self.text, re.IGNORECASE) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Anywhere:
    """What is stored in all schemas and mentions one in which something is lost."""

    stored: tuple[Stored, ...] = ()
    unanswered: str = ""  # why nobody knows


def _losing(units: Iterable[Unit]) -> list[Unit]:
    """Those that take a table or columns away, or rename them."""
    return [unit for unit in units if unit.now is not None and (_name_goes(unit) or _lost_columns(unit))]


def look_anywhere(asking: Asking, units: Iterable[Unit]) -> Anywhere:
    """Look through all schemas, once for a plan, if *units* lose something."""
    schemas = sorted({unit.key[0] for unit in _losing(units)})
    if not schemas:
        return Anywhere()
    mentioned = " OR ".join(f"INSTR(LOWER(body), {literal(schema.lower())}) > 0" for schema in schemas)
    system = ", ".join(map(literal, sorted(SYSTEM_SCHEMAS)))
    try:
        rows = asking.rows(_ANYWHERE.format(system=system, mentioned=mentioned))
    except Unanswered as reason:
        return Anywhere(unanswered=str(reason))
    found = (
        Stored(schema=str(schema), thing=f"{kind} {schema}.{name}", text=str(text))
        for schema, kind, name, text in rows
    )
    return Anywhere(stored=tuple(found))


def dependents(link: Link, schema: str, units: Iterable[Unit], anywhere: Anywhere) -> Iterator[Finding]:
    """Warnings about what mentions what *units* take away or rename in *schema*: what is stored there, or *anywhere* else."""
    lost = _losing(unit for unit in units if unit.key[0] == schema)
    if not lost:
        return
    yield from _here(link, schema, lost)
    for unit in lost:
        for one in anywhere.stored:
            if one.schema != schema:
                yield from _about(unit, one.thing, one.text, named=one.names(unit))
    if anywhere.unanswered:
        message = f"not looked into whether other schemas use what will not be there by its name: {anywhere.unanswered}"
        yield Finding(severity=Severity.WARNING, linter="broken", message=message, table=lost[0].key[1])


def _here(link: Link, schema: str, lost: list[Unit]) -> Iterator[Finding]:
    stored = [
        (f"{kind} {name}", str(text or "")) for kind, name, text in link.rows(_STORED, schema, schema, schema)
    ]
    triggers = [row for row in link.rows(_TRIGGERS, schema) if not is_capture(row[1], row[0])]
    for unit in lost:
        for thing, text in stored:
            yield from _about(unit, thing, text, named=_uses(unit, text))
        for name, table, text in triggers:
            here = unit.now is not None and table == unit.now.name
            if here and unit.wanted is None:
                yield _warning(unit, "", f"trigger {name} goes with table {table}")
            else:
                body = str(text or "")
                yield from _about(unit, f"trigger {name}", body, named=_uses(unit, body), on=here)
    if closed := [thing for thing, text in stored if not text]:
        yield _not_looked_into(lost[0], closed)


def _name_goes(unit: Unit) -> bool:
    return unit.kind in ("drop", "rename")


def _lost_columns(unit: Unit) -> list[str]:
    """Names of columns that a table which goes on to exist has no more."""
    if unit.now is None or unit.wanted is None:
        return []
    return [column.name for column in unit.now.columns if unit.wanted.column(column.name) is None]


def _uses(unit: Unit, text: str) -> bool:
    return unit.now is not None and _mentions(text, unit.now.name)


def _about(unit: Unit, thing: str, text: str, *, named: bool, on: bool = False) -> Iterator[Finding]:
    """*named*: it names the table. *on*: a trigger of the table itself, which need not name it to use its columns."""
    assert unit.now is not None
    table = unit.now.name
    if named and _name_goes(unit):
        yield _warning(unit, "", f"{thing} uses table {table}, which will not be there by that name")
    if on or (named and not _name_goes(unit)):
        for column in _lost_columns(unit):
            if _mentions(text, column):
                what = f"column {column} of {table}, which will not be there by that name"
                yield _warning(unit, column, f"{thing} seems to use {what}")


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", text, re.IGNORECASE) is not None


def _named(name: str) -> str:
    """The pattern of *name*, quoted in whatever way or not."""
    return (
        rf"""(?:{re.escape(quote_name(name))}|"{re.escape(name)}"|(?<![\w$`]){re.escape(name)}(?![\w$`]))"""
    )


def _not_looked_into(unit: Unit, closed: Iterable[str]) -> Finding:
    message = (
        f"not looked into whether they use what will not be there by its name, as this user may not: {', '.join(closed)} "
        "(to views opens GRANT SHOW VIEW, to routines SHOW_ROUTINE, on MariaDB SELECT on mysql.proc)"
    )
    return Finding(severity=Severity.WARNING, linter="broken", message=message, table=unit.key[1])


def _warning(unit: Unit, column: str, message: str) -> Finding:
    text = f"{message}: it is not managed here, look after it yourself"
    return Finding(severity=Severity.WARNING, linter="broken", message=text, table=unit.key[1], column=column)
