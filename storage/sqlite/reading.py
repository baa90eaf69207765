"""Views of the store: they never write and ask nobody else (ST-5)."""

from storage.records import Apply, Attempt, Event, Task
from storage.sqlite.database import Database, Row
from storage.sqlite.ledger import find_apply, task_rows
from storage.sqlite.rows import to_apply, to_attempt, to_event, to_task


class Reading:
    """Part of the store: what people and drivers look at."""

    _database: Database

    def apply(self, apply_uid: str) -> Apply:
        """The apply of that id, or NotFound."""
        with self._database.read() as reader:
            return to_apply(find_apply(reader, apply_uid))

    def active_apply(self, database: str, environment: str) -> Apply | None:
        """The newest apply of the target that is not terminal."""
        with self._database.read() as reader:
            # The plus keeps SQLite from walking the whole history by id: the index of live applies holds one or none.
            found = reader.one(
                """
                SELECT * FROM applies
                 WHERE database_name = :database AND environment = :environment AND finished_at IS NULL
                 ORDER BY +id DESC
                 LIMIT 1
                """,
                database=database,
                environment=environment,
            )
        return _apply_or_none(found)

    def latest_apply(self, database: str, environment: str) -> Apply | None:
        """The newest apply of the target in any state."""
        with self._database.read() as reader:
            found = reader.one(
                """
                SELECT * FROM applies WHERE database_name = :database AND environment = :environment
                 ORDER BY id DESC
                 LIMIT 1
                """,
                database=database,
                environment=environment,
            )
        return _apply_or_none(found)

    def history(self, database: str, environment: str | None = None, limit: int = 200) -> list[Apply]:
        """Applies of a database, newest first."""
        with self._database.read() as reader:
            found = reader.rows(
                """
                SELECT * FROM applies
                 WHERE database_name = :database AND (:environment IS NULL OR environment = :environment)
                 ORDER BY id DESC
                 LIMIT :limit
                """,
                database=database,
                environment=environment,
                limit=limit,
            )
        return [to_apply(row) for row in found]

    def recent(self, limit: int = 20) -> list[Apply]:
        """The latest applies, newest first."""
        with self._database.read() as reader:
            found = reader.rows(
                "SELECT * FROM applies ORDER BY COALESCE(started_at, created_at) DESC, id DESC LIMIT :limit",
                limit=limit,
            )
        return [to_apply(row) for row in found]

    def tasks(self, apply_id: int) -> list[Task]:
        """The tasks of an apply, in order."""
        with self._database.read() as reader:
            return [to_task(row) for row in task_rows(reader, apply_id)]

    def events(self, apply_id: int, limit: int = 50) -> list[Event]:
        """The newest *limit* events, ascending."""
        with self._database.read() as reader:
            found = reader.rows(
                """
                SELECT apply_events.*, applies.apply_uid
                  FROM apply_events JOIN applies ON applies.id = apply_events.apply_id
                 WHERE apply_events.apply_id = :apply
                 ORDER BY apply_events.id DESC
                 LIMIT :limit
                """,
                apply=apply_id,
                limit=limit,
            )
        return [to_event(row) for row in reversed(found)]

    def attempts(self, apply_id: int) -> list[Attempt]:
        """Every ownership of the apply, by fence."""
        with self._database.read() as reader:
            found = reader.rows(
                "SELECT * FROM attempts WHERE apply_id = :apply ORDER BY fence", apply=apply_id
            )
        return [to_attempt(row) for row in found]

    def counts(self) -> dict[str, int]:
        """Number of live applies by state."""
        with self._database.read() as reader:
            found = reader.rows(
                "SELECT state, count(*) AS applies FROM applies WHERE finished_at IS NULL GROUP BY state ORDER BY state"
            )
        return {row["state"]: row["applies"] for row in found}


def _apply_or_none(row: Row | None) -> Apply | None:
    return None if row is None else to_apply(row)
