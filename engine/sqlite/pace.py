"""How much work goes into one transaction, so that the write lock is held for a few milliseconds only.

A writer that meets a lock retries after 1, 2, 5, 10, 15, 20, 25 … ms (the library's own busy handler). It gets in when one
of its tries falls into a gap between two of our transactions; so the gap must be as long as the pause that follows a
wait as long as our hold: after a hold of at most 8 ms that is 5 ms, after at most 18 ms it is 10 ms.
"""

from dataclasses import dataclass

MIN_ROWS = 20
MAX_ROWS = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How long to hold the write lock, and how long to leave it alone."""

    hold_seconds: float
    rest_seconds: float


QUICK = Rhythm(hold_seconds=0.0065, rest_seconds=0.0055)
"""For WAL, where a commit costs next to nothing."""
STEADY = Rhythm(hold_seconds=0.014, rest_seconds=0.0105)
"""For rollback journals: every commit syncs the disk a few times, so there must be fewer of them."""


class Pace:
    """A servo: rows per transaction from how long the last one took."""

    def __init__(self, rhythm: Rhythm, rows: int = 100) -> None:
        self.rhythm = rhythm
        self.rows = rows

    def note(self, rows: int, seconds: float) -> None:
        """A transaction of *rows* held the lock for *seconds*."""
        wanted = self.rhythm.hold_seconds
        factor = wanted / seconds if seconds > 0 else 2.0
        if factor >= 1.0 and rows < self.rows:
            return  # it was short because there was little to do
        base = min(self.rows, rows) if factor < 1.0 else self.rows
        self.rows = min(MAX_ROWS, max(MIN_ROWS, int(base * min(1.25, max(0.4, factor)))))
