"""Enqueue, claim, lease: the contract every store keeps."""

from typing import Any

import pytest

from storage.base import Store
from storage.errors import KeyReused, LeaseLost, NotFound, Refused, TargetBusy
from storage.records import NewApply, TaskMove, TaskProgress
from storage.states import State
from tests.storage.scene import (
    C,
    R,
    W,
    a_plan,
    a_request,
    claimed,
    driven_to,
    move,
    now,
    queued,
    task_states,
)
from tests.waiting import until

# -- in -----------------------------------------------------------------------------------------------------------


def test_a_plan_comes_back_as_it_was_saved_and_is_never_changed(store: Store) -> None:
    plan = a_plan("shop", 2)
    store.save_plan(plan)
    store.save_plan(a_plan("other", 1, plan.plan_id))
    found = store.plan(plan.plan_id)
    assert found.database == "shop"
    assert list(found.changes) == list(plan.changes)
    assert (found.schema_files, found.fingerprints) == (plan.schema_files, plan.fingerprints)
    assert list(found.findings) == list(plan.findings)
    assert found.created_at is not None


def test_an_unknown_plan_or_apply_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound, match="plan not found: plan-x"):
        store.plan("plan-x")
    with pytest.raises(NotFound, match="plan not found"):
        store.enqueue(a_request("nowhere"))
    with pytest.raises(NotFound, match="apply not found: apply-x"):
        store.apply("apply-x")


def test_an_enqueued_apply_is_pending_with_the_plans_tasks_in_order(store: Store) -> None:
    apply = queued(store, "shop", 3, options={"defer_cutover": "true"})
    assert (apply.state, apply.attempt, apply.fence, apply.leased) == (State.PENDING, 0, 0, False)
    assert apply.options == {"defer_cutover": "true"}
    assert apply.apply_uid.startswith("apply-")
    assert len(apply.apply_uid) == 22
    tasks = store.tasks(apply.id)
    assert [(task.seq, task.table, task.state) for task in tasks] == [
        (n, f"t{n}", State.PENDING) for n in range(3)
    ]
    assert (tasks[0].ddl, tasks[0].strategy) == ('CREATE TABLE "t0"(a);', "instant")
    assert all(task.task_uid.startswith("task-") for task in tasks)
    assert store.next_due() == 0
    assert [event.new_state for event in store.events(apply.id)] == ["pending"]


def test_21_the_same_key_and_request_give_the_same_apply_even_when_it_is_over(store: Store) -> None:
    first = queued(store, idempotency_key="k")
    assert queued(store, idempotency_key="k").id == first.id
    store.complete(claimed(store))
    assert queued(store, idempotency_key="k").state is State.COMPLETED
    assert len(store.history("shop")) == 1


def test_21_what_a_key_made_is_found_by_the_same_request_alone(store: Store) -> None:
    asked = a_request("shop", idempotency_key="k")
    assert store.made_before(asked) is None
    made = queued(store, idempotency_key="k")
    assert store.made_before(a_request("shop")) is None
    found = store.made_before(asked)
    assert found is not None
    assert found.id == made.id
    with pytest.raises(KeyReused, match=made.apply_uid):
        store.made_before(a_request("shop", idempotency_key="k", caller="bob"))


@pytest.mark.parametrize(
    "other", [{"caller": "bob"}, {"deployment": "x"}, {"environment": "prod"}, {"options": {"a": "b"}}]
)
def test_21_the_same_key_for_another_request_is_refused(store: Store, other: dict[str, Any]) -> None:
    first = queued(store, idempotency_key="k")
    with pytest.raises(KeyReused, match=first.apply_uid):
        queued(store, idempotency_key="k", **other)


@pytest.mark.parametrize(
    "state", sorted(set(State) & {State.PENDING, R, W, State.STOPPED, State.FAILED_RETRYABLE})
)
def test_ow_4_a_live_apply_holds_its_target_and_is_named(store: Store, state: State) -> None:
    holder = driven_to(store, state)
    with pytest.raises(TargetBusy, match=holder.apply_uid) as refusal:
        queued(store)
    assert (refusal.value.apply_uid, refusal.value.state) == (holder.apply_uid, state)
    assert len(store.history("shop")) == 1, "the refused apply left something behind"


