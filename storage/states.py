"""The states of applies and tasks, the moves between them, and the one derivation. Imports nothing of ours."""

from collections.abc import Iterable
from enum import StrEnum


class State(StrEnum):
    """Every state an apply or a task can be in; the value is what is stored and what is on the wire."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING_FOR_CUTOVER = "waiting_for_cutover"
    CUTTING_OVER = "cutting_over"
    REVERT_WINDOW = "revert_window"
    COMPLETED = "completed"
    FAILED = "failed"
    FAILED_RETRYABLE = "failed_retryable"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    REVERTED = "reverted"
    # Set-up phases of an apply on Vitess.
    PREPARING_BRANCH = "preparing_branch"
    APPLYING_BRANCH_CHANGES = "applying_branch_changes"
    VALIDATING_BRANCH = "validating_branch"
    CREATING_DEPLOY_REQUEST = "creating_deploy_request"
    VALIDATING_DEPLOY_REQUEST = "validating_deploy_request"
    WAITING_FOR_DEPLOY = "waiting_for_deploy"


SETUP_PHASES = frozenset(
    {
        State.PREPARING_BRANCH,
        State.APPLYING_BRANCH_CHANGES,
        State.VALIDATING_BRANCH,
        State.CREATING_DEPLOY_REQUEST,
        State.VALIDATING_DEPLOY_REQUEST,
        State.WAITING_FOR_DEPLOY,
    }
)
TERMINAL = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, State.REVERTED})
AT_REST = frozenset({State.STOPPED})
"""Not terminal, yet claimed by nobody: only a person's `start` or `cancel` moves it (ST-3's list of exceptions)."""

APPLY_STATES = frozenset(State)
TASK_STATES = APPLY_STATES - SETUP_PHASES
CLAIMABLE = APPLY_STATES - TERMINAL - AT_REST

_S = State
_ENDS = frozenset({_S.COMPLETED, _S.FAILED, _S.FAILED_RETRYABLE, _S.STOPPED, _S.CANCELLED})

TASK_MOVES: dict[State, frozenset[State]] = {
    _S.PENDING: _ENDS | {_S.RUNNING, _S.WAITING_FOR_CUTOVER, _S.CUTTING_OVER},
    _S.RUNNING: _ENDS | {_S.WAITING_FOR_CUTOVER, _S.CUTTING_OVER, _S.REVERT_WINDOW},
    _S.WAITING_FOR_CUTOVER: _ENDS | {_S.CUTTING_OVER, _S.REVERT_WINDOW},
    _S.CUTTING_OVER: _ENDS | {_S.REVERT_WINDOW},
    _S.REVERT_WINDOW: frozenset({_S.COMPLETED, _S.REVERTED, _S.FAILED}),
    # Left only by a retry's claim, a person, or expiry; never by an engine's poll (ST-2).
    _S.FAILED_RETRYABLE: frozenset({_S.PENDING, _S.FAILED, _S.STOPPED, _S.CANCELLED}),
    _S.STOPPED: frozenset({_S.PENDING, _S.CANCELLED}),
    _S.COMPLETED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.REVERTED: frozenset(),
}
"""Task state → the states it may move to (staying is always allowed)."""

_LIVE_APPLY = frozenset(
    {_S.PENDING, _S.RUNNING, _S.WAITING_FOR_CUTOVER, _S.CUTTING_OVER, _S.REVERT_WINDOW} | SETUP_PHASES
)
APPLY_MOVES: dict[State, frozenset[State]] = {
    # An apply's state is derived, so a live one may show any live state next; what matters are the ends.
    **{state: (_LIVE_APPLY | _ENDS | {_S.REVERTED}) - {state} for state in _LIVE_APPLY},
    _S.FAILED_RETRYABLE: frozenset({_S.PENDING, _S.FAILED, _S.STOPPED, _S.CANCELLED}),
    _S.STOPPED: frozenset({_S.PENDING, _S.CANCELLED}),
    _S.COMPLETED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.REVERTED: frozenset(),
}
"""Apply state → the states it may move to (ST-1: a terminal apply never moves again)."""


def may_move(moves: dict[State, frozenset[State]], old: State, new: State) -> bool:
    """Whether the table *moves* allows *old* → *new*; staying where one is, is always allowed."""
    return old == new or new in moves[old]


def parse_state(text: str) -> State:
    """The state an engine named; one nobody knows becomes `running`: visible and blocking."""
    try:
        return State(text)
    except ValueError:
        return State.RUNNING


def derive(tasks: Iterable[State]) -> State:
    """The state of an apply from the states of its tasks; the first rule that matches wins."""
    states = list(tasks)
    if not states:
        return State.PENDING
    for decisive in (_S.FAILED, _S.FAILED_RETRYABLE, _S.CANCELLED, _S.STOPPED, _S.REVERTED):
        if decisive in states:
            return decisive
    if all(state == _S.COMPLETED for state in states):
        return State.COMPLETED
    if _S.CUTTING_OVER in states:
        return State.CUTTING_OVER
    for waiting in (_S.WAITING_FOR_CUTOVER, _S.WAITING_FOR_DEPLOY):
        if all(state in (waiting, _S.COMPLETED) for state in states):
            return waiting
    for live in (_S.REVERT_WINDOW, _S.RUNNING):
        if live in states:
            return live
    return State.PENDING
