"""People's commands: recorded by any process, settled at once when nobody drives (section 6 of the lifecycle)."""

import json
from collections.abc import Mapping

from storage.errors import NotFound, Refused
from storage.lifecycle.ledger import (
    append_event,
    cancel_here,
    held_apply,
    let_go,
    live_state,
    move_tasks,
    open_commands,
    orphaned,
    stop_here,
    supersede,
    unfinished,
)
from storage.lifecycle.rows import to_json, to_request
from storage.lifecycle.statements import Row, Statements, Transactions
from storage.records import ControlRequest
from storage.states import APPLY_STATES, TERMINAL, State

SUPERSEDES = {
    "stop": ("start", "cutover"),
    "cancel": ("start", "stop", "cutover"),
    "start": (),
    "cutover": (),
}
EVENTS = {
    "stop": ("stop_requested", "Stop requested"),
    "start": ("start_requested", "Start requested"),
    "cancel": ("cancel_requested", "Cancel requested"),
    "cutover": ("cutover_triggered", "Cutover triggered"),
}


class Commands:
    """Part of the store: control requests."""

    _database: Transactions

    def request(self, apply_uid: str, kind: str, caller: str) -> ControlRequest:
        """Record a command, and settle it when nobody drives. NotFound, Refused."""
        made: list[int] = []  # the ids that earlier runs of this write gave the command

        def request(transaction: Statements) -> ControlRequest:
            apply = held_apply(transaction, apply_uid)
            for request_id in made if transaction.repeated else []:
                known = transaction.control_request(request_id)
                if known and (known["apply_id"], known["kind"]) == (apply["id"], kind):
                    return to_request(known)
            pending = open_commands(transaction, apply["id"])
            if kind in pending and not orphaned(apply):
                return to_request(pending[kind])
            made.append(_recorded(transaction, apply, kind, caller, pending))
            supersede(transaction, apply["id"], SUPERSEDES[kind], f"{kind} requested")
            if orphaned(apply):
                transaction.end_attempt(apply["id"], apply["fence"], "lease_expired")
            if apply["lease_token"] is None or orphaned(apply):
                _settle_undriven(transaction, apply, kind, made[-1])
            return to_request(_found(transaction.control_request(made[-1]), made[-1]))

        return self._database.write(request)

    def set_option(self, apply_uid: str, name: str, value: str, caller: str) -> str | None:
        """Change one option of an apply that is not over; what it was. NotFound, Refused."""

        def set_option(transaction: Statements) -> str | None:
            apply = held_apply(transaction, apply_uid)
            _refuse_over(apply)
            options: dict[str, str] = json.loads(apply["options"])
            before = options.get(name)
            if before != value:
                transaction.set_options(apply["id"], to_json({**options, name: value}))
                text = f"{name} set to {value} by {caller or 'unknown'} (was {before or 'not set'})"
                append_event(transaction, apply["id"], "option_changed", text, fence=apply["fence"])
            return before

        return self._database.write(set_option)

    def control_request(self, request_id: int) -> ControlRequest:
        """The command as it stands now, or NotFound."""
        found = self._database.read(lambda reader: reader.control_request(request_id))
        return to_request(_found(found, request_id))

    def pending_requests(self, apply_id: int) -> list[ControlRequest]:
        """Open commands, oldest first."""
        return [to_request(row) for row in self._database.read(lambda reader: reader.open_requests(apply_id))]


def _found(request: Row | None, request_id: int) -> Row:
    if request is None:
        raise NotFound(f"control request not found: {request_id}")
    return request


def _recorded(transaction: Statements, apply: Row, kind: str, caller: str, pending: Mapping[str, Row]) -> int:
    """The id of the command: the open one, which a dead driver left, or a new one. Refused."""
    if kind in pending:
        return int(pending[kind]["id"])
    _refuse_senseless(apply, kind, frozenset(pending))
    return _insert(transaction, apply, kind, caller)


