"""Three queues in one server, behind one face: the store, the floor under it, and huey."""

import threading
import time
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from huey.contrib.sql_huey import SqlHuey
from peewee import MySQLDatabase

from storage.mysql.address import parse_address
from storage.mysql.sessions import Sessions, for_work
from storage.mysql.transaction import Link
from storage.records import Claim, NewApply
from storage.registry import open_store

LEASE_SECONDS = 3600.0
Taken = tuple[str, Any]
"""The key that `put` gave, and what `finish` wants."""


class WorkQueue(Protocol):
    """What a worker does with a queue; shared by the threads of a process."""

    def warm(self) -> None:
        """Open the calling thread's connection."""

    def put(self, number: int) -> str:
        """Enqueue; the key it has from now on."""

    def take(self) -> Taken | None:
        """Dequeue what is first, or None when nothing is due."""

    def finish(self, taken: Taken) -> None:
        """Done with it."""

    def close(self) -> None:
        """Let go of every connection."""


class StoreQueue:
    """The store of SchemaBot: enqueue, claim, complete. Plans named `plan-<number>` are there already."""

    def __init__(self, address: str) -> None:
        self._store = open_store(address)

    def warm(self) -> None:
        """A write that changes nothing."""
        self._store.ping()

    def put(self, number: int) -> str:
        """One apply of one task."""
        new = NewApply(plan_id=f"plan-{number}", environment="local", deployment="x")
        return self._store.enqueue(new).apply_uid

    def take(self) -> Taken | None:
        """A claim."""
        claim = self._store.claim("bench", LEASE_SECONDS)
        return None if claim is None else (claim.apply_uid, claim)

    def finish(self, taken: Taken) -> None:
        """Complete the apply."""
        claim: Claim = taken[1]
        self._store.complete(claim)

    def close(self) -> None:
        """Close the store."""
        self._store.close()


class BareQueue:
    """The least that claims a row for certain: START TRANSACTION, SELECT … SKIP LOCKED, UPDATE by key, COMMIT.

    Without the hint MySQL now and then sorts a short queue, locks all of it, and the others find nothing.
    On a table of four columns, over connections made as the store makes its own.
    """

    TABLE = """
        CREATE TABLE bare(
          id           BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
          claimable_at DATETIME(6),
          token        CHAR(32) CHARACTER SET ascii COLLATE ascii_bin,
          payload      VARCHAR(255) NOT NULL,
          KEY bare_claim(claimable_at, id)
        ) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
        """

    def __init__(self, address: str) -> None:
        self._place = parse_address(address.removeprefix("mysql://"))
        self._sessions = Sessions(self._place, str)
        self._own = threading.local()
        self._links: list[Link] = []

    def _link(self) -> Link:
        link: Link | None = getattr(self._own, "link", None)
        if link is None:
            link = self._own.link = self._sessions.connect(for_work(self._place))
            self._links.append(link)
        return link

    def warm(self) -> None:
        """Connect."""
        self._link().query("DO 0")

    def put(self, number: int) -> str:
        """One INSERT, committed by itself."""
        with self._link().cursor() as cursor:
            cursor.execute(
                "INSERT INTO bare(claimable_at, payload) VALUES (UTC_TIMESTAMP(6), %s)", (f"work {number}",)
            )
            return str(cursor.lastrowid)

    def take(self) -> Taken | None:
        """Two statements in a transaction."""
        link = self._link()
        with link.cursor() as cursor:
            cursor.execute("START TRANSACTION")
            cursor.execute(
                """
                SELECT id, payload FROM bare FORCE INDEX (bare_claim)
                 WHERE claimable_at <= UTC_TIMESTAMP(6) ORDER BY claimable_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
                """
            )
            found = cursor.fetchone()
            if found is not None:
                cursor.execute(
                    "UPDATE bare SET claimable_at = UTC_TIMESTAMP(6) + INTERVAL 1 HOUR, token = %s WHERE id = %s",
                    (f"{time.monotonic_ns():032x}", found["id"]),
                )
            cursor.execute("COMMIT")
        return None if found is None else (str(found["id"]), None)

    def finish(self, taken: Taken) -> None:
        """Nothing: it knows no end."""

    def close(self) -> None:
        """Close the connections."""
        for link in self._links:
            link.close()


class HueyQueue:
    """huey's SqlHuey through its public enqueue and dequeue, its settings as they come. To dequeue is to delete the row."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        database = MySQLDatabase(
            parts.path.lstrip("/"),
            host=parts.hostname,
            port=parts.port,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            ssl_disabled=True,
        )
        self.huey = SqlHuey("bench", database=database, results=False)

        def work(number: int) -> int:
            return number

        self._work = self.huey.task(name="work")(work)

    def warm(self) -> None:
        """Connect."""
        self.huey.storage.check_conn()

    def put(self, number: int) -> str:
        """One INSERT."""
        task = self._work.s(number)
        self.huey.enqueue(task)
        return str(task.id)

    def fill(self, count: int) -> None:
        """Many tasks at once."""
        storage = self.huey.storage
        rows = [
            {"queue": storage.name, "data": self.huey.serialize_task(self._work.s(number)), "priority": 0}
            for number in range(count)
        ]
        storage.Task.insert_many(rows).execute()

    def take(self) -> Taken | None:
        """SELECT … SKIP LOCKED and DELETE."""
        task = self.huey.dequeue()
        return None if task is None else (str(task.id), None)

    def finish(self, taken: Taken) -> None:
        """Nothing: it is deleted already."""

    def close(self) -> None:
        """Only the calling thread's: huey's connections are each thread's own."""
        self.huey.storage.close()


KINDS: dict[str, type[StoreQueue] | type[BareQueue] | type[HueyQueue]] = {
    "store": StoreQueue,
    "bare": BareQueue,
    "huey": HueyQueue,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which queue, in which database."""

    kind: str
    address: str

    def open(self) -> WorkQueue:
        """The queue, for one process."""
        return KINDS[self.kind](self.address)
