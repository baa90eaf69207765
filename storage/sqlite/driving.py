"""What a driver writes about the apply it owns: progress and ends. Every method starts with the guard (OW-2)."""

from collections.abc import Sequence

from storage.errors import NotFound, Refused
from storage.records import Apply, Claim, TaskMove, TaskProgress
from storage.sqlite.database import Row, Transaction
from storage.sqlite.lease import Leases
from storage.sqlite.ledger import (
    BEGUN,
    append_event,
    cancel_here,
    end_attempt,
    let_go,
    move_task,
    move_tasks,
    open_requests,
    settle_request,
    show_state,
    stop_here,
    supersede,
    task_rows,
    unfinished,
)
from storage.sqlite.rows import milliseconds, to_apply
from storage.states import CLAIMABLE, State, derive

COMMANDS = ("stop", "start", "cancel", "cutover")


class Driving(Leases):
    """Part of the store: the verbs of a drive."""

    def advance(self, claim: Claim, moves: Sequence[TaskMove], message: str = "") -> Apply:
        """Move tasks among live states and show the state that follows for the apply."""
        with self._guarded(claim) as (transaction, apply):
            moved, completed = _move(transaction, claim, moves, message)
            state = derive(State(task["state"]) for task in task_rows(transaction, claim.apply_id))
            if state not in CLAIMABLE or state is State.FAILED_RETRYABLE:
                raise Refused(f"{claim.apply_uid} would be {state}: ends have verbs of their own")
            show_state(transaction, apply, state, fence=claim.fence, message="" if moved == 1 else message)
            if message and moved != 1 and state == apply["state"]:
                append_event(transaction, claim.apply_id, "info", message, fence=claim.fence)
            found = transaction.one(
                """
                UPDATE applies
                   SET state = :state, attempt = CASE WHEN :progress THEN 0 ELSE attempt END,
                       started_at = COALESCE(started_at, (SELECT now FROM clock)), updated_at = (SELECT now FROM clock)
                 WHERE id = :apply
                RETURNING *
                """,
                apply=claim.apply_id,
                state=state.value,
                progress=completed,
            )
            return to_apply(found or apply)

    def record(self, claim: Claim, progress: Sequence[TaskProgress], *, durable: bool) -> None:
        """Store progress; *durable* resets the attempt."""
        with self._guarded(claim) as (transaction, _):
            for row in progress:
                transaction.run(
                    """
                    UPDATE tasks
                       SET rows_copied = :copied, rows_total = :total, eta_seconds = :eta, rows_per_second = :pace,
                           detail = :detail, fence = :fence
                     WHERE apply_id = :apply AND seq = :seq
                    """,
                    apply=claim.apply_id,
                    seq=row.seq,
                    copied=row.rows_copied,
                    total=row.rows_total,
                    eta=row.eta_seconds,
                    pace=row.rows_per_second,
                    detail=row.detail,
                    fence=claim.fence,
                )
            transaction.run(
                """
                UPDATE applies SET attempt = CASE WHEN :durable THEN 0 ELSE attempt END, updated_at = (SELECT now FROM clock)
                 WHERE id = :apply
                """,
                apply=claim.apply_id,
                durable=durable,
            )

    def log(self, claim: Claim, level: str, event_type: str, message: str) -> None:
        """Append an event."""
        with self._guarded(claim) as (transaction, _):
            append_event(transaction, claim.apply_id, event_type, message, fence=claim.fence, level=level)

    def attach(self, claim: Claim, external_id: str) -> None:
        """Note where the work is done."""
        with self._guarded(claim) as (transaction, apply):
            if apply["external_id"] == external_id:
                return
            transaction.run(
                """
                UPDATE applies SET external_id = :external_id, updated_at = (SELECT now FROM clock) WHERE id = :apply
                """,
                apply=claim.apply_id,
                external_id=external_id,
            )
            text = f"Done elsewhere as {external_id}" if external_id else "Not done elsewhere"
            append_event(transaction, claim.apply_id, "info", text, fence=claim.fence)

    # -- ends -----------------------------------------------------------------------------------------------------

    def complete(self, claim: Claim, message: str = "") -> None:
        """Everything is live; a command that came too late is superseded (CO-3)."""
        with self._guarded(claim) as (transaction, apply):
            tasks = task_rows(transaction, claim.apply_id)
            move_tasks(transaction, unfinished(tasks), State.COMPLETED, fence=claim.fence, error="")
            _set_started(transaction, claim.apply_id)
            supersede(transaction, claim.apply_id, COMMANDS, "the schema change completed first")
            end_attempt(transaction, claim.apply_id, claim.fence, "completed")
            let_go(
                transaction, apply, State.COMPLETED, fence=claim.fence, attempt=0, error="", message=message
            )

    def fail(self, claim: Claim, seq: int | None, error: str) -> None:
        """Give up: one task failed, the other unfinished ones are cancelled."""
        with self._guarded(claim) as (transaction, apply):
            remaining = unfinished(task_rows(transaction, claim.apply_id))
            culprit = _named(remaining, seq)
            for task in remaining:
                if task["seq"] == culprit:
                    move_task(transaction, task, State.FAILED, fence=claim.fence, error=error)
                else:
                    move_task(transaction, task, State.CANCELLED, fence=claim.fence)
            supersede(transaction, claim.apply_id, COMMANDS, "the schema change failed first")
            end_attempt(transaction, claim.apply_id, claim.fence, "failed")
            let_go(
                transaction, apply, State.FAILED, fence=claim.fence, error=error, message=error, level="error"
            )

    def retry_later(self, claim: Claim, seq: int | None, error: str, delay: float) -> None:
        """Let go after a failure that may pass. A pending stop is settled here: nobody is left to obey it (CO-1) …"""
        with self._guarded(claim) as (transaction, apply):
            remaining = unfinished(task_rows(transaction, claim.apply_id))
            hit = _named(remaining, seq)
            for task in remaining:
                if task["seq"] == hit or task["state"] in BEGUN - {"revert_window"}:
                    move_task(transaction, task, State.FAILED_RETRYABLE, fence=claim.fence, error=error)
            end_attempt(transaction, claim.apply_id, claim.fence, "failed_retryable")
            stop = open_requests(transaction, claim.apply_id).get("stop")
            # … but work that is done elsewhere goes on there: that stop waits for a driver who can tell.
            if stop is not None and not apply["external_id"]:
                stop_here(transaction, apply, stop["id"], fence=claim.fence, error=error)
                return
            let_go(
                transaction,
                apply,
                State.FAILED_RETRYABLE,
                fence=claim.fence,
                delay=milliseconds(delay),
                error=error,
                message=f"Will be tried again in {delay:.0f} s: {error}",
                level="warn",
            )

    # -- commands -------------------------------------------------------------------------------------------------

    def settle_stop(self, claim: Claim, request_id: int) -> None:
        """Come to rest. A cancel that overtook the stop keeps the apply due, for its clean-up."""
        with self._guarded(claim) as (transaction, apply):
            _own(transaction, claim, request_id)
            end_attempt(transaction, claim.apply_id, claim.fence, "stopped")
            if "cancel" in open_requests(transaction, claim.apply_id):
                let_go(transaction, apply, State(apply["state"]), fence=claim.fence, delay=0)
                return
            stop_here(transaction, apply, request_id, fence=claim.fence)

    def settle_cancel(self, claim: Claim, request_id: int) -> None:
        """End as cancelled."""
        with self._guarded(claim) as (transaction, apply):
            _own(transaction, claim, request_id)
            end_attempt(transaction, claim.apply_id, claim.fence, "cancelled")
            cancel_here(transaction, apply, request_id, fence=claim.fence)

    def settle(self, claim: Claim, request_id: int, state: str, reason: str) -> None:
        """Close one command, nothing else."""
        with self._guarded(claim) as (transaction, _):
            request = _own(transaction, claim, request_id)
            settle_request(transaction, request_id, state, reason)
            if request["state"] == "pending":
                text = f"{request['kind']} {state}" + (f": {reason}" if reason else "")
                append_event(transaction, claim.apply_id, "info", text, fence=claim.fence)


