"""Chunks are read without locks, so a lock of this process keeps them and the applying of changes apart.

A chunk puts rows into the shadow as they were when its statement began. Were a change of one of them applied in between, the
chunk would bring back what is gone. So no change is applied while a chunk's statement runs: what changed since it began waits,
and is applied over what the chunk has put there; what was applied before it began, the chunk sees.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class SharedExclusiveLock:
    """Of one shadow: shared by any number of chunks, or held by the one who applies. Who applies goes first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._chunks = 0
        self._wanted = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Inside, nobody applies."""
        with self._changed:
            self._changed.wait_for(lambda: not self._wanted)
            self._chunks += 1
        try:
            yield
        finally:
            with self._changed:
                self._chunks -= 1
                self._changed.notify_all()

    @contextmanager
    def exclusive(self, seconds: float) -> Iterator[bool]:
        """Wait for the chunks under way, at most so long: whether they are done, and no chunk's statement runs inside.

        If not, no chunk begins before the next try is over, or `give_up`.
        """
        with self._changed:
            self._wanted = True
            alone = self._changed.wait_for(lambda: not self._chunks, seconds)
        try:
            yield alone
        finally:
            if alone:
                self.give_up()

    def give_up(self) -> None:
        """Nobody waits to apply any more."""
        with self._changed:
            self._wanted = False
            self._changed.notify_all()
