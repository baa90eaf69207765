"""Waiting for a condition, never for a time."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
RESTS = (0.005, 0.05)
"""Seconds between two looks: short at first, then longer, which leaves the processors to what is waited for."""


def until(
    what: str, found: Callable[[], T | None], seconds: float = 90.0, *, tell: Callable[[], object] = str
) -> T:
    """The first truth that *found* gives; *tell* says more where there is none within *seconds*."""
    rest, longest = RESTS
    end = time.monotonic() + seconds
    while not (got := found()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {what} {tell()}"
        time.sleep(rest)
        rest = min(2 * rest, longest)
    return got
