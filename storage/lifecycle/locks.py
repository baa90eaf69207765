"""Reservations of databases by people and pull requests."""

from storage.errors import LockHeld, NotFound, NotOwner, Unavailable
from storage.lifecycle.rows import to_lock
from storage.lifecycle.statements import Row, Statements, Transactions
from storage.records import Lock


class Locks:
    """Part of the store: one lock per database and type."""

    _database: Transactions

    def acquire_lock(
        self,
        database: str,
        database_type: str,
        owner: str,
        repository: str = "",
        pull_request: int | None = None,
    ) -> Lock:
        """Take the lock, or get it again untouched. LockHeld when it is another's."""
        columns = {
            "database": database,
            "database_type": database_type,
            "owner": owner,
            "repository": repository,
            "pull_request": pull_request,
        }

        def acquire(transaction: Statements) -> Lock:
            transaction.insert_lock(columns)
            found = transaction.hold_lock(database, database_type)
            if found is None:
                raise Unavailable("the lock changed hands just now; ask again")
            if found["owner"] != owner:
                raise LockHeld("lock is already held by another owner")
            return to_lock(found)

        return self._database.write(acquire)

    def release_lock(self, database: str, database_type: str, owner: str, *, force: bool = False) -> None:
        """Release it. NotFound, NotOwner."""

        def release(transaction: Statements) -> None:
            held = transaction.hold_lock(database, database_type)
            if held is None and transaction.repeated:
                return  # we released it, and the answer was lost
            if _found(held)["owner"] != owner and not force:
                raise NotOwner("lock is not owned by you")
            transaction.delete_lock(database, database_type)

        self._database.write(release)

    def lock(self, database: str, database_type: str) -> Lock:
        """The lock, or NotFound."""
        return to_lock(_found(self._database.read(lambda reader: reader.lock(database, database_type))))

    def locks(self) -> list[Lock]:
        """All locks, newest first."""
        return [to_lock(row) for row in self._database.read(lambda reader: reader.locks())]


def _found(row: Row | None) -> Row:
    if row is None:
        raise NotFound("lock not found")
    return row
