"""The keys that changed on one table and wait to be applied, in generations, with the position that each stands for.

Keys gather while an earlier generation is applied. When that one is through, everything before its boundary is applied, which
is a place between two transactions that was read before any key of the next generation. Where a generation does not get on, as
somebody holds its rows, the next one is applied before what is left of it; its own boundary counts when that is through, too.
No key is ever discarded.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from engine.mysql.binlog.position import Position
from engine.mysql.capturing.deferred_keys import DeferredKeys
from engine.mysql.shadow.keys import Literals


class Changes:
    """One table's keys. The reader's thread adds, one other thread takes; `flushed` may be read by anybody."""

    def __init__(self, start: Position) -> None:
        self.flushed = start
        """Everything before this is applied."""
        self._lock = threading.Condition()
        self._gathering: dict[Literals, None] = {}
        self._applying: dict[Literals, int] = {}  # to the generation
        self._generations: dict[int, _Generation] = {}
        self._begun = 0
        self._deferred = DeferredKeys()
        self._committed = start

    def __len__(self) -> int:
        return len(self._gathering) + len(self._applying)

    def add(self, keys: Sequence[Literals]) -> None:
        """These changed."""
        with self._lock:
            self._gathering.update(dict.fromkeys(keys))

    def committed(self, position: Position) -> None:
        """All keys of everything before *position* were added."""
        with self._lock:
            self._committed = position

    def wait_for(self, position: Position, seconds: float) -> bool:
        """Wait until everything before *position* is applied, at most so long; whether it is."""
        with self._lock:
            return self._lock.wait_for(lambda: self.flushed.reaches(position), seconds)

    def rotate(self) -> None:
        """Begin to apply what has gathered, if what was begun before is through, or as far as it can be just now."""
        with self._lock:
            if self._deferred.gives_way(self._applying):
                self._join()

    def merge(self) -> None:
        """Apply what has gathered together with what was begun: rows in each other's way may be in different generations."""
        with self._lock:
            self._join()

    def next_batch(self, limit: int) -> list[Literals]:
        """Some keys of the generation that is being applied, in order; they stay until `applied`. Empty: it is through."""
        with self._lock:
            return [key for key, _ in zip(self._applying, range(limit), strict=False)]

    def waiting(self) -> list[Literals]:
        """All that wait."""
        with self._lock:
            return [*self._gathering, *self._applying]

    def applied(self, keys: Sequence[Literals]) -> None:
        """The shadow has these rows as they are now."""
        with self._lock:
            for key in keys:
                generation = self._applying.pop(key, None)
                if generation is not None:
                    self._generations[generation].left -= 1
            self._deferred.applied(keys)
            self._settle()

    def defer(self, keys: Sequence[Literals]) -> None:
        """These cannot be applied just now: the others of their generation first."""
        with self._lock:
            for key in keys:
                if key in self._applying:
                    self._applying[key] = self._applying.pop(key)
                    self._deferred.defer([key])

    def _join(self) -> None:
        """One more generation; a key that is of an earlier one, too, is applied for both."""
        self._begun += 1
        fresh = [key for key in sorted(self._gathering, key=_rough_order) if key not in self._applying]
        self._generations[self._begun] = _Generation(self._committed, len(fresh))
        deferred = {key: number for key, number in self._applying.items() if key in self._deferred}
        first = {key: number for key, number in self._applying.items() if key not in deferred}
        self._applying = {**dict.fromkeys(fresh, self._begun), **first, **deferred}
        self._gathering = {}
        self._settle()

    def _settle(self) -> None:
        while self._generations:
            number, oldest = next(iter(self._generations.items()))
            if oldest.left:
                break
            del self._generations[number]
            if oldest.boundary.reaches(self.flushed):
                self.flushed = oldest.boundary
                self._lock.notify_all()


@dataclass(slots=True)
class _Generation:
    """What was begun with together."""

    boundary: Position
    """Where the log had been read to: all keys of everything before are in this generation or an earlier one."""
    left: int


def _rough_order(key: Literals) -> tuple[tuple[int, str], ...]:
    """About the order of the index, so that neighbours are written together; nothing depends on it."""
    return tuple((len(part), part) for part in key)
