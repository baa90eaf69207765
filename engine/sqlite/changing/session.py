"""One apply's session on a SQLite target: looks, prepares, cuts over, tidies, discards."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import apsw

from engine import faults
from engine.base import Change, Control, Job, Progress, Session, Signal, Standing, Target
from engine.errors import DriftFound, EngineError, Refused
from engine.sqlite.catalog import read_catalog
from engine.sqlite.changing import checkpoints
from engine.sqlite.changing.batch_sizer import QUICK, STEADY
from engine.sqlite.changing.checkpoints import Checkpoint, Phase
from engine.sqlite.changing.cutover import Cutover
from engine.sqlite.changing.growth import refuse_grown
from engine.sqlite.changing.index_build import IndexBuild
from engine.sqlite.changing.online import OnlineRebuild
from engine.sqlite.changing.ownership import Hold
from engine.sqlite.changing.removal import Removal
from engine.sqlite.changing.verify import Verification
from engine.sqlite.spec import Step
from engine.sqlite.target import OpenFile, connect, file_of, translated

CACHE_KIB = 65_536
FOLLOW_SECONDS = 1.0
"""While one table of a group is copied, the others are kept in step this often."""
LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Work:
    """A change and its step."""

    change: Change
    step: Step

    @property
    def online(self) -> bool:
        """Whether rows are copied beforehand. Without a key that lives on in the copy they cannot be."""
        rebuild = self.step.rebuild
        return self.step.online and rebuild is not None and bool(rebuild.key) and bool(rebuild.new_key)


class SqliteSession(Session):
    """Opening takes the target; see `ownership` for what that means."""

    def __init__(self, target: Target, job: Job) -> None:
        self._job = job
        self._where = target.database
        self._connection = connect(target.dsn, may_make=job.may_make)
        try:
            with translated(self._where):
                self._set_up()
                self._hold = Hold(self._connection, job, self._where, OpenFile(file_of(target.dsn)))
            self._hold.take()
        except BaseException:
            self._connection.close()
            raise
        self._known: dict[str, Change] = {}  # by lower-case name of the live table
        self._looked_at = 0.0

    def _set_up(self) -> None:
        self._connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._connection.execute("PRAGMA foreign_keys = OFF")
        if self._connection.execute("PRAGMA journal_mode").get == "wal":
            self._connection.execute("PRAGMA synchronous = NORMAL")  # FULL for the cutover, see there
        if self._connection.execute("PRAGMA foreign_keys").get != 0:
            raise Refused(
                f"{self._where}: foreign keys cannot be switched off here; a rebuild could delete rows"
            )

    # -- looking ------------------------------------------------------------------------------------------------

    def check_fits(self, changes: Sequence[Change], fingerprints: Mapping[str, str]) -> None:
        """DriftFound when a table is neither what the plan was computed from nor done (RC-3), or has grown too large for it."""
        planned = {name.lower(): digest for name, digest in fingerprints.items()}
        with self._hold.reading():
            live = read_catalog(self._connection)
        for work in self._works(changes):
            step = work.step
            if live.fingerprint(step.source) == planned.get(step.source.lower()):
                with self._hold.reading():
                    refuse_grown(self._connection, step)
            elif live.fingerprint(step.table) != step.after:
                raise DriftFound(f"{step.source} was changed since the plan was made: plan again")

    def standing(self, change: Change) -> Standing:
        """Look at the live table (RC-2, RC-4)."""
        (work,) = self._works([change])
        with self._hold.reading():
            return Cutover(self._connection).standing(work.step)

    # -- doing --------------------------------------------------------------------------------------------------

    def prepare(self, changes: Sequence[Change], control: Control) -> Signal:
        """Copy, catch up and verify the online changes."""
        return self._explained(lambda: self._prepare(changes, control))

    def _prepare(self, changes: Sequence[Change], control: Control) -> Signal:
        works = self._works(changes)
        signal = self._ready(control)
        if signal is Signal.GO:
            signal = self._clear_strangers(control)
        ready: list[OnlineRebuild] = []
        for work in works:
            if signal is not Signal.GO:
                return signal
            if work.online and self.standing(work.change) is Standing.FITS:
                rebuild = self._open(work)
                signal = self._fill(rebuild, ready, control)
                ready.append(rebuild)
        for rebuild in ready:
            if signal is Signal.GO:
                signal = rebuild.catch_up(control)
        return signal

    def _open(self, work: Work) -> OnlineRebuild:
        assert work.step.rebuild is not None
        with translated(self._where):
            return OnlineRebuild(self._hold, work.change, work.step, work.step.rebuild)

    def _fill(self, rebuild: OnlineRebuild, ready: Sequence[OnlineRebuild], control: Control) -> Signal:
        """Take one table from wherever it stands to verified."""
        state = rebuild.state
        if state is not None and (
            state.spec != checkpoints.digest(rebuild.step)
            or state.phase is Phase.DISCARD
            or rebuild.capture.is_another()
        ):
            signal = self._remove(state, control)
            if signal is not Signal.GO:
                return signal
            rebuild.state = None
        if rebuild.state is None:
            rebuild.stage()
        signal = self._copy(rebuild, ready, control)
        for phase, run in (
            (Phase.INDEX, self._index),
            (Phase.CHECK, self._check),
            (Phase.EXTRA, self._check),
        ):
            if signal is Signal.GO and rebuild.checkpoint.phase is phase:
                signal = run(rebuild, control)
        return signal

    def _copy(self, rebuild: OnlineRebuild, ready: Sequence[OnlineRebuild], control: Control) -> Signal:
        followed_at = time.monotonic()
        while rebuild.checkpoint.phase is Phase.COPY:
            rebuild.copy_batch()
            signal = rebuild.breathe(control, "copying rows")
            if signal is not Signal.GO:
                return signal
            if time.monotonic() - followed_at > FOLLOW_SECONDS:
                followed_at = time.monotonic()
                for other in ready:
                    other.follow()
        return Signal.GO

    def _index(self, rebuild: OnlineRebuild, control: Control) -> Signal:
        with translated(self._where):
            return IndexBuild(rebuild).run(control)

    def _check(self, rebuild: OnlineRebuild, control: Control) -> Signal:
        with translated(self._where):
            return Verification(rebuild).run(control)

    def cut_over(self, changes: Sequence[Change], control: Control) -> Signal:
        """Make the changes live in one transaction."""
        return self._explained(lambda: self._cut_over(changes, control))

    def _cut_over(self, changes: Sequence[Change], control: Control) -> Signal:
        works = [work for work in self._works(changes) if self.standing(work.change) is Standing.FITS]
        signal = self._ready(control)
        if signal is Signal.GO:
            signal = self._clear_strangers(control)
        if signal is not Signal.GO:
            return signal
        online = {work.step.source: self._open(work) for work in works if work.online}
        signal = self._look_again(online.values(), control)
        if signal is not Signal.GO:
            return signal
        steps = [work.step for work in works]
        attempt = 0
        while steps:
            for rebuild in online.values():
                signal = rebuild.catch_up(control)
                if signal is not Signal.GO:
                    return signal
            signal = control.clear_to_cut_over()
            if signal is not Signal.GO:
                return signal
            if Cutover(self._connection).run(self._hold, steps, online, patient=attempt < 20):
                break
            attempt += 1
        return Signal.GO

    def _look_again(self, online: Iterable[OnlineRebuild], control: Control) -> Signal:
        """Whether the copies may go live."""
        signal = Signal.GO
        for rebuild in online:
            if rebuild.state is None or rebuild.state.phase is not Phase.READY:
                raise Refused(f"{rebuild.rebuild.table}: its copy is gone; start the apply again")
            if signal is Signal.GO:
                with translated(self._where):
                    signal = Verification(rebuild).look_again(control)
        return signal

    # -- cleaning -----------------------------------------------------------------------------------------------

    def tidy(self, control: Control) -> Signal:
        """Remove replaced tables, then our own tables when nothing is left to do."""
        return self._clean(control, lambda c: c.phase is Phase.OLD)

    def discard(self, control: Control) -> Signal:
        """Remove everything of this apply but the live tables."""
        return self._clean(control, lambda _: True)

    def _clean(self, control: Control, wanted: Callable[[Checkpoint], bool]) -> Signal:
        if not self._hold.taken:
            return Signal.GO
        signal = self._remove_all(lambda c: not self._ours(c) or wanted(c), control)
        if signal is Signal.GO:
            self._hold.release()
        return signal

    def _clear_strangers(self, control: Control) -> Signal:
        """Remove what a dispossessed apply left."""
        return self._remove_all(lambda c: not self._ours(c), control)

    def _ours(self, checkpoint: Checkpoint) -> bool:
        return checkpoint.apply_uid == self._job.apply_uid

    def _remove_all(self, wanted: Callable[[Checkpoint], bool], control: Control) -> Signal:
        with translated(self._where):
            found = checkpoints.checkpoints(self._connection)
        for checkpoint in found:
            if wanted(checkpoint):
                signal = self._remove(checkpoint, control)
                if signal is not Signal.GO:
                    return signal
        return Signal.GO

    def _remove(self, checkpoint: Checkpoint, control: Control) -> Signal:
        return self._translated(
            lambda: Removal(
                self._hold, checkpoint, lambda what: self._breathe(checkpoint, what, control)
            ).run()
        )

    def _translated(self, call: Callable[[], Signal]) -> Signal:
        with translated(self._where):
            return call()

    def _breathe(self, checkpoint: Checkpoint, what: str, control: Control) -> Signal:
        change = self._known.get(checkpoint.source.lower())
        signal = Signal.GO
        if change is not None and self._ours(checkpoint):
            total = checkpoint.rows_total
            signal = control.report(
                Progress(change=change, rows_copied=checkpoint.rows_copied, rows_total=total, detail=what)
            )
        elif time.monotonic() - self._looked_at > LOOK_SECONDS:
            # Nothing this session was asked about: only listen.
            self._looked_at = time.monotonic()
            signal = control.clear_to_cut_over()
        if signal is Signal.GO:
            control.pause(self._hold.still_to_rest((QUICK if self._hold.wal else STEADY).rest_seconds))
        return signal

    def _explained(self, call: Callable[[], Signal]) -> Signal:
        """Run *call*; what it is refused is said as it is."""
        try:
            return self._translated(call)
        except Refused as error:
            raise self._explain(error) from error

    def _explain(self, error: Refused) -> EngineError:
        """A table altered underneath us is drift, whatever statement stumbled over it."""
        for change in self._known.values():
            try:
                self.standing(change)
            except DriftFound as drift:
                return DriftFound(f"{drift} ({error})")
        return error

    def _ready(self, control: Control) -> Signal:
        """Have the hold; it was given up when the last change was tidied."""
        signal = Signal.GO
        if not self._hold.taken:
            signal = control.clear_to_cut_over()
            if signal is Signal.GO:
                self._hold.take()
        return signal

    def _works(self, changes: Sequence[Change]) -> list[Work]:
        works = [Work(change, Step.from_json(change.spec)) for change in changes]
        for work in works:
            self._known[work.step.source.lower()] = work.change
        return works

    def close(self) -> None:
        """Close the connection; our tables go too when there is no unfinished work in them."""
        try:
            self._hold.release()
        except EngineError:
            pass  # whoever comes next finds them and cleans
        finally:
            self._empty_log()
            self._connection.close()
        faults.reached("closed")

    def _empty_log(self) -> None:
        """Leave nothing of the write-ahead log to closing, in which the driver lets no other thread of the process run.

        Whoever closes a database last writes the whole log into it. Nobody is waited for: PASSIVE does the work beside
        others, TRUNCATE finds it done, or gives up.
        """
        self._connection.set_busy_handler(None)
        with suppress(apsw.Error):
            for mode in ("PASSIVE", "TRUNCATE"):
                self._connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchall()
