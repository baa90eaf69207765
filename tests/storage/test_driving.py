"""A driver's writes: moves, progress, ends; and what a driver that is not the owner may write: nothing."""

from collections.abc import Callable

import pytest

from storage.base import Store
from storage.errors import LeaseLost, NotFound, Refused, TargetBusy
from storage.records import Claim, TaskMove, TaskProgress
from storage.states import State
from tests.storage.scene import C, R, W, X, claimed, move, now, queued, task_states


def test_advance_moves_tasks_derives_the_state_and_sets_started_once(store: Store) -> None:
    apply = queued(store)
    claim = claimed(store)
    first = move(store, claim, R)
    assert (first.state, first.started_at is not None) == (R, True)
    second = move(store, claim, C, R)
    assert (second.state, second.started_at) == (R, first.started_at)
    assert task_states(store, apply) == ["completed", "running"]
    done = store.tasks(apply.id)[0]
    assert done.started_at is not None
    assert done.completed_at is not None


def test_advance_logs_every_move_and_the_message(store: Store) -> None:
    apply = queued(store)
    claim = claimed(store)
    store.advance(claim, [TaskMove(seq=0, state=R), TaskMove(seq=1, state=R)], "t0, t1: running")
    store.advance(claim, [TaskMove(seq=0, state=W)], "t0: ready")
    events = [(e.event_type, e.task_id, e.message, e.old_state, e.new_state) for e in store.events(apply.id)][
        1:
    ]
    assert events == [
        ("task_update", 0, "t0: running", "pending", "running"),
        ("task_update", 1, "t1: running", "pending", "running"),
        ("state_transition", None, "t0, t1: running", "pending", "running"),
        ("task_update", 0, "t0: ready", "running", "waiting_for_cutover"),
    ]
    assert {event.fence for event in store.events(apply.id)[1:]} == {claim.fence}


def test_st_2_a_move_backward_is_refused_and_nothing_of_the_batch_is_kept(store: Store) -> None:
    apply = queued(store)
    claim = claimed(store)
    move(store, claim, W)
    with pytest.raises(Refused, match="cannot become running"):
        store.advance(claim, [TaskMove(seq=1, state=R), TaskMove(seq=0, state=R)])
    assert task_states(store, apply) == ["waiting_for_cutover", "pending"]


def test_staying_is_no_move(store: Store) -> None:
    apply = queued(store)
    claim = claimed(store)
    move(store, claim, R)
    before = store.events(apply.id)
    move(store, claim, R)
    assert store.events(apply.id) == before


@pytest.mark.parametrize("states", [(C, C), (State.FAILED,), (State.STOPPED,), (State.FAILED_RETRYABLE,)])
def test_ends_have_verbs_of_their_own(store: Store, states: tuple[State, ...]) -> None:
    apply = queued(store)
    claim = claimed(store)
    with pytest.raises(Refused, match="verbs of their own"):
        move(store, claim, *states)
    assert task_states(store, apply) == ["pending", "pending"]


def test_a_task_nobody_knows_is_not_found(store: Store) -> None:
    queued(store)
    with pytest.raises(NotFound, match="has no task 7"):
        store.advance(claimed(store), [TaskMove(seq=7, state=R)])


def test_progress_replaces_what_was_stored(store: Store) -> None:
    apply = queued(store)
    claim = claimed(store)
    full = TaskProgress(
        seq=0, rows_copied=5, rows_total=10, eta_seconds=3, rows_per_second=2, detail="copying rows"
    )
    store.record(claim, [full], durable=True)
    task = store.tasks(apply.id)[0]
    assert (task.rows_copied, task.rows_total, task.eta_seconds, task.rows_per_second, task.detail) == (
        5,
        10,
        3,
        2,
        "copying rows",
    )
    store.record(claim, [TaskProgress(seq=0, rows_copied=10, rows_total=10)], durable=True)
    task = store.tasks(apply.id)[0]
    assert (task.rows_copied, task.eta_seconds, task.detail) == (10, None, "")


