"""The CHECKs of an online copy on MySQL, where a schema has each name once.

The names that the server gives after the table's follow it when that is renamed: t_chk_1 is one of the shadow's until the copy
takes the table's place. Any other the shadow can have, unless the table has it, which lives on until then.
"""

import re

from engine.mysql.names import names_of
from engine.mysql.planning.alters import Alters
from engine.mysql.quoting import quote_name
from engine.mysql.shown import NAME
from engine.mysql.tables import Check, Table

_ABOUT_CHECKS = re.compile(f"DROP CHECK `|ADD CONSTRAINT {NAME} CHECK ")


def taken_names(start: Table, wanted: Table) -> list[str]:
    """The names of CHECKs that keep a copy from becoming *wanted*."""
    live = {check.name.lower() for check in start.checks}
    return [
        check.name
        for check in wanted.checks
        if check.name.lower() in live and not _number(check, wanted.name)
    ]


def with_checks_of_its_own(
    alters: Alters, start: Table, wanted: Table, *, source: str, rests_after: int
) -> Alters:
    """*alters* as they lead from a shadow that is made LIKE *start*: its CHECKs go, those of *wanted* come at the end, and so
    many more ALTERs have them read as they will for good. *source*: the name of the live table.
    """
    shadow = names_of(source).shadow
    gone = [f"DROP CHECK {quote_name(f'{shadow}_chk_{at}')}" for at in range(1, len(start.checks) + 1)]
    rest = [[part for part in parts if not _ABOUT_CHECKS.match(part)] for parts in alters]
    checks = [f"ADD {_of(shadow, check, wanted.name).line}" for check in wanted.checks]
    return [parts for parts in (gone, *rest, checks, *[["FORCE"]] * rests_after) if parts]


def _of(shadow: str, check: Check, table: str) -> Check:
    number = _number(check, table)
    return check.named(f"{shadow}_chk_{number}") if number else check


def _number(check: Check, table: str) -> str:
    """The one that the server numbers a CHECK of *table* by; empty: somebody gave it its name."""
    given = re.fullmatch(rf"{re.escape(table)}_chk_([1-9]\d*)", check.name)
    return given[1] if given else ""
