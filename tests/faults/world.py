"""The world of the fault tests: a real store, real targets with rows, real processes, and the checks of docs/reliability.md."""

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from engine.base import Target
from engine.errors import TargetUnavailable
from engine.registry import open_engine
from server.changes import to_stored
from storage.base import Store
from storage.errors import Unavailable
from storage.records import Apply, NewApply, Plan
from storage.states import AT_REST, TERMINAL, State
from tests import waiting
from tests.faults.grounds import Ground
from tests.faults.markets import Market, SqliteMarket
from tests.faults.shop import Shop
from tests.faults.witness import told
from tests.faults.worker_process import Orders

ROOT = Path(__file__).resolve().parent.parent.parent
T = TypeVar("T")
Process = subprocess.Popen[str]


def until(what: str, true: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for a condition; a store that is away is no answer."""

    def answered() -> object:
        with suppress(Unavailable):
            return true()
        return None

    waiting.until(what, answered, seconds)


def patient(ask: Callable[[], T], limit: float = 60.0) -> T:
    """The store's answer, once it gives one."""
    end = time.monotonic() + limit
    while True:
        try:
            return ask()
        except Unavailable:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def insisting(ask: Callable[[], T], limit: float = 60.0) -> T:
    """The target's answer, once it gives one."""
    end = time.monotonic() + limit
    while True:
        try:
            return ask()
        except TargetUnavailable:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


class World:
    """A folder with targets, on a store of some kind."""

    def __init__(
        self,
        ground: Ground,
        folder: Path,
        *,
        targets: int,
        rows: int,
        market: Market | None = None,
        lease_seconds: float = 1.5,
        **orders: Any,
    ) -> None:
        self.ground = ground
        self.folder = folder
        self.market = market or SqliteMarket(folder, rows)
        self.store: Store = ground.open()
        self.shops: dict[str, Shop] = {}
        self.processes: list[Process] = []
        self.orders = Orders(
            store=ground.address,
            target_kind=self.market.kind,
            target_dsn=self.market.dsn,
            targets=targets,
            lease_seconds=lease_seconds,
            said=str(folder / "said"),
            **orders,
        )

    # -- work -------------------------------------------------------------------------------------------------------

    def shop(self, database: str) -> Shop:
        """The target of that name, filled at first use."""
        if database not in self.shops:
            self.shops[database] = self.market.shop(database)
        return self.shops[database]

    def enqueue(
        self, database: str, *, store: Store | None = None, options: Mapping[str, str] | None = None
    ) -> Apply:
        """Plan the change on the real engine and enqueue it, again and again until the store says that it has it."""
        self.shop(database)
        market = self.market
        target = Target(
            kind=market.kind, database=database, environment="local", dsn=self.orders.target(database)
        )
        files = {"main": {"all.sql": market.desired}}
        found = insisting(lambda: open_engine(target).plan(files))
        assert not found.blocked
        plan = Plan(
            plan_id=f"plan-{database}",
            database=database,
            database_type=market.kind,
            environment="local",
            deployment=database,
            schema_files=files,
            changes=[to_stored(change) for change in found.changes],
            fingerprints=found.fingerprints,
        )
        new = NewApply(
            plan_id=plan.plan_id,
            environment="local",
            deployment=database,
            options=options or {},
            idempotency_key=database,
        )
        used = store or self.store
        patient(lambda: used.save_plan(plan))
        return patient(lambda: used.enqueue(new))

    # -- processes --------------------------------------------------------------------------------------------------

    @contextmanager
    def workers(self, count: int) -> Iterator[list[Process]]:
        """Worker processes; whatever became of them, none is left afterwards."""
        try:
            for process in [self.start_worker(wait=False) for _ in range(count)]:
                await_ready(process)
            yield self.processes
        finally:
            self.end()

    def start_worker(self, *, wait: bool = True, **changed: Any) -> Process:
        """One more worker process, with orders of its own where *changed* says so."""
        orders = dataclasses.replace(self.orders, **changed)
        with (self.folder / "workers.log").open("a") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.worker_process", json.dumps(dataclasses.asdict(orders))],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.processes.append(process)
        if wait:
            await_ready(process)
        return process

    def kill(self, process: Process) -> None:
        """kill -9, and forget it."""
        process.kill()
        process.communicate()
        self.processes.remove(process)

    def end(self) -> None:
        """Kill every process, stop every application."""
        for process in list(self.processes):
            self.kill(process)
        for shop in self.shops.values():
            shop.close()

    # -- looking ----------------------------------------------------------------------------------------------------

    def now(self, apply: Apply) -> Apply:
        """The apply as it stands."""
        return patient(lambda: self.store.apply(apply.apply_uid))

    def settled(self, *applies: Apply) -> bool:
        """Whether all of them are at an end."""
        return all(self.now(apply).state in TERMINAL for apply in applies)

    def completed(self, apply: Apply) -> bool:
        """Whether it ended well. An end of another kind fails the test at once."""
        now = self.now(apply)
        assert now.state not in TERMINAL | AT_REST or now.state is State.COMPLETED, (
            f"{now.state}: {now.error}"
        )
        return now.state is State.COMPLETED

    def copying(self, apply: Apply) -> bool:
        """Whether rows are being copied."""
        return any(task.rows_copied for task in patient(lambda: self.store.tasks(apply.id)))

    def told(self) -> Counter[str]:
        """What the worker processes said: `refused` and `late` writes."""
        return told(Path(self.orders.said))

    def log(self) -> str:
        """The end of what the worker processes logged."""
        return (self.folder / "workers.log").read_text()[-4000:]

    # -- the invariants ---------------------------------------------------------------------------------------------

    def check(self, *applies: Apply) -> None:
        """Fail on any breach of I1–I4, I7 and, for settled applies, I8."""
        assert self.breaches(*applies) == []

    def breaches(self, *applies: Apply) -> list[str]:
        """The breaches in words. The applications must have stopped writing."""
        found = self.ground.breaches()
        for apply in applies:
            found += self.breaches_of(apply)
        known = {apply.apply_uid for apply in patient(lambda: self.store.recent(10_000))}
        if known != {apply.apply_uid for apply in applies}:
            found.append(f"I1: {len(applies)} applies were acknowledged, {len(known)} are known")
        if late := self.told()["late"]:
            found.append(f"I2: {late} writes were taken from owners that had been refused")
        return found

    def breaches_of(self, apply: Apply) -> list[str]:
        """Breaches of I3, I4 and I8 about one settled apply."""
        now = self.now(apply)
        attempts = patient(lambda: self.store.attempts(apply.id))
        events = patient(lambda: self.store.events(apply.id, limit=100_000))
        ends = [event for event in events if event.new_state in TERMINAL and event.task_id is None]
        found = []
        if now.state not in TERMINAL:
            return [f"I6: {now.apply_uid} is {now.state}"]
        if len(ends) != 1:
            found.append(f"I3: {len(ends)} terminal writes to {now.apply_uid}")
        elif ends[0].fence != max(event.fence for event in events if event.fence is not None):
            found.append(f"I3: the end of {now.apply_uid} carries fence {ends[0].fence}, not the highest")
        if [attempt.fence for attempt in attempts] != sorted({attempt.fence for attempt in attempts}):
            found.append(f"I2: a fence of {now.apply_uid} was given twice")
        if now.attempt > now.max_attempts:
            found.append(f"I4: {now.apply_uid} is over its budget")
        database = now.database
        return found + [
            f"{now.apply_uid} ({database}): {fault}" for fault in self.shops[database].faults(now.state)
        ]


def await_ready(process: Process) -> None:
    """Return when the worker process works."""
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", "the worker process did not start: see workers.log"


def resume(process: Process) -> None:
    """SIGCONT."""
    process.send_signal(signal.SIGCONT)


def seed() -> int:
    """The seed of this run: printed, and to be given again."""
    found = int(os.environ.get("SCHEMABOT_FAULT_SEED", "0")) or random.randrange(1, 10**6)
    print(f"SCHEMABOT_FAULT_SEED={found}")
    return found
