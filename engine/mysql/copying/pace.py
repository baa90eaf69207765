"""How hard the copy presses on its target: rows per chunk from how long chunks take, threads and rests from the volume."""

from collections import deque
from dataclasses import dataclass

from engine.base import DEFAULT_VOLUME, VOLUMES

MOST_ROWS = 50_000
FEWEST_ROWS = 200
FEWEST_BYTES = 1_000_000
"""A chunk of less is not faster: what it takes then is the way to the server and the commit, or a machine that is too busy."""
FIRST_ROWS = 500
REMEMBERED = 10
GROWTH = 1.5
PANIC = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """What a volume means."""

    threads: int
    chunk_seconds: float  # so long the server works at a chunk, its commit aside
    rest: float  # pause after a chunk, as a share of that time


_RHYTHMS = {
    1: Rhythm(threads=1, chunk_seconds=0.010, rest=3.0),
    2: Rhythm(threads=1, chunk_seconds=0.020, rest=1.0),
    3: Rhythm(threads=2, chunk_seconds=0.030, rest=0.0),
    4: Rhythm(threads=2, chunk_seconds=0.045, rest=0.0),
    5: Rhythm(threads=2, chunk_seconds=0.070, rest=0.0),
    6: Rhythm(threads=3, chunk_seconds=0.070, rest=0.0),
    7: Rhythm(threads=4, chunk_seconds=0.100, rest=0.0),
    8: Rhythm(threads=5, chunk_seconds=0.150, rest=0.0),
    9: Rhythm(threads=6, chunk_seconds=0.200, rest=0.0),
    10: Rhythm(threads=8, chunk_seconds=0.300, rest=0.0),
    11: Rhythm(threads=10, chunk_seconds=0.500, rest=0.0),
}
MOST_THREADS = max(rhythm.threads for rhythm in _RHYTHMS.values())


GENTLE_SECONDS = 0.004
"""The application shares the processor and the disk with a chunk, so shorter chunks are gentler than longer rests."""
GENTLE_REST = 0.3


def rhythm_of(volume: int, *, busy: bool = False) -> Rhythm:
    """The rhythm of *volume*.

    Up to the default it gives way where an application writes beside us (*busy*). Whoever asks for more than that gets it.
    """
    rhythm = _RHYTHMS[volume if volume in VOLUMES else DEFAULT_VOLUME]
    if volume > DEFAULT_VOLUME or not busy:
        return rhythm
    seconds, rest = min(rhythm.chunk_seconds, GENTLE_SECONDS), max(rhythm.rest, GENTLE_REST)
    return Rhythm(threads=1, chunk_seconds=seconds, rest=rest)


class Pace:
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
        slow = sorted(self._seconds_per_row)[(len(self._seconds_per_row) * 9) // 10 - 1]
        self._set(max(self.fewest, min(self.rows * GROWTH + 1, self.chunk_seconds / max(slow, 1e-9))))

    def halve(self) -> None:
        """A chunk met locks of others: here fewer rows do help."""
        self._set(self.rows / 2)

    def _set(self, rows: float) -> None:
        self.rows = max(1, min(self.most, int(rows)))
