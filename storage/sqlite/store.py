"""The store on one SQLite file, put together from its parts."""

from pathlib import Path
from typing import Literal

from storage.base import Store
from storage.sqlite.commands import Commands
from storage.sqlite.database import Database, OnConnect
from storage.sqlite.driving import Driving
from storage.sqlite.lease import GUARDS
from storage.sqlite.locks import Locks
from storage.sqlite.queue import Queue
from storage.sqlite.reading import Reading
from storage.sqlite.settings import Settings
from storage.sqlite.sweep import Sweep

BUSY_SECONDS = 5.0
"""How long a call waits for another process's lock before it raises Unavailable."""
PING_SECONDS = 1.0


class SqliteStore(Queue, Driving, Commands, Sweep, Reading, Locks, Settings, Store):
    """The store at *path*; nothing is opened before the first call, and `upgrade` comes first.

    The arguments that begin with an underscore are for fault tests: a weaker guard, and a look at every connection made.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        busy_seconds: float = BUSY_SECONDS,
        _guard: Literal["full", "state", "id"] = "full",
        _on_connect: OnConnect | None = None,
    ) -> None:
        self._database = Database(path, busy_seconds=busy_seconds, on_connect=_on_connect)
        self._guard = GUARDS[_guard]

    def upgrade(self) -> None:
        """Converge the store's own tables. Raises SchemaTooNew, Corrupt, Unavailable."""
        self._database.upgrade()

    def ping(self) -> None:
        """Raise Unavailable unless the store can be read and written within a second."""
        with self._database.write(PING_SECONDS) as transaction:
            transaction.one("SELECT id FROM applies LIMIT 1")

    def close(self) -> None:
        """Release every connection."""
        self._database.close()
