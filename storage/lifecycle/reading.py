"""Views of the store: they never write and ask nobody else (ST-5)."""

from storage.errors import NotFound
from storage.lifecycle.rows import to_apply, to_attempt, to_event, to_task
from storage.lifecycle.statements import Row, Transactions
from storage.records import Apply, Attempt, Event, Sought, Task
from storage.states import TERMINAL


class Reading:
    """Part of the store: what people and drivers look at."""

    _database: Transactions

    def apply(self, apply_uid: str) -> Apply:
        """The apply of that id, or NotFound."""
        found = self._database.read(lambda reader: reader.find_apply(apply_uid))
        if found is None:
            raise NotFound(f"apply not found: {apply_uid}")
        return to_apply(found)

    def active_apply(self, database: str, environment: str) -> Apply | None:
        """The newest apply of the target that is not terminal."""
        return _apply_or_none(self._database.read(lambda reader: reader.active_apply(database, environment)))

    def latest_apply(self, database: str, environment: str) -> Apply | None:
        """The newest apply of the target in any state."""
        return _apply_or_none(self._database.read(lambda reader: reader.latest_apply(database, environment)))

    def history(self, database: str, environment: str | None = None, limit: int = 200) -> list[Apply]:
        """Applies of a database, newest first."""
        found = self._database.read(lambda reader: reader.history(database, environment, limit))
        return [to_apply(row) for row in found]

    def recent(self, limit: int = 20, sought: Sought | None = None) -> list[Apply]:
        """The latest applies, newest first; of those that are *sought*."""
        if sought is None:
            found = self._database.read(lambda reader: reader.recent(limit))
        elif sought.states & TERMINAL:
            found = self._database.read(lambda reader: reader.recent_sought(limit, sought))
        else:
            found = self._database.read(lambda reader: reader.live_sought(limit, sought))
        return [to_apply(row) for row in found]

    def tasks(self, apply_id: int) -> list[Task]:
        """The tasks of an apply, in order."""
        return [to_task(row) for row in self._database.read(lambda reader: reader.tasks(apply_id))]

    def silence(self, apply_id: int) -> float:
        """For how many seconds nobody wrote how far the apply is."""
        return self._database.read(lambda reader: reader.silence(apply_id))

    def events(self, apply_id: int, limit: int = 50) -> list[Event]:
        """The newest *limit* events, ascending."""
        found = self._database.read(lambda reader: reader.events(apply_id, limit))
        return [to_event(row) for row in reversed(found)]

    def attempts(self, apply_id: int) -> list[Attempt]:
        """Every ownership of the apply, by fence."""
        return [to_attempt(row) for row in self._database.read(lambda reader: reader.attempts(apply_id))]

    def counts(self) -> dict[str, int]:
        """Number of live applies by state."""
        return {row["state"]: row["applies"] for row in self._database.read(lambda reader: reader.counts())}


def _apply_or_none(row: Row | None) -> Apply | None:
    return None if row is None else to_apply(row)
