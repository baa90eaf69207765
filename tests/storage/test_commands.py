"""People's commands, with and without a driver."""

import pytest

from storage.base import Store
from storage.errors import NotFound, Refused
from storage.states import State
from tests.storage.scene import R, W, claimed, driven_to, move, now, queued, task_states
from tests.waiting import until

RESTING = [State.PENDING, R, W, State.CUTTING_OVER, State.FAILED_RETRYABLE]


@pytest.mark.parametrize("state", RESTING)
def test_co_1_a_stop_with_nobody_driving_is_settled_in_its_own_transaction(
    store: Store, state: State
) -> None:
    apply = driven_to(store, state)
    request = store.request(apply.apply_uid, "stop", "ann")
    assert (request.state, request.affected, request.skipped) == ("done", 2, 0)
    found = now(store, apply)
    assert (found.state, found.fence) == (State.STOPPED, apply.fence + 1)
    assert task_states(store, apply) == ["stopped", "stopped"]
    assert store.claim("reviver", 60.0) is None, "a stopped apply is never revived"
    assert store.expire_retryable(0.0) == []


@pytest.mark.parametrize("asked_before", [False, True])
def test_co_1_a_stop_of_what_a_dead_driver_left_is_settled_at_once(store: Store, asked_before: bool) -> None:
    apply = queued(store)
    dead = claimed(store)
    move(store, dead, R)
    if asked_before:
        assert store.request(apply.apply_uid, "stop", "ann").state == "pending"
    store.release_orphans()
    assert store.request(apply.apply_uid, "stop", "ann").state == "done"
    assert (now(store, apply).state, now(store, apply).leased) == (State.STOPPED, False)
    assert store.heartbeat([dead]) == {dead.token}
    assert [attempt.outcome for attempt in store.attempts(apply.id)] == ["lease_expired"]
    assert store.pending_requests(apply.id) == []


@pytest.mark.parametrize("state", RESTING)
def test_start_makes_a_stopped_apply_due_with_a_fresh_budget_and_a_higher_fence(
    store: Store, state: State
) -> None:
    apply = driven_to(store, state)
    store.request(apply.apply_uid, "stop", "ann")
    stopped = now(store, apply)
    request = store.request(apply.apply_uid, "start", "bob")
    found = now(store, apply)
    assert (request.state, request.affected) == ("done", 2)
    assert (found.state, found.attempt, found.error, found.fence) == (State.PENDING, 0, "", stopped.fence + 1)
    assert found.started_at == apply.started_at
    assert claimed(store).apply_uid == apply.apply_uid


def test_a_cancel_of_what_never_began_is_settled_at_once(store: Store) -> None:
    apply = queued(store)
    request = store.request(apply.apply_uid, "cancel", "ann")
    assert (request.state, request.affected, request.skipped) == ("done", 2, 0)
    assert (now(store, apply).state, now(store, apply).finished_at is not None) == (State.CANCELLED, True)
    assert store.next_due() is None


@pytest.mark.parametrize("state", [R, W, "retrying", "stopped"])
def test_a_cancel_of_what_began_waits_for_a_drivers_clean_up(store: Store, state: str) -> None:
    apply = queued(store, max_attempts=1)
    claim = claimed(store)
    move(store, claim, R, R)
    if state == "retrying":
        store.retry_later(claim, 0, "flaky", 0.0)
        claim = claimed(store)
        move(store, claim, R)
        store.retry_later(claim, 0, "flaky", 3600.0)
    elif state == "stopped":
        store.settle_stop(claim, store.request(apply.apply_uid, "stop", "ann").id)
    else:
        move(store, claim, *([W, W] if state == W else [R]))
        store.hand_back(claim)
    request = store.request(apply.apply_uid, "cancel", "ann")
    assert request.state == "pending"
    assert store.next_due() == 0
    heir = claimed(store)
    assert heir.attempt == 0, "the clean-up has a budget of its own"
    assert [found.id for found in store.pending_requests(apply.id)] == [request.id]
    store.settle_cancel(heir, request.id)
    settled = store.control_request(request.id)
    assert (settled.state, settled.affected) == ("done", 2)
    assert now(store, apply).state is State.CANCELLED


def test_a_command_waits_while_somebody_drives(store: Store) -> None:
    apply = queued(store)
    claim = claimed(store, lease=0.001)
    until("the lease is over", lambda: store.next_due() == 0)
    for kind in ("stop", "cancel"):
        request = store.request(apply.apply_uid, kind, "ann")
        assert (request.state, request.caller, request.settled_at) == ("pending", "ann", None)
    assert now(store, apply).state is State.PENDING
    assert [request.kind for request in store.pending_requests(apply.id)] == ["cancel"]
    store.log(claim, "info", "info", "the driver still owns it")


def test_an_equal_pending_command_is_returned_not_doubled(store: Store) -> None:
    apply = queued(store)
    claimed(store)
    first = store.request(apply.apply_uid, "stop", "ann")
    assert store.request(apply.apply_uid, "stop", "bob") == first
    assert len(store.pending_requests(apply.id)) == 1


