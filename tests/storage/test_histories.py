"""Random histories of everything that can happen to applies, against a model of who owns what (11, 20, I2, I3)."""

import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from storage.errors import LeaseLost, Refused, TargetBusy
from storage.records import Apply, Claim, TaskMove, TaskProgress
from storage.states import APPLY_MOVES, TERMINAL, State, derive, may_move
from tests.storage.kinds import Clock, known
from tests.storage.scene import queued

LETTING_GO = ("complete", "fail", "retry_later", "hand_back", "park", "settle_stop", "settle_cancel")


class Histories(RuleBasedStateMachine):
    """One store, two targets, many owners, a clock that jumps. The model knows the one token that may write."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.known = known(str(Path(self.folder.name) / "store.db"))
        self.clock = Clock()
        self.store = self.known.open(clock=self.clock)
        self.store.upgrade()
        self.known.keep_write_log()
        self.applies: dict[int, Apply] = {}
        self.claims: list[Claim] = []
        self.owner: dict[int, str] = {}
        self.claim_fence: dict[int, int] = {}
        self.orphans: set[int] = set()  # whose owner is known to be dead, unless it writes after all

    def teardown(self) -> None:
        """The logs of the whole history must agree, too."""
        self.store.close()
        found = self.known.violations()
        self.folder.cleanup()
        assert found == []

    def look(self, apply_id: int) -> Apply:
        """The apply as the store has it now."""
        return self.store.apply(self.applies[apply_id].apply_uid)

    def changed_hands(self, apply_id: int, before: Apply) -> None:
        """The fence must have risen."""
        assert self.look(apply_id).fence > before.fence

    # -- what happens -------------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        """One apply to start with."""
        self.enqueue("a", 2)

    @rule(database=st.sampled_from("ab"), budget=st.integers(0, 3))
    def enqueue(self, database: str, budget: int) -> None:
        held = [
            a
            for a in self.applies
            if self.applies[a].database == database and self.look(a).state not in TERMINAL
        ]
        if held:
            with pytest.raises(TargetBusy, match=self.applies[held[0]].apply_uid):
                queued(self.store, database, 2, max_attempts=budget)
        else:
            apply = queued(self.store, database, 2, max_attempts=budget)
            self.applies[apply.id] = apply

    @rule(lease=st.sampled_from((0.0, 60.0)))
    def claim(self, lease: float) -> None:
        before = {apply_id: self.look(apply_id) for apply_id in self.applies}
        claim = self.store.claim("worker", lease)
        if claim is None:
            return
        was = before[claim.apply_id]
        assert claim.fence == was.fence + 1
        spends = was.leased or was.state is State.FAILED_RETRYABLE
        assert claim.attempt == was.attempt + spends <= was.max_attempts
        assert self.look(claim.apply_id).state is (
            State.PENDING if was.state is State.FAILED_RETRYABLE else was.state
        )
        self.claims.append(claim)
        self.owner[claim.apply_id] = claim.token
        self.orphans.discard(claim.apply_id)
        self.claim_fence[claim.apply_id] = claim.fence

    @precondition(lambda self: self.claims)
    @rule(
        data=st.data(),
        verb=st.sampled_from(("advance", "record", "log", *LETTING_GO)),
        state=st.sampled_from(
            (State.RUNNING, State.WAITING_FOR_CUTOVER, State.CUTTING_OVER, State.COMPLETED)
        ),
        seq=st.integers(0, 1),
    )
    def write(self, data: st.DataObject, verb: str, state: State, seq: int) -> None:
        claim = data.draw(st.sampled_from(self.claims[-4:]))
        entitled = self.owner.get(claim.apply_id) == claim.token
        try:
            wrote = self.perform(verb, claim, state, seq)
        except LeaseLost:
            assert not entitled, f"the owner's {verb} was refused"
        except Refused:
            assert entitled
        else:
            assert entitled, f"a stale {verb} went through"
            self.orphans.discard(claim.apply_id)
            if wrote and verb in LETTING_GO:
                self.owner.pop(claim.apply_id)
                assert not self.look(claim.apply_id).leased

    def perform(self, verb: str, claim: Claim, state: State, seq: int) -> bool:
        """Write as a driver; False when there was nothing to settle."""
        store = self.store
        match verb:
            case "advance":
                store.advance(claim, [TaskMove(seq=seq, state=state)])
            case "record":
                store.record(claim, [TaskProgress(seq=seq, rows_copied=1, rows_total=2)], durable=seq == 0)
            case "log":
                store.log(claim, "info", "info", "a word")
            case "complete":
                store.complete(claim)
            case "fail":
                store.fail(claim, seq, "broken")
            case "retry_later":
                store.retry_later(claim, seq, "flaky", 5.0 * seq)
            case "hand_back":
                store.hand_back(claim)
            case "park":
                store.park(claim, 30.0)
            case _:
                return self.settle(verb, claim)
        return True

    def settle(self, verb: str, claim: Claim) -> bool:
        """Obey a pending stop or cancel, if there is one."""
        kind = verb.removeprefix("settle_")
        pending = [r for r in self.store.pending_requests(claim.apply_id) if r.kind == kind]
        if not pending:
            self.store.log(claim, "info", "info", "nothing to obey")
            return False
        (self.store.settle_stop if kind == "stop" else self.store.settle_cancel)(claim, pending[0].id)
        return True

    @rule(data=st.data(), kind=st.sampled_from(("stop", "start", "cancel", "cutover")))
    def command(self, data: st.DataObject, kind: str) -> None:
        apply_id = data.draw(st.sampled_from(sorted(self.applies)))
        before = self.look(apply_id)
        try:
            request = self.store.request(before.apply_uid, kind, "ann")
        except Refused:
            assert self.look(apply_id) == before
            return
        after = self.look(apply_id)
        if apply_id in self.orphans:
            if not after.leased:
                self.owner.pop(apply_id)
                self.orphans.discard(apply_id)
        elif before.leased:
            assert request.state == "pending"
            assert (after.fence, after.state) == (before.fence, before.state)
        elif request.state == "done":
            self.changed_hands(apply_id, before)

    @rule(idle=st.sampled_from((0.0, 60.0, 86_400.0)))
    def sweep(self, idle: float) -> None:
        before = {self.applies[apply_id].apply_uid: self.look(apply_id) for apply_id in self.applies}
        for expired in self.store.expire_retryable(idle):
            was = before[expired.apply_uid]
            assert was.leased or was.state is State.FAILED_RETRYABLE
            self.changed_hands(was.id, was)
            self.owner.pop(was.id, None)
            self.orphans.discard(was.id)

    @rule()
    def beat(self) -> None:
        lost = self.store.heartbeat(self.claims)
        assert lost == {c.token for c in self.claims if self.owner.get(c.apply_id) != c.token}
        self.orphans.clear()

    @rule()
    def orphan(self) -> None:
        assert self.store.release_orphans() == len(self.owner)
        self.orphans = set(self.owner)

    @rule(step=st.sampled_from((1.0, 61.0, 3600.0, -3600.0)))
    def turn_the_clock(self, step: float) -> None:
        self.clock.offset += step

    # -- what holds ---------------------------------------------------------------------------------------------

    @invariant()
    def fences_only_rise_and_states_follow_the_table(self) -> None:
        for apply_id, was in self.applies.items():
            apply = self.look(apply_id)
            assert apply.fence >= was.fence
            assert apply.leased == (apply_id in self.owner)
            assert was.state not in TERMINAL or apply.state is was.state, "ST-1"
            assert may_move(APPLY_MOVES, was.state, apply.state) or was.state is State.STOPPED
            self.applies[apply_id] = apply

    @invariant()
    def the_apply_is_what_its_tasks_say(self) -> None:
        for apply_id, apply in self.applies.items():
            states = [task.state for task in self.store.tasks(apply_id)]
            if any(state not in TERMINAL for state in states) or apply.state in TERMINAL:
                assert apply.state is derive(states)


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
