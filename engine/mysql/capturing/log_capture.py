"""Changed keys out of the server's binary log."""

from collections.abc import Sequence

from engine.errors import DriftFound
from engine.mysql.binlog.position import Position
from engine.mysql.binlog.watched import watch
from engine.mysql.capture_sources import unlogged_rows
from engine.mysql.capturing.capture import Capture
from engine.mysql.capturing.stream import Stream
from engine.mysql.link import Link
from engine.mysql.shadow.keys import Literals
from engine.mysql.shadow.shape import Shape

HEAR_SECONDS = 0.02
SYNC_SECONDS = 5.0
LOOK_SECONDS = 0.2
"""Rows are held meanwhile."""


class LogCapture(Capture):
    """Reads from *start* on; None: from the end of the log as it is now."""

    def __init__(self, stream: Stream, shape: Shape, start: Position | None) -> None:
        self._stream = stream
        self._key = shape.key
        self._watched = watch(shape.old, shape.key.names)
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
        """The log tells of everything, unless the server has become one that gets rows of which it does not."""
        if why := unlogged_rows(link, self._stream.flavour):
            raise DriftFound(
                f"{self._watched.name[1]} may have got rows of which the binary log does not tell: {why}, then plan again"
            )

    def reach_end(self, link: Link, seconds: float) -> None:
        self._stream.reach_end(link, seconds)

    def check_end(self, link: Link) -> None:
        """The log tells of everything."""

    def nothing_came(self, link: Link, seconds: float) -> bool:
        self._stream.reach_end(link, seconds)
        return not len(self._changes)

    def backlog(self, link: Link) -> int:  # noqa: ARG002
        return len(self._changes)

    def close(self) -> None:
        self._stream.leave(self._watched.name)
