"""The online copies of one session: filled one after the other, kept in step together, made live in one step."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

from engine import faults
from engine.base import Change, Control, Progress, Signal, Standing
from engine.errors import Refused
from engine.mysql.capturing.stream import Stream
from engine.mysql.catalog import exists
from engine.mysql.changing.standing import standing_of
from engine.mysql.copying.online import OnlineCopy
from engine.mysql.cutover.gated_swap import remove_sentry, swap_of
from engine.mysql.cutover.swap import Pair
from engine.mysql.ownership.watch import Watch
from engine.mysql.shadow import checkpoints
from engine.mysql.shadow.checkpoints import CAPTURING, Checkpoint, Phase
from engine.mysql.shadow.removal import Removal
from engine.mysql.shadow.staging import Staging
from engine.mysql.spec import Step
from engine.mysql.trouble import Lost, Waited
from engine.mysql.waiting.lock_retry import LockRetry
from engine.mysql.waiting.replica_snapshots import ReplicaSnapshots
from engine.mysql.waiting.snapshots import TargetSnapshots


@dataclass(frozen=True, slots=True)
class Work:
    """A change and its step."""

    change: Change
    step: Step

    @property
    def source(self) -> str:
        """The live table as it is called now."""
        return self.step.copy.source if self.step.copy else self.change.table

    @property
    def online(self) -> bool:
        """Whether rows are copied beforehand."""
        return self.step.copy is not None

    def needs(self, copied: Iterable[Self]) -> bool:
        """Whether these are statements that run only once one of *copied* is live."""
        names = {(work.step.schema, work.step.copy.table) for work in copied if work.step.copy}
        return not self.online and not names.isdisjoint(self.step.copied_before)


class Copies:
    """Used by the session's thread."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._hold = watch.hold
        self._stream = Stream(watch.hold)
        self._open: dict[tuple[str, str], OnlineCopy] = {}
        self._snapshots = TargetSnapshots(watch.hold)

    # -- filling ------------------------------------------------------------------------------------------------

    def fill(self, works: Sequence[Work], control: Control) -> Signal:
        """Take every table from wherever it stands to verified and in step. Refused: the apply is given up."""
        there = checkpoints.checkpoints(self._hold)
        for found in there:
            if found.given_up and found.apply_uid == self._hold.job.apply_uid:
                raise Refused(found.given_up)
        begun = {(found.schema, found.source) for found in there}
        for work in works:  # before the first of them is copied in vain
            if (work.step.schema, work.source) not in begun:
                Staging(self._hold, work.step).check_free()
        filled: list[OnlineCopy] = []
        for work in works:
            copy = self._of(work)
            for step in (copy.open, copy.fill):
                signal = step(control)
                if signal is not Signal.GO:
                    return signal
            copy.throttle.close()  # it may wait for its cutover for days
            filled.append(copy)
        signal = self._catch_up(filled, control)
        if filled and signal is Signal.GO:
            self._snapshots.note()
        return signal

    def _catch_up(self, copies: Sequence[OnlineCopy], control: Control) -> Signal:
        for copy in copies:
            signal = copy.catch_up(control)
            if signal is not Signal.GO:
                return signal
        return Signal.GO

    def _of(self, work: Work) -> OnlineCopy:
        key = work.change.key
        if key not in self._open:
            self._open[key] = OnlineCopy(self._watch, self._stream, work.change, work.step)
        return self._open[key]

    # -- making live --------------------------------------------------------------------------------------------

    def swap(self, works: Sequence[Work], control: Control) -> Signal:
        """Exchange the tables of all *works* in one step, as soon as the application lets us."""
        for work in works:
            copy = self._of(work)
            signal = copy.open(control)
            if signal is not Signal.GO:
                return signal
            if copy.checkpoint.phase is not Phase.READY:
                raise Refused(f"{work.change.table}: its copy is gone; start the apply again")
        tables = [(work.step.schema, self._of(work).copy.source) for work in works]
        beside = [(work.step.schema, name) for work in works for name in self._of(work).locks[1:]]

        def say(detail: str) -> Signal:
            """Whoever waits for a lock keeps the copies in step, too."""
            signals = [self._of(work).catch_up(control) for work in self._ahead(works)]
            last = self._of(works[0]).report(control, detail)
            return next((signal for signal in signals if signal is not Signal.GO), last)

        for outlast in (
            self._snapshots.outlast,
            partial(ReplicaSnapshots(self._hold).outlast, tables),
        ):
            signal = outlast(control, say)
            if signal is not Signal.GO:
                return signal
        retry = LockRetry(self._watch, control, tables, say, beside=beside)
        return retry.until(lambda: self._attempt(works, control))

    def _attempt(self, works: Sequence[Work], control: Control) -> Signal:
        """Waited: nothing, or not all of it, has changed."""
        ahead = self._ahead(works)
        if not ahead:
            return Signal.GO
        signal = self._looked([self._of(work) for work in ahead], control)
        if signal is not Signal.GO:
            return signal
        self._hold.check_address()
        swap = swap_of(self._watch, [self._pair(work) for work in ahead])
        try:
            swap.attempt()
        except Lost as error:
            # Of MariaDB's second connection, which has been ended; when it is the hold's own, looking raises Lost again.
            if self._ahead(works):
                raise Waited(str(error), error.code) from error
        faults.reached("swapped")
        if left := self._ahead(works):
            raise Waited(f"{left[0].change.table} was not renamed", 0)
        return Signal.GO

    def _looked(self, copies: Sequence[OnlineCopy], control: Control) -> Signal:
        """Ready for the locks. What is written during the looks, which may take seconds, is not left to be applied under them."""
        signal = self._catch_up(copies, control)
        if signal is not Signal.GO:
            return signal
        for copy in copies:
            copy.look()
        return self._catch_up(copies, control)

    def _ahead(self, works: Sequence[Work]) -> list[Work]:
        """What is not live yet; what is, is written down."""
        ahead = []
        for work in works:
            if standing_of(self._hold.link, work.step) is Standing.FITS:
                ahead.append(work)
            elif (copy := self._open.get(work.change.key)) is not None:
                copy.live()  # which may be in vain, and is tried again then
                del self._open[work.change.key]
        return ahead

    def _pair(self, work: Work) -> Pair:
        copy = self._of(work)
        source, shadow, *extra = copy.locks
        return Pair(
            schema=work.step.schema,
            source=source,
            table=copy.copy.table,
            shadow=shadow,
            old=copy.names.old,
            extra=tuple(extra),
            rest=copy,
        )

    # -- beginning anew, and giving up --------------------------------------------------------------------------

    def begin_anew(self, reason: str) -> None:
        """Write down that the copies have lost their place in the log: whoever opens them next begins from the start.

        Refused: that was so too often.
        """
        self.close()
        for checkpoint in self._ours():
            if checkpoint.phase in CAPTURING and checkpoint.position is not None:
                checkpoints.put(self._hold, self._hold.link, checkpoint.from_the_start(reason))

    def give_up(self, reason: str) -> None:
        """Write down why nothing of it becomes live any more: whoever fills next is refused with that."""
        self.close()
        for checkpoint in self._ours():
            if checkpoint.phase is not Phase.OLD:
                given_up = replace(checkpoint, phase=Phase.DISCARD, given_up=reason)
                checkpoints.put(self._hold, self._hold.link, given_up)

    def _ours(self) -> list[Checkpoint]:
        uid = self._hold.job.apply_uid
        return [self._settled(one) for one in checkpoints.checkpoints(self._hold) if one.apply_uid == uid]

    # -- cleaning -----------------------------------------------------------------------------------------------

    def remove(
        self,
        control: Control,
        known: Callable[[Checkpoint], Change | None],
        wanted: Callable[[Checkpoint], bool],
    ) -> Signal:
        """Remove what the checkpoints that are *wanted* name, and what other applies left."""
        for found in checkpoints.checkpoints(self._hold):
            checkpoint = self._settled(found)
            ours = checkpoint.apply_uid == self._hold.job.apply_uid
            if not ours or wanted(checkpoint):
                signal = self._remove(checkpoint, known(checkpoint) if ours else None, control)
                if signal is not Signal.GO:
                    return signal
        return Signal.GO

    def _settled(self, checkpoint: Checkpoint) -> Checkpoint:
        """As the tables show it: we may have been ended between a swap and writing it down."""
        schema, names = checkpoint.schema, checkpoint.names
        remove_sentry(self._hold.link, schema, names.old)
        if (
            checkpoint.phase is Phase.READY
            and exists(self._hold.link, "TABLE", schema, names.old)
            and not exists(self._hold.link, "TABLE", schema, names.shadow)
        ):
            return replace(checkpoint, phase=Phase.OLD)
        return checkpoint

    def _remove(self, checkpoint: Checkpoint, change: Change | None, control: Control) -> Signal:
        def breathe(detail: str) -> Signal:
            if change is None:
                self._watch.beat()
                return control.clear_to_cut_over()
            rows = checkpoint.rows_copied
            return control.report(Progress(change=change, rows_copied=rows, rows_total=rows, detail=detail))

        return Removal(self._watch, checkpoint, control, breathe).run()

    def close(self) -> None:
        """End the reading and let go of the connections; checkpoints stay."""
        for copy in self._open.values():
            copy.close()
        self._open.clear()
        self._stream.close()
