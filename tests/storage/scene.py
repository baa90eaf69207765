"""The props of the storage tests: plans, queues, applies brought into a state."""

from collections.abc import Callable
from typing import Any

from storage.base import Store
from storage.records import Apply, Claim, NewApply, Plan, PlannedChange, TaskMove
from storage.states import State

R, C, W, X = State.RUNNING, State.COMPLETED, State.WAITING_FOR_CUTOVER, State.CUTTING_OVER


def a_plan(database: str, tables: int = 2, plan_id: str = "") -> Plan:
    """A plan of *tables* new tables."""
    changes = [
        PlannedChange(
            namespace="main",
            table=f"t{n}",
            ddl=f'CREATE TABLE "t{n}"(a);',
            change_type="create",
            strategy="instant",
            lock="none",
            spec={"step": n, "list": [1, 2]},
        )
        for n in range(tables)
    ]
    return Plan(
        plan_id=plan_id or f"plan-{database}-{tables}",
        database=database,
        database_type="sqlite",
        environment="local",
        deployment=database,
        engine="SQLite",
        schema_files={"main": {"all.sql": "CREATE TABLE é(a);"}},
        changes=changes,
        findings=[{"severity": "info", "message": "fine"}],
        fingerprints={"t0": "f0"},
    )


def a_request(database: str, tables: int = 2, **fields: Any) -> NewApply:
    """What enqueues `a_plan`."""
    given: dict[str, Any] = {
        "plan_id": f"plan-{database}-{tables}",
        "environment": "local",
        "deployment": database,
        "caller": "ann",
    }
    return NewApply(**(given | fields))


def queued(store: Store, database: str = "shop", tables: int = 2, **fields: Any) -> Apply:
    """An apply, just enqueued."""
    store.save_plan(a_plan(database, tables))
    return store.enqueue(a_request(database, tables, **fields))


def claimed(store: Store, owner: str = "worker", lease: float = 60.0) -> Claim:
    """The claim of what is due; there must be something."""
    claim = store.claim(owner, lease)
    assert claim is not None, "nothing was due"
    return claim


def move(store: Store, claim: Claim, *states: State | None) -> Apply:
    """Advance task 0 to states[0], task 1 to states[1] …"""
    moves = [TaskMove(seq=seq, state=state) for seq, state in enumerate(states) if state is not None]
    return store.advance(claim, moves)


def now(store: Store, apply: Apply) -> Apply:
    """The apply as it stands."""
    return store.apply(apply.apply_uid)


def task_states(store: Store, apply: Apply) -> list[str]:
    """The states of its tasks, in order."""
    return [task.state.value for task in store.tasks(apply.id)]


def driven_to(store: Store, state: State, database: str = "shop", **fields: Any) -> Apply:
    """An apply with two tasks, brought into *state* by the store's own verbs, with nobody driving it."""
    apply = queued(store, database, **fields)
    if state is State.PENDING:
        return now(store, apply)
    if state is State.STOPPED:
        store.request(apply.apply_uid, "stop", "ann")
        return now(store, apply)
    if state is State.CANCELLED:
        store.request(apply.apply_uid, "cancel", "ann")
        return now(store, apply)
    claim = claimed(store)
    ends: dict[State, Callable[[], object]] = {
        State.COMPLETED: lambda: store.complete(claim),
        State.FAILED: lambda: store.fail(claim, None, "broken"),
        State.FAILED_RETRYABLE: lambda: store.retry_later(claim, None, "flaky", 3600.0),
    }
    if state in ends:
        ends[state]()
    else:
        move(store, claim, state, state)
        store.hand_back(claim)
    return now(store, apply)
