"""The store on one SQLite file: the lifecycle over its statements."""

from pathlib import Path

from storage.lifecycle.statements import Guard, Statements
from storage.lifecycle.store import LifecycleStore
from storage.sqlite.database import Database, OnConnect

BUSY_SECONDS = 5.0
"""How long a call waits for another process's lock before it raises Unavailable."""
PING_SECONDS = 1.0


class SqliteStore(LifecycleStore):
    """The store at *path*; nothing is opened before the first call, and `upgrade` comes first.

    The arguments that begin with an underscore are for fault tests: a weaker guard, and a look at every connection made.
    """

    _database: Database

    def __init__(
        self,
        path: str | Path,
        *,
        busy_seconds: float = BUSY_SECONDS,
        _guard: Guard = "full",
        _on_connect: OnConnect | None = None,
    ) -> None:
        super().__init__(Database(path, busy_seconds=busy_seconds, guard=_guard, on_connect=_on_connect))

    def upgrade(self) -> None:
        """Converge the store's own tables. Raises SchemaTooNew, Corrupt, Unavailable."""
        self._database.upgrade()

    def ping(self) -> None:
        """Raise Unavailable unless the store can be read and written within a second."""
        self._database.check_file()
        self._database.write(_look, PING_SECONDS)
        self._database.check_room()

    def close(self) -> None:
        """Release every connection."""
        self._database.close()


def _look(transaction: Statements) -> None:
    transaction.settings()
