"""Compares every row with its copy before the cutover, chunk by chunk, without locking the application out.

Both tables are read in one snapshot. What differs there may only be on its way: the keys that differ are looked at again once
everything committed before is applied, and those that never rest with their rows held for a moment. Only what differs then is
wrong: it is copied again, and the whole comparison begins anew.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Protocol

from engine.base import Control, Signal
from engine.errors import Refused
from engine.mysql.copying.chunk_sizer import ChunkSizer
from engine.mysql.copying.chunker import Chunk, Chunker
from engine.mysql.copying.share import Share
from engine.mysql.copying.sums import Side, Sums
from engine.mysql.copying.table_copy import OF_THE_EDGES, TableCopy
from engine.mysql.copying.volume import MOST_THREADS, settings_of
from engine.mysql.copying.worker_pool import WorkerPool
from engine.mysql.link import Link
from engine.mysql.shadow.keys import Literals
from engine.mysql.shadow.shape import locked
from engine.mysql.trouble import Waited

CHUNK_SECONDS = 0.1
GENTLE_SECONDS = 0.005
"""Where the copy rests between chunks, because somebody writes beside it or asked for it."""
LOOKS = 3
"""So often keys are looked at again before their rows are locked."""
PASSES = 3
"""So often rows are compared, all of them, when some had to be mended."""
AT_ONCE = 200
"""Keys that are looked at together."""
FEW = 20
"""Rows that are locked together."""

KeyFilter = Callable[[Sequence[Literals]], list[Literals]]


class Beside(Protocol):
    """Work that goes on meanwhile, in a thread of its own."""

    @property
    def finished(self) -> bool:
        """Whether it is done. Raises what it ended with."""


class Verification:
    """The comparison of one filled shadow with its source."""

    def __init__(self, work: TableCopy, *, beside: Beside | None = None) -> None:
        self._work = work
        self._beside = beside
        self._shape = work.shape
        self._sums = Sums(work.shape)
        self._ordered = not work.shape.key.exact
        self._lock = threading.Lock()
        self._doubtful: dict[Literals, None] = {}

    def run(self, control: Control) -> Signal:
        """Compare all. Refused: rows differ again and again; what the work beside it raises."""
        signal = self._work.patiently(control, self._connect, "a connection of ours to be put on record")
        if signal is not Signal.GO:
            return signal
        try:
            return self._run(control)
        finally:
            self._work.hold.close_link(self._link)

    def _connect(self) -> None:
        self._link = self._work.open_link()

    def _run(self, control: Control) -> Signal:
        work = self._work
        for _ in range(PASSES):
            before = work.checkpoint.repairs
            signal = work.catch_up(control)
            if signal is Signal.GO:
                signal = self._pass(control)
            if signal is not Signal.GO:
                return signal
            work.place.save(low=None)
            if work.checkpoint.repairs == before:
                return Signal.GO
        shape, why = self._shape, ""
        if shape.new_key.index in shape.fresh_uniques:
            why = f" (two rows may have the same value of {', '.join(shape.new_key.names)} afterwards)"
        raise Refused(
            f"{shape.copy.table}: rows of the copy differ from the table although they were mended {PASSES} times"
            f"{why}; nothing was changed"
        )

    def _pass(self, control: Control) -> Signal:
        work, source = self._work, self._sums.source
        chunker = self._chunker(source, work.checkpoint.low)
        signal = work.patiently(control, lambda: chunker.begin(work.link), OF_THE_EDGES)
        if signal is Signal.GO:
            signal = self._walk(source, chunker, control)
        return self._outside(chunker, control) if signal is Signal.GO else signal

    def _outside(self, walked: Chunker, control: Control) -> Signal:
        """Compare the copies that the walk has not seen: rows that came since, or rows that are not in the source.

        Where the two keys sort differently these may be anywhere.
        """
        shadow, signal = self._sums.shadow, Signal.GO
        spans: list[tuple[Literals | None, Literals | None]] = [(None, None)]
        if self._ordered:
            spans = [(None, walked.first)] if walked.first is not None else []
            spans.append((walked.end, None))
        for low, high in spans:
            chunker = self._chunker(shadow, low)
            begin = partial(chunker.begin_outside, self._work.link, high)
            if signal is Signal.GO:
                signal = self._work.patiently(control, begin, OF_THE_EDGES)
            if signal is Signal.GO:
                signal = self._walk(shadow, chunker, control)
        return signal

    def _chunker(self, side: Side, low: Literals | None) -> Chunker:
        chunker = Chunker(side.table, side.key, ChunkSizer(CHUNK_SECONDS, self._work.size.row_bytes), low)
        if not self._ordered:
            chunker.sizer.most = AT_ONCE
        return chunker

    def _walk(self, side: Side, chunker: Chunker, control: Control) -> Signal:
        """Compare the rows of all chunks of *chunker*, those of one *side*; of the source the place is kept."""
        work, keeps = self._work, side is self._sums.source
        began_with = work.checkpoint.repairs
        compare = partial(self._compare, side)
        workers = WorkerPool("compare", chunker, compare, self._open, work.hold.close_link, MOST_THREADS)
        checkpoint = work.checkpoint
        before = checkpoint.compared if keeps and checkpoint.low is not None else 0
        share = Share(max(checkpoint.rows_total, checkpoint.rows_copied) if keeps else 0, before)
        self._steer(workers, control, share)
        with workers:
            done = False
            while not done:
                finished, low, compared = workers.finished, chunker.low, share.walked(workers.rows)
                signal = work.turn(control, self._steer(workers, control, share), gather=0.0)
                if signal is Signal.GO:
                    signal = self._clear_up(control)
                if signal is not Signal.GO:
                    return signal
                done = finished and not self._doubtful
                if keeps and work.checkpoint.repairs == began_with and not self._doubtful:
                    # A place from a pass that mended something would let the next one skip what it has not seen.
                    work.place.keep(low=low, compared=compared)
        return Signal.GO

    @property
    def _alone(self) -> bool:
        """Whether nothing goes on beside it any more."""
        return self._beside is None or self._beside.finished

    def _steer(self, workers: WorkerPool, control: Control, share: Share) -> str:
        """As hard as the server can take just now; what to tell people. Before the workers start, too: all of them would."""
        work, alone = self._work, self._alone
        doing = "comparing rows" if alone else "building indexes and comparing rows"
        doing = share.told(doing, workers.rows, alone=alone)
        workers.held, said = work.throttle.look(work.link, doing, control.volume())
        if work.throttle.busy and not alone:
            workers.held, said = True, "building indexes"
        settings = settings_of(control.volume(), busy=work.throttle.busy)
        workers.set(replace(settings, chunk_seconds=GENTLE_SECONDS if settings.rest else CHUNK_SECONDS))
        return said

    def _open(self) -> Link:
        link = self._work.open_link()
        link.run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return link

    # -- a chunk, in a thread of its own ------------------------------------------------------------------------

    def _compare(self, walked: Side, link: Link, chunk: Chunk) -> tuple[int, float]:
        """The chunk is one of the keys of *walked*. Where the two sort differently, the other's rows are found key by key."""
        sides = (self._sums.source, self._sums.shadow)
        in_range = {
            side: side.key.between(chunk.low, chunk.high) for side in sides if self._ordered or side is walked
        }

        def keys() -> list[Literals]:
            return list({key for side, where in in_range.items() for key in side.keys(link, where)})

        link.run("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        try:
            began = time.monotonic()
            ours, theirs = (
                side.where(link, in_range[side]) if side in in_range else side.of_keys(link, keys())
                for side in sides
            )
            if ours != theirs:
                self._doubt(self._sums.differing(link, keys()))
        finally:
            link.run("COMMIT")
        return max(ours[0], theirs[0]), time.monotonic() - began

    # -- what is doubtful ---------------------------------------------------------------------------------------

    def _doubt(self, keys: Iterable[Literals]) -> None:
        with self._lock:
            self._doubtful.update(dict.fromkeys(keys))

    def _clear_up(self, control: Control) -> Signal:
        """Look again at what differed, until it is known to be right or wrong."""
        with self._lock:
            keys, self._doubtful = list(self._doubtful), {}
        signal = Signal.GO
        for _ in range(LOOKS):
            if keys and signal is Signal.GO:
                signal = self._work.in_step(control, "comparing rows")
                keys, signal = self._filtered(keys, AT_ONCE, self._still_differing, control, signal)
        wrong, signal = self._filtered(keys, FEW, self._look_closely, control, signal)
        if wrong and signal is Signal.GO:
            work = self._work
            work.place.save(repairs=work.checkpoint.repairs + len(wrong))
            work.capture.requeue(wrong)
        return signal

    def _still_differing(self, keys: Sequence[Literals]) -> list[Literals]:
        with suppress(Waited):  # nobody may read the table just now
            return self._sums.differing(self._link, keys)
        return list(keys)

    def _filtered(
        self, keys: Sequence[Literals], size: int, still_wrong: KeyFilter, control: Control, signal: Signal
    ) -> tuple[list[Literals], Signal]:
        """What *still_wrong* leaves of *keys*, so many at a time; there may be very many, so it is told in between."""
        left: list[Literals] = []
        for some in _lots(keys, size):
            if signal is Signal.GO:
                left += still_wrong(some)
                signal = self._work.report(control, "comparing rows")
        return left, signal

    def _look_closely(self, keys: Sequence[Literals]) -> list[Literals]:
        """Which of *keys* are wrong: differ although their rows are held and no change of them waits to be applied.

        Nothing is applied meanwhile: the applier might wait for a row whose owner waits for one that is held here.
        """
        work, sums, link = self._work, self._sums, self._link
        wrong = []
        try:
            with work.hold.transaction(link, "compare"):
                ours = {
                    key: sums.source.of_key(link, key, lock=locked(at + 1)) for at, key in enumerate(keys)
                }
                waiting = work.capture.waiting(work.link, keys)
                for key, number in ours.items():
                    if (
                        waiting is not None
                        and key not in waiting
                        and sums.shadow.of_key(link, key) != number
                        # A row that is not there cannot be held: it may have come by now.
                        and sums.source.of_key(link, key) == number
                    ):
                        wrong.append(key)
        except Waited:
            if len(keys) > 1:
                return [key for one in keys for key in self._look_closely([one])]
            waiting = None
        if waiting is None:
            self._doubt(keys)
            return []
        return wrong


def _lots(keys: Sequence[Literals], size: int) -> Iterator[Sequence[Literals]]:
    for at in range(0, len(keys), size):
        yield keys[at : at + size]
