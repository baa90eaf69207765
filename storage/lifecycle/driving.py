"""What a driver writes about the apply it owns: progress and ends. Every method starts with the guard (OW-2)."""

from collections.abc import Sequence

from storage.errors import NotFound, Refused
from storage.lifecycle.lease import Leases
from storage.lifecycle.ledger import (
    BEGUN,
    append_event,
    cancel_here,
    let_go,
    move_task,
    move_tasks,
    open_commands,
    show_state,
    stop_here,
    supersede,
    unfinished,
)
from storage.lifecycle.rows import to_apply
from storage.lifecycle.statements import Row, Statements
from storage.records import Apply, Claim, TaskMove, TaskProgress
from storage.states import CLAIMABLE, State, derive

COMMANDS = ("stop", "start", "cancel", "cutover")


class Driving(Leases):
    """Part of the store: the verbs of a drive."""

    def advance(self, claim: Claim, moves: Sequence[TaskMove], message: str = "") -> Apply:
        """Move tasks among live states and show the state that follows for the apply."""

        made: list[int] = []  # how many tasks earlier runs of this write moved

        def advance(transaction: Statements) -> Apply:
            apply = transaction.apply(claim.apply_id)
            moved, completed = _move(transaction, claim, moves, message)
            if transaction.repeated and any(made) and not moved:
                return to_apply(apply)  # one of them was committed, and its answer lost
            made.append(moved)
            state = derive(State(task["state"]) for task in transaction.tasks(claim.apply_id))
            if state not in CLAIMABLE or state is State.FAILED_RETRYABLE:
                raise Refused(f"{claim.apply_uid} would be {state}: ends have verbs of their own")
            show_state(transaction, apply, state, fence=claim.fence, message="" if moved == 1 else message)
            if message and moved != 1 and state == apply["state"]:
                _say(transaction, claim, "info", "info", message)
            transaction.show(claim.apply_id, state.value, progress=completed)
            return to_apply(transaction.apply(claim.apply_id))

        return self._guarded(claim, advance)

    def record(self, claim: Claim, progress: Sequence[TaskProgress], *, durable: bool) -> None:
        """Store progress; *durable* resets the attempt."""

        def record(transaction: Statements) -> None:
            for row in progress:
                transaction.record_progress(claim.apply_id, claim.fence, row)
            transaction.touch(claim.apply_id, progress=durable)

        self._guarded(claim, record)

    def log(self, claim: Claim, level: str, event_type: str, message: str) -> None:
        """Append an event."""
        self._guarded(claim, lambda transaction: _say(transaction, claim, level, event_type, message))

    def attach(self, claim: Claim, external_id: str) -> None:
        """Note where the work is done."""

        def attach(transaction: Statements) -> None:
            if transaction.apply(claim.apply_id)["external_id"] == external_id:
                return
            transaction.attach(claim.apply_id, external_id)
            text = f"External id: {external_id}" if external_id else "Not handed over"
            append_event(transaction, claim.apply_id, "info", text, fence=claim.fence)

        self._guarded(claim, attach)

    # -- ends -----------------------------------------------------------------------------------------------------

    def complete(self, claim: Claim, message: str = "") -> None:
        """Everything is live; a command that came too late is superseded (CO-3)."""

        def complete(transaction: Statements, apply: Row) -> None:
            tasks = transaction.tasks(claim.apply_id)
            move_tasks(transaction, unfinished(tasks), State.COMPLETED, fence=claim.fence, error="")
            transaction.set_started(claim.apply_id)
            supersede(transaction, claim.apply_id, COMMANDS, "the schema change completed first")
            let_go(
                transaction, apply, State.COMPLETED, fence=claim.fence, attempt=0, error="", message=message
            )

        self._ended(claim, "completed", complete)

    def fail(self, claim: Claim, seq: int | None, error: str) -> None:
        """Give up: one task failed, the other unfinished ones are cancelled."""

        def fail(transaction: Statements, apply: Row) -> None:
            remaining = unfinished(transaction.tasks(claim.apply_id))
            culprit = _named(remaining, seq)
            for task in remaining:
                if task["seq"] == culprit:
                    move_task(transaction, task, State.FAILED, fence=claim.fence, error=error)
                else:
                    move_task(transaction, task, State.CANCELLED, fence=claim.fence)
            supersede(transaction, claim.apply_id, COMMANDS, "the schema change failed first")
            let_go(
                transaction, apply, State.FAILED, fence=claim.fence, error=error, message=error, level="error"
            )

        self._ended(claim, "failed", fail)

    def retry_later(
        self, claim: Claim, seq: int | None, error: str, delay: float, *, spent: bool = True
    ) -> None:
        """Let go after a failure that may pass. A pending stop is settled here: nobody is left to obey it (CO-1) …"""

        def retry_later(transaction: Statements, apply: Row) -> None:
            remaining = unfinished(transaction.tasks(claim.apply_id))
            hit = _named(remaining, seq)
            for task in remaining:
                if task["seq"] == hit or task["state"] in BEGUN - {"revert_window"}:
                    move_task(transaction, task, State.FAILED_RETRYABLE, fence=claim.fence, error=error)
            stop = open_commands(transaction, claim.apply_id).get("stop")
            # … but work that is done elsewhere goes on there: that stop waits for a driver who can tell.
            if stop is not None and not apply["external_id"]:
                stop_here(transaction, apply, stop["id"], fence=claim.fence, error=error)
                return
            let_go(
                transaction,
                apply,
                State.FAILED_RETRYABLE,
                fence=claim.fence,
                delay=delay,
                attempt=None if spent else max(0, apply["attempt"] - claim.recovered),
                error=error,
                message=f"Will be tried again in {delay:.0f} s: {error}",
                level="warn",
            )

        self._ended(claim, "failed_retryable", retry_later)

    # -- commands -------------------------------------------------------------------------------------------------

    def settle_stop(self, claim: Claim, request_id: int) -> None:
        """Come to rest. A cancel that overtook the stop keeps the apply due, for its clean-up."""

        def settle_stop(transaction: Statements, apply: Row) -> None:
            _own(transaction, claim, request_id)
            if "cancel" in open_commands(transaction, claim.apply_id):
                let_go(transaction, apply, State(apply["state"]), fence=claim.fence, delay=0.0)
                return
            stop_here(transaction, apply, request_id, fence=claim.fence)

        self._ended(claim, "stopped", settle_stop)

    def settle_cancel(self, claim: Claim, request_id: int) -> None:
        """End as cancelled."""

        def settle_cancel(transaction: Statements, apply: Row) -> None:
            _own(transaction, claim, request_id)
            cancel_here(transaction, apply, request_id, fence=claim.fence)

        self._ended(claim, "cancelled", settle_cancel)

    def settle(self, claim: Claim, request_id: int, state: str, reason: str) -> None:
        """Close one command, nothing else."""

        def settle(transaction: Statements) -> None:
            request = _own(transaction, claim, request_id)
            transaction.settle_request(request_id, state, reason, 0, 0)
            if request["state"] == "pending":
                text = f"{request['kind']} {state}" + (f": {reason}" if reason else "")
                append_event(transaction, claim.apply_id, "info", text, fence=claim.fence)

        self._guarded(claim, settle)


