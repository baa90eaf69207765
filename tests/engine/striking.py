"""Strikes at the fault points of an execution (`engine.faults`)."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine import faults


@contextmanager
def struck(hook: faults.Hook) -> Iterator[None]:
    """*hook* is told of every point that is reached meanwhile."""
    faults.install(hook)
    try:
        yield
    finally:
        faults.install(None)


class At:
    """Runs *action* once when the execution comes to *point*, on the thread that comes there."""

    def __init__(self, point: str, action: Callable[[], None]) -> None:
        self._point = point
        self._action = action
        self._lock = threading.Lock()
        self.done = False

    def __enter__(self) -> "At":
        faults.install(self)
        return self

    def __exit__(self, *_: object) -> None:
        faults.install(None)
        assert self.done

    def __call__(self, point: str) -> None:
        with self._lock:
            due = point == self._point and not self.done
            self.done = self.done or due
        if due:
            self._action()
