"""Has the shadow of a copy and the stream of its changes: new ones, or those that its checkpoint tells of."""

from dataclasses import replace

from engine import faults
from engine.base import DEFAULT_VOLUME, Control, Signal
from engine.errors import DriftFound, Refused
from engine.mysql.binlog.errors import BeginAnew
from engine.mysql.binlog.preflight import obstacles
from engine.mysql.capture_sources import CaptureSources, capture_sources_of
from engine.mysql.capturing.capture import Capture
from engine.mysql.capturing.delta_capture import DeltaCapture
from engine.mysql.capturing.edges import the_copy_lacks_the_first_row
from engine.mysql.capturing.log_capture import LogCapture
from engine.mysql.catalog import read_table
from engine.mysql.copying.comparison import uncompared
from engine.mysql.copying.index_build import missing_indexes
from engine.mysql.copying.table_copy import TableCopy
from engine.mysql.flavour import started_at
from engine.mysql.problems import Problem
from engine.mysql.receiving import NO_COPY_IN_GALERA, in_galera_cluster
from engine.mysql.replication.rules import read_rules
from engine.mysql.rights import rights_of
from engine.mysql.shadow import checkpoints
from engine.mysql.shadow.checkpoints import CAPTURING, Checkpoint, Phase
from engine.mysql.shadow.shape import Shape, shape_of
from engine.mysql.shadow.staging import Staging
from engine.mysql.shadow.table_identity import TableIdentity, identity_of, other_numbers
from engine.mysql.tables import Table
from engine.mysql.waiting.lock_retry import LockRetry


