"""The store in a database of MySQL or MariaDB: the lifecycle over its statements."""

from collections.abc import Callable

from storage.lifecycle.statements import Guard, Statements
from storage.lifecycle.store import LifecycleStore
from storage.mysql.address import parse_address
from storage.mysql.database import Database
from storage.mysql.sessions import OnConnect


class MysqlStore(LifecycleStore):
    """The store at *address* (without `mysql://`); nothing is opened before the first call, and `upgrade` comes first.

    *resolve* turns the address's password into the one that is sent, anew for each connection; it raises Unavailable
    when it cannot. The arguments that begin with an underscore are for fault tests: a weaker guard, and a look at every
    connection made.
    """

    _database: Database

    def __init__(
        self,
        address: str,
        resolve: Callable[[str], str] = str,
        *,
        _guard: Guard = "full",
        _on_connect: OnConnect | None = None,
    ) -> None:
        super().__init__(Database(parse_address(address), resolve, guard=_guard, on_connect=_on_connect))

    def upgrade(self) -> None:
        """Converge the store's own tables. Raises SchemaTooNew, Corrupt, Unavailable."""
        self._database.upgrade()

    def ping(self) -> None:
        """Raise Unavailable unless the store can be read and written now."""
        self._database.probe(_probe)

    def close(self) -> None:
        """Release every connection."""
        self._database.close()


def _probe(transaction: Statements) -> None:
    """Write nothing, which a server that is read-only refuses, too."""
    transaction.touch(-1, progress=False)