def _move(
    transaction: Transaction, claim: Claim, moves: Sequence[TaskMove], message: str
) -> tuple[int, bool]:
    """Apply the moves; how many changed something, and whether a task completed."""
    tasks = {task["seq"]: task for task in task_rows(transaction, claim.apply_id)}
    moved, completed = 0, False
    for move in moves:
        if move.seq not in tasks:
            raise NotFound(f"{claim.apply_uid} has no task {move.seq}")
        text = message if len(moves) == 1 else ""
        if move_task(
            transaction, tasks[move.seq], move.state, fence=claim.fence, error=move.error, message=text
        ):
            moved += 1
            completed = completed or move.state is State.COMPLETED
    return moved, completed


def _named(remaining: Sequence[Row], seq: int | None) -> int | None:
    """The unfinished task meant by *seq*: that one, else the first."""
    if any(task["seq"] == seq for task in remaining):
        return seq
    return remaining[0]["seq"] if remaining else None


def _set_started(transaction: Transaction, apply_id: int) -> None:
    transaction.run(
        "UPDATE applies SET started_at = (SELECT now FROM clock) WHERE id = :apply AND started_at IS NULL",
        apply=apply_id,
    )


def _own(transaction: Transaction, claim: Claim, request_id: int) -> Row:
    found = transaction.one(
        "SELECT * FROM control_requests WHERE id = :id AND apply_id = :apply",
        id=request_id,
        apply=claim.apply_id,
    )
    if found is None:
        raise NotFound(f"{claim.apply_uid} has no control request {request_id}")
    return found
