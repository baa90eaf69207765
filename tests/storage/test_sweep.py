"""Expiry: what is given up, when, by whom; and clocks that go back."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from storage.base import Store
from storage.errors import LeaseLost
from storage.records import Apply, Claim
from storage.registry import open_store
from storage.states import State
from tests.storage.kinds import Clock, Known
from tests.storage.scene import C, R, claimed, move, now, queued, task_states


def spent(store: Store, database: str = "shop", **fields: Any) -> Apply:
    """An apply whose every retry failed."""
    apply = queued(store, database, 3, max_attempts=2, **fields)
    claim = claimed(store)
    move(store, claim, C, R)
    store.retry_later(claim, 1, "error 0", 0.0)
    for n in (1, 2):
        claim = claimed(store)
        assert claim.apply_id == apply.id
        store.retry_later(claim, 1, f"error {n}", 0.0)
    return apply


def test_a_spent_budget_ends_the_apply_and_keeps_the_engines_last_error(store: Store) -> None:
    apply = spent(store)
    expired = store.expire_retryable()
    assert [(found.apply_uid, found.attempt) for found in expired] == [(apply.apply_uid, 2)]
    assert "2 of 2 attempts" in expired[0].reason
    found = now(store, apply)
    assert (found.state, found.error, found.fence) == (State.FAILED, "error 2", 4)
    assert task_states(store, apply) == ["completed", "failed", "cancelled"]
    last = store.events(apply.id)[-1]
    assert (last.level, last.new_state) == ("error", "failed")
    assert "2 of 2" in last.message
    assert "error 2" in last.message


def test_nothing_is_expired_before_its_time(store: Store) -> None:
    queued(store, "queued", max_attempts=1)
    claimed(store, lease=60.0)
    queued(store, "driven", max_attempts=1)
    claimed(store, lease=60.0)
    waiting = queued(store, "waiting", max_attempts=1)
    for delay in (0.0, 3600.0):
        store.retry_later(claimed(store), None, "flaky", delay)
    assert store.expire_retryable() == []
    assert now(store, waiting).attempt == 1


def test_a_retry_that_sat_too_long_is_given_up_even_before_it_is_due(store: Store) -> None:
    apply = queued(store)
    store.retry_later(claimed(store), None, "flaky", 3600.0)
    expired = store.expire_retryable(0.0)
    assert [found.apply_uid for found in expired] == [apply.apply_uid]
    assert "retrying for more than" in expired[0].reason


def test_a_change_does_not_spring_to_life_days_later(stage: Known) -> None:
    """Not even when the claim comes before the sweep."""
    clock = Clock()
    with stage.open(clock=clock) as store:
        apply = queued(store)
        store.retry_later(claimed(store), None, "flaky", 5.0)
        clock.offset = 86_400.0 + 60.0
        assert store.claim("worker", 60.0) is None
        assert store.next_due() is None
        assert [found.apply_uid for found in store.expire_retryable()] == [apply.apply_uid]


def test_a_driver_that_died_in_the_last_attempt_is_named_and_its_tasks_fail(store: Store) -> None:
    apply = queued(store, "shop", 3, max_attempts=1)
    claimed(store, lease=0.0)
    zombie = claimed(store, lease=0.0)
    move(store, zombie, R)
    stop = store.request(apply.apply_uid, "stop", "ann")
    assert "its driver died" in store.expire_retryable()[0].reason
    assert task_states(store, apply) == ["failed", "cancelled", "cancelled"]
    assert store.attempts(apply.id)[-1].outcome == "expired"
    assert store.control_request(stop.id).state == "superseded"
    with pytest.raises(LeaseLost):
        store.complete(zombie)


def test_a_driver_that_died_before_it_began_anything_fails_the_first_task(store: Store) -> None:
    apply = queued(store, max_attempts=1)
    for _ in range(2):
        claimed(store, lease=0.0)
    store.expire_retryable()
    assert task_states(store, apply) == ["failed", "cancelled"]
    assert now(store, apply).state is State.FAILED


def test_expired_targets_are_free_again(store: Store) -> None:
    spent(store)
    store.expire_retryable()
    assert queued(store).state is State.PENDING


def test_23_the_sweep_races_the_last_completion_and_one_of_them_wins(store: Store) -> None:
    for n in range(30):
        apply = queued(store, f"db{n}", max_attempts=1)
        claimed(store, lease=0.0)
        claim = claimed(store, lease=0.0)
        move(store, claim, R)  # renews for 0 s: due at once, and the budget is spent
        completed, expired = raced(store, claim)
        assert completed is not expired, "completion xor expiry"
        assert now(store, apply).state is (State.COMPLETED if completed else State.FAILED)


def raced(store: Store, claim: Claim) -> tuple[bool, bool]:
    """Complete and sweep at once: whether the completion, whether the sweep came through."""
    start = threading.Barrier(2)

    def complete() -> bool:
        start.wait()
        try:
            store.complete(claim)
        except LeaseLost:
            return False
        return True

    def sweep() -> bool:
        start.wait()
        return bool(store.expire_retryable())

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(complete), pool.submit(sweep)]
        completed, expired = (future.result() for future in futures)
    return completed, expired


def test_24_five_hundred_rows_that_cannot_be_swept_do_not_hide_the_one_that_can(
    stage: Known, caplog: pytest.LogCaptureFixture
) -> None:
    with stage.open() as store:
        stage.generate(store, live=500)
        stage.run(
            f"""
            UPDATE applies SET state = 'failed_retryable', attempt = 10, claimable_at = {stage.early},
                               retrying_since = {stage.early}
            """
        )
        stage.jam()
        apply = spent(store)
        assert [found.apply_uid for found in store.expire_retryable()] == [apply.apply_uid]
    assert len(caplog.records) == 500, "what cannot be swept is told"


def test_24_several_sweepers_make_each_transition_once(store: Store, address: str) -> None:
    applies = [spent(store, f"db{n}") for n in range(40)]
    with open_store(address) as second:
        found: list[str] = []
        start = threading.Barrier(4)

        def sweep(who: Store) -> None:
            start.wait()
            found.extend(expired.apply_uid for expired in who.expire_retryable())

        threads = [threading.Thread(target=sweep, args=(who,)) for who in (store, store, second, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found) == sorted(apply.apply_uid for apply in applies)
    assert {now(store, apply).fence for apply in applies} == {4}


def test_i6_after_the_clock_went_back_everything_is_due_again_within_its_delay(stage: Known) -> None:
    clock = Clock()
    with stage.open(clock=clock) as store:
        dead = queued(store, "dead")
        claimed(store, lease=60.0)
        queued(store, "queued")
        clock.offset = -3600.0
        assert store.claim("worker", 60.0) is None
        assert store.expire_retryable() == []
        assert claimed(store).apply_id == dead.id + 1
        due = store.next_due()
        assert due is not None
        assert due <= 61.0
