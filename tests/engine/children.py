"""Owners of a target in processes of their own, that are killed, frozen and fenced off."""

import os
import signal
from collections.abc import Callable

from engine.errors import Fenced


def in_a_child(work: Callable[[], None]) -> int:
    """Run *work* in a process of its own; its exit status: 0 when it returned, 3 when it was fenced, else as killed."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except Fenced:
            status = 3
        finally:
            os._exit(status)
    return child


def wait(child: int, options: int = 0) -> int:
    """The status of the child."""
    return os.waitpid(child, options)[1]


def die_at(number: int) -> Callable[[str], None]:
    """A fault hook that kills the process at the *number*-th point."""
    left = [number]

    def hook(point: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return hook
