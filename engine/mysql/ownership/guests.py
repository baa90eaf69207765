"""What an apply leaves in the schemas that it changes beside its home, so that applies with another home meet it there.

It is written under the named lock of the schema. An apply that is parked holds none, but what it left stays.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from engine.base import Job
from engine.errors import TargetHeld
from engine.mysql.address import Address
from engine.mysql.catalog import exists
from engine.mysql.link import Link
from engine.mysql.ownership.records import (
    CONNECTION_TABLE,
    COPY_TABLE,
    HELD_SECONDS,
    OWNER_TABLE,
)
from engine.mysql.quoting import quote_table
from engine.mysql.spec import OWN_PREFIX
from engine.mysql.trouble import NO_PRIVILEGE, NO_SUCH_PLACE, Tolerated

GUEST_TABLE = f"{OWN_PREFIX}guest"


class Guests:
    """Those of one job, whose own tables are in *home*."""

    def __init__(self, address: Address, job: Job, home: str, schemas: Sequence[str]) -> None:
        self._address = address
        self._job = job
        self._home = home
        self._schemas = schemas
        self._abroad = [schema for schema in schemas if schema != home]

    def look(self, link: Link) -> None:
        """TargetHeld: an apply with another home is alive in one of the schemas, or has work or helpers of its own there.

        However long it showed no life: only who has its home can clean up after it.
        """
        for schema in self._schemas:
            for home, apply_uid, owner in self._others(link, schema):
                if apply_uid != self._job.apply_uid and self._is_at_work(link, home, apply_uid):
                    raise TargetHeld(
                        f"{self._address}: the apply {apply_uid} ({owner}) is changing this database, too: it has work in "
                        f"the schema {schema}; wait for it or cancel it (if nobody drives it any more, the next apply whose "
                        f"own tables are in {home} cleans up after it)"
                    )

    def put(self, link: Link) -> None:
        """Say in every schema but the home that we are there, too. Under their named locks, after a `look`."""
        if exists(link, "TABLE", self._home, GUEST_TABLE):  # of one that has gone
            link.run(f"DROP TABLE IF EXISTS {quote_table(self._home, GUEST_TABLE)}")
        for schema in self._abroad:
            table = quote_table(schema, GUEST_TABLE)
            if not exists(link, "TABLE", schema, GUEST_TABLE):
                _make(link, table)
            # Whoever else was there has gone, as was looked.
            link.run(f"DELETE FROM {table} WHERE home <> %s", self._home)
            link.run(
                f"REPLACE INTO {table} (home, apply_uid, owner) VALUES (%s, %s, %s)",
                self._home,
                self._job.apply_uid,
                self._job.owner[:255],
            )

    def remove(self, link: Link) -> None:
        """Nothing of ours is left in those schemas. Under their named locks."""
        for schema in self._abroad:
            link.run(f"DROP TABLE IF EXISTS {quote_table(schema, GUEST_TABLE)}")

    def _others(self, link: Link, schema: str) -> Iterator[tuple[str, str, str]]:
        """Home, apply and owner of those that were in *schema*, whether they are still there or not."""
        guests = quote_table(schema, GUEST_TABLE)
        for row in _rows(link, f"SELECT home, apply_uid, owner FROM {guests} WHERE home <> %s", self._home):
            yield str(row[0]), str(row[1]), str(row[2])
        if schema == self._home:
            return
        owners = quote_table(schema, OWNER_TABLE)
        owner = ""
        for row in _rows(link, f"SELECT apply_uid, owner FROM {owners} WHERE apply_uid <> ''"):
            owner = str(row[1])
            yield schema, str(row[0]), owner
        for (apply_uid,) in _rows(link, f"SELECT DISTINCT apply_uid FROM {quote_table(schema, COPY_TABLE)}"):
            yield schema, str(apply_uid), owner

    def _is_at_work(self, link: Link, home: str, apply_uid: str) -> bool:
        owners, connections, copies = (
            quote_table(home, name) for name in (OWNER_TABLE, CONNECTION_TABLE, COPY_TABLE)
        )
        alive = f"""
            SELECT 1 FROM {owners} AS o JOIN {connections} AS c ON c.apply_uid = o.apply_uid
             WHERE o.apply_uid = %s AND c.beat_at > UTC_TIMESTAMP(6) - INTERVAL %s SECOND LIMIT 1
            """
        with Tolerated(*NO_PRIVILEGE):
            return bool(
                _rows(link, f"SELECT 1 FROM {copies} WHERE apply_uid = %s LIMIT 1", apply_uid)
                or _rows(link, alive, apply_uid, HELD_SECONDS)
            )
        return True  # we may not look there: its word stands


def _make(link: Link, table: str) -> None:
    link.run(
        f"""
        CREATE TABLE IF NOT EXISTS {table} (
            home VARCHAR(64) NOT NULL PRIMARY KEY,
            apply_uid VARCHAR(191) NOT NULL,
            owner VARCHAR(255) NOT NULL
        ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
          COMMENT 'SchemaBot: which apply, whose own tables are in another schema, is changing this one, too'
        """
    )


def _rows(link: Link, sql: str, *values: Any) -> Sequence[Sequence[Any]]:
    """No row where there is no such table."""
    with Tolerated(*NO_SUCH_PLACE):
        return link.rows(sql, *values)
    return ()
