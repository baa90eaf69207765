"""Counts the rows of a table and of its copy, both as they are at one moment, in pieces and beside the other work."""

import threading
from concurrent.futures import ThreadPoolExecutor

from engine.base import Control, Signal
from engine.errors import Refused
from engine.mysql.copying.underway import Underway
from engine.mysql.link import Link
from engine.mysql.shadow.keys import Literals, RowKey

PIECE = 50_000
LOOKS = 3
"""So often rows are counted when the numbers differ: a change may have been on its way."""


class Count:
    """Of one filled shadow that is not altered meanwhile: whoever alters it waits for the one moment to be over."""

    def __init__(self, work: Underway) -> None:
        self._work = work
        self._over = threading.Event()

    def run(self, control: Control) -> Signal:
        """Refused: the numbers differ."""
        link = self._work.open_link()
        try:
            return self._run(link, control)
        finally:
            self._work.hold.close_link(link)

    def _run(self, link: Link, control: Control) -> Signal:
        work = self._work
        for _ in range(LOOKS):
            with ThreadPoolExecutor(1, "count") as thread:
                counting = thread.submit(self._count, link)
                try:
                    while not counting.done():
                        signal = work.turn(control, "counting rows", gather=0.0)
                        if signal is not Signal.GO:
                            return signal
                finally:
                    self._over.set()
            ours, theirs = counting.result()
            if ours == theirs or work.capture.backlog(work.link):
                return Signal.GO
            self._over.clear()
        raise Refused(f"{work.copy.table}: {ours} rows became {theirs}; nothing was changed: plan again")

    def _count(self, link: Link) -> tuple[int, int]:
        shape = self._work.shape
        link.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        link.run("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        try:
            ours = self._rows(link, shape.source, shape.key)
            return ours, self._rows(link, shape.shadow, shape.new_key)
        finally:
            link.run("COMMIT")

    def _rows(self, link: Link, table: str, key: RowKey) -> int:
        """An answer takes a moment, however many there are."""
        rows, low = 0, None
        while not self._over.is_set():
            from_here = f"FROM {table} {key.hint} WHERE {key.after(low)}"
            found = link.row(
                f"SELECT {key.select_list} {from_here} ORDER BY {key.order} LIMIT 1 OFFSET {PIECE - 1}"
            )
            if found is None:
                return rows + int(link.value(f"SELECT COUNT(*) {from_here}"))
            rows += PIECE
            low = _literals(found)
        return rows


def _literals(row: tuple[object, ...]) -> Literals:
    return tuple(map(str, row))
