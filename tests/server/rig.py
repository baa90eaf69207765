"""A drive on a real store with the fake engine: claim, run, look."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from server.app import App
from server.changes import to_stored
from server.config import Config
from server.drive import Drive
from server.leases import Lease, boottime
from server.ledger import Outcome
from server.metrics import Metrics
from server.targets import Targets, UnknownTarget
from storage.base import Store
from storage.records import Apply, NewApply, Plan
from storage.registry import open_store
from tests.fakes import FakeEngine, FakeTarget, fake_change

HEARS_HANGUP = """
import signal
signal.signal(signal.SIGHUP, signal.SIG_DFL)
"""
"""Beginning of a program that hears its terminal close, also where the tests were started so that they outlive theirs (nohup)."""
ENDLESS_PLAN = """
import threading
import server.daemon
from engine.sqlite.engine import SqliteEngine

def plan(self, files):
    print("planning", flush=True)
    threading.Event().wait()

SqliteEngine.plan = plan
server.daemon.HTTP_DRAIN_SECONDS = 0.05
"""
"""Beginning of a program in which no plan on SQLite ends, and few moments are waited for it."""


class FakeTargets(Targets):
    """Every database is the fake one."""

    def __init__(self, target: FakeTarget) -> None:
        super().__init__(Config())
        self.target = target
        self.configured = True

    def engine(self, deployment: str, environment: str, database: str) -> FakeEngine:
        if not self.configured:
            raise UnknownTarget(f"unknown deployment: {deployment}")
        return FakeEngine(self.target)


@dataclass
class Rig:
    """One store file, one fake target, and what a worker does with them."""

    path: Path
    store: Store
    target: FakeTarget = field(default_factory=FakeTarget)
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.targets = FakeTargets(self.target)
        self.app = App(
            config=Config(),
            store=self.store,
            targets=self.targets,
            metrics=Metrics(self.store.counts),
            wake=lambda: None,
        )

    @classmethod
    def at(cls, folder: Path) -> "Rig":
        path = folder / "store.db"
        store = open_store(str(path))
        store.upgrade()
        return cls(path=path, store=store)

    def enqueue(self, *tables: str, live: Mapping[str, str] | None = None, **options: str) -> Apply:
        """An apply of changes of *tables*; *live*: the fingerprints of its plan."""
        plan = Plan(
            plan_id="plan-" + "-".join(tables or ("empty",)),
            database="shop",
            database_type="sqlite",
            environment="local",
            engine="Fake",
            schema_files={},
            changes=[to_stored(fake_change(table)) for table in tables],
            fingerprints=live or {},
        )
        self.store.save_plan(plan)
        return self.store.enqueue(
            NewApply(plan_id=plan.plan_id, environment="local", deployment="shop", options=options)
        )

    def claim(self, owner: str = "me", lease_seconds: float = 60.0) -> Lease:
        sent_at = boottime()
        claim = self.store.claim(owner, lease_seconds)
        assert claim is not None, "nothing was due"
        return Lease(claim, sent_at)

    def drive(self, lease: Lease | None = None) -> Outcome:
        return Drive(self.app, lease or self.claim(), self.stopping).run()

    def now(self, apply: Apply) -> Apply:
        return self.store.apply(apply.apply_uid)

    def states(self, apply: Apply) -> list[str]:
        return [task.state.value for task in self.store.tasks(apply.id)]

    def make_due(self) -> None:
        """Time passes: everything that waits, waits no longer (leases run out too)."""
        connection = apsw.Connection(str(self.path))
        try:
            connection.set_busy_timeout(5_000)
            connection.execute("UPDATE applies SET claimable_at = 1 WHERE claimable_at IS NOT NULL")
        finally:
            connection.close()
