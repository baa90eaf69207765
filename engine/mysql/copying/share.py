"""How far a walk over a table's rows is, in words: its rows are all copied, and it may still take as long as the copy did."""

import time

FIRST_SECONDS = 5.0
"""A pace of less time says nothing of what is left."""


class Share:
    """Of *total* rows, of which *before* had been walked when it began."""

    def __init__(self, total: int, before: int) -> None:
        self._total = total
        self._before = before
        self._alone_since = time.monotonic(), 0  # and how many rows had been walked by then

    def walked(self, rows: int) -> int:
        """How many rows are walked once *rows* are since it began; a few may have been walked twice, or come since."""
        return min(self._total, self._before + rows)

    def told(self, doing: str, rows: int, *, alone: bool) -> str:
        """What one is *doing*, how far it is, and for how much longer. Not *alone*: other work takes as long or longer, and
        the pace beside it says nothing of that without it.
        """
        if not self._total:
            return doing
        said = f"{doing}, {self.walked(rows):,} of {self._total:,}"
        now = time.monotonic()
        if not alone:
            self._alone_since = now, rows
        began, before = self._alone_since
        if rows > before and now - began >= FIRST_SECONDS:
            left = (self._total - self.walked(rows)) * (now - began) / (rows - before)
            said += f", {_duration(left)} left"
        return said


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 7200 else f"about {seconds / 3600:.0f} h"
