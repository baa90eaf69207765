"""Connections to the store's file, and the border where SQLite's errors become ours.

One writer, one connection for heartbeats (so that they never queue behind the process's own writes) and a
few query_only readers. Connections are opened at first use, so a daemon can start before its file can be reached.
"""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile

import apsw

from storage.errors import Corrupt, StoreError, Unavailable
from storage.lifecycle.statements import Guard, Result, Statements, Transactions
from storage.sqlite.applies import ApplyStatements
from storage.sqlite.people import PeopleStatements
from storage.sqlite.transaction import Transaction, named
from storage.sqlite.upgrades import converge, known_upgrades, recognise
from storage.sqlite.work import WorkStatements
from storage.sqlite.writer import BusyHandler, Writer

OnConnect = Callable[[apsw.Connection], None]

IDLE_READERS = 16
"""How many readers are kept open: as many as threads of a daemon read at once. More are opened under load and closed again."""
ROOM_BYTES = 256 * 1024
"""With less room than this on its disk the store counts as full: what one command writes, generously; not measured."""
WAL_BYTES = 64 * 1024 * 1024
"""The write-ahead log is cut back to this size after a checkpoint."""


class SqliteStatements(ApplyStatements, WorkStatements, PeopleStatements):
    """All statements of a transaction."""


