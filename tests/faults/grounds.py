"""The stores the fault tests run on, each with what can be done to it: one class per kind, one interface."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import apsw
import pymysql

from storage.base import Store
from storage.registry import open_store
from storage.sqlite.store import SqliteStore
from tests import write_log
from tests.faults.worker_process import wrong_clock
from tests.servers.server import Server

T = TypeVar("T")
KINDS = ("sqlite", "mariadb", "mysql")


class Ground(ABC):
    """One upgraded store with a write log, seen by the tests and by the processes that they torment."""

    kind: str
    version: str
    address: str
    restarts: bool = False
    """Whether it has a server that can be killed, connections that can be cut and a network that can fail."""

    def open(self) -> Store:
        """The store as the test itself uses it: never through anything that is broken on purpose."""
        return open_store(self.address)

    @abstractmethod
    def rows(self, sql: str) -> Sequence[Any]:
        """The rows of one statement about the store's own tables."""

    @abstractmethod
    def shut(self) -> None:
        """Let nobody write to it, until `reopen`."""

    @abstractmethod
    def reopen(self) -> None:
        """Undo `shut`."""

    def breaches(self) -> list[str]:
        """What the write log says."""
        return write_log.breaches(self.rows)


class SqliteGround(Ground):
    """A file.

    Opened by the library that the store itself uses, and no other: two copies of SQLite in one process take each other's
    locks away whenever one of them closes the file.
    """

    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.clock: Path | None = None
        """A file that says how wrong the machine's clock is, for every process."""
        self.version = apsw.sqlite_lib_version()
        self.path = folder / "store.db"
        self.address = str(self.path)
        self._locker: apsw.Connection | None = None
        with self.open() as store:
            store.upgrade()
        for statement in write_log.SQLITE:
            self.rows(statement)

    def open(self) -> Store:
        return SqliteStore(self.path, _on_connect=wrong_clock(self.clock) if self.clock else None)

    def _connect(self, busy_seconds: float) -> apsw.Connection:
        connection = apsw.Connection(str(self.path))
        connection.set_busy_timeout(int(busy_seconds * 1000))
        return connection

    def rows(self, sql: str) -> Sequence[Any]:
        with closing(self._connect(60.0)) as connection:
            return connection.execute(sql).fetchall()

    def shut(self) -> None:
        """Somebody holds the write lock."""
        self._locker = self._connect(2.0)
        # Who has it may be one that we stopped: then it is locked without our help.
        with suppress(apsw.BusyError):
            self._locker.execute("BEGIN IMMEDIATE")

    def reopen(self) -> None:
        if self._locker is not None:
            self._locker.close(True)  # which rolls back
            self._locker = None


class ServerGround(Ground):
    """A database on a MariaDB or MySQL of our own."""

    restarts = True

    def __init__(self, server: Server) -> None:
        server.needs_control()
        self.server = server
        self.kind = server.flavour
        self.version = server.version
        self.database = server.fresh_database()
        self.address = server.url(self.database)
        with self.open() as store:
            store.upgrade()
        for statement in write_log.MYSQL:
            self.rows(statement)

    def through(self, port: int) -> str:
        """Its address behind a proxy, which must be able to read what passes."""
        return self.server.url(self.database, port=port, query="ssl_mode=DISABLED")

    def rows(self, sql: str) -> Sequence[Any]:
        return patiently(lambda: self._rows(sql))

    def _rows(self, sql: str) -> Sequence[Any]:
        with self._cursor(database=self.database) as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    @contextmanager
    def _cursor(self, **options: Any) -> Iterator[Any]:
        with self.server.connect(autocommit=True, **options) as connection, connection.cursor() as cursor:
            yield cursor

    def shut(self) -> None:
        """kill -9 of the server."""
        self.server.kill()

    def reopen(self) -> None:
        self.server.start()

    def kill_connections(self) -> int:
        """KILL every connection to the store but ours; how many there were."""
        killed = 0
        with suppress(pymysql.MySQLError), self._cursor() as cursor:
            cursor.execute(
                "SELECT id FROM information_schema.processlist WHERE db = %s AND id <> CONNECTION_ID()",
                (self.database,),
            )
            for (number,) in cursor.fetchall():
                with suppress(pymysql.MySQLError):  # it is gone already
                    cursor.execute(f"KILL {number}")
                    killed += 1
        return killed

    @contextmanager
    def killed_connections(self, every: float = 0.1) -> Iterator[list[int]]:
        """Inside, all connections are killed again and again; gives how many each time."""
        done = threading.Event()
        counts: list[int] = []

        def strike() -> None:
            while not done.wait(every):
                counts.append(self.kill_connections())

        thread = threading.Thread(target=strike, name="killer of connections")
        thread.start()
        try:
            yield counts
        finally:
            done.set()
            thread.join()


def patiently(ask: Callable[[], T], limit: float = 60.0) -> T:
    """The answer, once the server gives one: it may be restarting, by our own doing."""
    end = time.monotonic() + limit
    while True:
        try:
            return ask()
        except (pymysql.MySQLError, OSError):
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
