"""A pool of workers as a process of its own, to be killed and stopped: everything of the daemon but HTTP and the file lock.

The lock is left out on purpose: with it, two processes could never meet on one SQLite store, and the lease, the fence and the
guard would go untested where they matter. `python -m tests.faults.worker_process STORE LEASE_SECONDS name=path …`
"""

import os
import signal
import sys
import threading

from server.app import App
from server.config import Config, DatabaseConfig, EnvironmentConfig, WorkerConfig
from server.housekeeping import Housekeeping
from server.leases import LeaseKeeper
from server.metrics import Metrics
from server.targets import Targets
from server.workers import Workers
from storage.registry import open_store


def configuration(lease_seconds: float, databases: dict[str, str]) -> Config:
    """Two workers, a short lease, each database in the environment `local`."""
    return Config(
        workers=WorkerConfig(count=2, poll_seconds=0.2, lease_seconds=lease_seconds),
        databases={
            name: DatabaseConfig(type="sqlite", environments={"local": EnvironmentConfig(dsn=path)})
            for name, path in databases.items()
        },
    )


def main() -> None:
    """Work until SIGTERM; leave at once when the parent is gone."""
    store_path, lease_seconds, *pairs = sys.argv[1:]
    config = configuration(float(lease_seconds), dict(pair.split("=", 1) for pair in pairs))
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: done.set())
    store = open_store(store_path)
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
    if not workers.stop(10.0):
        os._exit(1)
    housekeeping.stop()
    keeper.stop()
    store.close()


if __name__ == "__main__":
    main()
