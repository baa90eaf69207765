"""The online copy of one table: stage, copy in chunks, keep in step with the application, compare, be ready to cut over.

From the moment the shadow stands, every key that the application touches is read from the server's log and its row brought over
again, whether the row was copied already or not. The chunks are copied by threads with INSERT IGNORE, so a chunk never overwrites
a row that came later; every read that feeds the shadow locks what it reads, so no row is read before it is visible.
The session's thread does all the applying; it writes the checkpoint, and reports.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from engine import faults
from engine.base import Change, Control, Progress, Signal
from engine.errors import DriftFound, EngineError
from engine.mysql.binlog.errors import PositionGone, PositionRewound, TableChanged
from engine.mysql.binlog.preflight import obstacles
from engine.mysql.capturing.capture import Capture
from engine.mysql.capturing.delta_capture import DeltaCapture
from engine.mysql.capturing.log_capture import LogCapture
from engine.mysql.capturing.stream import Stream
from engine.mysql.catalog import read_table
from engine.mysql.copying.applier import Applier, duplicate
from engine.mysql.copying.crew import Crew
from engine.mysql.copying.filling import MOST_WARNINGS, Collision, fill_range
from engine.mysql.copying.index_build import IndexBuild
from engine.mysql.copying.pace import MOST_THREADS, Pace, rhythm_of
from engine.mysql.copying.throttle import Throttle
from engine.mysql.copying.tiles import Tile, Tiles
from engine.mysql.copying.verify import Verification
from engine.mysql.link import Link
from engine.mysql.ownership.hold import Hold
from engine.mysql.shadow import checkpoints
from engine.mysql.shadow.checkpoints import CAPTURING, Checkpoint, Phase
from engine.mysql.shadow.keys import Literals
from engine.mysql.shadow.names import names_of
from engine.mysql.shadow.removal import Removal
from engine.mysql.shadow.shape import FILLING, Shape, shape_of
from engine.mysql.shadow.staging import Staging
from engine.mysql.spec import Copy, Step
from engine.mysql.tables import Table
from engine.mysql.trouble import Lost, ServerRefused, Waited

SAVE_SECONDS = 2.0
"""How often the checkpoint is written."""
GATHER_SECONDS = 0.25
"""While rows are copied keys gather for so long, so that a row that changes often is brought over once."""
TURN_SECONDS = 0.1
IDLE_SECONDS = 0.02
FINAL_SECONDS = 5.0
"""So long the last changes may take under the lock of the cutover; else it is given up and tried again."""
MANY_ROWS = 50_000
PASSES = 3
"""So often rows are compared, all of them, when some had to be mended."""
ROUNDS = 10
"""So often a chunk may meet a row in a new unique index although the shadow was up to date since."""


class OnlineCopy:
    """The work on one table, as far as it is not live yet. Used by the session's thread.

    `open` first (it stages, or goes on from the checkpoint), then `fill` (copy, indexes, comparison), then `catch_up` as often as
    wanted. For the cutover: `locks` by LOCK TABLES … WRITE on one link, `final_apply` on it, the swap, UNLOCK, `live`.
    """

    def __init__(self, hold: Hold, stream: Stream, change: Change, step: Step) -> None:
        assert step.copy is not None
        self.hold = hold
        self.stream = stream
        self.change = change
        self.step = step
        self.copy: Copy = step.copy
        self.names = names_of(step.copy.source)
        self.state: Checkpoint | None = checkpoints.find(hold, step)
        self.throttle = Throttle(hold)
        self.passes = PASSES
        self._shape: Shape | None = None
        self._capture: Capture | None = None
        self._applier: Applier | None = None
        self._link: Link | None = None  # applies and writes checkpoints
        self._notice = ""
        self._saved_at = 0.0
        self._turned_at = 0.0
        self._durable = False
        self._saved: tuple[object, ...] = ()
        self._closing = threading.Event()

    @property
    def checkpoint(self) -> Checkpoint:
        """Where the work stands, once it is open."""
        assert self.state is not None
        return self.state

    @property
    def shape(self) -> Shape:
        """The two tables, once it is open."""
        assert self._shape is not None
        return self._shape

    @property
    def capture(self) -> Capture:
        """Where changed keys come from, once it is open."""
        assert self._capture is not None
        return self._capture

    @property
    def link(self) -> Link:
        """The connection that applies, once it is open."""
        assert self._link is not None
        return self._link

    @property
    def locks(self) -> tuple[str, ...]:
        """The tables that have to be locked for `final_apply`, names without schema, the live one first."""
        return (self.copy.source, self.names.shadow, *self.capture.tables)

    # -- opening ------------------------------------------------------------------------------------------------

    def open(self, control: Control) -> Signal:
        """Have the shadow and the stream of changes: new ones, or those of the checkpoint.

        DriftFound, Refused: it cannot go on; `discard` removes what there is.
        """
        if self._applier is not None:
            return Signal.GO
        if self.state is not None and not self._usable():
            signal = self.discard(control)
            if signal is not Signal.GO:
                return signal
        if self.state is not None:
            try:
                self._resume()
            except (PositionGone, PositionRewound) as error:
                signal = self._start_over(control, str(error))
                if signal is not Signal.GO:
                    return signal
        if self.state is None:
            self._stage()
        return Signal.GO

    def _usable(self) -> bool:
        state = self.checkpoint
        return state.phase in CAPTURING and state.step == checkpoints.digest(self.step)

    def _stage(self) -> None:
        checkpoints.make_table(self.hold)
        staging = Staging(self.hold, self.step)
        source = staging.check_source()
        staging.check_names()
        state = Checkpoint(
            apply_uid=self.hold.job.apply_uid,
            schema=self.step.schema,
            source=self.copy.source,
            phase=Phase.STAGE,
            rows_total=self._figure("TABLE_ROWS"),
            step=checkpoints.digest(self.step),
            source_print=source.fingerprint,
        )
        self._put(state)
        faults.reached("shadow:begin")
        shadow = staging.make()
        shape = shape_of(self.step, source, shadow)
        deferred = () if self._spares_the_disk(state) else staging.put_off_indexes(shadow)
        faults.reached("shadow:made")
        state = replace(state, deferred=deferred, shadow_print=self._print(self.names.shadow))
        self._begin(shape, state, None)
        # The marker: its commit comes after everything that may be in the log already but is not visible yet.
        self._put(replace(state, phase=Phase.COPY, position=self.capture.position))
        self.capture.begin(self.link)

    def _spares_the_disk(self, state: Checkpoint) -> bool:
        """Building many rows\' indexes at the end is quicker but cannot be slowed down: not beside an application that writes."""
        return state.rows_total > MANY_ROWS and self.throttle.working(self.hold.link)

    def _resume(self) -> None:
        state = self.checkpoint
        source = self._table(self.copy.source, state.source_print, "the live table")
        shadow = self._indexed() or self._table(self.names.shadow, state.shadow_print, "our copy of it")
        self._begin(shape_of(self.step, source, shadow), state, state)

    def _begin(self, shape: Shape, state: Checkpoint, resumed: Checkpoint | None) -> None:
        self._shape = shape
        self._link = self._link or self.open_link()
        self._capture = self._captured(shape, resumed)
        self._applier = Applier(self.hold, shape, self._capture)
        self.state = state
        self._closing.clear()
        self.stream.copies.append(self)

    def _captured(self, shape: Shape, resumed: Checkpoint | None) -> Capture:
        """The log, unless it cannot be read; what was begun with goes on."""
        if resumed is not None and resumed.position is not None:
            return LogCapture(self.stream, shape, resumed.position)
        delta = DeltaCapture(self.hold, shape, self.names)
        if resumed is not None:
            return delta
        why_not = obstacles(self.hold.address, [self.step.schema])
        if not why_not:
            return LogCapture(self.stream, shape, None)
        self._notice = f"changes are captured by triggers: {'; '.join(why_not)}"
        delta.make()
        return delta

    def _table(self, name: str, expected: str, what: str) -> Table:
        table = read_table(self.hold.link, self.step.schema, name)
        if table is None or table.fingerprint != expected:
            fate = "vanished" if table is None else "was altered"
            raise DriftFound(f"{self.copy.source}: {what} ({name}) {fate} while it was copied: plan again")
        return table

    def _indexed(self) -> Table | None:
        """The shadow with the indexes that were put off, if they were built and we did not come to writing it down."""
        state = self.checkpoint
        if state.phase is not Phase.INDEX or not state.deferred or self._missing_indexes():
            return None
        return read_table(self.hold.link, self.step.schema, self.names.shadow)

    def _print(self, name: str) -> str:
        table = read_table(self.hold.link, self.step.schema, name)
        return "" if table is None else table.fingerprint

    def _start_over(self, control: Control, reason: str) -> Signal:
        """The log does not reach back to the checkpoint: what changed since is not known."""
        self._notice = f"copying from the start again: {reason}"
        return self.discard(control)

    def _figure(self, name: str) -> int:
        """One of the server's estimates about the table: TABLE_ROWS, AVG_ROW_LENGTH."""
        return int(
            self.hold.link.value(
                f"SELECT {name} FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
                self.step.schema,
                self.copy.source,
            )
            or 0
        )

    def open_link(self) -> Link:
        """A further connection that fills shadows."""
        link = self.hold.open_link(settings=FILLING)
        with suppress(ServerRefused):  # not everybody may; then chunks with more warnings are cut
            link.set({"max_error_count": MOST_WARNINGS})
        return link

    # -- filling ------------------------------------------------------------------------------------------------

    def fill(self, control: Control) -> Signal:
        """From wherever it stands to verified."""
        for phase, run in (
            (Phase.COPY, self._copy_rows),
            (Phase.INDEX, self._build_indexes),
            (Phase.CHECK, self._compare),
        ):
            if self.checkpoint.phase is phase:
                signal = self._or_again(run, control)
                if signal is not Signal.GO:
                    return signal
        return Signal.GO

    def _or_again(self, run: Callable[[Control], Signal], control: Control) -> Signal:
        try:
            return run(control)
        except TableChanged as error:
            raise DriftFound(
                f"{self.copy.source} was changed while it was copied ({error}): plan again"
            ) from error

    def _copy_rows(self, control: Control) -> Signal:
        shape, state = self.shape, self.checkpoint
        single = self._single()
        rhythm = rhythm_of(control.volume(), single=single)
        pace = Pace(rhythm.chunk_seconds, self._figure("AVG_ROW_LENGTH"))
        tiles = Tiles(shape.source, shape.key, pace, state.low)
        tiles.begin(self.link)
        before = state.rows_copied
        crew = Crew("copy", tiles, self._copy_chunk, self.open_link, self.hold.close_link, MOST_THREADS)
        signal = Signal.GO
        self._closing.clear()
        with crew:
            try:
                while signal is Signal.GO and not crew.finished:
                    crew.held, why = self.throttle.look(self.link)
                    crew.set(rhythm_of(control.volume(), single=single, busy=self.throttle.busy))
                    self.state = replace(self.checkpoint, low=tiles.low, rows_copied=before + crew.rows)
                    signal = self.turn(control, why or "copying rows", gather=GATHER_SECONDS)
            finally:
                self._closing.set()
        self.state = replace(self.checkpoint, low=tiles.low, rows_copied=before + crew.rows)
        if signal is Signal.GO:
            self.state = replace(
                self.checkpoint, phase=Phase.INDEX, low=None, rows_total=self.checkpoint.rows_copied
            )
        self._save()
        return signal

    def _single(self) -> bool:
        """INSERT … SELECT into a table that counts is serialised by the server unless its lock mode is 2."""
        counts = any(column.auto_increment for column in self.shape.new.columns)
        return counts and int(self.hold.link.value("SELECT @@innodb_autoinc_lock_mode")) < 2

    def _copy_chunk(self, link: Link, tile: Tile) -> int:
        where = self.shape.key.between(tile.low, tile.high)
        for _ in range(ROUNDS):
            try:
                with self.hold.transaction(link, "chunk"):
                    return fill_range(link, self.shape, where)
            except Collision as collision:
                found = collision
            while not self.capture.sync(link):
                if self._closing.is_set():
                    raise Lost("the copy is being closed", 0)
        raise duplicate(self.shape, found)

    def _build_indexes(self, control: Control) -> Signal:
        missing = self._missing_indexes()
        if missing:
            with IndexBuild(self.hold, self.shape, missing) as build:
                while not build.finished:
                    signal = self.turn(control, "building indexes", gather=GATHER_SECONDS)
                    if signal is not Signal.GO:
                        return signal
        self.link.run(f"ANALYZE TABLE {self.shape.shadow}")
        self._put(
            replace(
                self.checkpoint,
                phase=Phase.CHECK,
                deferred=(),
                shadow_print=self._print(self.names.shadow),
                position=self.capture.position,
            )
        )
        return Signal.GO

    def _missing_indexes(self) -> tuple[str, ...]:
        """Those put off that an interrupted build has not made; one ALTER makes all or none."""
        table = read_table(self.hold.link, self.step.schema, self.names.shadow)
        has = {index.line for index in table.indexes} if table is not None else set()
        return tuple(line for line in self.checkpoint.deferred if line not in has)

    def _compare(self, control: Control) -> Signal:
        return Verification(self).run(control)

    # -- keeping in step ----------------------------------------------------------------------------------------

    def follow(self, *, gather: float = 0.0) -> int:
        """Apply some of what waits; how many keys. 0: nothing waits, or it gathers still."""
        assert self._applier is not None
        now = time.monotonic()
        if now - self._turned_at >= gather:
            self._turned_at = now
            self.capture.turn(self.link)
        return self._applier.step(self.link)

    def turn(self, control: Control, detail: str, *, gather: float) -> Signal:
        """One turn of a loop: apply for a moment, save when it is time, report, rest when there is nothing to do."""
        began = time.monotonic()
        worked = 0
        while time.monotonic() - began < TURN_SECONDS:
            done = sum(copy.follow(gather=gather) for copy in self.stream.copies)
            worked += done
            if not done:
                break
        for copy in self.stream.copies:
            copy.save_when_due()
        signal = self.report(control, detail)
        if signal is Signal.GO and not worked:
            control.pause(IDLE_SECONDS)
        return signal

    def catch_up(self, control: Control) -> Signal:
        """Apply all that was committed before this call, then write the checkpoint."""
        signal = self.in_step(control, "catching up")
        self._save()
        return signal

    def in_step(self, control: Control, detail: str) -> Signal:
        """Apply all that was committed before this call."""
        self.capture.mark(self.link)
        while not self.capture.in_step(self.link):
            signal = self.turn(control, detail, gather=0.0)
            if signal is not Signal.GO:
                return signal
        return Signal.GO

    def backlog(self) -> int:
        """About how many keys wait."""
        return self.capture.backlog(self.link)

    def final_apply(self, link: Link, seconds: float = FINAL_SECONDS) -> None:
        """Under LOCK TABLES on *link*: apply the rest. Lost, Waited: not done in so many *seconds*, give the lock up for now."""
        assert self._applier is not None
        self._fill_by(link)
        deadline = time.monotonic() + seconds
        self.capture.reach_end(link, seconds)
        self.capture.turn(link)
        while self.capture.take(1):
            if time.monotonic() > deadline:
                raise Waited(f"{self.copy.source}: the last changes took longer than {seconds:.1f} s", 0)
            self._applier.step(link, locked=True)
            self.capture.turn(link)
        self.capture.check_end(link)
        Staging(self.hold, self.step).carry_counter(link)

    def _fill_by(self, link: Link) -> None:
        marks = ", ".join(f"SESSION {name} = %s" for name in FILLING)
        link.run(f"SET {marks}", *FILLING.values())

    def live(self) -> None:
        """The swap is done: only the replaced table is left to remove."""
        self._put(replace(self.checkpoint, phase=Phase.OLD, low=None))
        self.close()

    # -- saying and saving --------------------------------------------------------------------------------------

    def save_when_due(self) -> None:
        """Write the checkpoint every few seconds."""
        if time.monotonic() - self._saved_at > SAVE_SECONDS:
            self._save()

    def keep(self, low: Literals | None) -> None:
        """The comparison has come so far."""
        self.state = replace(self.checkpoint, low=low)

    def move(self, state: Checkpoint) -> None:
        """The work stands there now: write it down."""
        self.state = state
        self._save()

    def _save(self) -> None:
        self._put(replace(self.checkpoint, position=self.capture.position))

    def _put(self, state: Checkpoint) -> None:
        checkpoints.put(self.hold, self._link or self.hold.link, state)
        self.state = state
        self._saved_at = time.monotonic()
        place = (state.phase, state.low, state.rows_copied)
        self._durable = self._durable or place != self._saved
        self._saved = place

    def report(self, control: Control, detail: str) -> Signal:
        """Say how far the copy is."""
        state = self.checkpoint
        durable, self._durable = self._durable, False
        return control.report(
            Progress(
                change=self.change,
                rows_copied=state.rows_copied,
                rows_total=max(state.rows_total, state.rows_copied),
                detail=f"{detail} ({self._notice})" if self._notice else detail,
                durable=durable,
            )
        )

    # -- the end ------------------------------------------------------------------------------------------------

    def discard(self, control: Control) -> Signal:
        """Remove everything of this work but the live table."""
        self.close()
        state = self.state or checkpoints.find(self.hold, self.step)
        if state is None:
            return Signal.GO
        signal = Removal(self.hold, state, lambda what: self._breathe(control, what)).run()
        if signal is Signal.GO:
            self.state = None
        return signal

    def _breathe(self, control: Control, what: str) -> Signal:
        return self.report(control, what)

    def close(self) -> None:
        """Stop reading and let go of the connections; the checkpoint stays."""
        self.stream.copies = [copy for copy in self.stream.copies if copy is not self]
        self.throttle.close()
        capture, self._capture = self._capture, None
        self._applier = None
        if capture is not None:
            capture.close()
        link, self._link = self._link, None
        if link is not None:
            with suppress(EngineError):
                self.hold.close_link(link)
