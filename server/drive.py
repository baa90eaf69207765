"""The drive of one apply: from its claim to letting go of it, deciding from what is stored and what is live.

`Drive.run` is the one entry for everything: a first run, a retry, a driver that died, a parked change, a stop or a cancel.
It reads the apply, opens the engine's session and walks the remaining changes; every way out is one guarded write (`Ledger`).
"""

import logging
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from engine.base import Control, Engine, Handover, Job, Session, Signal, Standing
from engine.errors import EngineError, FenceAhead, Fenced, HeldUp, StoppedElsewhere, Unreachable
from server.app import App
from server.control import DriveControl, ShuttingDown
from server.leases import Lease
from server.ledger import Ledger, Outcome
from server.options import ApplyOptions
from server.secrets import SecretError
from server.targets import UnknownTarget
from storage.errors import LeaseLost, NotFound, StoreError
from storage.records import Apply, Plan, Task
from storage.states import TERMINAL, State

log = logging.getLogger(__name__)

UNREACHABLE_SECONDS = 10.0
"""How often a target that is away, or lets nobody in, is tried for an apply that waits for its cutover; so late it is noticed."""

_NO_BUGS = (StoreError, ShuttingDown, UnknownTarget, SecretError)
"""What a drive may meet beside the engine's errors."""


