"""Applies whose work is done elsewhere: commands wait for a driver who can tell them there."""

import pytest

from storage.base import Store
from storage.errors import LeaseLost
from storage.records import Apply
from storage.states import State
from tests.storage.scene import R, W, claimed, move, now, queued, task_states

FAR = "apply-00ff00ff00ff00ff"


def handed_over(store: Store, state: State) -> Apply:
    """An apply that was attached, came into *state* and has no driver."""
    apply = queued(store)
    claim = claimed(store)
    move(store, claim, R, R)
    store.attach(claim, FAR)
    if state is State.FAILED_RETRYABLE:
        store.retry_later(claim, None, "out of sight", 3600.0)
    elif state is State.WAITING_FOR_CUTOVER:
        move(store, claim, W, W)
        store.park(claim, 3600.0)
    elif state is State.STOPPED:
        store.settle_stop(claim, store.request(apply.apply_uid, "stop", "ann").id)
    else:
        store.hand_back(claim)
    return now(store, apply)


def test_the_id_it_has_elsewhere_is_kept_and_told(store: Store) -> None:
    apply = handed_over(store, R)

    assert apply.external_id == FAR
    assert [event.message for event in store.events(apply.id) if FAR in event.message] == [
        f"External id: {FAR}"
    ]


def test_ow_2_only_the_owner_attaches(store: Store) -> None:
    apply = queued(store)
    old = claimed(store)
    store.hand_back(old)
    claimed(store, "another")

    with pytest.raises(LeaseLost):
        store.attach(old, FAR)
    assert now(store, apply).external_id == ""


@pytest.mark.parametrize("state", [R, W, State.FAILED_RETRYABLE])
def test_co_1_a_stop_is_not_true_before_a_driver_had_it_confirmed_elsewhere(
    store: Store, state: State
) -> None:
    apply = handed_over(store, state)

    asked = store.request(apply.apply_uid, "stop", "ann")

    assert asked.state == "pending"
    assert now(store, apply).state is not State.STOPPED
    claim = claimed(store)
    store.settle_stop(claim, asked.id)
    assert now(store, apply).state is State.STOPPED
    assert store.control_request(asked.id).state == "done"


def test_co_1_a_driver_that_lost_sight_of_it_leaves_the_stop_open(store: Store) -> None:
    apply = handed_over(store, R)
    claim = claimed(store)
    asked = store.request(apply.apply_uid, "stop", "ann")

    store.retry_later(claim, None, "out of sight", 0.0)

    assert now(store, apply).state is State.FAILED_RETRYABLE
    assert [open_.id for open_ in store.pending_requests(apply.id)] == [asked.id]
    assert claimed(store).apply_uid == apply.apply_uid


def test_a_start_waits_for_the_driver_who_tells_it_elsewhere(store: Store) -> None:
    apply = handed_over(store, State.STOPPED)

    asked = store.request(apply.apply_uid, "start", "ann")

    assert (asked.state, asked.affected, asked.skipped) == ("pending", 2, 0)
    assert task_states(store, apply) == ["pending", "pending"]
    claim = claimed(store)
    store.settle(claim, asked.id, "done", "")
    assert store.pending_requests(apply.id) == []


def test_a_stop_takes_the_place_of_a_start_that_was_not_told_yet(store: Store) -> None:
    apply = handed_over(store, State.STOPPED)
    start = store.request(apply.apply_uid, "start", "ann")

    stop = store.request(apply.apply_uid, "stop", "bob")

    assert store.control_request(start.id).state == "superseded"
    assert [open_.id for open_ in store.pending_requests(apply.id)] == [stop.id]


def test_what_was_not_handed_over_after_all_is_stopped_here(store: Store) -> None:
    apply = handed_over(store, R)
    claim = claimed(store)
    store.attach(claim, "")
    store.hand_back(claim)

    assert store.request(apply.apply_uid, "stop", "ann").state == "done"
    assert now(store, apply).state is State.STOPPED
