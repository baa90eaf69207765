"""What every state change writes, inside the caller's transaction: task moves, the apply's state, commands, events.

The only functions that write a state; they ask the tables in `storage.states` and raise Refused for a move they forbid.
"""

from collections.abc import Iterable, Sequence

from storage.errors import NotFound, Refused
from storage.sqlite.database import Row, Transaction
from storage.states import APPLY_MOVES, CLAIMABLE, TASK_MOVES, TERMINAL, State, derive, may_move

UNFINISHED = frozenset({"pending", "running", "waiting_for_cutover", "cutting_over", "revert_window"}) | {
    "failed_retryable",
    "stopped",
}
"""Task states that are not an end."""
BEGUN = frozenset({"running", "waiting_for_cutover", "cutting_over", "revert_window"})
"""Task states in which the target may have been touched and nothing was decided."""


def find_apply(transaction: Transaction, apply_uid: str) -> Row:
    """The row of that apply, or NotFound."""
    found = transaction.one("SELECT * FROM applies WHERE apply_uid = :uid", uid=apply_uid)
    if found is None:
        raise NotFound(f"apply not found: {apply_uid}")
    return found


def task_rows(transaction: Transaction, apply_id: int) -> list[Row]:
    """The tasks of an apply, in order."""
    return transaction.rows("SELECT * FROM tasks WHERE apply_id = :apply ORDER BY seq", apply=apply_id)


def unfinished(tasks: Iterable[Row]) -> list[Row]:
    """Those that are not terminal."""
    return [task for task in tasks if task["state"] in UNFINISHED]


def append_event(
    transaction: Transaction,
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
    transaction.run(
        """
        INSERT INTO apply_events(apply_id, task_seq, fence, level, event_type, message, old_state, new_state, created_at)
        VALUES (:apply, :seq, :fence, :level, :event_type, :message, :old, :new, (SELECT now FROM clock))
        """,
        apply=apply_id,
        seq=seq,
        fence=fence,
        level=level,
        event_type=event_type,
        message=message,
        old=old,
        new=new,
    )


def move_task(
    transaction: Transaction,
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
    transaction.run(
        """
        UPDATE tasks
           SET state = :new, fence = :fence, error = COALESCE(:error, error), attempt = attempt + :retried,
               started_at = CASE WHEN :begun THEN COALESCE(started_at, (SELECT now FROM clock)) ELSE started_at END,
               completed_at = CASE WHEN :ended THEN (SELECT now FROM clock) END
         WHERE apply_id = :apply AND seq = :seq
        """,
        apply=task["apply_id"],
        seq=task["seq"],
        new=new.value,
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
    transaction: Transaction, tasks: Sequence[Row], new: State, *, fence: int, error: str | None = None
) -> int:
    """Move several; how many changed."""
    return sum(move_task(transaction, task, new, fence=fence, error=error) for task in tasks)


def live_state(transaction: Transaction, apply_id: int) -> State:
    """The state, derived from its tasks, of an apply that is about to be claimed.

    One without anything left to do is pending: completing it is a driver's business, after a look at the target.
    """
    derived = derive(State(task["state"]) for task in task_rows(transaction, apply_id))
    return derived if derived in CLAIMABLE else State.PENDING


def show_state(
    transaction: Transaction, apply: Row, new: State, *, fence: int, message: str = "", level: str = "info"
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
    transaction: Transaction,
    apply: Row,
    new: State,
    *,
    fence: int,
    delay: int | None = None,
    attempt: int | None = None,
    error: str | None = None,
    message: str = "",
    level: str = "info",
) -> None:
    """Put the apply into *new* with nobody driving it: due in *delay* ms, or claimable by nobody (None).

    *attempt* and *error* None keep what is stored. *fence* is the one the apply has from now on.
    """
    show_state(transaction, apply, new, fence=fence, message=message, level=level)
    transaction.run(
        """
        UPDATE applies
           SET state = :new, fence = :fence, lease_token = NULL, lease_owner = '',
               claimable_at = (SELECT now FROM clock) + :delay, due_in = COALESCE(:delay, 0),
               attempt = COALESCE(:attempt, attempt), error = COALESCE(:error, error),
               retrying_since = CASE WHEN :new = 'failed_retryable' THEN (SELECT now FROM clock) END,
               finished_at = CASE WHEN :ended THEN (SELECT now FROM clock) END,
               updated_at = (SELECT now FROM clock)
         WHERE id = :apply
        """,
        apply=apply["id"],
        new=new.value,
        fence=fence,
        delay=delay,
        attempt=attempt,
        error=error,
        ended=new in TERMINAL,
    )


def end_attempt(transaction: Transaction, apply_id: int, fence: int, outcome: str) -> None:
    """Note how the ownership of that fence ended; one that is over stays as it was noted."""
    transaction.run(
        """
        UPDATE attempts SET ended_at = (SELECT now FROM clock), outcome = :outcome
         WHERE apply_id = :apply AND fence = :fence AND ended_at IS NULL
        """,
        apply=apply_id,
        fence=fence,
        outcome=outcome,
    )


def open_requests(transaction: Transaction, apply_id: int) -> dict[str, Row]:
    """Open commands by kind, oldest first."""
    found = transaction.rows(
        "SELECT * FROM control_requests WHERE apply_id = :apply AND state = 'pending' ORDER BY id",
        apply=apply_id,
    )
    return {row["kind"]: row for row in found}


def settle_request(
    transaction: Transaction,
    request_id: int,
    state: str,
    reason: str = "",
    affected: int = 0,
    skipped: int = 0,
) -> None:
    """Close a command; one that is closed already stays as it is."""
    transaction.run(
        """
        UPDATE control_requests
           SET state = :state, reason = :reason, affected = :affected, skipped = :skipped,
               settled_at = (SELECT now FROM clock)
         WHERE id = :id AND state = 'pending'
        """,
        id=request_id,
        state=state,
        reason=reason,
        affected=affected,
        skipped=skipped,
    )


def supersede(transaction: Transaction, apply_id: int, kinds: Iterable[str], reason: str) -> None:
    """Close the open commands of those kinds as superseded."""
    found = open_requests(transaction, apply_id)
    for kind in kinds:
        if kind in found:
            settle_request(transaction, found[kind]["id"], "superseded", reason)


def stop_here(
    transaction: Transaction, apply: Row, request_id: int, *, fence: int, error: str | None = None
) -> None:
    """Unfinished tasks → stopped, apply → stopped, the command done (CO-1)."""
    tasks = task_rows(transaction, apply["id"])
    moved = move_tasks(transaction, unfinished(tasks), State.STOPPED, fence=fence)
    settle_request(transaction, request_id, "done", "", moved, len(tasks) - len(unfinished(tasks)))
    supersede(transaction, apply["id"], ("cutover",), "stopped first")
    let_go(transaction, apply, State.STOPPED, fence=fence, error=error)


def cancel_here(transaction: Transaction, apply: Row, request_id: int, *, fence: int) -> None:
    """Unfinished tasks → cancelled, apply → cancelled, the command done."""
    tasks = task_rows(transaction, apply["id"])
    moved = move_tasks(transaction, unfinished(tasks), State.CANCELLED, fence=fence)
    settle_request(transaction, request_id, "done", "", moved, len(tasks) - len(unfinished(tasks)))
    supersede(transaction, apply["id"], ("stop", "cutover"), "cancelled first")
    let_go(transaction, apply, State.CANCELLED, fence=fence)
