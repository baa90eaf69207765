"""What every state change writes, inside the caller's transaction: task moves, the apply's state, commands, events.

The only functions that write a state; they ask the tables in `storage.states` and raise Refused for a move they forbid.
"""

from collections.abc import Iterable, Sequence

from storage.errors import NotFound, Refused
from storage.lifecycle.statements import Row, Statements
from storage.states import APPLY_MOVES, CLAIMABLE, TASK_MOVES, TERMINAL, State, derive, may_move

UNFINISHED = frozenset({"pending", "running", "waiting_for_cutover", "cutting_over", "revert_window"}) | {
    "failed_retryable",
    "stopped",
}
"""Task states that are not an end."""
BEGUN = frozenset({"running", "waiting_for_cutover", "cutting_over", "revert_window"})
"""Task states in which the target may have been touched and nothing was decided."""


def held_apply(transaction: Statements, apply_uid: str) -> Row:
    """The row of that apply, held, or NotFound."""
    found = transaction.hold_apply(apply_uid)
    if found is None:
        raise NotFound(f"apply not found: {apply_uid}")
    return found


def unfinished(tasks: Iterable[Row]) -> list[Row]:
    """Those that are not terminal."""
    return [task for task in tasks if task["state"] in UNFINISHED]


def append_event(
    transaction: Statements,
    apply_id: int,
    event_type: str,
    message: str,
    *,
    fence: int | None,
    level: str = "info",
    seq: int | None = None,
    old: str = "",
    new: str = "",
) -> None:
    """Add one line to the apply's log."""
    transaction.insert_event(
        {
            "apply": apply_id,
            "seq": seq,
            "fence": fence,
            "level": level,
            "event_type": event_type,
            "message": message,
            "old": old,
            "new": new,
        }
    )


def move_task(
    transaction: Statements,
    task: Row,
    new: State,
    *,
    fence: int,
    error: str | None = None,
    message: str = "",
) -> bool:
    """Move one task; whether that changed anything. *error* None keeps what is stored.

    A retry's way back to pending counts the task's attempt.
    """
    old = State(task["state"])
    if not may_move(TASK_MOVES, old, new):
        raise Refused(f"task {task['seq']} ({task['table_name']}) is {old} and cannot become {new}")
    if old is new:
        return False
    transaction.move_task(
        task["apply_id"],
        task["seq"],
        new.value,
        fence=fence,
        error=error,
        retried=old is State.FAILED_RETRYABLE and new is State.PENDING,
        begun=new.value in BEGUN or new is State.COMPLETED,
        ended=new in TERMINAL,
    )
    text = message or f"{task['table_name']}: {new.replace('_', ' ')}" + (f": {error}" if error else "")
    level = {State.FAILED: "error", State.FAILED_RETRYABLE: "warn"}.get(new, "info")
    append_event(
        transaction,
        task["apply_id"],
        "task_update",
        text,
        fence=fence,
        level=level,
        seq=task["seq"],
        old=old.value,
        new=new.value,
    )
    return True


def move_tasks(
    transaction: Statements, tasks: Sequence[Row], new: State, *, fence: int, error: str | None = None
) -> int:
    """Move several; how many changed."""
    return sum(move_task(transaction, task, new, fence=fence, error=error) for task in tasks)


def live_state(transaction: Statements, apply_id: int) -> State:
    """The state, derived from its tasks, of an apply that is about to be claimed.

    One without anything left to do is pending: completing it is a driver's business, after a look at the target.
    """
    derived = derive(State(task["state"]) for task in transaction.tasks(apply_id))
    return derived if derived in CLAIMABLE else State.PENDING


def show_state(
    transaction: Statements, apply: Row, new: State, *, fence: int, message: str = "", level: str = "info"
) -> None:
    """Log an apply's change of state, if it is one. Raises Refused when the state table forbids it."""
    old = State(apply["state"])
    if not may_move(APPLY_MOVES, old, new):
        raise Refused(f"{apply['apply_uid']} is {old} and cannot become {new}")
    if old is not new:
        text = message or f"Schema change is {new.replace('_', ' ')}"
        append_event(
            transaction,
            apply["id"],
            "state_transition",
            text,
            fence=fence,
            level=level,
            old=old.value,
            new=new.value,
        )


def let_go(
    transaction: Statements,
    apply: Row,
    new: State,
    *,
    fence: int,
    delay: float | None = None,
    attempt: int | None = None,
    error: str | None = None,
    message: str = "",
    level: str = "info",
) -> None:
    """Put the apply into *new* with nobody driving it: due in *delay* seconds, or claimable by nobody (None).

    *attempt* and *error* None keep what is stored. *fence* is the one the apply has from now on.
    """
    show_state(transaction, apply, new, fence=fence, message=message, level=level)
    transaction.let_go(
        apply["id"],
        new.value,
        ended=new in TERMINAL,
        fence=fence,
        delay=delay,
        attempt=attempt,
        error=error,
    )


def orphaned(apply: Row) -> bool:
    """Whether it is marked as driven by one that is dead: who has the store to itself has ended its lease (`release_leases`)."""
    return apply["lease_token"] is not None and apply["due_in"] < 0


def open_commands(transaction: Statements, apply_id: int) -> dict[str, Row]:
    """Open commands by kind, oldest first."""
    return {row["kind"]: row for row in transaction.open_requests(apply_id)}


def supersede(transaction: Statements, apply_id: int, kinds: Iterable[str], reason: str) -> None:
    """Close the open commands of those kinds as superseded."""
    found = open_commands(transaction, apply_id)
    for kind in kinds:
        if kind in found:
            transaction.settle_request(found[kind]["id"], "superseded", reason, 0, 0)


def stop_here(
    transaction: Statements, apply: Row, request_id: int, *, fence: int, error: str | None = None
) -> None:
    """Unfinished tasks → stopped, apply → stopped, the command done (CO-1)."""
    tasks = transaction.tasks(apply["id"])
    moved = move_tasks(transaction, unfinished(tasks), State.STOPPED, fence=fence)
    transaction.settle_request(request_id, "done", "", moved, len(tasks) - len(unfinished(tasks)))
    supersede(transaction, apply["id"], ("cutover",), "stopped first")
    let_go(transaction, apply, State.STOPPED, fence=fence, error=error)


def cancel_here(transaction: Statements, apply: Row, request_id: int, *, fence: int) -> None:
    """Unfinished tasks → cancelled, apply → cancelled, the command done."""
    tasks = transaction.tasks(apply["id"])
    moved = move_tasks(transaction, unfinished(tasks), State.CANCELLED, fence=fence)
    transaction.settle_request(request_id, "done", "", moved, len(tasks) - len(unfinished(tasks)))
    supersede(transaction, apply["id"], ("stop", "cutover"), "cancelled first")
    let_go(transaction, apply, State.CANCELLED, fence=fence)
