"""One reader of the server's log for all tables that a session copies, and the keys it found, by table.

A reader begins anew when a table joins or its connection broke, at the earliest place that any table still needs. Keys that come
twice are applied twice, which changes nothing.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from engine.mysql.binlog.errors import PositionRewound
from engine.mysql.binlog.position import Position, end_of_log
from engine.mysql.binlog.reader import KeyReader
from engine.mysql.binlog.watched import Key, TableName, Watched
from engine.mysql.capturing.changes import Changes
from engine.mysql.link import Link
from engine.mysql.ownership.hold import Hold
from engine.mysql.silence import AWAKE_SECONDS, show_life
from engine.mysql.trouble import Lost

MOST_WAITING = 200_000
"""With more keys waiting the reader holds back."""
RECONNECT_SECONDS = 2.0


class Follower(Protocol):
    """A copy that is kept in step."""

    def follow(self, *, gather: float = 0.0) -> int:
        """Apply some of what waits, once it has gathered for so many seconds; how many keys."""

    def save_when_due(self) -> None:
        """Write the checkpoint every few seconds."""


class Stream:
    """The tables' changes; used by the session's thread, closed at its end."""

    def __init__(self, hold: Hold) -> None:
        self._hold = hold
        self.flavour = hold.flavour
        self.copies: list[Follower] = []
        """The copies that are open: whoever works on one keeps the others in step, too."""
        self._watched: dict[TableName, Watched] = {}
        self._changes: dict[TableName, Changes] = {}
        self._reader: KeyReader | None = None
        self._retry_at = 0.0
        self._unlimited = False

    # -- the reader's side: its thread calls these ----------------------------------------------------------------

    def keys(self, table: TableName, keys: Sequence[Key]) -> None:
        """Keys of a transaction."""
        found = self._changes.get(table)
        if found is not None:
            found.add(keys)

    def committed(self, position: Position) -> None:
        """A place between two transactions."""
        for changes in list(self._changes.values()):
            changes.committed(position)

    def full(self) -> bool:
        """Whether enough keys wait."""
        return not self._unlimited and sum(map(len, list(self._changes.values()))) > MOST_WAITING

    # -- the session's side ---------------------------------------------------------------------------------------

    def end(self, link: Link | None = None) -> Position:
        """Where the log ends now. PositionRewound: before what was read of it already, so it was begun anew."""
        reader = self._reader
        read = reader.position if reader is not None else None
        end = end_of_log(link or self._hold.link, self._hold.flavour)
        if read is not None and not end.reaches(read):
            # The server may go on to say that all is well on the connection that read the old one.
            raise PositionRewound(f"the binary log ends at {end}, but was read up to {read}: it was reset")
        return end

    def join(self, watched: Watched, start: Position) -> Changes:
        """Read the changes of one more table from *start* on. PositionGone, PositionRewound: that cannot be any more."""
        self._stop()
        changes = Changes(start)
        self._watched[watched.name] = watched
        self._changes[watched.name] = changes
        try:
            self._start()
        except BaseException:
            self.leave(watched.name)
            raise
        return changes

    def leave(self, table: TableName) -> None:
        """The table's changes are not needed any more; the others' are read on from where they stand."""
        self._stop()
        self._watched.pop(table, None)
        self._changes.pop(table, None)
        self._retry_at = 0.0

    def check(self) -> None:
        """Have the reader running, anew after a lost connection. Raises what ended it for good, or that it cannot connect."""
        if not self._watched:
            return
        if self._reader is not None:
            try:
                self._reader.check()
            except Lost:
                self._stop()
                self._retry_at = time.monotonic()
        if self._reader is None:
            if time.monotonic() < self._retry_at:
                return
            self._retry_at = time.monotonic() + RECONNECT_SECONDS
            self._start()

    def wait_for(self, position: Position, seconds: float) -> bool:
        """Wait until all keys before *position* are there, at most so long; whether they are."""
        self.check()
        return self._came_to(position, seconds)

    @contextmanager
    def unlimited(self) -> Iterator[None]:
        """Inside, the reader reads on however many keys wait."""
        self._unlimited = True
        try:
            yield
        finally:
            self._unlimited = False

    def reach_end(self, link: Link, seconds: float) -> None:
        """Under the lock of a cutover: have every key that is in the log. Lost when that takes longer than *seconds*."""
        end = self.end(link)
        until = time.monotonic() + seconds
        while not self._came_to(end, min(AWAKE_SECONDS, until - time.monotonic())):
            if self._reader is None or time.monotonic() >= until:
                raise Lost(f"the reader of the binary log did not come to {end} in {seconds:.1f} s", 0)
            show_life(link)

    def close(self) -> None:
        """End the reading. What waited is read again from the tables' checkpoints."""
        self._stop()

    def _came_to(self, position: Position, seconds: float) -> bool:
        return self._reader is not None and self._reader.wait_until(position, seconds)

    def _start(self) -> None:
        start = min((changes.flushed for changes in self._changes.values()), key=lambda found: found.order)
        for changes in self._changes.values():
            changes.committed(start)  # what waits stays
        self._reader = KeyReader(self._hold.address, list(self._watched.values()), start, self)

    def _stop(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()
