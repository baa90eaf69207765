"""The drive of one apply: from its claim to letting go of it, deciding from what is stored and what is live.

`Drive.run` is the one entry for everything: a first run, a retry, a driver that died, a parked change, a stop or a cancel.
It reads the apply, opens the engine's session and walks the remaining changes; every way out is one guarded write.
"""

import logging
import random
import threading
import traceback
from collections.abc import Callable, Sequence
from enum import StrEnum

from engine.base import Change, Control, Engine, Handover, Job, Session, Signal, Standing
from engine.errors import EngineError, Fenced, HeldUp, StoppedElsewhere, Unreachable
from server.app import App
from server.backoff import retry_delay
from server.changes import to_engine
from server.control import DriveControl, ShuttingDown
from server.leases import Lease
from server.options import ApplyOptions
from server.secrets import SecretError
from server.targets import UnknownTarget
from server.texts import clean
from storage.errors import LeaseLost, NotFound, Refused, StoreError
from storage.records import Apply, Claim, ControlRequest, Plan, Task, TaskMove
from storage.states import TERMINAL, State

log = logging.getLogger(__name__)

CATCH_UP_SECONDS = 30.0
"""How often a parked change is picked up to apply what the application wrote since (CO-5)."""
UNREACHABLE_SECONDS = 10.0
"""How often a target that nobody answers at is tried for an apply that waits for its cutover; so late its return is noticed."""

_NO_BUGS = (StoreError, ShuttingDown, UnknownTarget, SecretError)
"""What a drive may meet beside the engine's errors."""


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


