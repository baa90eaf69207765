"""The state table and the one derivation."""

import itertools

import pytest

from storage.base import Store
from storage.states import (
    APPLY_MOVES,
    APPLY_STATES,
    AT_REST,
    CLAIMABLE,
    SETUP_PHASES,
    TASK_MOVES,
    TASK_STATES,
    TERMINAL,
    State,
    derive,
    may_move,
    parse_state,
)
from tests.storage.scene import claimed, driven_to

S = State
REACHABLE = sorted(TASK_STATES - {S.REVERT_WINDOW, S.REVERTED})


def test_st_3_every_state_is_terminal_claimable_or_on_the_list_of_exceptions() -> None:
    assert APPLY_STATES == TERMINAL | AT_REST | CLAIMABLE
    assert not TERMINAL & CLAIMABLE
    assert frozenset([S.STOPPED]) == AT_REST, "a new exception needs a reason"


@pytest.mark.parametrize("state", REACHABLE)
def test_st_3_every_claimable_state_is_claimed_and_no_other_one_is(store: Store, state: State) -> None:
    apply = driven_to(store, state)
    assert apply.state is state
    if state is S.FAILED_RETRYABLE:
        due = store.next_due()
        assert due is not None
        assert due > 3000
    elif state in CLAIMABLE:
        assert claimed(store).apply_uid == apply.apply_uid
    else:
        assert store.next_due() is None
        assert store.claim("worker", 60.0) is None


@pytest.mark.parametrize("moves", [TASK_MOVES, APPLY_MOVES])
def test_st_1_terminal_states_are_never_left_and_only_a_person_leaves_stopped(
    moves: dict[State, frozenset[State]],
) -> None:
    for state in TERMINAL:
        assert moves[state] == frozenset()
    assert moves[S.STOPPED] == {S.PENDING, S.CANCELLED}
    assert moves[S.FAILED_RETRYABLE] == {S.PENDING, S.FAILED, S.STOPPED, S.CANCELLED}


def test_st_2_no_task_moves_backward() -> None:
    order = [S.PENDING, S.RUNNING, S.WAITING_FOR_CUTOVER, S.CUTTING_OVER, S.REVERT_WINDOW]
    for earlier, later in itertools.combinations(order, 2):
        assert not may_move(TASK_MOVES, later, earlier)


def test_the_tables_name_every_state_and_nothing_unknown() -> None:
    assert set(APPLY_MOVES) == APPLY_STATES
    assert set(TASK_MOVES) == TASK_STATES
    assert not TASK_STATES & SETUP_PHASES
    assert all(target in TASK_STATES for targets in TASK_MOVES.values() for target in targets)


@pytest.mark.parametrize("state", sorted(State))
def test_every_state_may_stay(state: State) -> None:
    assert may_move(APPLY_MOVES, state, state)


def test_an_engine_state_nobody_knows_is_running() -> None:
    assert parse_state("daydreaming") is S.RUNNING
    assert parse_state("cutting_over") is S.CUTTING_OVER


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ([], S.PENDING),
        ([S.COMPLETED, S.FAILED, S.FAILED_RETRYABLE], S.FAILED),
        ([S.COMPLETED, S.FAILED_RETRYABLE, S.CANCELLED], S.FAILED_RETRYABLE),
        ([S.CANCELLED, S.STOPPED], S.CANCELLED),
        ([S.STOPPED, S.REVERTED, S.RUNNING], S.STOPPED),
        ([S.REVERTED, S.COMPLETED], S.REVERTED),
        ([S.COMPLETED, S.COMPLETED], S.COMPLETED),
        ([S.CUTTING_OVER, S.WAITING_FOR_CUTOVER], S.CUTTING_OVER),
        ([S.WAITING_FOR_CUTOVER, S.COMPLETED], S.WAITING_FOR_CUTOVER),
        ([S.WAITING_FOR_CUTOVER, S.RUNNING], S.RUNNING),
        ([S.WAITING_FOR_CUTOVER, S.PENDING], S.PENDING),
        ([S.REVERT_WINDOW, S.RUNNING], S.REVERT_WINDOW),
        ([S.COMPLETED, S.RUNNING, S.PENDING], S.RUNNING),
        ([S.COMPLETED, S.PENDING], S.PENDING),
        ([S.WAITING_FOR_DEPLOY, S.COMPLETED], S.WAITING_FOR_DEPLOY),
    ],
)
def test_the_apply_state_is_derived_and_the_first_rule_that_matches_wins(
    tasks: list[State], expected: State
) -> None:
    assert derive(tasks) is expected


def test_the_derivation_does_not_depend_on_the_order_of_the_tasks() -> None:
    for tasks in itertools.combinations_with_replacement(sorted(TASK_STATES), 3):
        assert len({derive(order) for order in itertools.permutations(tasks)}) == 1
