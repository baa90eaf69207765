"""Reservations of databases by people and pull requests."""

from storage.errors import LockHeld, NotFound, NotOwner
from storage.records import Lock
from storage.sqlite.database import Database, Row, Transaction
from storage.sqlite.rows import to_lock


class Locks:
    """Part of the store: one lock per database and type."""

    _database: Database

    def acquire_lock(
        self,
        database: str,
        database_type: str,
        owner: str,
        repository: str = "",
        pull_request: int | None = None,
    ) -> Lock:
        """Take the lock, or get it again untouched. LockHeld when it is another's."""
        with self._database.write() as transaction:
            transaction.run(
                """
                INSERT INTO locks(database_name, database_type, owner, repository, pull_request, created_at, updated_at)
                VALUES (:database, :database_type, :owner, :repository, :pull_request,
                        (SELECT now FROM clock), (SELECT now FROM clock))
                ON CONFLICT(database_name, database_type) DO NOTHING
                """,
                database=database,
                database_type=database_type,
                owner=owner,
                repository=repository,
                pull_request=pull_request,
            )
            found = _find(transaction, database, database_type)
            if found["owner"] != owner:
                raise LockHeld("lock is already held by another owner")
            return to_lock(found)

    def release_lock(self, database: str, database_type: str, owner: str, *, force: bool = False) -> None:
        """Release it. NotFound, NotOwner."""
        with self._database.write() as transaction:
            found = _find(transaction, database, database_type)
            if found["owner"] != owner and not force:
                raise NotOwner("lock is not owned by you")
            transaction.run(
                "DELETE FROM locks WHERE database_name = :database AND database_type = :database_type",
                database=database,
                database_type=database_type,
            )

    def lock(self, database: str, database_type: str) -> Lock:
        """The lock, or NotFound."""
        with self._database.read() as reader:
            return to_lock(_find(reader, database, database_type))

    def locks(self) -> list[Lock]:
        """All locks, newest first."""
        with self._database.read() as reader:
            found = reader.rows("SELECT * FROM locks ORDER BY created_at DESC, database_name, database_type")
        return [to_lock(row) for row in found]


def _find(transaction: Transaction, database: str, database_type: str) -> Row:
    found = transaction.one(
        "SELECT * FROM locks WHERE database_name = :database AND database_type = :database_type",
        database=database,
        database_type=database_type,
    )
    if found is None:
        raise NotFound("lock not found")
    return found