class Drive:
    """One ownership of one apply."""

    def __init__(self, app: App, lease: Lease, stopping: threading.Event) -> None:
        self._app = app
        self._store = app.store
        self._lease = lease
        self._claim: Claim = lease.claim
        self._tasks: list[Task] = []
        self._changes: dict[int, Change] = {}
        self._control = DriveControl(
            store=app.store, lease=lease, metrics=app.metrics, stopping=stopping, on_live=self._live
        )
        self._current: int | None = None
        self._outlasts = False  # it waits for somebody's word anyway, so for its target as well
        self._whole = False  # the engine takes the plan as one piece of work, elsewhere
        self._deferred = False  # it is parked before its cutover, until that is commanded
        self._given_up = ""  # why, once it is

    def run(self) -> Outcome:
        """Drive the apply as far as it goes now. Never raises for anything that has to do with the change."""
        try:
            return self._drive()
        except LeaseLost as error:
            log.warning("%s: let go without a word: %s", self._claim.apply_uid, error)
            self._app.metrics.lease_losses.inc()
            return Outcome.LEASE_LOST
        except ShuttingDown:
            log.warning("%s: the store is away at shutdown; the lease will lapse", self._claim.apply_uid)
            return Outcome.LEASE_LOST
        except StoreError as error:
            # What it says is nothing of the change, and nothing can be written either.
            log.error("%s: let go, the lease will lapse: %s", self._claim.apply_uid, error)
            self._app.metrics.store_errors.inc()
            return Outcome.LEASE_LOST

    def _drive(self) -> Outcome:
        try:
            apply, plan = self._control.insist(self._load)
            return self._resume(apply, plan)
        except Fenced as error:
            # The target knows a newer owner. If the store agrees this write is refused and we go without a word.
            return self._retry(f"another owner took the target: {error}")
        except EngineError as error:
            return self._troubled(error)
        except (UnknownTarget, SecretError) as error:
            return self._retry(f"no client for the target (no_client): {error}")
        except NotFound as error:
            return self._fail(str(error))
        except (StoreError, ShuttingDown):
            raise
        except Exception as error:  # noqa: BLE001 - it is logged there
            return self._crashed(error)

    def _troubled(self, error: EngineError) -> Outcome:
        if isinstance(error, StoppedElsewhere):
            return self._stopped_elsewhere(error)
        if isinstance(error, HeldUp):
            # Not our attempt: it goes on when others let it, or when whoever does the work elsewhere tries again.
            return self._retry(str(error), error.delay, spent=False)
        if isinstance(error, Unreachable) and self._outlasts:
            return self._retry(str(error), UNREACHABLE_SECONDS, spent=False)  # AV-2
        return self._retry(str(error)) if error.retryable else self._fail(str(error))

    def _crashed(self, error: Exception, session: Session | None = None) -> Outcome:
        """A bug costs this apply and nothing else (AV-3); with a session, nothing stays on the target, either."""
        log.exception("%s: bug in the drive", self._claim.apply_uid)
        self._app.metrics.drive_crashes.inc()
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = f"internal error ({type(error).__name__} in {where.name}): {error}"
        ended = self._give_up(session, text) if session else self._fail(self._told(text))
        return Outcome.CRASHED if ended is Outcome.FAILED else ended

    # -- deciding -----------------------------------------------------------------------------------------------

    def _load(self) -> tuple[Apply, Plan]:
        apply = self._store.apply(self._claim.apply_uid)
        plan = self._store.plan(apply.plan_id)
        self._tasks = self._store.tasks(apply.id)
        self._changes = {
            task.seq: to_engine(stored) for task, stored in zip(self._tasks, plan.changes, strict=True)
        }
        self._control.seqs = {change.key: seq for seq, change in self._changes.items()}
        self._control.look_afresh()
        return apply, plan

    def _resume(self, apply: Apply, plan: Plan) -> Outcome:
        """What is stored decides: a command first, then whatever is not finished."""
        begun = apply.started_at is not None
        if self._control.signal is Signal.STOP and not apply.external_id:
            return self._obey(Signal.STOP)
        if self._control.signal is Signal.CANCEL and not begun:
            return self._obey(Signal.CANCEL)
        if not self._tasks:
            return self._complete("nothing to change")
        self._deferred = ApplyOptions.read(apply.options).defer_cutover
        asked = any(self._control.pending(kind) for kind in ("cutover", "cancel"))
        self._outlasts = begun and self._deferred and not asked
        engine = self._app.targets.engine(apply.deployment, apply.environment, apply.database)
        self._whole = engine.capabilities.whole_plan
        unchecked = not any(task.started_at for task in self._tasks)
        if not begun and not self._whole:
            self._begin(engine)
        job = Job(
            apply_uid=apply.apply_uid,
            fence=self._claim.fence,
            owner=self._claim.owner,
            namespaces=tuple(sorted({change.namespace for change in self._changes.values()})),
            handover=self._handover(apply, plan) if self._whole else None,
            still_ours=self._lease.check,
            is_over=self._is_over,
        )
        with engine.open(job) as session:
            session.know(list(self._changes.values()))
            if self._control.signal is Signal.CANCEL:
                return self._cancel(session)
            ended = self._at_work(session, plan, unchecked)
            if ended is Signal.CANCEL:
                return self._cancel(session)
        return ended if isinstance(ended, Outcome) else self._obey(ended)

    def _at_work(self, session: Session, plan: Plan, unchecked: bool) -> Outcome | Signal:
        """As far as it goes on the target: how the drive ended, or what keeps it from going on.

        What fails for good, be it by a bug, takes what is not live off the target first.
        """
        try:
            if unchecked:
                session.check_fits(list(self._changes.values()), plan.fingerprints)
            return self._walk(session)
        except EngineError as error:
            if error.retryable or self._whole or isinstance(error, Fenced):
                raise
            return self._give_up(session, str(error))
        except _NO_BUGS:
            raise
        except Exception as error:
            if self._whole:
                raise
            return self._crashed(error, session)

    def _is_over(self, apply_uid: str) -> bool:
        """Of our store, and ended. What the store does not know, or cannot tell now, may be at work."""
        try:
            return self._store.apply(apply_uid).state in TERMINAL
        except StoreError:
            return False

    def _begin(self, engine: Engine) -> None:
        """Note, before it can be true, that there may be something of ours on the target: from now on a cancel cleans up.

        Not before the target was reached: what never was needs no cleaning, and a cancel of it no driver.
        """
        engine.ping()
        self._write(lambda: self._store.advance(self._claim, []))

    def _give_up(self, session: Session, error: str) -> Outcome:
        """A permanent failure: first take what is not live off the target, then say so.

        Where shutdown or passing trouble comes between, the next driver meets the same failure and is here again.
        """
        self._given_up = error
        try:
            session.give_up(self._given_up)
            if self._finish(session.discard) is Signal.HALT:
                return self._obey(Signal.HALT)
        except EngineError as trouble:
            if trouble.retryable or isinstance(trouble, Fenced):
                raise
            self._warn("left", f"left helpers on the target, the next apply removes them: {trouble}")
        return self._fail(self._given_up)

    def _handover(self, apply: Apply, plan: Plan) -> Handover:
        return Handover(
            options=apply.options,
            files=plan.schema_files,
            external_id=apply.external_id,
            attach=self._control.attach,
            refused=self._control.refused,
        )

    def _walk(self, session: Session) -> Outcome | Signal:
        """What is not finished: how the drive ended, or what keeps it from going on."""
        if self._whole:
            return self._elsewhere(session)
        ended = self._grouped(session) if self._deferred else self._sequential(session)
        if ended is Signal.STOP:
            self._log_unfinished(session)
        return ended

    def _sequential(self, session: Session) -> Outcome | Signal:
        """One change after the other, each with its own cutover; finished ones are never run again (RC-1)."""
        for task in self._remaining():
            self._current = task.seq
            signal = self._one(session, task)
            if signal is not Signal.GO:
                return signal
        signal = self._finish(session.tidy)
        if signal is not Signal.GO:
            return signal
        return self._complete()

    def _one(self, session: Session, task: Task) -> Signal:
        change = self._changes[task.seq]
        if session.standing(change) is Standing.FITS:
            if self._state(task) is State.PENDING:
                self._advance([task], State.RUNNING)
            signal = session.prepare([change], self._control)
            if signal is not Signal.GO:
                return signal
            self._control.flush()  # a short copy may be over before its progress was written
            self._advance([task], State.CUTTING_OVER)
            signal = session.cut_over([change], self._control)
            if signal is not Signal.GO:
                return signal
        self._finished(task)
        return self._finish(session.tidy)

    def _grouped(self, session: Session) -> Outcome | Signal:
        """All changes copied first, then made live together; parked in between until a person says so (CO-5)."""
        if ahead := self._ahead(session):
            ended = self._ready_and_swap(session, ahead)
            if ended is not Signal.GO:
                return ended
        signal = self._finish(session.tidy)
        if signal is not Signal.GO:
            return signal
        self._settle_cutover()
        return self._complete()

    def _ready_and_swap(self, session: Session, tasks: Sequence[Task]) -> Outcome | Signal:
        self._current = None
        self._advance([task for task in tasks if task.state is State.PENDING], State.RUNNING)
        signal = session.prepare([self._changes[task.seq] for task in tasks], self._control)
        if signal is not Signal.GO:
            return signal
        self._control.flush()  # nothing is written while it waits, however long
        return self._park_or_cut(session, tasks)

    def _elsewhere(self, session: Session) -> Outcome | Signal:
        """The whole plan is one piece of work that goes on by itself: hand it over, follow it, pass commands on."""
        asked = self._control.pending("start")
        if asked is not None:
            session.start_again()
            self._settle(asked)
        while ahead := self._ahead(session):
            self._current = None
            changes = [self._changes[task.seq] for task in ahead]
            if self._control.signal is Signal.GO:
                self._advance([task for task in ahead if task.state is State.PENDING], State.RUNNING)
            signal = session.prepare(changes, self._control)
            self._control.flush()
            if signal is not Signal.GO:
                return signal
            if waiting := self._ahead(session):
                ended = self._park_or_cut(session, waiting)
                if ended is not Signal.GO:
                    return ended
        self._settle_cutover()
        return self._complete()

    def _park_or_cut(self, session: Session, tasks: Sequence[Task]) -> Outcome | Signal:
        """All of them wait for the cutover: let them, until it is commanded, or make them live."""
        self._advance([t for t in tasks if t.state is not State.CUTTING_OVER], State.WAITING_FOR_CUTOVER)
        self._control.insist(self._control.look_afresh)
        if self._control.signal is not Signal.GO:
            # What goes on elsewhere hears of a stop or cancel in one way: through `prepare`.
            return Signal.GO if self._whole else self._control.signal
        if self._deferred and self._control.pending("cutover") is None:
            return self._park()
        self._advance(tasks, State.CUTTING_OVER)
        return session.cut_over([self._changes[task.seq] for task in tasks], self._control)

    def _ahead(self, session: Session) -> list[Task]:
        """What is not live yet. What an earlier driver made live is written down, unless that is all (see `_finished`)."""
        remaining = self._remaining()
        ahead = [task for task in remaining if self._fits(session, task)]
        if ahead:
            self._advance([task for task in remaining if task not in ahead], State.COMPLETED)
        return ahead

    def _fits(self, session: Session, task: Task) -> bool:
        self._current = task.seq
        return session.standing(self._changes[task.seq]) is Standing.FITS

    def _state(self, task: Task) -> State:
        """As last written; *task* may have been read before that."""
        return next(now.state for now in self._tasks if now.seq == task.seq)

    def _remaining(self) -> list[Task]:
        return [task for task in self._tasks if task.state not in TERMINAL]

    # -- guarded writes -----------------------------------------------------------------------------------------

    def _write(self, write: Callable[[], object]) -> None:
        self._control.insist(lambda: self._control.guarded(write))

    def _advance(self, tasks: Sequence[Task], state: State) -> None:
        self._move([(task, state) for task in tasks])

    def _move(self, wanted: Sequence[tuple[Task, State]]) -> None:
        """One guarded write for all of *wanted*; what is there already is no move."""
        moves = [TaskMove(seq=task.seq, state=state) for task, state in wanted if task.state is not state]
        if not moves:
            return
        for move in moves:
            log.info("%s: %s: %s", self._claim.apply_uid, self._changes[move.seq].table, move.state.value)
        self._write(lambda: self._store.advance(self._claim, moves))
        self._tasks = self._control.insist(lambda: self._store.tasks(self._claim.apply_id))

    def _finished(self, task: Task) -> None:
        """The change is live: write it down, unless it is the last one (`complete` does both at once).

        The next task begins in the same write, so that nobody sees the apply fall back to pending in between.
        """
        self._control.finishing = True
        others = [other for other in self._remaining() if other.seq != task.seq]
        if others:
            begins = [(others[0], State.RUNNING)] if others[0].state is State.PENDING else []
            self._move([(task, State.COMPLETED), *begins])

    def _live(self, seq: int) -> None:
        """One change of a whole plan is live, others may never be: write it down, but for the last (see `_finished`)."""
        remaining = self._remaining()
        if len(remaining) > 1:
            self._advance([task for task in remaining if task.seq == seq], State.COMPLETED)

    def _finish(self, clean_up: Callable[[Control], Signal]) -> Signal:
        """Run the session's `tidy` or `discard`: only shutdown interrupts it."""
        self._control.finishing = True
        try:
            return clean_up(self._control)
        finally:
            self._control.finishing = False

    def _settle_cutover(self) -> None:
        request = self._control.pending("cutover")
        if request is not None:
            self._settle(request)

    def _settle(self, request: ControlRequest) -> None:
        self._write(lambda: self._store.settle(self._claim, request.id, "done", ""))

    def _park(self) -> Outcome:
        log.info("%s: copied and in step; waiting for the cutover command", self._claim.apply_uid)
        self._write(lambda: self._store.park(self._claim, CATCH_UP_SECONDS))
        return Outcome.PARKED

    def _complete(self, message: str = "") -> Outcome:
        self._write(lambda: self._store.complete(self._claim, message))
        log.info("%s: completed %s", self._claim.apply_uid, message)
        return Outcome.COMPLETED

    def _cancel(self, session: Session) -> Outcome:
        """Take everything of ours off the target, then say so."""
        self._log_unfinished(session)
        if self._finish(session.discard) is Signal.HALT:
            return self._obey(Signal.HALT)
        if self._whole and not self._ahead(session):
            return self._complete("it was live before the cancel")  # CO-3
        return self._obey(Signal.CANCEL)

    def _log_unfinished(self, session: Session) -> None:
        """Tell people what is neither as it was nor done, now that it rests."""
        left = session.unfinished(list(self._changes.values()))
        if left:
            self._warn("unfinished", left)

    def _warn(self, event: str, text: str) -> None:
        text = clean(text)
        log.warning("%s: %s", self._claim.apply_uid, text)
        self._write(lambda: self._store.log(self._claim, "warn", event, text))

    def _obey(self, signal: Signal) -> Outcome:
        kind = "cancel" if signal is Signal.CANCEL else "stop"
        request = None if signal is Signal.HALT else self._control.pending(kind)
        if request is None:
            # Shutdown, or the command was superseded on the way (a stop by a cancel): whoever claims next looks again.
            self._write(lambda: self._store.hand_back(self._claim))
            log.info("%s: handed back", self._claim.apply_uid)
            return Outcome.HANDED_BACK
        settle = self._store.settle_cancel if kind == "cancel" else self._store.settle_stop
        self._write(lambda: settle(self._claim, request.id))
        outcome = Outcome.CANCELLED if kind == "cancel" else Outcome.STOPPED
        log.info(
            "%s: %s on the command of %s", self._claim.apply_uid, outcome.value, request.caller or "unknown"
        )
        return outcome

    def _stopped_elsewhere(self, error: StoppedElsewhere) -> Outcome:
        """A person stopped it where it is done: that is a stop here, too, and only a person ends it (CO-1)."""
        uid, caller = self._claim.apply_uid, clean(f"{error.who or 'somebody'}, where it is done", 200)
        self._warn("stopped_elsewhere", str(error))
        try:
            request = self._control.insist(lambda: self._store.request(uid, "stop", caller))
        except Refused:  # it is being cancelled: whoever claims next does that
            return self._obey(Signal.HALT)
        self._write(lambda: self._store.settle_stop(self._claim, request.id))
        return Outcome.STOPPED

    def _retry(self, error: str, delay: float | None = None, *, spent: bool = True) -> Outcome:
        error = clean(self._told(error))
        if delay is None:
            delay = retry_delay(self._claim.attempt, random.random)
        log.warning("%s: will be tried again in %.0f s: %s", self._claim.apply_uid, delay, error)
        self._write(lambda: self._store.retry_later(self._claim, self._current, error, delay, spent=spent))
        self._app.metrics.retries.inc()
        return Outcome.RETRY

    def _told(self, error: str) -> str:
        """Behind why it is given up, once it is."""
        return "; ".join(filter(None, (self._given_up, error)))

    def _fail(self, error: str) -> Outcome:
        error = clean(error)
        log.error("%s: failed: %s", self._claim.apply_uid, error)
        self._write(lambda: self._store.fail(self._claim, self._current, error))
        return Outcome.FAILED
