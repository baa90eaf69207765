"""The online copy of one table: stage, copy in chunks, keep in step with the application, compare, be ready to cut over.

From the moment the shadow stands, every key that the application touches is read from the server's log and its row brought over
again, whether the row was copied already or not. The chunks are copied by threads with INSERT IGNORE, so a chunk never overwrites
a row that came later; they read without locks, and take turns with what brings changed rows over, which locks what it reads, so
that no row is taken for changed before it can be read.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from engine.base import Control, Signal
from engine.errors import DriftFound, TargetUnavailable
from engine.mysql.binlog.errors import TableChanged
from engine.mysql.capturing.edges import the_copy_lacks_an_edge
from engine.mysql.copying.index_build import build_and_compare
from engine.mysql.copying.opening import Opening
from engine.mysql.copying.rows import RowCopy
from engine.mysql.copying.table_copy import TableCopy
from engine.mysql.copying.verify import Verification
from engine.mysql.link import Link
from engine.mysql.shadow.checkpoints import Phase
from engine.mysql.shadow.inspection import Inspection
from engine.mysql.shadow.staging import Staging
from engine.mysql.shadow.table_identity import other_numbers
from engine.mysql.trouble import Waited


class OnlineCopy(TableCopy):
    """The work on one table, as far as it is not live yet. Used by the session's thread.

    `open` first (it stages, or goes on from the checkpoint), then `fill` (copy, indexes, comparison), then `catch_up` as often as
    wanted. For the cutover: `look`, `locks` by LOCK TABLES … WRITE on one link, `final_apply` on it, the swap, UNLOCK, `live`.
    """

    _inspection: Inspection | None = None

    @property
    def locks(self) -> tuple[str, ...]:
        """The tables that have to be locked for `final_apply`, names without schema, the live one first."""
        return (self.copy.source, self.names.shadow, *self.capture.tables)

    def open(self, control: Control) -> Signal:
        """Have the shadow and the stream of changes: new ones, or those of the checkpoint.

        DriftFound, Refused: it cannot go on; `discard` removes what there is.
        """
        return Signal.GO if self.is_open else Opening(self).run(control)

    def fill(self, control: Control) -> Signal:
        """From wherever it stands to verified."""
        phases: tuple[tuple[Phase, Callable[[Control], Signal]], ...] = (
            (Phase.COPY, RowCopy(self).run),
            (Phase.INDEX, lambda control: build_and_compare(self, control)),
            (Phase.CHECK, self._compare),
        )
        for phase, run in phases:
            if self.checkpoint.phase is phase:
                signal = self._unless_drifted(run, control)
                if signal is not Signal.GO:
                    return signal
        return Signal.GO

    def _compare(self, control: Control) -> Signal:
        signal = Verification(self).run(control)
        if signal is Signal.GO:
            self.place.save(phase=Phase.READY)
        return signal

    def _unless_drifted(self, run: Callable[[Control], Signal], control: Control) -> Signal:
        try:
            return run(control)
        except TableChanged as error:
            table = error.table or self.copy.source  # one log tells of all tables of the session
            raise DriftFound(f"{table} was changed while it was copied ({error}): plan again") from error

    def look(self) -> None:
        """Right before the locks: DriftFound when one of the tables is not what it has to be.

        TargetUnavailable: whoever opens the copy next compares all rows.
        """
        if other_numbers(self.checkpoint.shadow_numbers, self.shadow_numbers()):
            raise TargetUnavailable(
                f"our copy of {self.copy.source} was truncated or rebuilt by somebody: all rows are compared again"
            )
        # Of many partitions, or columns, that takes a while; under the locks only what was given since is left.
        Staging(self.hold, self.step).carry_counter()
        self._inspection = Inspection(self.hold, self.step, self.checkpoint.source_fingerprint)
        self._inspection.look()
        self.capture.look(self.link)

    def final_apply(self, link: Link, seconds: float) -> None:
        """Under LOCK TABLES on *link*: apply the rest. Lost, Waited: not done in so many *seconds*, give the lock up for now.

        DriftFound: since `look` somebody changed one of the tables.
        """
        assert self._inspection is not None
        self._inspection.look_again(link)
        link.set(self.filling)
        deadline = time.monotonic() + seconds
        self.capture.reach_end(link, seconds)
        self.capture.rotate(link)
        while self.capture.next_batch(1):
            if time.monotonic() > deadline:
                raise Waited(f"{self.copy.source}: the last changes took longer than {seconds:.1f} s", 0)
            self.applier.step(link, locked=True)
            self.capture.rotate(link)
        self.capture.check_end(link)
        if the_copy_lacks_an_edge(link, self.shape):
            raise DriftFound(
                f"our copy of {self.copy.source} ({self.names.shadow}) lacks the table's first or last row, though all changes "
                "are applied: somebody else wrote to one of the two unseen; nothing was changed: plan again"
            )
        Staging(self.hold, self.step).carry_counter(link)

    def nothing_came(self, link: Link, seconds: float) -> bool:
        """Once nobody can write any more: whether nothing has changed since `final_apply`. Lost: that took too long."""
        return self.capture.nothing_came(link, seconds)

    def live(self) -> None:
        """The swap is done: only the replaced table is left to remove. Waited, Lost: that is not written down yet."""
        try:
            self.place.put(replace(self.checkpoint, phase=Phase.OLD, low=None))
        finally:
            self.close()
