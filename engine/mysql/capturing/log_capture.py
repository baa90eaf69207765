"""Changed keys out of the server's binary log."""

from collections.abc import Sequence

from engine.errors import DriftFound, TargetUnavailable
from engine.mysql.binlog.position import Position
from engine.mysql.binlog.watched import watch
from engine.mysql.capture_sources import unlogged_rows
from engine.mysql.capturing.capture import Capture
from engine.mysql.capturing.edges import an_edge_is_gone
from engine.mysql.capturing.stream import Stream
from engine.mysql.link import Link
from engine.mysql.shadow.keys import Literals
from engine.mysql.shadow.shape import Shape
from engine.mysql.shadow.table_identity import TableIdentity, identity_of

HEAR_SECONDS = 0.02
SYNC_SECONDS = 5.0
LOOK_SECONDS = 0.2
"""Rows are held meanwhile."""


class LogCapture(Capture):
    """Reads from *start* on; None: from the end of the log as it is now. *identity*: of the table whose rows are copied."""

    def __init__(self, stream: Stream, shape: Shape, start: Position | None, identity: TableIdentity) -> None:
        self._stream = stream
        self._shape = shape
        self._key = shape.key
        self.identity: TableIdentity = identity
        self._watched = watch(shape.old, shape.key.columns)
        self._changes = stream.join(self._watched, start or stream.end())
        self._mark: Position | None = None

    @property
    def position(self) -> Position:  # type: ignore[override]
        """Everything before it is applied."""
        return self._changes.flushed

    def rotate(self, link: Link) -> None:  # noqa: ARG002
        """Looks after the reader, too."""
        self._stream.check()
        self._changes.rotate()

    def merge(self, link: Link) -> bool:
        with self._stream.unlimited():  # it may be just the keys that the reader holds back which have to go
            found = self._stream.wait_for(self._stream.end(link), LOOK_SECONDS)
        self._changes.merge()
        return found

    def next_batch(self, limit: int) -> list[Literals]:
        return self._changes.next_batch(limit)

    def forget(self, link: Link, keys: Sequence[Literals]) -> None:
        """They are in memory only."""

    def applied(self, keys: Sequence[Literals]) -> None:
        self._changes.applied(keys)

    def defer(self, keys: Sequence[Literals]) -> None:
        self._changes.defer(keys)

    def requeue(self, keys: Sequence[Literals]) -> None:
        self._changes.add(keys)

    def waiting(self, link: Link, keys: Sequence[Literals]) -> set[Literals] | None:
        if not self._stream.wait_for(self._stream.end(link), LOOK_SECONDS):
            return None
        waiting = {self._key.spelled(key) for key in self._changes.waiting()}
        return {key for key in keys if self._key.spelled(key) in waiting}

    def mark(self, link: Link) -> None:
        self._mark = self._stream.end(link)

    def received(self) -> bool:
        return self._mark is None or self._stream.wait_for(self._mark, HEAR_SECONDS)

    def caught_up(self, link: Link) -> bool:  # noqa: ARG002
        return self._mark is None or self._changes.flushed.reaches(self._mark)

    def sync(self, link: Link) -> bool:
        return self._changes.wait_for(self._stream.end(link), SYNC_SECONDS)

    def look(self, link: Link) -> None:
        """The log does not tell of what a session keeps out of it, nor of some rows once the server gets any from others.
        TargetUnavailable: whoever opens the copy next compares all rows.
        """
        flavour, (schema, table) = self._stream.flavour, self._watched.name
        if happened := self.identity.differs(identity_of(link, flavour, schema, table)):
            raise TargetUnavailable(
                f"{table} {happened} while it was copied, perhaps without a word in the binary log: all rows are compared again"
            )
        if why := unlogged_rows(link, flavour):
            raise DriftFound(
                f"{table} may have got rows of which the binary log does not tell: {why}, then plan again"
            )

    def reach_end(self, link: Link, seconds: float) -> None:
        self._stream.reach_end(link, seconds)

    def check_end(self, link: Link) -> None:
        """What `look` has not seen yet, or may not see, shows unless the keys at the ends came again."""
        if an_edge_is_gone(link, self._shape):
            raise DriftFound(
                f"{self._watched.name[1]} lost rows while it was copied without a word in the binary log (a TRUNCATE or DELETE "
                "with sql_log_bin = 0?): plan again"
            )

    def nothing_came(self, link: Link, seconds: float) -> bool:
        self._stream.reach_end(link, seconds)
        return not len(self._changes)

    def backlog(self, link: Link) -> int:  # noqa: ARG002
        return len(self._changes)

    def close(self) -> None:
        self._stream.leave(self._watched.name)
