"""The CHECKs of an online copy on MySQL, where a schema has each name once.

Names that begin like the table's follow it when it is renamed: t_chk_1 is one of the shadow's until the copy takes the table's
place. Any other the shadow can have, unless the table has it, which lives on until then.
"""

import re

from engine.errors import Refused
from engine.mysql.names import CHECK_MARK, carried, names_of
from engine.mysql.planning.alters import Alters
from engine.mysql.quoting import LONGEST, quote_name
from engine.mysql.shown import NAME
from engine.mysql.tables import Check, Table

_ABOUT_CHECKS = re.compile(f"DROP CHECK `|ADD CONSTRAINT {NAME} CHECK ")


def against_checks(now: Table, wanted: Table) -> str:
    """Why a copy beside the live table, *now*, cannot have the CHECKs of *wanted*; empty: it can."""
    try:
        names = names_of(now.name)
    except Refused:  # which is told where a copy is to be made
        return ""
    live = {check.name.lower() for check in now.checks}
    of_copy = [(check.name, _in(names.shadow, check, wanted.name).name) for check in wanted.checks]
    of_replaced = [(check.name, _in(names.old, check, now.name).name) for check in now.checks]
    if taken := next((name for name, other in of_copy if other.lower() in live), ""):
        return f"the name of its CHECK {taken} is taken while it lives (without that name in the files, or by another, it can)"
    for name, other in (*of_copy, *of_replaced):
        if len(other) > LONGEST:
            return (
                f"its CHECK {name} would be {other} in between, which is too long a name (once it has another, given in a plan "
                "before, it can)"
            )
    return ""


def with_checks_of_its_own(
    alters: Alters, start: Table, wanted: Table, *, source: str, rests_after: int
) -> Alters:
    """*alters* as they lead from a shadow that is made LIKE *start*: its CHECKs go, those of *wanted* come at the end, and so
    many more ALTERs have them read as they will for good. *source*: the name of the live table.
    """
    shadow = names_of(source).shadow
    gone = [f"DROP CHECK {quote_name(f'{shadow}{CHECK_MARK}{at}')}" for at in range(1, len(start.checks) + 1)]
    rest = [[part for part in parts if not _ABOUT_CHECKS.match(part)] for parts in alters]
    checks = [f"ADD {_in(shadow, check, wanted.name).line}" for check in wanted.checks]
    return [parts for parts in (gone, *rest, checks, *[["FORCE"]] * rests_after) if parts]


def _in(helper: str, check: Check, table: str) -> Check:
    """A CHECK of *table* as it is called while that is called *helper*."""
    return check.named(carried(check.name, table, helper, CHECK_MARK))