def test_a_stop_supersedes_a_cutover(store: Store) -> None:
    apply = queued(store)
    claim = claimed(store)
    move(store, claim, W, W)
    cutover = store.request(apply.apply_uid, "cutover", "ann")
    store.request(apply.apply_uid, "stop", "bob")
    assert store.control_request(cutover.id).state == "superseded"
    with pytest.raises(Refused, match="being stopped"):
        store.request(apply.apply_uid, "cutover", "ann")


def test_a_cutover_makes_a_parked_apply_due_at_once(store: Store) -> None:
    apply = queued(store)
    claim = claimed(store)
    move(store, claim, W, W)
    store.park(claim, 1000.0)
    request = store.request(apply.apply_uid, "cutover", "ann")
    assert (request.state, store.next_due()) == ("pending", 0)
    heir = claimed(store)
    assert heir.attempt == 0
    store.complete(heir)
    assert store.control_request(request.id).state == "superseded"


@pytest.mark.parametrize("kind", ["stop", "start", "cancel", "cutover"])
@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED, State.CANCELLED])
def test_co_2_a_terminal_apply_takes_no_command_and_says_what_would_work(
    store: Store, state: State, kind: str
) -> None:
    apply = driven_to(store, state)
    with pytest.raises(Refused, match="already") as refusal:
        store.request(apply.apply_uid, kind, "ann")
    assert state is State.COMPLETED or "plan again" in str(refusal.value)
    assert now(store, apply) == apply


@pytest.mark.parametrize(
    ("state", "kind", "words"),
    [
        (State.STOPPED, "stop", "start or cancel"),
        (State.STOPPED, "cutover", "start it first"),
        (State.PENDING, "start", "only a stopped"),
        (State.PENDING, "cutover", "when it is waiting_for_cutover"),
        (R, "cutover", "when it is waiting_for_cutover"),
        (State.FAILED_RETRYABLE, "start", "only a stopped"),
        (State.PENDING, "volume", "unknown command"),
    ],
)
def test_co_2_a_command_that_makes_no_sense_is_refused_with_advice(
    store: Store, state: State, kind: str, words: str
) -> None:
    apply = driven_to(store, state)
    before = store.events(apply.id)
    with pytest.raises(Refused, match=words):
        store.request(apply.apply_uid, kind, "ann")
    assert (now(store, apply), store.events(apply.id)) == (apply, before)


@pytest.mark.parametrize("kind", ["stop", "start", "cutover"])
def test_while_it_is_being_cancelled_nothing_else_is_taken(store: Store, kind: str) -> None:
    apply = queued(store)
    move(store, claimed(store), W, W)
    store.request(apply.apply_uid, "cancel", "ann")
    with pytest.raises(Refused, match="being cancelled"):
        store.request(apply.apply_uid, kind, "bob")


def test_a_start_while_it_is_being_stopped_is_refused(store: Store) -> None:
    apply = queued(store)
    claimed(store)
    store.request(apply.apply_uid, "stop", "ann")
    with pytest.raises(Refused, match="being stopped"):
        store.request(apply.apply_uid, "start", "ann")


def test_unknown_applies_and_commands_are_not_found(store: Store) -> None:
    with pytest.raises(NotFound, match="apply not found: apply-x"):
        store.request("apply-x", "stop", "ann")
    with pytest.raises(NotFound, match="control request not found: 7"):
        store.control_request(7)
    apply = queued(store)
    with pytest.raises(NotFound, match="no control request 7"):
        store.settle_stop(claimed(store), 7)
    assert now(store, apply).leased, "a refused write must not let go"


def test_every_command_is_in_the_log_with_its_caller(store: Store) -> None:
    apply = queued(store)
    for kind in ("stop", "start", "cancel"):
        store.request(apply.apply_uid, kind, "ann")
    logged = [
        (event.event_type, event.message)
        for event in store.events(apply.id)
        if "_requested" in event.event_type
    ]
    assert logged == [
        ("stop_requested", "Stop requested by ann"),
        ("start_requested", "Start requested by ann"),
        ("cancel_requested", "Cancel requested by ann"),
    ]


def test_an_option_changes_while_the_apply_lives_and_says_what_it_was(store: Store) -> None:
    apply = queued(store, options={"defer_cutover": "true"})
    claim = claimed(store)
    assert store.set_option(apply.apply_uid, "volume", "7", "ann") is None
    assert store.set_option(apply.apply_uid, "volume", "9", "bob") == "7"
    assert store.set_option(apply.apply_uid, "volume", "9", "bob") == "9"
    assert now(store, apply).options == {"defer_cutover": "true", "volume": "9"}
    said = [event.message for event in store.events(apply.id) if event.event_type == "option_changed"]
    assert said == ["volume set to 7 by ann (was not set)", "volume set to 9 by bob (was 7)"]
    move(store, claim, R, R)  # the driver keeps its lease


def test_an_option_of_a_finished_apply_does_not_change(store: Store) -> None:
    apply = driven_to(store, State.COMPLETED)
    with pytest.raises(Refused, match="already completed"):
        store.set_option(apply.apply_uid, "volume", "7", "ann")
    with pytest.raises(NotFound):
        store.set_option("apply_none", "volume", "7", "ann")
    assert now(store, apply).options == {}
