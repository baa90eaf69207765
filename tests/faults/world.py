"""The world of the fault tests: real targets with rows, a real store, real processes, and the checks of docs/reliability.md."""

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.base import Target
from engine.registry import open_engine
from server.changes import to_stored
from storage.base import Store
from storage.records import Apply, NewApply, Plan
from storage.registry import open_store
from storage.states import TERMINAL, State

BEFORE = """
CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL, amount TEXT NOT NULL);
CREATE INDEX items_by_name ON items (name);
"""
AFTER = """
CREATE TABLE items (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, amount INTEGER NOT NULL CHECK (amount >= 0), note TEXT
);
CREATE INDEX items_by_name ON items (name);
CREATE INDEX items_by_amount ON items (amount);
CREATE TABLE extras (id INTEGER PRIMARY KEY, item_id INTEGER REFERENCES items (id));
"""


def until(what: str, true: object, seconds: float = 60.0) -> None:
    """Wait for a condition, with a limit."""
    assert callable(true)
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.02)


class World:
    """A folder with a store and some targets."""

    def __init__(self, folder: Path, *, targets: int, rows: int) -> None:
        self.folder = folder
        self.rows = rows
        self.store_path = folder / "store.db"
        self.store: Store = open_store(str(self.store_path))
        self.store.upgrade()
        self.databases = {f"db{n}": folder / f"db{n}.sqlite" for n in range(targets)}
        for path in self.databases.values():
            self._fill(path)

    def _fill(self, path: Path) -> None:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(BEFORE)
        connection.execute(
            "INSERT INTO items WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n LIMIT ?)"
            " SELECT v, 'name ' || (v * 7919 % 1000), CAST(v % 100 AS TEXT) FROM n",
            (self.rows,),
        )
        connection.close()

    def enqueue(self, database: str, **options: str) -> Apply:
        """Plan the change on the real engine and enqueue it."""
        path = str(self.databases[database])
        target = Target(kind="sqlite", database=database, environment="local", dsn=path)
        found = open_engine(target).plan({"main": {"all.sql": AFTER}})
        assert not found.blocked
        plan = Plan(
            plan_id=f"plan-{database}-{random.randrange(10**9)}",
            database=database,
            database_type="sqlite",
            environment="local",
            schema_files={"main": {"all.sql": AFTER}},
            changes=[to_stored(change) for change in found.changes],
            fingerprints=found.fingerprints,
        )
        self.store.save_plan(plan)
        return self.store.enqueue(
            NewApply(plan_id=plan.plan_id, environment="local", deployment=database, options=options)
        )

    @contextmanager
    def workers(self, count: int, lease_seconds: float) -> Iterator[list[subprocess.Popen[str]]]:
        """Worker processes; whatever became of them, none is left afterwards."""
        processes = [self.start_worker(lease_seconds) for _ in range(count)]
        try:
            yield processes
        finally:
            for process in processes:
                if process.poll() is None:
                    process.send_signal(signal.SIGCONT)
                    process.kill()
                process.communicate()

    def start_worker(self, lease_seconds: float) -> subprocess.Popen[str]:
        """One worker process, ready."""
        pairs = [f"{name}={path}" for name, path in self.databases.items()]
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.faults.worker_process",
                str(self.store_path),
                str(lease_seconds),
                *pairs,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def settled(self, applies: list[Apply]) -> bool:
        """Whether all of them are at an end."""
        return all(self.store.apply(apply.apply_uid).state in TERMINAL for apply in applies)

    # -- the invariants ---------------------------------------------------------------------------------------

    def check_apply(self, apply: Apply) -> None:
        """I2, I3, I4 from the attempts and the events, which are written in the same transactions as what they tell."""
        attempts = self.store.attempts(apply.id)
        assert [a.fence for a in attempts] == sorted({a.fence for a in attempts}), (
            "I2: a fence was given twice"
        )
        events = self.store.events(apply.id, limit=100_000)
        fences = [event.fence for event in events if event.fence is not None]
        assert fences == sorted(fences), "I2: a write carries a fence older than a committed one"
        ends = [event for event in events if event.new_state in TERMINAL and event.task_id is None]
        assert len(ends) == 1, f"I3: {len(ends)} terminal writes"
        assert ends[0].fence == max(fences), "I3: the end does not carry the highest fence"
        now = self.store.apply(apply.apply_uid)
        assert now.attempt <= now.max_attempts, "I4: over the budget"

    def check_target(self, database: str, extra: dict[int, int] | None = None) -> None:
        """I8 after a completed change: the new table, complete, nothing left behind."""
        connection = sqlite3.connect(self.databases[database])
        try:
            wanted = {n: n % 100 for n in range(1, self.rows + 1)} | (extra or {})
            found = dict(connection.execute("SELECT id, amount FROM items"))
            assert found == wanted, "I8: rows lost, doubled or stale"
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            assert names == {"items", "items_by_name", "items_by_amount", "extras"}, "I8: left behind"
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        finally:
            connection.close()

    def completed(self, apply: Apply) -> bool:
        """Whether it ended well."""
        return self.store.apply(apply.apply_uid).state is State.COMPLETED
