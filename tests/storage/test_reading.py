"""Views, locks and settings."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from storage.base import Store
from storage.errors import LockHeld, NotFound, NotOwner
from storage.records import Sought
from storage.states import TERMINAL, State
from tests.storage.scene import R, W, claimed, driven_to, move, now, queued
from tests.waiting import until


def test_active_and_latest_apply_of_a_target(store: Store) -> None:
    assert store.active_apply("shop", "local") is None
    assert store.latest_apply("shop", "local") is None
    first = driven_to(store, State.COMPLETED)
    assert store.active_apply("shop", "local") is None
    second = driven_to(store, State.STOPPED)
    assert store.active_apply("shop", "local") == second
    assert store.latest_apply("shop", "local") == second
    assert store.latest_apply("shop", "production") is None
    store.request(second.apply_uid, "cancel", "ann")
    assert store.latest_apply("shop", "local") == now(store, second)
    assert first.id < second.id


def test_a_heartbeat_does_not_break_the_silence_of_a_driver_that_says_nothing(store: Store) -> None:
    apply = queued(store)
    claim = claimed(store)
    until("some time has passed", lambda: store.silence(apply.id) > 0.05)
    before = store.silence(apply.id)
    store.heartbeat([claim])
    assert store.silence(apply.id) >= before
    waited = time.monotonic()
    store.record(claim, [], durable=False)
    assert store.silence(apply.id) <= time.monotonic() - waited + 0.01, "rounded to milliseconds"


def test_history_is_newest_first_and_filtered_by_environment(store: Store) -> None:
    made = [driven_to(store, State.COMPLETED, environment=env).id for env in ("local", "prod", "local")]
    driven_to(store, State.COMPLETED, "other")
    assert [apply.id for apply in store.history("shop")] == made[::-1]
    assert [apply.id for apply in store.history("shop", "prod")] == [made[1]]
    assert [apply.id for apply in store.history("shop", limit=2)] == made[:0:-1]


def test_recent_applies_come_by_their_start_or_else_their_creation(store: Store) -> None:
    first = queued(store, "a")
    second = queued(store, "b")
    assert [apply.id for apply in store.recent()] == [second.id, first.id]
    until("the clock moves on", lambda: datetime.now(UTC) > second.created_at + timedelta(milliseconds=2))
    claim = claimed(store)
    move(store, claim, R)
    assert [apply.id for apply in store.recent(1)] == [first.id], "started after the other was made"


def test_events_are_the_newest_ones_in_ascending_order(store: Store) -> None:
    apply = queued(store)
    claim = claimed(store)
    for n in range(10):
        store.log(claim, "debug", "progress", f"line {n}")
    assert [event.message for event in store.events(apply.id, 3)] == ["line 7", "line 8", "line 9"]
    event = store.events(apply.id, 1)[0]
    assert (event.apply_uid, event.level, event.event_type, event.fence) == (
        apply.apply_uid,
        "debug",
        "progress",
        1,
    )


def test_attempts_tell_who_drove_when_and_how_it_ended(store: Store) -> None:
    apply = queued(store)
    store.hand_back(claimed(store, "ann's"))
    claimed(store, "bob's", lease=0.0)
    store.complete(claimed(store, "eve's"))
    assert [(a.fence, a.attempt, a.owner, a.outcome) for a in store.attempts(apply.id)] == [
        (1, 0, "ann's", "handed_back"),
        (2, 0, "bob's", "lease_expired"),
        (3, 1, "eve's", "completed"),
    ]
    assert all(attempt.ended_at is not None for attempt in store.attempts(apply.id))


def test_counts_are_of_live_applies_only(store: Store) -> None:
    for n, state in enumerate([State.PENDING, State.COMPLETED, State.STOPPED, W, State.FAILED]):
        driven_to(store, state, f"db{n}")
        while (due := store.next_due()) is not None and due <= 0:
            claimed(store, lease=600.0)
    assert store.counts() == {"pending": 1, "stopped": 1, "waiting_for_cutover": 1}


def test_odd_text_survives(store: Store) -> None:
    apply = queued(store)
    store.fail(claimed(store), None, "no such table: 'café' \x00 ☃ \ud800")
    assert now(store, apply).error == "no such table: 'café' \x00 ☃ ?"


def test_a_lock_is_taken_once_and_got_again_by_its_owner(store: Store) -> None:
    first = store.acquire_lock("shop", "sqlite", "cli:ann", "org/repo", 7)
    assert (first.owner, first.repository, first.pull_request) == ("cli:ann", "org/repo", 7)
    assert store.acquire_lock("shop", "sqlite", "cli:ann") == first
    with pytest.raises(LockHeld, match="already held by another owner"):
        store.acquire_lock("shop", "sqlite", "cli:bob")
    assert store.acquire_lock("shop", "mysql", "cli:bob").owner == "cli:bob"
    assert store.lock("shop", "sqlite") == first
    assert {lock.owner for lock in store.locks()} == {"cli:ann", "cli:bob"}


def test_a_lock_is_released_by_its_owner_or_by_force(store: Store) -> None:
    with pytest.raises(NotFound, match="lock not found"):
        store.release_lock("shop", "sqlite", "cli:ann")
    store.acquire_lock("shop", "sqlite", "cli:ann")
    with pytest.raises(NotOwner):
        store.release_lock("shop", "sqlite", "cli:bob")
    store.release_lock("shop", "sqlite", "cli:bob", force=True)
    with pytest.raises(NotFound, match="lock not found"):
        store.lock("shop", "sqlite")
    store.acquire_lock("shop", "sqlite", "cli:ann")
    store.release_lock("shop", "sqlite", "cli:ann")
    assert store.locks() == []


def test_settings_are_kept_replaced_and_sorted(store: Store) -> None:
    with pytest.raises(NotFound, match="setting not found"):
        store.setting("b")
    for key, value in (("b", "1"), ("a", "2"), ("b", "3")):
        store.set_setting(key, value)
    assert store.setting("b") == "3"
    assert list(store.settings().items()) == [("a", "2"), ("b", "3")]


def test_recent_applies_are_those_that_are_sought(store: Store) -> None:
    ended = driven_to(store, State.COMPLETED, environment="prod")
    stopped = driven_to(store, State.STOPPED)
    waiting = queued(store, "other")
    found = {apply.id for apply in store.recent(9, Sought())}
    assert found == {ended.id, stopped.id, waiting.id}

    def sought(limit: int = 9, **question: Any) -> list[int]:
        return [apply.id for apply in store.recent(limit, Sought(**question))]

    assert sought(environment="prod") == [ended.id]
    assert sought(environment="local", limit=1) == [waiting.id]
    assert sought(deployment=stopped.deployment, environment="local") == [stopped.id]
    assert sought(deployment="nowhere") == []
    assert sought(states=frozenset({State.COMPLETED, State.STOPPED}), environment="local") == [stopped.id]
    live = frozenset(State) - TERMINAL
    assert sought(states=live) == [waiting.id, stopped.id], "newest first, from the index of live ones"
    assert sought(states=live, environment="prod") == []
    assert sought(states=frozenset()) == []
    assert sought(within_seconds=3600.0, environment="prod") == [ended.id]
    later = waiting.updated_at + timedelta(milliseconds=20)
    until("the clock moves on", lambda: datetime.now(UTC) > later)
    assert sought(within_seconds=0.01) == []