class Database(Transactions):
    """The store's file. No work is ever `repeated` here: what runs again was undone for certain."""

    def __init__(
        self,
        path: str | Path,
        *,
        busy_seconds: float,
        guard: Guard = "full",
        on_connect: OnConnect | None = None,
    ) -> None:
        self.path = Path(path)
        self._busy_seconds = busy_seconds
        self._guard: Guard = guard
        self._on_connect = on_connect
        self._closed = False
        self._file: tuple[int, int] | None = None  # which one was opened first
        self._writer = Writer(self._open_writer, busy_seconds)
        self._heart = Writer(self._open_writer, busy_seconds)
        self._readers: list[tuple[apsw.Connection, BusyHandler]] = []
        self._readers_lock = threading.Lock()

    def upgrade(self) -> None:
        """Converge the tables. Raises SchemaTooNew, Corrupt, Unavailable."""
        with self._translated():
            self._writer.run(lambda connection: converge(Transaction(connection), known_upgrades()))

    def write(self, work: Callable[[Statements], Result], busy_seconds: float | None = None) -> Result:
        """Run *work* on the process's writer."""
        with self._translated():
            return self._writer.run(
                lambda connection: work(SqliteStatements(connection, self._guard)), busy_seconds
            )

    def beat(self, work: Callable[[Statements], Result]) -> Result:
        """Run *work* on the heartbeat's own connection."""
        with self._translated():
            return self._heart.run(lambda connection: work(SqliteStatements(connection, self._guard)))

    def read(self, work: Callable[[Statements], Result]) -> Result:
        """Run *work* on a reader."""
        with self._translated():
            connection, busy_handler = self._take_reader()
            try:
                busy_handler.deadline = time.monotonic() + self._busy_seconds
                return work(SqliteStatements(connection, self._guard))
            finally:
                self._return_reader(connection, busy_handler)

    def check_file(self) -> None:
        """Unavailable when another file, or none, has its path since it was opened: what is written is lost at the next start."""
        if self._file and _identity(self.path) != self._file:
            raise Unavailable(
                f"the file of the store {self.path} was removed or replaced while it was open: restart the daemon, which "
                "goes on with what is there by then"
            )

    def check_room(self) -> None:
        """Unavailable when its disk is full: a transaction that changes nothing does not notice."""
        try:
            with TemporaryFile(dir=self.path.resolve().parent) as probe:
                os.posix_fallocate(probe.fileno(), 0, ROOM_BYTES)
        except OSError as error:  # others say nothing about room: the transactions tell
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Unavailable(f"no space left for the store {self.path}") from error

    def close(self) -> None:
        """Close everything; later calls raise Unavailable."""
        self._closed = True
        self._writer.close()
        self._heart.close()
        with self._readers_lock:
            readers, self._readers = self._readers, []
        for connection, _ in readers:
            connection.close(True)

    # -- readers ------------------------------------------------------------------------------------------------

    def _take_reader(self) -> tuple[apsw.Connection, BusyHandler]:
        with self._readers_lock:
            if self._readers:
                return self._readers.pop()
        busy_handler = BusyHandler()
        connection = self._open(busy_handler, apsw.SQLITE_OPEN_READWRITE)
        connection.execute("PRAGMA query_only = ON")
        return connection, busy_handler

    def _return_reader(self, connection: apsw.Connection, busy_handler: BusyHandler) -> None:
        with self._readers_lock:
            if not self._closed and len(self._readers) < IDLE_READERS:
                self._readers.append((connection, busy_handler))
                return
        connection.close(True)

    # -- opening ------------------------------------------------------------------------------------------------

    def _open(self, busy_handler: BusyHandler, flags: int) -> apsw.Connection:
        if self._closed:
            raise Unavailable(f"the store {self.path} is closed")
        if not self.path.name or str(self.path) == ":memory:":
            raise StoreError("a store is a file: name one")
        connection = apsw.Connection(str(self.path), flags=flags)
        # The busy handler comes before the first statement: a fresh file is busy for everybody but one opener.
        connection.set_busy_handler(busy_handler)
        if busy_handler.deadline < time.monotonic():
            busy_handler.deadline = time.monotonic() + self._busy_seconds
        if self._on_connect is not None:
            self._on_connect(connection)
        connection.set_row_trace(named)
        return connection

    def _open_writer(self, busy_handler: BusyHandler) -> apsw.Connection:
        connection = self._open(busy_handler, apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
        try:
            self._recognise(connection)
            self._turn_on_wal(connection, busy_handler)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            list(connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}"))
            self._file = self._file or _identity(self.path)
        except BaseException:
            connection.close(True)
            raise
        return connection

    def _recognise(self, connection: apsw.Connection) -> None:
        """Look before touching: somebody else's database must not even be switched to WAL."""
        connection.execute("BEGIN")
        try:
            recognise(Transaction(connection), self.path)
        finally:
            with suppress(apsw.Error):
                connection.execute("ROLLBACK")

    def _turn_on_wal(self, connection: apsw.Connection, busy_handler: BusyHandler) -> None:
        while True:
            try:
                mode = next(iter(connection.execute("PRAGMA journal_mode = WAL")))["journal_mode"]
                break
            except apsw.BusyError:
                # Changing the mode needs the file alone; SQLite does not ask the handler in every case.
                if not busy_handler(0):
                    raise
        if mode != "wal":
            raise Unavailable(f"the store {self.path} cannot use a write-ahead log there (it got {mode!r})")

    # -- errors -------------------------------------------------------------------------------------------------

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except apsw.Error as exc:
            raise self._translate(exc) from exc

    def _translate(self, error: apsw.Error) -> StoreError:
        match error:
            case apsw.BusyError() | apsw.LockedError():
                return Unavailable(f"the store {self.path} is locked by another process")
            case apsw.FullError():
                return Unavailable(f"no space left for the store {self.path}; nothing was written")
            case apsw.ReadOnlyError() | apsw.PermissionsError():
                return Unavailable(f"the store {self.path} cannot be written: {error}")
            case apsw.CantOpenError():
                return Unavailable(f"the store {self.path} cannot be opened: {self._why_closed(error)}")
            case apsw.NotADBError():
                return Corrupt(f"{self.path} is not a SQLite database; name another file as the store")
            case apsw.CorruptError():
                return Corrupt(
                    f"the store {self.path} is damaged ({error}): stop the daemon, move the file and its -wal and "
                    "-shm aside, and restore a copy (or `sqlite3 FILE .recover`); a new file starts an empty history"
                )
            case apsw.ConnectionClosedError():
                return Unavailable(f"the store {self.path} is closed")
            case apsw.IOError() | apsw.ProtocolError() | apsw.NoMemError() | apsw.InterruptError():
                return Unavailable(f"the store {self.path} does not answer: {error}")
        return StoreError(f"the store {self.path}: {type(error).__name__}: {error}")

    def _why_closed(self, error: apsw.Error) -> str:
        if self.path.is_dir():
            return "it is a folder"
        if not self.path.parent.is_dir():
            return f"the folder {self.path.parent} does not exist"
        return str(error)


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file has this path, or None."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