def test_complete_ends_everything_that_lives(store: Store) -> None:
    apply = queued(store, "shop", 3)
    claim = claimed(store)
    move(store, claim, C, X)
    late = store.request(apply.apply_uid, "cancel", "ann")
    store.complete(claim, "all is live")
    found = now(store, apply)
    assert (found.state, found.leased, found.finished_at is not None, found.error) == (
        State.COMPLETED,
        False,
        True,
        "",
    )
    assert task_states(store, apply) == ["completed"] * 3
    assert store.control_request(late.id).state == "superseded", "CO-3"
    assert store.attempts(apply.id)[0].outcome == "completed"
    assert store.events(apply.id)[-1].message == "all is live"


def test_fail_names_one_task_and_cancels_the_rest(store: Store) -> None:
    apply = queued(store, "shop", 4)
    claim = claimed(store)
    move(store, claim, C, R)
    store.fail(claim, 1, "duplicate key")
    assert task_states(store, apply) == ["completed", "failed", "cancelled", "cancelled"]
    assert (now(store, apply).state, now(store, apply).error) == (State.FAILED, "duplicate key")
    assert store.tasks(apply.id)[1].error == "duplicate key"
    assert store.events(apply.id)[-1].level == "error"


def test_fail_without_a_name_means_the_first_unfinished_task(store: Store) -> None:
    apply = queued(store, "shop", 3)
    claim = claimed(store)
    move(store, claim, C)
    store.fail(claim, None, "drift")
    assert task_states(store, apply) == ["completed", "failed", "cancelled"]


@pytest.mark.parametrize("tables", [0, 1])
def test_an_apply_with_nothing_unfinished_can_still_fail_or_retry(store: Store, tables: int) -> None:
    for name, verb in (("a", "fail"), ("b", "retry")):
        apply = queued(store, name, tables + 1)
        claim = claimed(store)
        move(store, claim, *([C] * tables), R)
        if verb == "fail":
            store.fail(claim, None, "tidying failed")
            assert now(store, apply).state is State.FAILED
        else:
            store.retry_later(claim, 0, "tidying failed", 0.0)
            assert now(store, apply).state is State.FAILED_RETRYABLE
            store.complete(claimed(store))


def test_retry_later_takes_every_begun_task_and_leaves_the_others(store: Store) -> None:
    apply = queued(store, "shop", 5)
    claim = claimed(store)
    move(store, claim, C, R, W, X)
    store.retry_later(claim, None, "server going away", 0.0)
    assert task_states(store, apply) == ["completed"] + ["failed_retryable"] * 3 + ["pending"]


def test_retry_later_with_nothing_begun_takes_the_first_unfinished(store: Store) -> None:
    apply = queued(store)
    store.retry_later(claimed(store), None, "no_client", 0.0)
    assert task_states(store, apply) == ["failed_retryable", "pending"]
    assert now(store, apply).started_at is None, "nothing was begun"


def test_co_1_a_stop_that_meets_a_retry_is_settled_there(store: Store) -> None:
    apply = queued(store)
    claim = claimed(store)
    move(store, claim, R)
    stop = store.request(apply.apply_uid, "stop", "ann")
    store.retry_later(claim, 0, "connection lost", 5.0)
    assert (now(store, apply).state, now(store, apply).error) == (State.STOPPED, "connection lost")
    assert store.control_request(stop.id).state == "done"
    assert store.claim("worker", 60.0) is None


def test_settle_stop_and_start_again(store: Store) -> None:
    apply = queued(store, "shop", 3)
    claim = claimed(store)
    move(store, claim, C, R)
    stop = store.request(apply.apply_uid, "stop", "ann")
    assert stop.state == "pending"
    store.settle_stop(claim, stop.id)
    settled = store.control_request(stop.id)
    assert (settled.state, settled.affected, settled.skipped) == ("done", 2, 1)
    assert task_states(store, apply) == ["completed", "stopped", "stopped"]
    assert now(store, apply).state is State.STOPPED


def test_a_cancel_that_overtakes_a_stop_keeps_the_apply_due(store: Store) -> None:
    apply = queued(store)
    claim = claimed(store)
    move(store, claim, R)
    stop = store.request(apply.apply_uid, "stop", "ann")
    cancel = store.request(apply.apply_uid, "cancel", "bob")
    assert store.control_request(stop.id).state == "superseded"
    store.settle_stop(claim, stop.id)
    assert store.control_request(cancel.id).state == "pending"
    heir = claimed(store)
    store.settle_cancel(heir, cancel.id)
    assert now(store, apply).state is State.CANCELLED
    assert task_states(store, apply) == ["cancelled", "cancelled"]


