"""Which tables can be in a foreign key, and the words for it: the servers' own ("incorrectly formed") do not tell."""

from collections.abc import Callable

from engine.mysql.planning.order import Key, parent_of
from engine.mysql.tables import Table


def takes_foreign_keys(table: Table) -> bool:
    """On either end."""
    return not _hindrance(table)


def why_refused(child: Table, tables: Callable[[Key], Table | None]) -> str:
    """What may be wrong with a parent of *child*, to be put behind the server's words; empty: nothing that is known here."""
    for foreign in child.foreign_keys:
        parent = tables(parent_of(foreign))
        if parent is not None and (hindrance := _hindrance(parent)):
            return (
                f": {foreign.name} refers to {parent.name}, and no foreign key can, as {hindrance}: "
                "change that first, or leave the foreign key out"
            )
    return ""


def _hindrance(table: Table) -> str:
    engine = table.options.get("ENGINE", "")
    if engine.lower() != "innodb":
        return f"its storage engine is {engine}"
    return "it is partitioned" if table.partitions else ""
