"""What a drive knows of its apply and writes about it; every write, and so every way out, holds only while the apply is ours."""

import logging
import random
from collections.abc import Callable, Sequence
from enum import StrEnum

from engine.base import Change, Signal
from engine.errors import FenceAhead, StoppedElsewhere
from server.app import App
from server.backoff import retry_delay
from server.changes import to_engine
from server.control import DriveControl
from server.texts import clean
from storage.errors import Refused
from storage.records import Apply, Claim, ControlRequest, Plan, Task, TaskMove
from storage.states import TERMINAL, State

log = logging.getLogger(__name__)

CATCH_UP_SECONDS = 30.0
"""How often a parked change is picked up to apply what the application wrote since (CO-5)."""


class Outcome(StrEnum):
    """How a drive ended; a label of the metrics and a word of the log."""

    COMPLETED = "completed"
    FAILED = "failed"
    RETRY = "retry"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    PARKED = "parked"
    HANDED_BACK = "handed_back"
    LEASE_LOST = "lease_lost"
    CRASHED = "crashed"


class Ledger:
    """Of one ownership of one apply."""

    def __init__(self, app: App, claim: Claim, control: DriveControl) -> None:
        self._store = app.store
        self._metrics = app.metrics
        self._claim = claim
        self._control = control
        self.tasks: list[Task] = []
        self.changes: dict[int, Change] = {}
        """By the number of their task."""
        self.current: int | None = None
        """The task that an error belongs to, None: to none of them alone."""
        self.given_up = ""
        """Why, once it is."""

    def load(self) -> tuple[Apply, Plan]:
        """Read the apply anew. Raises NotFound, Unavailable."""
        apply = self._store.apply(self._claim.apply_uid)
        plan = self._store.plan(apply.plan_id)
        self.tasks = self._store.tasks(apply.id)
        self.changes = {
            task.seq: to_engine(stored) for task, stored in zip(self.tasks, plan.changes, strict=True)
        }
        self._control.seqs = {change.key: seq for seq, change in self.changes.items()}
        self._control.look_afresh()
        return apply, plan

    def remaining(self) -> list[Task]:
        """What is neither done nor given up."""
        return [task for task in self.tasks if task.state not in TERMINAL]

    def state(self, task: Task) -> State:
        """As last written; *task* may have been read before that."""
        return next(now.state for now in self.tasks if now.seq == task.seq)

    # -- on the way ---------------------------------------------------------------------------------------------

    def write(self, write: Callable[[], object]) -> None:
        """One write that holds only while the apply is ours; waits out a store that is away. Raises LeaseLost, ShuttingDown."""
        self._control.insist(lambda: self._control.guarded(write))

    def advance(self, tasks: Sequence[Task], state: State) -> None:
        """All of *tasks* are in *state* now."""
        self._move([(task, state) for task in tasks])

    def _move(self, wanted: Sequence[tuple[Task, State]]) -> None:
        """One guarded write for all of *wanted*; what is there already is no move."""
        moves = [TaskMove(seq=task.seq, state=state) for task, state in wanted if task.state is not state]
        if not moves:
            return
        for move in moves:
            log.info("%s: %s: %s", self._claim.apply_uid, self.changes[move.seq].table, move.state.value)
        self.write(lambda: self._store.advance(self._claim, moves))
        self.tasks = self._control.insist(lambda: self._store.tasks(self._claim.apply_id))

    def finished(self, task: Task) -> None:
        """The change is live: write it down, unless it is the last one (`complete` does both at once).

        The next task begins in the same write, so that nobody sees the apply fall back to pending in between.
        """
        self._control.finishing = True
        others = [other for other in self.remaining() if other.seq != task.seq]
        if others:
            begins = [(others[0], State.RUNNING)] if others[0].state is State.PENDING else []
            self._move([(task, State.COMPLETED), *begins])

    def live(self, seq: int) -> None:
        """One change of a whole plan is live, others may never be: write it down, but for the last (see `finished`)."""
        remaining = self.remaining()
        if len(remaining) > 1:
            self.advance([task for task in remaining if task.seq == seq], State.COMPLETED)

    def settle_cutover(self) -> None:
        """The command to cut over, if there is one, is obeyed."""
        request = self._control.pending("cutover")
        if request is not None:
            self.settle(request)

    def settle(self, request: ControlRequest) -> None:
        """That command is obeyed."""
        self.write(lambda: self._store.settle(self._claim, request.id, "done", ""))

    def warn(self, event: str, text: str) -> None:
        """Tell people, in the log of the apply and in ours."""
        text = clean(text)
        log.warning("%s: %s", self._claim.apply_uid, text)
        self.write(lambda: self._store.log(self._claim, "warn", event, text))

    # -- the ways out -------------------------------------------------------------------------------------------

    def park(self) -> Outcome:
        """Wait for the command to cut over, without a worker (CO-5)."""
        log.info("%s: copied and in step; waiting for the cutover command", self._claim.apply_uid)
        self.write(lambda: self._store.park(self._claim, CATCH_UP_SECONDS))
        return Outcome.PARKED

    def complete(self, message: str = "") -> Outcome:
        """All of it is live."""
        self.write(lambda: self._store.complete(self._claim, message))
        log.info("%s: completed %s", self._claim.apply_uid, message)
        return Outcome.COMPLETED

    def obey(self, signal: Signal) -> Outcome:
        """Stopped, cancelled, or handed back."""
        kind = "cancel" if signal is Signal.CANCEL else "stop"
        request = None if signal is Signal.HALT else self._control.pending(kind)
        if request is None:
            # Shutdown, or the command was superseded on the way (a stop by a cancel): whoever claims next looks again.
            self.write(lambda: self._store.hand_back(self._claim))
            log.info("%s: handed back", self._claim.apply_uid)
            return Outcome.HANDED_BACK
        settle = self._store.settle_cancel if kind == "cancel" else self._store.settle_stop
        self.write(lambda: settle(self._claim, request.id))
        outcome = Outcome.CANCELLED if kind == "cancel" else Outcome.STOPPED
        log.info(
            "%s: %s on the command of %s", self._claim.apply_uid, outcome.value, request.caller or "unknown"
        )
        return outcome

    def catch_up(self, error: FenceAhead) -> Outcome:
        """Our store is older than the target, and nobody is at work there: its next claim is above the target's fence.

        Where our store is merely ahead of us, this write is refused and we go without a word.
        """
        text = (
            f"going on above fence {error.fence}, as this store is older than what is on the target: {error}"
        )
        self.warn("fence", text)
        self.write(lambda: self._store.hand_back(self._claim, fence=error.fence))
        return Outcome.HANDED_BACK

    def stopped_elsewhere(self, error: StoppedElsewhere) -> Outcome:
        """A person stopped it where it is done: that is a stop here, too, and only a person ends it (CO-1)."""
        uid, caller = self._claim.apply_uid, clean(f"{error.who or 'somebody'}, where it is done", 200)
        self.warn("stopped_elsewhere", str(error))
        try:
            request = self._control.insist(lambda: self._store.request(uid, "stop", caller))
        except Refused:  # it is being cancelled: whoever claims next does that
            return self.obey(Signal.HALT)
        self.write(lambda: self._store.settle_stop(self._claim, request.id))
        return Outcome.STOPPED

    def retry(self, error: str, delay: float | None = None, *, spent: bool = True) -> Outcome:
        """Try again after *delay* seconds, None: paced by the attempts. *spent*: it counts as one."""
        error = clean(self.told(error))
        if delay is None:
            delay = retry_delay(self._claim.attempt, random.random)
        log.warning("%s: will be tried again in %.0f s: %s", self._claim.apply_uid, delay, error)
        self.write(lambda: self._store.retry_later(self._claim, self.current, error, delay, spent=spent))
        self._metrics.retries.inc()
        return Outcome.RETRY

    def fail(self, error: str) -> Outcome:
        """It failed for good."""
        error = clean(error)
        log.error("%s: failed: %s", self._claim.apply_uid, error)
        self.write(lambda: self._store.fail(self._claim, self.current, error))
        return Outcome.FAILED

    def told(self, error: str) -> str:
        """Behind why it is given up, once it is."""
        return "; ".join(filter(None, (self.given_up, error)))