class Drive:
    """One ownership of one apply."""

    def __init__(self, app: App, lease: Lease, stopping: threading.Event) -> None:
        self._app = app
        self._store = app.store
        self._lease = lease
        self._claim = lease.claim
        self._control = DriveControl(
            store=app.store,
            lease=lease,
            metrics=app.metrics,
            stopping=stopping,
            on_live=lambda seq: self._ledger.live(seq),
        )
        self._ledger = Ledger(app, lease.claim, self._control)
        self._outlasts = False  # it waits for somebody's word anyway, so for its target as well
        self._whole = False  # the engine takes the plan as one piece of work, elsewhere
        self._deferred = False  # it is parked before its cutover, until that is commanded

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
            apply, plan = self._control.insist(self._ledger.load)
            return self._resume(apply, plan)
        except FenceAhead as error:
            return self._ledger.catch_up(error)
        except Fenced as error:
            # The target knows a newer owner. If the store agrees this write is refused and we go without a word.
            return self._ledger.retry(f"another owner took the target: {error}")
        except EngineError as error:
            return self._troubled(error)
        except (UnknownTarget, SecretError) as error:
            return self._ledger.retry(f"no client for the target (no_client): {error}")
        except NotFound as error:
            return self._ledger.fail(str(error))
        except (StoreError, ShuttingDown):
            raise
        except Exception as error:  # noqa: BLE001 - it is logged there
            return self._crashed(error)

    def _troubled(self, error: EngineError) -> Outcome:
        if isinstance(error, StoppedElsewhere):
            return self._ledger.stopped_elsewhere(error)
        if isinstance(error, HeldUp):
            # Not our attempt: it goes on when others let it, or when whoever does the work elsewhere tries again.
            return self._ledger.retry(str(error), error.delay, spent=False)
        if isinstance(error, Unreachable) and self._outlasts:
            return self._ledger.retry(str(error), UNREACHABLE_SECONDS, spent=False)  # AV-2
        return self._ledger.retry(str(error)) if error.retryable else self._ledger.fail(str(error))

    def _crashed(self, error: Exception, session: Session | None = None) -> Outcome:
        """A bug costs this apply and nothing else (AV-3); with a session, nothing stays on the target, either."""
        log.exception("%s: bug in the drive", self._claim.apply_uid)
        self._app.metrics.drive_crashes.inc()
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = f"internal error ({type(error).__name__} in {where.name}): {error}"
        ended = self._give_up(session, text) if session else self._ledger.fail(self._ledger.told(text))
        return Outcome.CRASHED if ended is Outcome.FAILED else ended

    # -- deciding -----------------------------------------------------------------------------------------------

    def _resume(self, apply: Apply, plan: Plan) -> Outcome:
        """What is stored decides: a command first, then whatever is not finished."""
        begun = apply.started_at is not None
        if self._control.signal is Signal.STOP and not apply.external_id:
            return self._ledger.obey(Signal.STOP)
        if self._control.signal is Signal.CANCEL and not begun:
            return self._ledger.obey(Signal.CANCEL)
        if not self._ledger.tasks:
            return self._ledger.complete("nothing to change")
        self._deferred = ApplyOptions.read(apply.options).defer_cutover
        asked = any(self._control.pending(kind) for kind in ("cutover", "cancel"))
        self._outlasts = begun and self._deferred and not asked
        with _door(begun):
            engine = self._app.targets.engine(apply.deployment, apply.environment, apply.database)
        self._whole = engine.capabilities.whole_plan
        unchecked = not any(task.started_at for task in self._ledger.tasks)
        if not begun and not self._whole:
            self._begin(engine)
        job = Job(
            apply_uid=apply.apply_uid,
            fence=self._claim.fence,
            owner=self._claim.owner,
            namespaces=tuple(sorted({change.namespace for change in self._ledger.changes.values()})),
            handover=self._handover(apply, plan) if self._whole else None,
            still_ours=self._lease.check,
            is_over=self._is_over,
            may_make=unchecked and not plan.fingerprints,
        )
        with _door(begun):
            opened = engine.open(job)
        with opened as session:
            session.know(list(self._ledger.changes.values()))
            if self._control.signal is Signal.CANCEL:
                return self._cancel(session)
            ended = self._at_work(session, plan, unchecked)
            if ended is Signal.CANCEL:
                return self._cancel(session)
        return ended if isinstance(ended, Outcome) else self._ledger.obey(ended)

    def _at_work(self, session: Session, plan: Plan, unchecked: bool) -> Outcome | Signal:
        """As far as it goes on the target: how the drive ended, or what keeps it from going on.

        What fails for good, be it by a bug, takes what is not live off the target first.
        """
        try:
            if unchecked:
                session.check_fits(list(self._ledger.changes.values()), plan.fingerprints)
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
        self._ledger.write(lambda: self._store.advance(self._claim, []))

    def _give_up(self, session: Session, error: str) -> Outcome:
        """A permanent failure: first take what is not live off the target, then say so.

        Where shutdown or passing trouble comes between, the next driver meets the same failure and is here again.
        """
        self._ledger.given_up = error
        try:
            session.give_up(self._ledger.given_up)
            if self._finish(session.discard) is Signal.HALT:
                return self._ledger.obey(Signal.HALT)
        except EngineError as trouble:
            if trouble.retryable or isinstance(trouble, Fenced):
                raise
            self._ledger.warn("left", f"left helpers on the target, the next apply removes them: {trouble}")
        return self._ledger.fail(self._ledger.given_up)

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
        for task in self._ledger.remaining():
            self._ledger.current = task.seq
            signal = self._one(session, task)
            if signal is not Signal.GO:
                return signal
        signal = self._finish(session.tidy)
        if signal is not Signal.GO:
            return signal
        return self._ledger.complete()

    def _one(self, session: Session, task: Task) -> Signal:
        change = self._ledger.changes[task.seq]
        if session.standing(change) is Standing.FITS:
            if self._ledger.state(task) is State.PENDING:
                self._ledger.advance([task], State.RUNNING)
            signal = session.prepare([change], self._control)
            if signal is not Signal.GO:
                return signal
            self._control.flush()  # a short copy may be over before its progress was written
            self._ledger.advance([task], State.CUTTING_OVER)
            signal = session.cut_over([change], self._control)
            if signal is not Signal.GO:
                return signal
        self._ledger.finished(task)
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
        self._ledger.settle_cutover()
        return self._ledger.complete()

    def _ready_and_swap(self, session: Session, tasks: Sequence[Task]) -> Outcome | Signal:
        self._ledger.current = None
        self._ledger.advance([task for task in tasks if task.state is State.PENDING], State.RUNNING)
        signal = session.prepare([self._ledger.changes[task.seq] for task in tasks], self._control)
        if signal is not Signal.GO:
            return signal
        self._control.flush()  # nothing is written while it waits, however long
        return self._park_or_cut(session, tasks)

    def _elsewhere(self, session: Session) -> Outcome | Signal:
        """The whole plan is one piece of work that goes on by itself: hand it over, follow it, pass commands on."""
        asked = self._control.pending("start")
        if asked is not None:
            session.start_again()
            self._ledger.settle(asked)
        while ahead := self._ahead(session):
            self._ledger.current = None
            changes = [self._ledger.changes[task.seq] for task in ahead]
            if self._control.signal is Signal.GO:
                self._ledger.advance([task for task in ahead if task.state is State.PENDING], State.RUNNING)
            signal = session.prepare(changes, self._control)
            self._control.flush()
            if signal is not Signal.GO:
                return signal
            if waiting := self._ahead(session):
                ended = self._park_or_cut(session, waiting)
                if ended is not Signal.GO:
                    return ended
        self._ledger.settle_cutover()
        return self._ledger.complete()

    def _park_or_cut(self, session: Session, tasks: Sequence[Task]) -> Outcome | Signal:
        """All of them wait for the cutover: let them, until it is commanded, or make them live."""
        self._ledger.advance(
            [t for t in tasks if t.state is not State.CUTTING_OVER], State.WAITING_FOR_CUTOVER
        )
        self._control.insist(self._control.look_afresh)
        if self._control.signal is not Signal.GO:
            # What goes on elsewhere hears of a stop or cancel in one way: through `prepare`.
            return Signal.GO if self._whole else self._control.signal
        if self._deferred and self._control.pending("cutover") is None:
            return self._ledger.park()
        self._ledger.advance(tasks, State.CUTTING_OVER)
        return session.cut_over([self._ledger.changes[task.seq] for task in tasks], self._control)

    def _ahead(self, session: Session) -> list[Task]:
        """What is not live yet. What an earlier driver made live is written down, unless that is all (see `Ledger.finished`)."""
        remaining = self._ledger.remaining()
        ahead = [task for task in remaining if self._fits(session, task)]
        if ahead:
            self._ledger.advance([task for task in remaining if task not in ahead], State.COMPLETED)
        return ahead

    def _fits(self, session: Session, task: Task) -> bool:
        self._ledger.current = task.seq
        return session.standing(self._ledger.changes[task.seq]) is Standing.FITS

    def _finish(self, clean_up: Callable[[Control], Signal]) -> Signal:
        """Run the session's `tidy` or `discard`: only shutdown interrupts it."""
        self._control.finishing = True
        try:
            return clean_up(self._control)
        finally:
            self._control.finishing = False

    def _cancel(self, session: Session) -> Outcome:
        """Take everything of ours off the target, then say so."""
        self._log_unfinished(session)
        if self._finish(session.discard) is Signal.HALT:
            return self._ledger.obey(Signal.HALT)
        if self._whole and not self._ahead(session):
            return self._ledger.complete("it was live before the cancel")  # CO-3
        return self._ledger.obey(Signal.CANCEL)

    def _log_unfinished(self, session: Session) -> None:
        """Tell people what is neither as it was nor done, now that it rests."""
        left = session.unfinished(list(self._ledger.changes.values()))
        if left:
            self._ledger.warn("unfinished", left)


@contextmanager
def _door(begun: bool) -> Iterator[None]:
    """What is refused inside, where a target is opened, is as if nobody answered once an apply has begun there: nothing of ours
    can be taken off it from here, and a dsn, an account or a grant can be put right (AV-2).
    """
    try:
        yield
    except EngineError as error:
        if not begun or error.retryable or isinstance(error, Fenced | StoppedElsewhere):
            raise
        raise Unreachable(str(error)) from error
