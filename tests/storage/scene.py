"""The props of the storage tests: plans, queues, a clock that can be turned, connections that can be watched."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw

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


def until(what: str, holds: Callable[[], bool], limit: float = 30.0) -> None:
    """Wait for a condition, not for a time."""
    deadline = time.monotonic() + limit
    while not holds():
        assert time.monotonic() < deadline, f"not within {limit:g} s: {what}"
        time.sleep(0.01)


class Clock:
    """SQLite's clock as the store sees it, movable; hand `install` to a SqliteStore as `_on_connect`."""

    def __init__(self) -> None:
        self.offset = 0.0

    def install(self, connection: apsw.Connection) -> None:
        """Put a movable function in the place of SQLite's own."""
        connection.create_scalar_function("unixepoch", self._unixepoch, 1, deterministic=False)

    def _unixepoch(self, *_modifiers: object) -> float:
        return time.time() + self.offset


class Watch:
    """Keeps the connections a store makes and the statements they run."""

    def __init__(self) -> None:
        self.connections: list[apsw.Connection] = []
        self.statements: list[tuple[str, Any]] = []

    def install(self, connection: apsw.Connection) -> None:
        """Begin to watch; hand it to a SqliteStore as `_on_connect`."""
        self.connections.append(connection)
        connection.exec_trace = self._note

    def _note(self, _cursor: apsw.Cursor, sql: str, values: Any) -> bool:
        self.statements.append((sql, values))
        return True


HISTORY = """
    INSERT INTO applies(apply_uid, plan_id, request_hash, database_name, database_type, environment, deployment, repository,
                        caller, engine, options, state, claimable_at, due_in, max_attempts, created_at, updated_at,
                        finished_at)
    WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :first + :count)
    SELECT 'apply-' || i, 'plan-history', '', 'db' || CASE WHEN :live THEN i ELSE i % 100 END, 'sqlite', 'local', 'x', '',
           '', 'SQLite', '{}', CASE WHEN :live THEN 'pending' ELSE 'completed' END,
           CASE WHEN :live THEN (SELECT now FROM clock) END, 0, 10, 1000 + i, 1000 + i,
           CASE WHEN :live THEN NULL ELSE 2000 + i END
      FROM n
    """


def generate(path: Path, store: Store, *, history: int = 0, live: int = 0) -> None:
    """Fill the store with *history* completed applies and *live* queued ones, by SQL."""
    store.save_plan(a_plan("history", 0, "plan-history"))
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(10_000)
    first: Any = connection.execute("SELECT COALESCE(max(id), 0) + 1 FROM applies").get
    with connection:
        if history:
            connection.execute(HISTORY, {"first": first, "count": history, "live": 0})
        if live:
            connection.execute(HISTORY, {"first": first + history, "count": live, "live": 1})
    connection.close()


WRITE_LOG = """
    CREATE TABLE write_log(n INTEGER PRIMARY KEY, apply_id INTEGER, fence INTEGER, what TEXT);
    CREATE TRIGGER log_claims AFTER INSERT ON attempts BEGIN
      INSERT INTO write_log(apply_id, fence, what) VALUES (NEW.apply_id, NEW.fence, 'claim'); END;
    CREATE TRIGGER log_tasks AFTER UPDATE ON tasks BEGIN
      INSERT INTO write_log(apply_id, fence, what) VALUES (NEW.apply_id, NEW.fence, 'task'); END;
    CREATE TRIGGER log_events AFTER INSERT ON apply_events WHEN NEW.fence IS NOT NULL BEGIN
      INSERT INTO write_log(apply_id, fence, what) VALUES (NEW.apply_id, NEW.fence, 'event'); END;
    CREATE TRIGGER log_ends AFTER UPDATE OF state ON applies WHEN NEW.finished_at IS NOT NULL BEGIN
      INSERT INTO write_log(apply_id, fence, what) VALUES (NEW.id, NEW.fence, 'end'); END;
    """


def keep_write_log(path: Path) -> None:
    """Log every fenced write in the transaction that makes it."""
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(10_000)
    connection.execute(WRITE_LOG)
    connection.close()


def violations(path: Path) -> list[str]:
    """Breaches of I2, I3 and I7 in the write log and the attempts, in words; empty when all is well."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(10_000)
    found = []
    highest: dict[int, int] = {}
    ended: set[int] = set()
    for n, apply, fence, what in connection.execute(
        "SELECT n, apply_id, fence, what FROM write_log ORDER BY n"
    ):
        if fence < highest.get(apply, 0):
            found.append(f"I2: write {n} ({what}) of apply {apply} carries {fence} after {highest[apply]}")
        if apply in ended:
            found.append(f"I3: write {n} ({what}) of apply {apply} comes after its end")
        highest[apply] = max(fence, highest.get(apply, 0))
        if what == "end":
            ended.add(apply)
    for apply, owners in connection.execute(
        "SELECT apply_id, count(*) FROM attempts WHERE ended_at IS NULL GROUP BY apply_id HAVING count(*) > 1"
    ):
        found.append(f"I7: apply {apply} has {owners} owners at once")
    connection.close()
    return found


def shuffled(count: int, seed: int) -> list[int]:
    """0 … count - 1 in an order that the seed decides."""
    numbers = list(range(count))
    random.Random(seed).shuffle(numbers)
    return numbers
