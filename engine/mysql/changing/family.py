"""A table and those whose foreign keys refer to it: what a server needs of them at once, it gets within one second in all."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from engine.mysql.children import children_of
from engine.mysql.link import Link
from engine.mysql.ownership.watch import Watch
from engine.mysql.quoting import quote_table
from engine.mysql.silence import TABLE_SECONDS, ended_when_silent
from engine.mysql.trouble import Lost
from engine.mysql.waiting.lock_budget import BUDGET_SECONDS
from engine.mysql.waiting.table_locks import lock_tables

NOT_LOCKED = 1100
"""What a statement needs that LOCK TABLES does not have: MariaDB's sequences that a default names."""


def family_of(link: Link, schema: str, table: str) -> list[tuple[str, str]]:
    """The table first; the others as far as they are beside it."""
    return [(schema, name) for name in (table, *children_of(link, schema, table))]


@contextmanager
def locked(watch: Watch, family: Sequence[tuple[str, str]]) -> Iterator[None]:
    """Inside, they are locked as a change of the first locks them. Waited: not all were to be had; or LOCK TABLES is missing."""
    link = watch.hold.link
    # On MySQL a change waits for whoever reads a child, on MariaDB only for whoever writes to it.
    way = "READ" if watch.hold.flavour.mariadb else "WRITE"
    table, *children = [quote_table(*name) for name in family]
    locks = ", ".join([f"{table} WRITE", *(f"{child} {way}" for child in children)])
    with ended_when_silent(link, TABLE_SECONDS):
        try:
            lock_tables(watch, link, locks, time.monotonic() + BUDGET_SECONDS)
            yield
        finally:
            with suppress(Lost):
                link.run("UNLOCK TABLES")
