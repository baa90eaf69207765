"""Compares chunks while the next ones are copied, so that of a table that nobody changes little is left to compare at the end.

It is given up as soon as an application writes or a chunk differs: then all rows are compared when all are copied.
"""

import queue
import threading
from contextlib import suppress

from engine.errors import EngineError
from engine.mysql.copying.tiles import Tile
from engine.mysql.copying.underway import Compared, Underway
from engine.mysql.copying.verify import Verification
from engine.mysql.link import Link
from engine.mysql.shadow.keys import Literals


class Trail:
    """A context manager: inside, one thread with a connection of its own compares what is added."""

    def __init__(self, work: Underway, low: Literals | None, *, wanted: bool) -> None:
        """*low* is where the first chunk begins."""
        self._work = work
        self._verification = Verification(work)
        self._tiles: queue.SimpleQueue[Tile | None] = queue.SimpleQueue()
        self._going = wanted and self._verification.ordered
        self._stopping = False
        self._upto = self._begin = low
        self._behind: dict[
            Literals | None, Literals
        ] = {}  # of what was compared before what is in front of it
        self._thread = threading.Thread(target=self._run, name="compare-trail")

    @property
    def compared(self) -> Compared | None:
        """The chunks that are the same in both tables, the first one and those that follow; None: nobody can say so of any."""
        if not self._going or self._upto is None or self._upto == self._begin:
            return None
        return Compared(low=self._begin, high=self._upto)

    def add(self, tile: Tile) -> None:
        """All rows of *tile* are copied. For any thread."""
        self._tiles.put(tile)

    def __enter__(self) -> "Trail":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        self._tiles.put(None)
        self._thread.join()

    def _run(self) -> None:
        if not self._going:
            return
        try:
            link = self._verification.open()
            try:
                self._follow(link)
            finally:
                with suppress(EngineError):
                    self._work.hold.close_link(link)
        except EngineError:  # the comparison at the end will meet it, too, if it lasts
            self._going = False

    def _follow(self, link: Link) -> None:
        while (tile := self._tiles.get()) is not None and not self._stopping:
            work = self._work
            if work.throttle.busy or work.applied or not self._verification.same(link, tile):
                self._going = False
                return
            self._behind[tile.low] = tile.high
            while self._upto in self._behind:
                self._upto = self._behind.pop(self._upto)
