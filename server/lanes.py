"""How long a request may take, and the lane in which the slow ones wait for each other."""

from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Generic, TypeVar

Job = TypeVar("Job")


class Pace(Enum):
    """What an answer has to wait for."""

    AT_ONCE = auto()  # nothing: the collector itself answers
    QUICK = auto()  # the store
    SLOW = auto()  # a target, which may be frozen


class SlowLane(Generic[Job]):
    """Lets at most *at_once* jobs through to *go_on*, in order, each until it has left. Of one thread only."""

    def __init__(self, at_once: int, go_on: Callable[[Job], None]) -> None:
        self._free = at_once
        self._go_on = go_on
        self._waiting: deque[Job] = deque()

    def enter(self, job: Job) -> None:
        """It goes on now, or when those before it have left."""
        if self._free:
            self._free -= 1
            self._go_on(job)
        else:
            self._waiting.append(job)

    def leave(self) -> None:
        """One that went on is done; so the next may."""
        self._free += 1
        if self._waiting:
            self.enter(self._waiting.popleft())