def _move(transaction: Statements, claim: Claim, moves: Sequence[TaskMove], message: str) -> tuple[int, bool]:
    """Apply the moves; how many changed something, and whether a task completed."""
    tasks = {task["seq"]: task for task in transaction.tasks(claim.apply_id)}
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


def _say(transaction: Statements, claim: Claim, level: str, event_type: str, message: str) -> None:
    """Append an event, unless an earlier run of this write has done so and only its answer was lost."""
    if transaction.repeated:
        last = transaction.events(claim.apply_id, 1)
        told = (claim.fence, level, event_type, message)
        if [(row["fence"], row["level"], row["event_type"], row["message"]) for row in last] == [told]:
            return
    append_event(transaction, claim.apply_id, event_type, message, fence=claim.fence, level=level)


def _named(remaining: Sequence[Row], seq: int | None) -> int | None:
    """The unfinished task meant by *seq*: that one, else the first."""
    if any(task["seq"] == seq for task in remaining):
        return seq
    return remaining[0]["seq"] if remaining else None


def _own(transaction: Statements, claim: Claim, request_id: int) -> Row:
    found = transaction.control_request(request_id)
    if found is None or found["apply_id"] != claim.apply_id:
        raise NotFound(f"{claim.apply_uid} has no control request {request_id}")
    return found