@pytest.mark.parametrize("state", ["done", "failed", "superseded"])
def test_settle_closes_one_command_and_nothing_else(store: Store, state: str) -> None:
    apply = queued(store)
    claim = claimed(store)
    move(store, claim, W, W)
    cutover = store.request(apply.apply_uid, "cutover", "ann")
    store.settle(claim, cutover.id, state, "because")
    settled = store.control_request(cutover.id)
    assert (settled.state, settled.reason, settled.settled_at is not None) == (state, "because", True)
    assert store.pending_requests(apply.id) == []
    assert now(store, apply).state is W
    store.settle(claim, cutover.id, "failed", "too late")
    assert store.control_request(cutover.id).reason == "because", "a settled command stays as it was settled"


VERBS: dict[str, Callable[[Store, Claim, int], object]] = {
    "advance": lambda store, claim, request: store.advance(claim, [TaskMove(seq=0, state=X)]),
    "record": lambda store, claim, request: store.record(
        claim, [TaskProgress(seq=0, rows_copied=99, rows_total=99)], durable=True
    ),
    "log": lambda store, claim, request: store.log(claim, "error", "error", "I was here"),
    "attach": lambda store, claim, request: store.attach(claim, "apply-elsewhere"),
    "complete": lambda store, claim, request: store.complete(claim),
    "fail": lambda store, claim, request: store.fail(claim, 0, "I failed"),
    "retry_later": lambda store, claim, request: store.retry_later(claim, 0, "again", 0.0),
    "park": lambda store, claim, request: store.park(claim, 30.0),
    "hand_back": lambda store, claim, request: store.hand_back(claim),
    "settle_stop": lambda store, claim, request: store.settle_stop(claim, request),
    "settle_cancel": lambda store, claim, request: store.settle_cancel(claim, request),
    "settle": lambda store, claim, request: store.settle(claim, request, "done", ""),
}


def test_the_list_of_verbs_below_is_complete() -> None:
    taking_a_claim = {
        name
        for name in dir(Store)
        if "claim" in getattr(getattr(Store, name), "__annotations__", {}) and not name.startswith("_")
    }
    assert taking_a_claim == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_9_ow_2_a_stale_write_is_refused_while_the_new_owner_runs(store: Store, verb: str) -> None:
    apply = queued(store)
    stale = claimed(store, "worker", lease=0.0)
    move(store, stale, R)
    claimed(store, "worker")  # the same thread claims again what it lost (10)
    request = store.request(apply.apply_uid, "stop", "ann")
    before = (now(store, apply), store.tasks(apply.id), store.events(apply.id), store.attempts(apply.id))
    with pytest.raises(LeaseLost):
        VERBS[verb](store, stale, request.id)
    assert (
        now(store, apply),
        store.tasks(apply.id),
        store.events(apply.id),
        store.attempts(apply.id),
    ) == before
    assert store.control_request(request.id).state == "pending"


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("end", ["complete", "fail", "retry_later", "hand_back", "stop", "expire"])
def test_i3_after_letting_go_nothing_more_is_written(store: Store, verb: str, end: str) -> None:
    apply = queued(store, max_attempts=1)
    claim = claimed(store, lease=0.0)
    if end == "expire":
        claim = claimed(store, lease=0.0)
    request = store.request(apply.apply_uid, "stop", "ann")
    if end == "stop":
        store.settle_stop(claim, request.id)
    elif end == "expire":
        assert store.expire_retryable()
    else:
        VERBS[end](store, claim, request.id)
    before = (now(store, apply), store.tasks(apply.id), store.events(apply.id))
    with pytest.raises(LeaseLost):
        VERBS[verb](store, claim, request.id)
    assert (now(store, apply), store.tasks(apply.id), store.events(apply.id)) == before


def test_ow_2_the_right_fence_with_a_wrong_token_is_refused(store: Store) -> None:
    queued(store)
    claim = claimed(store)
    forged = type(claim)(**{name: getattr(claim, name) for name in claim.__slots__} | {"token": "0" * 32})
    with pytest.raises(LeaseLost):
        store.complete(forged)


def test_a_completed_target_takes_the_next_apply_only_after_the_end(store: Store) -> None:
    queued(store)
    claim = claimed(store)
    with pytest.raises(TargetBusy):
        queued(store)
    store.complete(claim)
    queued(store)