class Opening:
    """The opening of one copy."""

    def __init__(self, work: TableCopy) -> None:
        self._work = work

    def run(self, control: Control) -> Signal:
        """Stage, or go on from the checkpoint. DriftFound, Refused: it cannot go on, or has begun anew too often."""
        work, place, begun_anew = self._work, self._work.place, 0
        if place.state is not None:
            if self._usable(place.state) and self._resumed(place.state):
                return Signal.GO
            begun_anew = place.checkpoint.begun_anew
            signal = work.discard(control)
            if signal is not Signal.GO:
                return signal
        return self._stage(control, begun_anew)

    def _usable(self, state: Checkpoint) -> bool:
        captured = state.position is not None or state.identity is not None
        return state.phase in CAPTURING and captured and state.step == checkpoints.digest(self._work.step)

    def _resumed(self, state: Checkpoint) -> bool:
        """Whether it goes on from the checkpoint: not if the log lacks what changed since, or values are stored otherwise now."""
        try:
            self._resume(state)
        except BeginAnew as error:
            self._work.place.start_over(str(error))
            self._work.notice = f"copying from the start again: {error}"
            return False
        return True

    # -- anew ---------------------------------------------------------------------------------------------------

    def _stage(self, control: Control, begun_anew: int) -> Signal:
        work = self._work
        self._check_target()
        self._check_replicas()
        # So that by the first chunk it is known whether an application writes.
        work.throttle.look(work.hold.link, "staging", control.volume())
        checkpoints.make_table(work.hold)
        staging = Staging(work.hold, work.step)
        source = staging.check_source()
        staging.check_names()
        state = Checkpoint(
            apply_uid=work.hold.job.apply_uid,
            schema=work.step.schema,
            source=work.copy.source,
            phase=Phase.STAGE,
            rows_total=work.size.rows,
            step=checkpoints.digest(work.step),
            source_fingerprint=source.fingerprint,
            started_at=started_at(work.hold.link, work.hold.flavour),
            begun_anew=begun_anew,
        )
        work.place.put(state)
        faults.reached("shadow:begin")
        shadow = staging.make()
        shape = shape_of(work.step, source, shadow)
        # Quicker, but what builds them cannot be slowed down.
        deferred = staging.put_off_indexes(shadow) if control.volume() >= DEFAULT_VOLUME else ()
        faults.reached("shadow:made")
        state = replace(
            state,
            deferred=deferred,
            shadow_fingerprint=work.shadow_fingerprint(),
            values_digest=shape.values_digest,
        )
        work.connect()
        capture = self._captured(shape)
        if isinstance(capture, DeltaCapture):
            signal = capture.make(self._retry(control))
            if signal is not Signal.GO:
                return signal
        work.begin(shape, capture, state)
        # The marker: its commit comes after everything that may be in the log already but is not visible yet.
        work.place.save(phase=Phase.COPY, identity=capture.identity)
        return self._hear(control)

    def _check_target(self) -> None:
        """Refused, before the first row, when the copy could not be brought to its end."""
        hold, schema = self._work.hold, self._work.step.schema
        if why := rights_of(hold.link, hold.flavour).too_few_to_copy(schema, self._work.copy.source):
            raise Refused(why)
        if in_galera_cluster(hold.link):
            raise Refused(
                f"{self._work.copy.source} can not be copied online: {NO_COPY_IN_GALERA}: plan again"
            )

    def _check_replicas(self) -> None:
        """Refused when a replica would stop at the cutover."""
        hold, schema, source = self._work.hold, self._work.step.schema, self._work.copy.source
        with hold.replicas() as replicas:
            rules = read_rules(hold.link, replicas)
        if rules.unknown:
            self._note(f"nobody knows what replicas leave out: {'; '.join(rules.unknown)}")
        for why in rules.against_copy([(schema, source)]):
            raise Refused(
                f"{source} can not be copied online, as {why}: have it keep both or none, then apply again"
            )

    def _note(self, text: str) -> None:
        self._work.notice = "; ".join(filter(None, (self._work.notice, text)))

    def _hear(self, control: Control) -> Signal:
        """Wait for the marker. What other copies have not applied yet may hold the reader back: it is applied meanwhile."""
        work = self._work
        work.capture.mark(work.link)
        while not work.capture.received():
            signal = work.turn(control, "reading the log of changes", gather=0.0)
            if signal is not Signal.GO:
                return signal
        return Signal.GO

    def _retry(self, control: Control) -> LockRetry:
        """For locks on the live table; meanwhile the other copies are kept in step."""
        work = self._work
        return LockRetry(
            work.watch,
            control,
            [(work.step.schema, work.copy.source)],
            lambda detail: work.turn(control, detail, gather=0.0),
        )

    def _captured(self, shape: Shape) -> Capture:
        """The log, or, where it cannot be read, triggers that are still to be made."""
        work, sources = self._work, self._sources()
        problems = self._log_problems(sources, shape.old)
        if not problems:
            return LogCapture(work.stream, shape, None, self._source_identity())
        if why := sources.nothing_tells(problems):
            raise Refused(f"{work.copy.source} can not be copied online: {why}; then plan again")
        self._note(f"changes are captured by triggers: {'; '.join(map(str, problems))}")
        return DeltaCapture(work.hold, shape, work.names)

    def _sources(self) -> CaptureSources:
        hold = self._work.hold
        return capture_sources_of(hold.link, hold.flavour, rights_of(hold.link, hold.flavour), hold.home)

    def _log_problems(self, sources: CaptureSources, table: Table) -> tuple[Problem, ...]:
        """Whether the account gets the log is the server's word alone; its grants only tell what to do about a no."""
        if sources.unlogged_of(table):
            return sources.log_problems_of(table)
        denied = obstacles(self._work.hold.address)
        return denied and (sources.unread or denied)

    # -- from the checkpoint ------------------------------------------------------------------------------------

    def _resume(self, state: Checkpoint) -> None:
        work = self._work
        source = self._table(work.copy.source, state.source_fingerprint, "the live table")
        shadow = self._indexed(state) or self._table(
            work.names.shadow, state.shadow_fingerprint, "our copy of it"
        )
        shape = shape_of(work.step, source, shadow)
        if not shape.stores_as(state.values_digest):
            raise BeginAnew("another release began the copy, which stored some values otherwise")
        work.connect()
        state = self._same_shadow(shape, self._doubted(shape, state.found_again()))
        work.begin(shape, self._captured_as_before(shape, state), state)

    def _doubted(self, shape: Shape, state: Checkpoint) -> Checkpoint:
        """Where the log need not tell of every change: compare all rows. BeginAnew: that would not do."""
        if state.position is None:
            return state
        hold, now = self._work.hold, self._source_identity()
        started = started_at(hold.link, hold.flavour)
        before = state.identity or now  # earlier releases did not note it
        doubt = self._restarted(state, started) or before.differs(now)
        state = replace(state, started_at=started, identity=now if now.numbers else before)
        if not doubt:
            return state
        if names := uncompared(shape):
            raise BeginAnew(
                f"{state.source} {doubt}, so that the log may lack changes, and a comparison would overlook other values of "
                f"{', '.join(names)}"
            )
        return state.compared_anew()

    def _same_shadow(self, shape: Shape, state: Checkpoint) -> Checkpoint:
        """Where the shadow is not the one whose rows were compared: compare all rows. BeginAnew: few would be found there."""
        work, before = self._work, state.shadow_numbers
        now = work.shadow_numbers()
        state = replace(state, shadow_numbers=now or before)
        if not other_numbers(before, now):
            return state
        if the_copy_lacks_the_first_row(work.link, shape):
            raise BeginAnew(f"our copy of {state.source} was emptied by somebody")
        return state.compared_anew()

    def _restarted(self, state: Checkpoint, started: int) -> str:
        """That the server's run which began at *started* is another, in words: one may have run without a log, or have lost the
        log's end with its power; each says that all is well from here on.
        """
        if state.started_at == started:
            return ""
        if state.started_at:
            return "is on a server that was restarted"
        known = started < checkpoints.created_at(self._work.hold, state)  # earlier releases did not note it
        return "" if known else "is on a server that may have been restarted"

    def _source_identity(self) -> TableIdentity:
        hold = self._work.hold
        return identity_of(hold.link, hold.flavour, self._work.step.schema, self._work.copy.source)

    def _captured_as_before(self, shape: Shape, state: Checkpoint) -> Capture:
        """What was begun with goes on. BeginAnew: the log does not tell any more, or the server does not give it to this user."""
        if state.position is not None:
            assert state.identity is not None
            if problems := self._log_problems(self._sources(), shape.old):
                raise BeginAnew("; ".join(map(str, problems)))
            return LogCapture(self._work.stream, shape, state.position, state.identity)
        return DeltaCapture(self._work.hold, shape, self._work.names, state.identity)

    def _table(self, name: str, expected: str, what: str) -> Table:
        work = self._work
        table = read_table(work.hold.link, work.step.schema, name)
        if table is None or table.fingerprint != expected:
            fate = "vanished" if table is None else "was altered"
            raise DriftFound(f"{work.copy.source}: {what} ({name}) {fate} while it was copied: plan again")
        return table

    def _indexed(self, state: Checkpoint) -> Table | None:
        """The shadow with the indexes that were put off, if they were built and we did not come to writing it down."""
        if state.phase is not Phase.INDEX or not state.deferred or missing_indexes(self._work):
            return None
        return read_table(self._work.hold.link, self._work.step.schema, self._work.names.shadow)
