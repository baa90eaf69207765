"""Copies the rows that were there when the copy began, range by range, by threads, while changes go on being applied."""

import threading
from dataclasses import replace

from engine.base import Control, Signal
from engine.mysql.copying.applier import duplicate
from engine.mysql.copying.crew import Crew
from engine.mysql.copying.filling import Collision, fill_range
from engine.mysql.copying.pace import MOST_THREADS, Pace, rhythm_of
from engine.mysql.copying.tiles import Tile, Tiles
from engine.mysql.copying.underway import GATHER_SECONDS, Underway
from engine.mysql.link import Link
from engine.mysql.shadow.checkpoints import Phase
from engine.mysql.trouble import Lost

ROUNDS = 10
"""So often a chunk may meet a row in a new unique index although the shadow was up to date since."""


class RowCopy:
    """The copying of one table's rows, from the checkpoint's low mark to the end."""

    def __init__(self, work: Underway) -> None:
        self._work = work
        self._closing = threading.Event()

    def run(self, control: Control) -> Signal:
        """The phase is INDEX at the end."""
        work, shape = self._work, self._work.shape
        single = self._single()
        rhythm = rhythm_of(control.volume(), single=single)
        pace = Pace(rhythm.chunk_seconds, work.figure("AVG_ROW_LENGTH"))
        tiles = Tiles(shape.source, shape.key, pace, work.checkpoint.low)
        tiles.begin(work.link)
        before = work.checkpoint.rows_copied
        crew = Crew("copy", tiles, self._copy_chunk, work.open_link, work.hold.close_link, MOST_THREADS)
        signal = Signal.GO
        self._steer(crew, control, single=single)
        with crew:
            try:
                while signal is Signal.GO and not crew.finished:
                    said = self._steer(crew, control, single=single)
                    work.state = replace(work.checkpoint, low=tiles.low, rows_copied=before + crew.rows)
                    signal = work.turn(control, said, gather=GATHER_SECONDS)
            finally:
                self._closing.set()
        state = replace(work.checkpoint, low=tiles.low, rows_copied=before + crew.rows)
        if signal is Signal.GO:
            state = replace(state, phase=Phase.INDEX, low=None, rows_total=state.rows_copied)
        work.move(state)
        return signal

    def _steer(self, crew: Crew, control: Control, *, single: bool) -> str:
        """As hard as the target can take just now; what to tell people. Before the crew begins, too: it would begin with all."""
        work = self._work
        crew.held, said = work.throttle.look(work.link, "copying rows")
        crew.set(rhythm_of(control.volume(), single=single, busy=work.throttle.gentle))
        return said

    def _single(self) -> bool:
        """INSERT … SELECT into a table that counts is serialised by the server unless its lock mode is 2."""
        counts = any(column.auto_increment for column in self._work.shape.new.columns)
        return counts and int(self._work.hold.link.value("SELECT @@innodb_autoinc_lock_mode")) < 2

    def _copy_chunk(self, link: Link, tile: Tile) -> int:
        work = self._work
        where = work.shape.key.between(tile.low, tile.high)
        for _ in range(ROUNDS):
            try:
                with work.hold.transaction(link, "chunk"):
                    return fill_range(link, work.shape, where)
            except Collision as collision:
                found = collision
            while not work.capture.sync(link):
                if self._closing.is_set():
                    raise Lost("the copy is being closed", 0)
        raise duplicate(work.shape, found)
