"""How many rows a chunk has, from how long chunks take."""

from collections import deque

MOST_ROWS = 50_000
FEWEST_ROWS = 200
FEWEST_BYTES = 1_000_000
"""A chunk of less is not faster: what it takes then is the way to the server and the commit, or a machine that is too busy."""
FIRST_ROWS = 500
REMEMBERED = 10
GROWTH = 1.5
PANIC = 5.0


class ChunkSizer:
    """A servo: rows per chunk. Used under its owner's lock."""

    def __init__(self, chunk_seconds: float, row_bytes: int = 0) -> None:
        self.chunk_seconds = chunk_seconds
        self.fewest = max(1, min(FEWEST_ROWS, FEWEST_BYTES // max(row_bytes, 1)))
        self.rows = max(self.fewest, min(FIRST_ROWS, 5 * FEWEST_BYTES // max(row_bytes, 1)))
        self.most = MOST_ROWS
        self._seconds_per_row: deque[float] = deque(maxlen=REMEMBERED)

    def note(self, rows: int, seconds: float) -> None:
        """A chunk of *rows* took *seconds*."""
        if seconds > PANIC * self.chunk_seconds:
            self._set(max(self.fewest, min(self.rows, max(rows, 1)) / 10))
            self._seconds_per_row.clear()
            return
        if rows * 2 < self.rows:  # it was short because there was little to do
            return
        self._seconds_per_row.append(seconds / max(rows, 1))
        # The 90th percentile; of fewer than ten the slowest.
        slow = sorted(self._seconds_per_row)[-(-len(self._seconds_per_row) * 9 // 10) - 1]
        self._set(max(self.fewest, min(self.rows * GROWTH + 1, self.chunk_seconds / max(slow, 1e-9))))

    def halve(self) -> None:
        """A chunk met locks of others: here fewer rows do help."""
        self._set(self.rows / 2)

    def _set(self, rows: float) -> None:
        self.rows = max(1, min(self.most, int(rows)))
