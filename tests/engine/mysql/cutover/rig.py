"""Tables and their copies that are to be swapped, by nothing but the swap itself."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from engine.base import Job
from engine.errors import EngineError
from engine.mysql.cutover.swap import Pair
from engine.mysql.link import DDL_SETTINGS, Link
from engine.mysql.ownership.hold import Hold
from engine.mysql.ownership.watch import Watch
from tests.engine.mysql.changing.plans import Shop

LATE = 2_000
"""Keys are given in another order than they are committed in; so many back are looked at again."""


@dataclass
class Rest:
    """What is left to copy at the end, as a copy would find it: by key."""

    shadow: str
    source: str
    at: int = 0
    delay: float = 0.0
    counter: int | None = None

    def copy(self, link: Link) -> None:
        link.run(
            f"INSERT IGNORE INTO {self.shadow} SELECT * FROM {self.source} WHERE id > {max(self.at - LATE, 0)}"
        )

    def final_apply(self, link: Link, seconds: float) -> None:
        self.copy(link)
        link.run(f"DO SLEEP({self.delay})")
        self.counter = link.value(
            "SELECT AUTO_INCREMENT FROM information_schema.TABLES "
            "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s",
            self.source,
        )

    def nothing_came(self, link: Link, seconds: float) -> bool:
        """By the next key, which InnoDB tells of a table that cannot be opened, too."""
        found = link.value(
            "SELECT AUTOINC FROM information_schema.INNODB_SYS_TABLESTATS "
            "WHERE NAME = CONCAT(DATABASE(), '/', %s)",
            self.source,
        )
        return bool(found == self.counter)


def make(shop: Shop, *tables: str) -> None:
    """Tables that tell who wrote a row."""
    for table in tables:
        shop.run(f"CREATE TABLE {table} (id BIGINT AUTO_INCREMENT PRIMARY KEY, writer INT NOT NULL)")


def pair(shop: Shop, table: str, *, delay: float = 0.0) -> Pair:
    """The table with a copy beside it, of which what came last is to be copied again."""
    shadow, old = f"{table}__osc_n", f"{table}__osc_o"
    with shop.link() as link:
        link.run(f"CREATE TABLE {shadow} LIKE {table}")
        at = int(link.value(f"SELECT COALESCE(MAX(id), 0) FROM {table}"))
        rest = Rest(shadow=shadow, source=table, delay=delay)
        rest.copy(link)
        rest.at = at
        link.run(f"ALTER TABLE {shadow} AUTO_INCREMENT = {at + 100_000}")
    return Pair(schema=shop.database, source=table, table=table, shadow=shadow, old=old, extra=(), rest=rest)


@contextmanager
def watching(shop: Shop, fence: int = 1) -> Iterator[Watch]:
    """Of an owner with that fence."""
    hold = Hold(shop.address, Job(apply_uid="apply_a", fence=fence, owner="test"), settings=DDL_SETTINGS)
    hold.take()
    watch = Watch(hold)
    try:
        yield watch
    finally:
        watch.close()
        with suppress(EngineError):
            hold.release()
        hold.close()
