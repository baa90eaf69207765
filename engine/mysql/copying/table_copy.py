"""One table's copy: its two tables, its connection, its place; what every phase of the work stands on.

The session's thread does all the applying; it writes the checkpoint, and reports.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property

from engine.base import Change, Control, Progress, Signal
from engine.errors import EngineError
from engine.mysql.capturing.capture import Capture
from engine.mysql.capturing.stream import Stream
from engine.mysql.catalog import read_table
from engine.mysql.copying.applier import Applier
from engine.mysql.copying.filling import MOST_WARNINGS
from engine.mysql.copying.place import Place
from engine.mysql.copying.shared_lock import SharedExclusiveLock
from engine.mysql.copying.throttle import Throttle
from engine.mysql.link import Link
from engine.mysql.names import names_of
from engine.mysql.ownership.hold import Hold
from engine.mysql.ownership.watch import Watch
from engine.mysql.shadow.checkpoints import Checkpoint
from engine.mysql.shadow.removal import Removal
from engine.mysql.shadow.shape import FILLING, Shape
from engine.mysql.shadow.table_identity import numbers_of
from engine.mysql.sizes import Estimate, estimate
from engine.mysql.spec import Copy, Step
from engine.mysql.trouble import ServerRefused, Waited
from engine.mysql.waiting.obstruction import Obstruction

GATHER_SECONDS = 0.25
"""While rows are copied keys gather for so long, so that a row that changes often is brought over once."""
TURN_SECONDS = 0.1
IDLE_SECONDS = 0.02
YIELD = 10.0
LONGEST_YIELD_SECONDS = 10.0
"""After a turn in which nothing could be applied, as somebody holds the rows, chunks have so many times as long, at most this."""
COUNT_SECONDS = 1.0
"""How often it is counted how many changed rows there are to go: where triggers note them, that may read all that were."""
TO_GO = 1_000
"""With fewer changed rows nobody needs to know how many."""
OF_THE_EDGES = "the first or the last row"


class TableCopy:
    """What there is of the work on one table, and how it is kept in step. Used by the session's thread."""

    def __init__(self, watch: Watch, stream: Stream, change: Change, step: Step) -> None:
        assert step.copy is not None
        self.watch = watch
        self.hold: Hold = watch.hold
        self.stream = stream
        self.change = change
        self.step = step
        self.copy: Copy = step.copy
        self.names = names_of(step.copy.source)
        self.place = Place(self.hold, step)
        self.throttle = Throttle(self.hold)
        self._obstruction = Obstruction(watch)
        self.shadow_lock = SharedExclusiveLock()
        self.notice = ""
        """Something unusual that is told with every report."""
        self._noted = ""
        self._shape: Shape | None = None
        self._capture: Capture | None = None
        self._applier: Applier | None = None
        self._link: Link | None = None  # applies and writes checkpoints
        self._turned_at = 0.0
        self._yields_until = 0.0

    @property
    def checkpoint(self) -> Checkpoint:
        """Where the work stands, once it is open."""
        return self.place.checkpoint

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
    def applier(self) -> Applier:
        """What brings their rows over, once it is open."""
        assert self._applier is not None
        return self._applier

    @property
    def link(self) -> Link:
        """The connection that applies, once it is open."""
        assert self._link is not None
        return self._link

    @property
    def is_open(self) -> bool:
        """Whether it is."""
        return self._applier is not None

    # -- beginning and end --------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Have the connection that applies."""
        self._link = self._link or self.open_link()

    def begin(self, shape: Shape, capture: Capture, state: Checkpoint) -> None:
        """It is open: from here on it is kept in step with the others of its session."""
        self._shape = shape
        self._capture = capture
        self._applier = Applier(self.hold, shape, capture, self.size.row_bytes)
        self.place.begin(state, capture, self.link)
        self.stream.copies.append(self)

    @property
    def filling(self) -> Mapping[str, object]:
        """Settings of a connection that fills the shadow.

        What a strict server only notes (a DECIMAL is rounded, a DATETIME becomes a DATE) is a loss, unless a loss was allowed.
        """
        return {**FILLING, "sql_notes": int(not self.change.unsafe)}

    def open_link(self) -> Link:
        """A further connection that fills shadows."""
        link = self.hold.open_link(self.filling)
        with suppress(ServerRefused):  # not everybody may; then chunks with more warnings are cut
            link.set({"max_error_count": MOST_WARNINGS})
        return link

    def discard(self, control: Control) -> Signal:
        """Remove everything of this work but the live table."""
        self.close()
        if self.place.state is None:
            return Signal.GO
        signal = Removal(self.watch, self.checkpoint, control, lambda what: self.report(control, what)).run()
        if signal is Signal.GO:
            self.place.forget()
        return signal

    def close(self) -> None:
        """Stop reading and let go of the connections; the checkpoint stays."""
        self.stream.copies = [copy for copy in self.stream.copies if copy is not self]
        self.throttle.close()
        self.place.end()
        capture, self._capture = self._capture, None
        self._applier = None
        if capture is not None:
            capture.close()
        link, self._link = self._link, None
        if link is not None:
            with suppress(EngineError):
                self.hold.close_link(link)

    # -- looking at the two tables ------------------------------------------------------------------------------

    @cached_property
    def size(self) -> Estimate:
        """What the server took the live table to have when it was first asked."""
        return estimate(self.hold.link, self.step.schema, self.copy.source)

    def shadow_fingerprint(self) -> str:
        """The fingerprint of the shadow as it is; empty: it is not there."""
        table = read_table(self.hold.link, self.step.schema, self.names.shadow)
        return "" if table is None else table.fingerprint

    def shadow_numbers(self) -> tuple[str, ...]:
        """InnoDB's of the shadow as it is; empty: the server does not tell."""
        return numbers_of(self.hold.link, self.hold.flavour, self.step.schema, self.names.shadow)

    # -- keeping in step ----------------------------------------------------------------------------------------

    def follow(self, *, gather: float = 0.0) -> int:
        """Apply some of what waits; how many keys. 0: nothing waits, or it gathers still, or others go first.

        *gather*: keys may wait for so many seconds, and give way to the copying where they cannot be applied at once.
        """
        now = time.monotonic()
        if now - self._turned_at >= gather:
            self._turned_at = now
            self.capture.rotate(self.link)
        if not self.capture.next_batch(1) or (gather and now < self._yields_until):
            return 0
        with self.shadow_lock.exclusive(TURN_SECONDS) as alone:
            if not alone:
                return 0
            began = time.monotonic()
            done = self.applier.step(self.link)
        if not done:
            ended = time.monotonic()
            self._yields_until = ended + min(YIELD * (ended - began), LONGEST_YIELD_SECONDS)
        return done

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
        signal = self.report(control, self._explained(detail))
        if signal is Signal.GO and not worked:
            control.pause(IDLE_SECONDS)
        return signal

    def _explained(self, detail: str) -> str:
        """With whom it waits for, if for somebody."""
        since, what = (self.applier.held_since, self.applier.held) if self.is_open else (None, "")
        if self.place.unsaved_since is not None:
            since, what = self.place.unsaved_since, "its checkpoint to be written"
        waiting = self._obstruction.told(since, what)
        return f"{detail}, {waiting}" if waiting else detail

    def catch_up(self, control: Control) -> Signal:
        """Apply all that was committed before this call, then write the checkpoint."""
        signal = self.in_step(control, "catching up")
        self.place.save()
        return signal

    def in_step(self, control: Control, detail: str) -> Signal:
        """Apply all that was committed before this call."""
        self.capture.mark(self.link)
        waiting, counted_at = 0, float("-inf")
        while not self.capture.caught_up(self.link):
            if time.monotonic() - counted_at >= COUNT_SECONDS:
                waiting, counted_at = self.capture.backlog(self.link), time.monotonic()
            told = f"{detail}, {waiting:,} changed rows to go" if waiting >= TO_GO else detail
            signal = self.turn(control, told, gather=0.0)
            if signal is not Signal.GO:
                return signal
        return Signal.GO

    def patiently(self, control: Control, act: Callable[[], None], what: str) -> Signal:
        """Do *act*, again and again while somebody holds *what* it locks; the copies are kept in step, and it is told."""
        obstruction, began = Obstruction(self.watch), time.monotonic()
        while True:
            try:
                act()
            except Waited:
                detail = obstruction.told(began, what) or f"waiting for {what}"
                signal = self.turn(control, detail, gather=GATHER_SECONDS)
                if signal is not Signal.GO:
                    return signal
            else:
                return Signal.GO

    # -- saying and saving --------------------------------------------------------------------------------------

    def save_when_due(self) -> None:
        """Write the checkpoint every few seconds."""
        self.place.save_when_due()

    def report(self, control: Control, detail: str) -> Signal:
        """Say how far the copy is."""
        state = self.checkpoint
        notable, self._noted = self.notice != self._noted, self.notice
        return control.report(
            Progress(
                change=self.change,
                rows_copied=state.rows_copied,
                rows_total=max(state.rows_total, state.rows_copied),
                detail=f"{detail} ({self.notice})" if self.notice else detail,
                durable=self.place.moved(),
                notable=notable,
            )
        )
