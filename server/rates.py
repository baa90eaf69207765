"""Rows per second and the time left, from a window of recent reports."""

from collections import deque

WINDOW_SECONDS = 10.0


class RowMeter:
    """Fed with (time, rows) as a copy goes on; knows the pace of the last ten seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def begin_anew(self) -> None:
        """What was noted says nothing about what comes: the copy waited, and a wait is no slow copying."""
        self._samples.clear()

    def note(self, now: float, rows: int) -> None:
        """At *now* (seconds, any steady clock) *rows* had been copied."""
        if self._samples and rows < self._samples[-1][1]:
            self.begin_anew()
        self._samples.append((now, rows))
        while len(self._samples) > 2 and now - self._samples[0][0] > WINDOW_SECONDS:
            self._samples.popleft()

    @property
    def rows_per_second(self) -> int | None:
        """The pace, or None before there is one."""
        if len(self._samples) < 2:
            return None
        (began, first), (now, last) = self._samples[0], self._samples[-1]
        if now <= began:
            return None
        return round((last - first) / (now - began))

    def eta_seconds(self, total: int) -> int | None:
        """Seconds until *total* rows at this pace, or None when that cannot be said."""
        pace = self.rows_per_second
        if not pace:
            return None
        return max(0, round((total - self._samples[-1][1]) / pace))
