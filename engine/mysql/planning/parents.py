"""Which tables can be in a foreign key, and the words for it: the servers' own ("incorrectly formed") do not tell."""

from collections.abc import Callable, Iterable

from engine.mysql.planning.order import Key, parent_of
from engine.mysql.tables import Table


def takes_foreign_keys(table: Table) -> bool:
    """On either end."""
    return not _hindrance(table)


def why_refused(table: Table, tables: Callable[[Key], Table | None], relatives: Iterable[Table] = ()) -> str:
    """What may be wrong with a parent of *table*, or with *table* as the parent of one of *relatives*, to be put behind the
    server's words; empty: nothing that is known here.
    """
    key = (table.schema, table.name)
    ends = [(table, foreign, tables(parent_of(foreign))) for foreign in table.foreign_keys]
    ends += [
        (child, one, table) for child in relatives for one in child.foreign_keys if parent_of(one) == key
    ]
    for child, foreign, parent in ends:
        if parent is not None and (hindrance := _hindrance(parent)):
            name = child.name if child.schema == table.schema else f"{child.schema}.{child.name}"
            return (
                f": {foreign.name} of {name} refers to {parent.name}, and no foreign key can, as {hindrance}: "
                "change that first, or leave the foreign key out"
            )
    return ""


def _hindrance(table: Table) -> str:
    engine = table.options.get("ENGINE", "")
    if engine.lower() != "innodb":
        return f"its storage engine is {engine}"
    return "it is partitioned" if table.partitions else ""
