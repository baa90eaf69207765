"""Cuts the keys of a table into chunks, one after the other, and knows up to where all of them are done.

Chunks of whole numbers come from counting; where numbers are sparse, or the key is of another kind, the server is asked for the
key that stands n rows further on. The end is fixed when the walk begins: rows behind it come through the stream of changes.
"""

import threading
from dataclasses import dataclass

from engine.mysql.copying.chunk_sizer import ChunkSizer
from engine.mysql.link import Link
from engine.mysql.shadow.keys import Literals, RowKey

SPARSE = 0.2
"""With a smaller share of the numbers in use, counting gives too little per chunk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """The keys behind *low* up to and with *high*."""

    number: int
    low: Literals | None
    high: Literals


class Chunker:
    """The walk over one table, `source` being its quoted name. Safe for several threads, each with a link of its own."""

    def __init__(self, source: str, key: RowKey, sizer: ChunkSizer, low: Literals | None = None) -> None:
        self.key = key
        self.sizer = sizer
        self.low = low
        """Every chunk up to here is done."""
        self._source = source
        self._lock = threading.Lock()
        self._handed = low  # every chunk up to here was handed out
        self.first: Literals | None = None
        """Before the first row, once the walk has begun; None: there is no row, or the first chunk takes in all before it."""
        self.end: Literals | None = None
        """Where the walk ends, once it has begun; None: there is no row."""
        self._whole = key.whole
        self._number = 0
        self._lowest = 0  # of the chunks that are not done
        self._done: dict[int, Literals] = {}
        self._dense = True

    def begin(self, link: Link) -> None:
        """Fix the end, and for whole numbers the beginning. Locking reads: they wait for what was written but is not visible."""
        self.end = self._edge(link, self.key.order_back)
        if self._whole:
            if (row := self._edge(link, self.key.order)) is None:
                self.end = None  # it has been emptied since
            else:
                self.first = (str(int(row[0]) - 1),)
        if self.low is None and self.end is not None:
            self._handed = self.low = self.first

    def begin_outside(self, link: Link, high: Literals | None) -> None:
        """Walk the rows behind `low`, up to *high* if it is given, which are in another table than these keys were read from.

        By asking only: what is a whole number there need not be one here.
        """
        self._whole = False
        where = f"{self.key.after(self.low)} AND {self.key.upto(high) if high else 'TRUE'}"
        found = link.row(
            f"SELECT {self.key.select_list} FROM {self._source} {self.key.hint} WHERE {where} "
            f"ORDER BY {self.key.order_back} LIMIT 1"
        )
        self.end = None if found is None else tuple(map(str, found))

    @property
    def exhausted(self) -> bool:
        """Whether all chunks were handed out."""
        return self.end is None or self._handed == self.end

    def next(self, link: Link) -> Chunk | None:
        """The next chunk to work on, None when all were handed out."""
        with self._lock:
            if self.exhausted or self.end is None:
                return None
            high = self._count_on() if self._whole and self._dense else self._ask(link)
            chunk = Chunk(number=self._number, low=self._handed, high=high or self.end)
            self._number += 1
            self._handed = chunk.high
            return chunk

    def halves(self, link: Link, chunk: Chunk) -> list[Chunk]:
        """*chunk* in two, or as it is when it cannot be cut."""
        with self._lock:
            self.sizer.halve()
            rows = max(self.sizer.rows // 2, 1)
        middle = self._further(link, chunk.low, chunk.high, rows)
        if middle is None or middle == chunk.high:
            return [chunk]
        return [
            Chunk(number=chunk.number, low=chunk.low, high=middle),
            Chunk(number=chunk.number, low=middle, high=chunk.high),
        ]

    def note(self, chunk: Chunk, rows: int, seconds: float) -> None:
        """A chunk, or a part of one, of *rows* took *seconds*."""
        with self._lock:
            if self._whole and chunk.low is not None:
                span = int(chunk.high[0]) - int(chunk.low[0])
                self._dense = rows >= max(span * SPARSE, 1)
            self.sizer.note(rows, seconds)

    def done(self, chunk: Chunk) -> None:
        """All of *chunk* is done."""
        with self._lock:
            self._done[chunk.number] = chunk.high
            while self._lowest in self._done:
                self.low = self._done.pop(self._lowest)
                self._lowest += 1

    def _count_on(self) -> Literals:
        assert self._handed is not None
        assert self.end is not None
        return (str(min(int(self._handed[0]) + self.sizer.rows, int(self.end[0]))),)

    def _ask(self, link: Link) -> Literals | None:
        assert self.end is not None
        return self._further(link, self._handed, self.end, self.sizer.rows)

    def _further(self, link: Link, low: Literals | None, high: Literals, rows: int) -> Literals | None:
        """The key *rows* further on than *low*, or the last one of its stretch. None: that is *high*, or *low* lies behind it."""
        stretches = list(self.key.stretches(low, high))
        for where, key in stretches[:-1]:
            found = self._nth(link, where, key.order, rows) or self._nth(link, where, key.order_back, 1)
            if found is not None:
                return found
        return next((self._nth(link, where, key.order, rows) for where, key in stretches[-1:]), None)

    def _nth(self, link: Link, where: str, order: str, n: int) -> Literals | None:
        found = link.row(
            f"""
            SELECT {self.key.select_list} FROM {self._source} {self.key.hint}
             WHERE {where}
             ORDER BY {order} LIMIT 1 OFFSET {n - 1}
            """
        )
        return None if found is None else tuple(map(str, found))

    def _edge(self, link: Link, order: str) -> Literals | None:
        found = link.row(
            f"SELECT {self.key.select_list} FROM {self._source} {self.key.hint} ORDER BY {order} LIMIT 1 LOCK IN SHARE MODE"
        )
        return None if found is None else tuple(map(str, found))