@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED, State.CANCELLED])
def test_ow_4_a_terminal_apply_frees_its_target(store: Store, state: State) -> None:
    driven_to(store, state)
    assert queued(store).state is State.PENDING


def test_ow_4_another_environment_is_another_target(store: Store) -> None:
    queued(store)
    assert queued(store, environment="production").state is State.PENDING


# -- out ----------------------------------------------------------------------------------------------------------


def test_nothing_due_is_none(store: Store) -> None:
    assert store.claim("worker", 60.0) is None
    assert store.next_due() is None


def test_applies_are_claimed_in_the_order_they_fell_due(store: Store) -> None:
    applies = [queued(store, f"db{n}") for n in range(5)]
    assert [claimed(store).apply_uid for _ in applies] == [apply.apply_uid for apply in applies]
    assert store.claim("worker", 60.0) is None


def test_ow_1_a_claim_moves_nothing_but_ownership(store: Store) -> None:
    apply = queued(store)
    claim = claimed(store, "host:1:boot:w")
    found = now(store, apply)
    assert (claim.fence, claim.attempt, found.fence, found.attempt) == (1, 0, 1, 0)
    assert (found.state, found.started_at, found.leased, found.lease_owner) == (
        State.PENDING,
        None,
        True,
        "host:1:boot:w",
    )
    due = store.next_due()
    assert due is not None
    assert 50 < due <= 60, "a lease ends some day"


def test_tokens_are_never_the_same(store: Store) -> None:
    queued(store)
    assert len({claimed(store, lease=0.0).token for _ in range(5)}) == 5


def test_a_retry_bumps_the_attempt_and_puts_its_tasks_back_to_pending(store: Store) -> None:
    apply = queued(store)
    claim = claimed(store)
    move(store, claim, C, R)
    store.retry_later(claim, 1, "connection lost", 0.0)
    assert task_states(store, apply) == ["completed", "failed_retryable"]
    assert (now(store, apply).state, now(store, apply).error) == (State.FAILED_RETRYABLE, "connection lost")
    assert claimed(store).attempt == 1
    assert task_states(store, apply) == ["completed", "pending"], "RC-1: a completed task is not run again"
    assert [task.attempt for task in store.tasks(apply.id)] == [0, 1]
    assert now(store, apply).state is State.PENDING


def test_a_retry_waits_for_its_delay(store: Store) -> None:
    apply = queued(store)
    store.retry_later(claimed(store), None, "flaky", 100.0)
    assert store.claim("worker", 60.0) is None
    due = store.next_due()
    assert due is not None
    assert 90 < due <= 100
    assert now(store, apply).next_attempt_at is not None


def test_a_lease_that_ran_out_is_claimed_with_a_bump_and_a_word_in_the_log(store: Store) -> None:
    apply = queued(store)
    move(store, claimed(store, "dead", lease=0.0), R)
    second = claimed(store, "heir")
    assert (second.fence, second.attempt) == (2, 1)
    assert task_states(store, apply) == ["running", "pending"], (
        "the heir looks at the target; the store guesses nothing"
    )
    assert [attempt.outcome for attempt in store.attempts(apply.id)] == ["lease_expired", ""]
    assert "dead" in store.events(apply.id)[-1].message


def test_23_the_first_run_and_max_attempts_retries_then_nothing(store: Store) -> None:
    apply = queued(store, max_attempts=3)
    runs = 0
    while (claim := store.claim("worker", 60.0)) is not None:
        runs += 1
        store.retry_later(claim, None, "flaky", 0.0)
    assert runs == 4
    assert now(store, apply).attempt == 3
    assert store.next_due() is None, "an exhausted apply must not make the poller spin"
    assert [expired.attempt for expired in store.expire_retryable()] == [3]


