"""A pool of workers as a process of its own, to be killed and stopped: everything of the daemon but HTTP and the file lock.

The lock is left out on purpose: with it, two processes could never meet on one SQLite store, and the lease, the fence and the
guard would go untested where they matter. `python -m tests.faults.worker_process ORDERS`, a JSON object (see `Orders`).
"""

import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import apsw

from engine import faults
from server.app import App
from server.config import Config, DatabaseConfig, EnvironmentConfig, WorkerConfig
from server.housekeeping import Housekeeping
from server.leases import LeaseKeeper
from server.metrics import Metrics
from server.targets import Targets
from server.workers import Workers
from storage.base import Store
from storage.mysql.store import MysqlStore
from storage.sqlite.store import SqliteStore
from tests.faults.witness import Witness


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What the parent wants of a worker process."""

    store: str
    target_kind: str
    target_dsn: str  # {database} stands for db0, db1 …
    targets: int
    lease_seconds: float
    said: str  # the file it tells of refusals in
    guard: Literal["full", "state", "id"] = "full"
    clock: str = ""  # a file with the seconds by which the clock of a SQLite store is wrong, in this process
    stop_at: str = ""  # the fault point of the target at which it stops itself, when it comes there …
    stop_time: int = 1  # … for the how-manieth time
    workers: int = 2
    die_chance: float = 0.0  # of dying at each fault point of the target
    drain_seconds: float = 10.0

    def target(self, database: str) -> str:
        """The DSN of that database."""
        return self.target_dsn.format(database=database)


def configuration(orders: Orders) -> Config:
    """A few workers, a short lease, each database in the environment `local`."""
    return Config(
        workers=WorkerConfig(count=orders.workers, poll_seconds=0.2, lease_seconds=orders.lease_seconds),
        databases={
            name: DatabaseConfig(
                type=orders.target_kind, environments={"local": EnvironmentConfig(dsn=orders.target(name))}
            )
            for name in (f"db{n}" for n in range(orders.targets))
        },
    )


def open_for(orders: Orders) -> Store:
    """The store, with the guard and the clock that were ordered."""
    if "://" in orders.store:
        return MysqlStore(orders.store.removeprefix("mysql://"), _guard=orders.guard)
    connected = wrong_clock(Path(orders.clock)) if orders.clock else None
    return SqliteStore(orders.store, _guard=orders.guard, _on_connect=connected)


def wrong_clock(file: Path) -> Callable[[apsw.Connection], None]:
    """Puts a clock into each connection that is wrong by what *file* says."""

    def now(*_modifiers: object) -> float:
        return time.time() + float(file.read_text() or "0")

    return lambda connection: connection.create_scalar_function("unixepoch", now, 1, deterministic=False)


def strike(orders: Orders) -> Callable[[str], None]:
    """What happens at the fault points of the target."""
    seen: Counter[str] = Counter()

    def reached(point: str) -> None:
        seen[point] += 1
        if point == orders.stop_at and seen[point] == orders.stop_time:
            os.kill(os.getpid(), signal.SIGSTOP)
            # Another thread may get the signal: this one must not run on until all are stopped.
            time.sleep(0.5)
        if orders.die_chance and random.random() < orders.die_chance:
            os.kill(os.getpid(), signal.SIGKILL)

    return reached


def main() -> None:
    """Work until SIGTERM; leave at once when the parent is gone."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    orders = Orders(**given)
    config = configuration(orders)
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: done.set())
    faults.install(strike(orders))
    store: Any = Witness(open_for(orders), Path(orders.said))
    metrics = Metrics(store.counts)
    wake = threading.Event()
    app = App(config=config, store=store, targets=Targets(config), metrics=metrics, wake=wake.set)
    keeper = LeaseKeeper(store, metrics, config.workers.lease_seconds)
    workers = Workers(app, keeper, wake)
    housekeeping = Housekeeping(store, metrics, tick_seconds=0.3)
    for part in (keeper, housekeeping, workers):
        part.start()
    print("ready", flush=True)
    parent = os.getppid()
    while not done.wait(0.2) and os.getppid() == parent:
        pass
    if not workers.stop(orders.drain_seconds):
        os._exit(1)
    housekeeping.stop()
    keeper.stop()
    store.close()


if __name__ == "__main__":
    main()
