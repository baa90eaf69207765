"""How much work goes into one transaction, so that the write lock is held for a few milliseconds only.

A writer that meets a lock retries after 1, 2, 5, 10, 15, 20, 25 … ms (the library's own busy handler). It gets in when one
of its tries falls into a gap between two of our transactions; so the gap must be as long as the pause that follows a
wait as long as our hold: after a hold of at most 8 ms that is 5 ms, after at most 18 ms it is 10 ms.
"""

from dataclasses import dataclass

MAX_ROWS = 50_000
GROWTH = 1.5
WORK_SHARE = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleSettings:
    """How long to hold the write lock, and how long to leave it alone."""

    hold_seconds: float
    rest_seconds: float


QUICK = ThrottleSettings(hold_seconds=0.0065, rest_seconds=0.0055)
"""For WAL, where a commit costs next to nothing."""
STEADY = ThrottleSettings(hold_seconds=0.014, rest_seconds=0.0105)
"""For rollback journals: every commit syncs the disk a few times, so there must be fewer of them."""


class BatchSizer:
    """A servo: rows per transaction from how long the last one took."""

    def __init__(self, settings: ThrottleSettings, rows: int = 20) -> None:
        self.settings = settings
        self.rows = rows

    def note(self, rows: int, seconds: float, work_seconds: float | None = None) -> None:
        """A transaction of *rows* held the lock for *seconds*, of which *work_seconds* before its commit began.

        Where the commit itself is slow (a disk that syncs slowly), fewer rows would not help: the work keeps its share.
        """
        wanted = self.settings.hold_seconds
        work = seconds if work_seconds is None else work_seconds
        if seconds < wanted or work < wanted * WORK_SHARE / 2:
            if rows >= self.rows:  # else it was short because there was little to do
                grown = int(self.rows * min(GROWTH, wanted / max(work, 1e-6)))
                self.rows = min(MAX_ROWS, max(grown, self.rows + 1))
        elif work > wanted * WORK_SHARE:
            self.rows = max(1, int(min(self.rows, rows) * max(0.1, wanted / seconds)))
