"""One apply's session on a MySQL or MariaDB target: looks, prepares, cuts over, tidies, discards."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from engine import faults
from engine.base import Change, Control, Job, Session, Signal, Standing
from engine.errors import DriftFound, EngineError, HeldUp, Refused, TargetUnavailable, Unreachable
from engine.mysql.address import Address
from engine.mysql.binlog.errors import BeginAnew
from engine.mysql.catalog import fingerprints as live_fingerprints
from engine.mysql.changing.copies import Copies, Work
from engine.mysql.changing.disk_space import DiskSpace
from engine.mysql.changing.growth import refuse_grown
from engine.mysql.changing.standing import Course, unfinished
from engine.mysql.changing.statements import StatementRun
from engine.mysql.link import DDL_SETTINGS
from engine.mysql.ownership.hold import HELD_UP_SECONDS, Hold
from engine.mysql.ownership.watch import BeatingControl, Watch
from engine.mysql.shadow.checkpoints import Checkpoint, Phase
from engine.mysql.spec import Step
from engine.mysql.trouble import NO_SUCH_TABLE, OF_LOCKS, READ_ONLY, Lost, ServerRefused, Trouble, Waited

T = TypeVar("T")


class MysqlSession(Session):
    """Opening takes the target; see `ownership` for what that means. A lost connection ends it: open a new one and look."""

    def __init__(self, address: Address, job: Job) -> None:
        self._hold = _reached(address, job)
        self._disk_space = DiskSpace(address)
        try:
            self._hold.take()
        except Trouble as error:
            self._hold.close()
            _check_read_only(error)
            self._disk_space.check(error)
            raise
        except BaseException:
            self._hold.close()
            raise
        self._watch = Watch(self._hold)
        self._copies = Copies(self._watch)
        self._course = Course()
        self._known: dict[tuple[str, str], Work] = {}  # by schema and live table
        self._ahead: set[tuple[str, str]] = set()
        """What is not known to be live, of all changes of a session that began with `check_fits`."""

    # -- looking ------------------------------------------------------------------------------------------------

    def know(self, changes: Sequence[Change]) -> None:
        """Which changes touch the same tables."""
        self._course = Course([Step.from_json(change.spec) for change in changes])

    def check_fits(self, changes: Sequence[Change], fingerprints: Mapping[str, str]) -> None:  # noqa: ARG002
        """DriftFound when a table is neither what the plan was computed from nor done (RC-3), or has grown too large for it.

        The steps carry the fingerprints of all tables that they touch; one that two of them touch must be as the first wants it.
        """
        works = self._works(changes)
        self._ahead = {work.change.key for work in works}
        expected: dict[tuple[str, str], str | None] = {}
        for work in works:
            for name, digest in work.step.before:
                expected.setdefault((work.step.schema, name), digest)
        for work in works:
            names = [name for name, _ in work.step.before]
            live = live_fingerprints(self._hold.link, work.step.schema, names)
            if any(live[name] != expected[(work.step.schema, name)] for name in names):
                self._course.standing(self._hold.link, work.step)
            elif work.step.statements:
                with suppress(Waited):  # it is looked at again
                    refuse_grown(self._hold.link, work.step.schema, work.step.statements[0])

    def standing(self, change: Change) -> Standing:
        """Look at the live tables (RC-2, RC-4)."""
        (work,) = self._works([change])
        found = self._course.standing(self._hold.link, work.step)
        if found is Standing.DONE:
            self._ahead.discard(change.key)
        return found

    # -- doing --------------------------------------------------------------------------------------------------

    def prepare(self, changes: Sequence[Change], control: Control) -> Signal:
        """Copy, catch up and verify the online changes."""
        return self._explained(lambda: self._prepare(changes, control))

    def _prepare(self, changes: Sequence[Change], control: Control) -> Signal:
        online = [work for work in self._works(changes) if work.online]
        signal = self._ready(control)
        if signal is Signal.GO:
            self._disk_space.note(self._hold.link, [(work.step.schema, work.source) for work in online])
            online = [work for work in online if self.standing(work.change) is Standing.FITS]
            self._check_replicas(online)
            signal = self._copies.fill(online, BeatingControl(control, self._watch))
        return signal

    def cut_over(self, changes: Sequence[Change], control: Control) -> Signal:
        """Make the changes live: those by statements one after the other, all copies in one step."""
        return self._explained(lambda: self._cut_over(changes, control))

    def _cut_over(self, changes: Sequence[Change], control: Control) -> Signal:
        signal = self._ready(control)
        works = [work for work in self._works(changes) if self.standing(work.change) is Standing.FITS]
        if signal is Signal.GO:
            self._check_replicas(works)
            signal = self._make_live(works, BeatingControl(control, self._watch))
        if signal is Signal.GO:
            self._ahead.difference_update(work.change.key for work in works)
        return signal

    def _make_live(self, works: Sequence[Work], control: Control) -> Signal:
        """In their order; the copies at the place of the last of them, as statements before may fail, or where one is needed."""
        copied: list[Work] = []
        last = next((work for work in reversed(works) if work.online), None)
        for work in works:
            signal = Signal.GO
            if work.online:
                copied.append(work)
            if work is last or work.needs(copied):
                signal = self._copies.swap(copied, control)
                copied = []
            if signal is Signal.GO and not work.online:
                signal = StatementRun(self._watch, work.change, work.step, control).run()
            if signal is not Signal.GO:
                return signal
        return Signal.GO

    def unfinished(self, changes: Sequence[Change]) -> str:
        """Of the server's own statements; a copy is made live in one step."""
        steps = [(change.table, Step.from_json(change.spec)) for change in changes]
        with suppress(EngineError):  # then there is no telling
            texts = [unfinished(self._hold.link, table, step) for table, step in steps if step.statements]
            return "; ".join(text for text in texts if text)
        return ""

    # -- cleaning -----------------------------------------------------------------------------------------------

    def tidy(self, control: Control) -> Signal:
        """Remove replaced tables, then our own tables when nothing is left to do."""
        return self._told(lambda: self._clean(control, lambda found: found.phase is Phase.OLD))

    def give_up(self, reason: str) -> None:
        """A table of ours may be in use for long before it can be removed."""
        self._told(lambda: self._copies.give_up(reason))

    def discard(self, control: Control) -> Signal:
        """Remove everything of this apply but the live tables."""
        self._ahead.clear()
        self._copies.close()
        return self._told(lambda: self._clean(control, lambda _: True))

    def _clean(self, control: Control, wanted: Callable[[Checkpoint], bool]) -> Signal:
        if not self._hold.taken:
            return Signal.GO
        signal = self._remove(control, wanted)
        if signal is Signal.GO and not self._ahead:
            self._watch.close()
            self._hold.release()
        return signal

    def _remove(self, control: Control, wanted: Callable[[Checkpoint], bool]) -> Signal:
        return self._copies.remove(BeatingControl(control, self._watch), self._change_of, wanted)

    def _change_of(self, checkpoint: Checkpoint) -> Change | None:
        work = self._known.get((checkpoint.schema, checkpoint.source))
        return None if work is None else work.change

    # -- inside -------------------------------------------------------------------------------------------------

    def _explained(self, call: Callable[[], Signal]) -> Signal:
        """Run *call*; when it fails for good, say why, as far as the target tells, and what it leaves half done."""
        try:
            return self._told(call)
        except (Refused, DriftFound) as error:
            reason = self._explain(error)
            if isinstance(error, BeginAnew) and not isinstance(reason, DriftFound):
                reason = self._begin_anew(error)
            raise (reason if reason.retryable else self._with_unfinished(reason)) from error

    def _with_unfinished(self, reason: EngineError) -> EngineError:
        """*reason*, and what is left half done; it stays as it is where nothing is."""
        left = self.unfinished([work.change for work in self._known.values()])
        if not left or str(reason).endswith(left):  # that was said when it was given up
            return reason
        kind = DriftFound if isinstance(reason, DriftFound) else Refused
        return kind(f"{reason}; {left}")

    def _told(self, call: Callable[[], T]) -> T:
        """Run *call*; passing trouble says what people can do about it."""
        try:
            return call()
        except Trouble as error:
            if isinstance(error, Waited):
                self._check_locks(error)
            _check_read_only(error)
            self._disk_space.check(error)
            raise

    def _check_locks(self, error: Waited) -> None:
        """HeldUp when it was waited in vain for a lock of others; it says whose, as far as the server tells."""
        self._hold.check_server_lock()
        if error.code in OF_LOCKS:
            tables = sorted(self._known)
            found = self._watch.blockers(tables)
            names = ", ".join(table for _, table in tables)
            who = str(found if found.found else error)
            raise HeldUp(f"waiting for a lock on {names}: {who}", HELD_UP_SECONDS) from error

    def _begin_anew(self, error: BeginAnew) -> EngineError:
        """Nothing is wrong with the change: the next driver begins from the start, unless that was so too often."""
        try:
            self._copies.begin_anew(str(error))
        except Refused as refused:
            return refused
        return TargetUnavailable(f"the copy begins anew: {error}")

    def _explain(self, error: EngineError) -> EngineError:
        """A table altered underneath us is drift, whatever stumbled over it."""
        if isinstance(error, DriftFound):
            return error
        for work in self._known.values():
            try:
                self._course.standing(self._hold.link, work.step)
            except DriftFound as drift:
                return DriftFound(f"{drift} ({error})")
        if isinstance(error, ServerRefused) and error.code == NO_SUCH_TABLE:
            return DriftFound(
                f"somebody dropped or renamed a table of ours, or yours for a while: plan again ({error})"
            )
        return error

    def _ready(self, control: Control) -> Signal:
        """Have the hold (it was given up when the last change was tidied), and nothing of a dispossessed apply in the way."""
        if not self._hold.taken:
            signal = control.clear_to_cut_over()
            if signal is not Signal.GO:
                return signal
            self._hold.take()
        return self._remove(control, lambda _: False)

    def _check_replicas(self, works: Sequence[Work]) -> None:
        """Refused when a replica would stop, by a rule that it has got since the apply began; only what is ahead counts."""
        if works:
            self._hold.check_replicas()

    def _works(self, changes: Sequence[Change]) -> list[Work]:
        works = [Work(change, Step.from_json(change.spec)) for change in changes]
        self._known |= {(work.step.schema, work.source): work for work in works}
        return works

    def close(self) -> None:
        """Close the connections; our tables go too when there is no unfinished work in them."""
        with suppress(EngineError):  # whoever comes next finds what is left and cleans
            self._copies.close()
            self._watch.close()
            self._hold.release()
        self._watch.close()
        self._hold.close()
        faults.reached("closed")


def _reached(address: Address, job: Job) -> Hold:
    """A hold that is connected. Unreachable when nobody answers, hangs up or lets us in: a server that is down or full, a proxy
    before it, a password that was changed.
    """
    try:
        return Hold(address, job, settings=DDL_SETTINGS)
    except Lost as error:
        raise Unreachable(str(error)) from error


def _check_read_only(error: Trouble) -> None:
    """HeldUp when the server takes no writes: that is over with a fail-over, however long it takes."""
    if error.code in READ_ONLY:
        raise HeldUp(str(error), HELD_UP_SECONDS) from error