def test_23_a_crash_in_the_last_attempt_is_not_handed_out_again(store: Store) -> None:
    apply = queued(store, max_attempts=2)
    while store.claim("crasher", 0.0) is not None:
        pass
    assert [(a.attempt, a.outcome) for a in store.attempts(apply.id)] == [
        (0, "lease_expired"),
        (1, "lease_expired"),
        (2, ""),
    ]
    assert [expired.apply_uid for expired in store.expire_retryable()] == [apply.apply_uid]
    assert now(store, apply).state is State.FAILED


@pytest.mark.parametrize("bumped", [True, False])
def test_i4_a_hand_back_costs_nothing(store: Store, bumped: bool) -> None:
    apply = queued(store)
    if bumped:
        store.retry_later(claimed(store), None, "flaky", 0.0)
    store.hand_back(claimed(store))
    found = now(store, apply)
    assert (found.attempt, found.leased, store.next_due()) == (0, False, 0)
    again = claimed(store)
    assert again.attempt == 0
    assert again.fence == found.fence + 1


@pytest.mark.parametrize(("told", "next_one"), [(22, 23), (1, 3)])
def test_i2_a_hand_back_raises_the_fence_and_never_lowers_it(store: Store, told: int, next_one: int) -> None:
    apply = queued(store)
    store.hand_back(claimed(store))
    store.hand_back(claimed(store), fence=told)
    assert now(store, apply).attempt == 0
    assert claimed(store).fence == next_one


def test_i4_at_the_last_attempt_a_hand_back_and_a_park_still_lead_on(store: Store) -> None:
    apply = queued(store, max_attempts=1)
    store.retry_later(claimed(store), None, "flaky", 0.0)
    for _ in range(3):
        claim = claimed(store)
        store.hand_back(claim)
    claim = claimed(store)
    move(store, claim, W, W)
    store.park(claim, 0.0)
    for _ in range(3):
        store.park(claimed(store), 0.0)
    assert now(store, apply).attempt == 0


def test_i4_progress_after_the_bump_is_not_given_back_twice(store: Store) -> None:
    apply = queued(store)
    store.retry_later(claimed(store), None, "flaky", 0.0)
    claim = claimed(store)
    store.record(claim, [TaskProgress(seq=0, rows_copied=5, rows_total=9)], durable=True)
    store.hand_back(claim)
    assert now(store, apply).attempt == 0


def test_i4_an_attempt_that_is_not_spent_gives_back_what_its_claim_cost_and_no_more(store: Store) -> None:
    apply = queued(store)
    attempts = []
    for spent in (False, True, True, False, False, True):
        store.retry_later(claimed(store), None, "flaky", 0.0, spent=spent)
        attempts.append(now(store, apply).attempt)
    assert attempts == [0, 1, 2, 2, 2, 3]


@pytest.mark.parametrize("progress", ["task", "checkpoint"])
def test_durable_progress_resets_the_budget(store: Store, progress: str) -> None:
    apply = queued(store)
    for _ in range(3):
        store.retry_later(claimed(store), None, "flaky", 0.0)
    claim = claimed(store)
    assert claim.attempt == 3
    store.record(claim, [TaskProgress(seq=0, rows_copied=1, rows_total=2)], durable=False)
    assert now(store, apply).attempt == 3
    if progress == "task":
        store.advance(claim, [TaskMove(seq=0, state=C)])
    else:
        store.record(claim, [TaskProgress(seq=0, rows_copied=2, rows_total=2)], durable=True)
    assert now(store, apply).attempt == 0


# -- lease --------------------------------------------------------------------------------------------------------


def test_12_an_expired_lease_that_nobody_took_revives(store: Store) -> None:
    queued(store)
    claim = claimed(store, lease=0.0)
    assert store.heartbeat([claim]) == frozenset()
    store.complete(claim)


def test_12_a_stolen_lease_is_proven_lost_and_two_beats_at_once_are_not(store: Store) -> None:
    queued(store, "a")
    stolen = claimed(store, lease=0.0)
    owner = claimed(store)
    assert store.heartbeat([stolen, owner, owner]) == {stolen.token}
    assert store.heartbeat([owner]) == frozenset()
    assert store.heartbeat([]) == frozenset()