def _insert(transaction: Statements, apply: Row, kind: str, caller: str) -> int:
    event_type, text = EVENTS[kind]
    append_event(
        transaction, apply["id"], event_type, f"{text} by {caller or 'unknown'}", fence=apply["fence"]
    )
    return transaction.insert_request(apply["id"], kind, caller)


def _refuse_senseless(apply: Row, kind: str, pending: frozenset[str]) -> None:
    """Raise Refused, with what would work, for a command that nothing could service (CO-2)."""
    uid = apply["apply_uid"]
    if kind not in SUPERSEDES:
        raise Refused(f"unknown command {kind!r}: there are {', '.join(sorted(SUPERSEDES))}")
    state = _refuse_over(apply)
    if "cancel" in pending:
        raise Refused(f"{uid} is being cancelled; wait for it")
    if kind == "stop" and state is State.STOPPED:
        raise Refused(f"{uid} is already stopped; start or cancel it")
    if kind == "start" and "stop" in pending:
        raise Refused(f"{uid} is being stopped; wait for it, then start it")
    if kind == "start" and state is not State.STOPPED:
        raise Refused(f"{uid} is {state}; only a stopped schema change can be started")
    if kind == "cutover":
        _refuse_cutover(uid, state, pending)


def _refuse_over(apply: Row) -> State:
    """The apply's state, or Refused when nothing can be done to it any more."""
    uid = apply["apply_uid"]
    if apply["state"] not in APPLY_STATES:
        raise Refused(f"{uid} is {apply['state']}, which only a newer SchemaBot knows: give it the command")
    state = State(apply["state"])
    if state in TERMINAL:
        advice = "nothing is left to do" if state is State.COMPLETED else "plan again and apply the new plan"
        raise Refused(f"{uid} is already {state}; {advice}")
    return state


def _refuse_cutover(uid: str, state: State, pending: frozenset[str]) -> None:
    if "stop" in pending:
        raise Refused(f"{uid} is being stopped; start it first, then ask for the cutover again")
    if state is State.STOPPED:
        raise Refused(f"{uid} is stopped; start it first, then ask for the cutover again")
    if state is not State.WAITING_FOR_CUTOVER:
        raise Refused(f"{uid} is {state}; ask for the cutover when it is waiting_for_cutover")


def _settle_undriven(transaction: Statements, apply: Row, kind: str, request_id: int) -> None:
    """Nobody drives: do here what a driver would do, or make the apply due. The fence rises with every change of hands."""
    fence, elsewhere = apply["fence"] + 1, apply["external_id"] != ""
    if kind == "stop" and elsewhere:
        _wake(transaction, apply, fence, "Due at once, to be stopped where it runs")
    elif kind == "stop":
        stop_here(transaction, apply, request_id, fence=fence)
    elif kind == "start":
        moved, skipped = _wake(transaction, apply, fence, "Started again")
        if elsewhere:
            transaction.count_request(request_id, moved, skipped)
        else:
            transaction.settle_request(request_id, "done", "", moved, skipped)
    elif kind == "cancel" and apply["started_at"] is None:
        cancel_here(transaction, apply, request_id, fence=fence)
    elif kind == "cancel":
        _wake(transaction, apply, fence, "Due at once, to clean up")
    else:
        let_go(transaction, apply, State(apply["state"]), fence=apply["fence"], delay=0.0)


def _wake(transaction: Statements, apply: Row, fence: int, message: str) -> tuple[int, int]:
    """Make the apply due at once with a fresh budget; resting tasks → pending. How many moved, and how many were over."""
    tasks = transaction.tasks(apply["id"])
    resting = [task for task in tasks if task["state"] in ("stopped", "failed_retryable")]
    moved = move_tasks(transaction, resting, State.PENDING, fence=fence)
    state = live_state(transaction, apply["id"])
    let_go(transaction, apply, state, fence=fence, delay=0.0, attempt=0, error="", message=message)
    return moved, len(tasks) - len(unfinished(tasks))
