"""Copies the rows that were there when the copy began, chunk by chunk, by threads, while changes go on being applied."""

import threading
import time

from engine.base import Control, Signal
from engine.mysql.copying.applier import duplicate
from engine.mysql.copying.chunk_sizer import ChunkSizer
from engine.mysql.copying.chunker import Chunk, Chunker
from engine.mysql.copying.filling import Collision, fill_range
from engine.mysql.copying.table_copy import GATHER_SECONDS, OF_THE_EDGES, TableCopy
from engine.mysql.copying.volume import MOST_THREADS, settings_of
from engine.mysql.copying.worker_pool import WorkerPool
from engine.mysql.link import Link
from engine.mysql.shadow.checkpoints import Phase
from engine.mysql.trouble import Lost
from engine.mysql.visibility import visibility_gaps
from engine.mysql.waiting.obstruction import Obstruction

ROUNDS = 10
"""So often a chunk may meet a row in a new unique index although the shadow was up to date since."""


class RowCopy:
    """The copying of one table's rows, from the checkpoint's low mark to the end."""

    def __init__(self, work: TableCopy) -> None:
        self._work = work
        self._obstruction = Obstruction(work.watch)
        self._closing = threading.Event()
        self._locked = True

    def run(self, control: Control) -> Signal:
        """The phase is INDEX at the end."""
        work, shape = self._work, self._work.shape
        self._locked = bool(visibility_gaps(work.link, work.hold.flavour))
        settings = settings_of(control.volume())
        sizer = ChunkSizer(settings.chunk_seconds, work.size.row_bytes)
        chunker = Chunker(shape.source, shape.key, sizer, work.checkpoint.low)
        signal = work.patiently(control, lambda: chunker.begin(work.link), OF_THE_EDGES)
        if signal is not Signal.GO:
            return signal
        before = work.checkpoint.rows_copied
        workers = WorkerPool(
            "copy", chunker, self._copy_chunk, work.open_link, work.hold.close_link, MOST_THREADS
        )
        self._steer(workers, control)
        with workers:
            try:
                while signal is Signal.GO and not workers.finished:
                    said = self._steer(workers, control)
                    work.place.keep(low=chunker.low, rows_copied=before + workers.rows)
                    signal = work.turn(control, said, gather=GATHER_SECONDS)
            finally:
                self._closing.set()
                work.shadow_lock.give_up()
        rows = before + workers.rows
        if signal is Signal.GO:
            work.place.save(phase=Phase.INDEX, low=None, rows_copied=rows, rows_total=rows)
        else:
            work.place.save(low=chunker.low, rows_copied=rows)
        return signal

    def _steer(self, workers: WorkerPool, control: Control) -> str:
        """As hard as the target can take just now; what to tell people. Before the workers start, too: all of them would."""
        work = self._work
        workers.held, said = work.throttle.look(work.link, "copying rows", control.volume())
        workers.set(settings_of(control.volume(), busy=work.throttle.gentle))
        held = self._obstruction.told(workers.waiting_since, f"rows of {work.copy.source}")
        return f"{said}, {held}" if held else said

    def _copy_chunk(self, link: Link, chunk: Chunk) -> tuple[int, float]:
        work = self._work
        where = work.shape.key.between(chunk.low, chunk.high)
        for _ in range(ROUNDS):
            try:
                with work.shadow_lock.shared(), work.hold.transaction(link, "chunk"):
                    began = time.monotonic()
                    rows = fill_range(link, work.shape, where, locked=self._locked)
                    seconds = time.monotonic() - began
                return rows, seconds
            except Collision as collision:
                found = collision
            while not work.capture.sync(link):
                if self._closing.is_set():
                    raise Lost("the copy is being closed", 0)
        raise duplicate(work.shape, found)