def test_a_heartbeat_renews_many_leases(store: Store) -> None:
    claims = []
    for n in range(120):
        queued(store, f"db{n}", 0)
        claims.append(claimed(store, lease=60.0))
    assert store.heartbeat(claims) == frozenset()
    assert store.claim("thief", 60.0) is None


def test_every_guarded_write_renews_the_lease(store: Store) -> None:
    queued(store)
    claim = claimed(store, lease=0.0)
    long = type(claim)(**{name: getattr(claim, name) for name in claim.__slots__} | {"lease_seconds": 60.0})
    store.log(long, "info", "info", "still here")
    assert store.claim("thief", 60.0) is None


def test_orphans_are_due_at_once_and_count_as_died_drivers(store: Store) -> None:
    for name in ("a", "b", "c"):
        queued(store, name)
    held = [claimed(store), claimed(store)]
    assert store.release_orphans() == 2
    heirs = [claimed(store) for _ in range(3)]
    assert sorted((heir.apply_id, heir.attempt) for heir in heirs) == [
        (held[0].apply_id, 1),
        (held[1].apply_id, 1),
        (held[1].apply_id + 1, 0),
    ]
    assert store.heartbeat(held) == {claim.token for claim in held}
    said = [event.message for event in store.events(held[0].apply_id)]
    assert any(f"{held[0].owner} ended without letting go" in text for text in said), said
    assert not any("ran out" in text for text in said), "its lease had most of its time before it"


def test_a_lease_that_ran_out_is_told(store: Store) -> None:
    queued(store)
    late = claimed(store, lease=0.001)
    until("the lease is over", lambda: store.next_due() == 0)
    claimed(store)
    said = [event.message for event in store.events(late.apply_id)]
    assert any(f"The lease of {late.owner} ran out" in text for text in said), said


# -- parking ------------------------------------------------------------------------------------------------------


def test_co_5_a_parked_apply_is_due_again_after_its_delay_and_spends_nothing(store: Store) -> None:
    apply = queued(store)
    claim = claimed(store)
    move(store, claim, C, W)
    store.park(claim, 30.0)
    found = now(store, apply)
    assert (found.state, found.leased, found.attempt) == (W, False, 0)
    due = store.next_due()
    assert due is not None
    assert 25 < due <= 30
    with pytest.raises(LeaseLost):
        store.log(claim, "info", "info", "late")


def test_parking_is_progress(store: Store) -> None:
    apply = queued(store)
    store.retry_later(claimed(store), None, "flaky", 0.0)
    claim = claimed(store)
    move(store, claim, W, W)
    assert now(store, apply).attempt == 1
    store.park(claim, 0.0)
    assert now(store, apply).attempt == 0, "it is in step with its table again"


@pytest.mark.parametrize("kind", ["cutover", "stop", "cancel"])
def test_no_command_is_slept_through_by_a_parked_apply(store: Store, kind: str) -> None:
    apply = queued(store)
    claim = claimed(store)
    move(store, claim, W, W)
    store.request(apply.apply_uid, kind, "ann")
    store.park(claim, 1000.0)
    assert store.next_due() == 0


def test_only_a_change_that_waits_for_its_cutover_is_parked(store: Store) -> None:
    queued(store)
    claim = claimed(store)
    move(store, claim, R)
    with pytest.raises(Refused, match="only a change waiting"):
        store.park(claim, 30.0)


def test_a_plan_without_changes_can_be_enqueued_and_completed(store: Store) -> None:
    apply = queued(store, "shop", 0)
    assert store.tasks(apply.id) == []
    store.complete(claimed(store), "nothing to change")
    assert now(store, apply).state is State.COMPLETED
    assert store.events(apply.id)[-1].message == "nothing to change"


def test_the_request_may_leave_the_defaults(store: Store) -> None:
    store.save_plan(a_plan("shop"))
    apply = store.enqueue(NewApply(plan_id="plan-shop-2", environment="local", deployment="shop"))
    assert (apply.max_attempts, apply.caller, apply.options) == (10, "", {})
