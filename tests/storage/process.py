"""What the fault tests run as processes of their own: `python -m tests.storage.process ROLE STORE …`.

Every role prints `ready`, waits for a line, works, and prints what happened as JSON.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any, cast

import apsw

from storage.errors import LeaseLost, StoreError, TargetBusy
from storage.lifecycle.statements import Guard
from storage.records import TaskProgress
from storage.registry import open_store
from storage.sqlite.store import SqliteStore
from tests.storage.kinds import BEGIN, known
from tests.storage.scene import a_request, claimed, queued


def say(what: object) -> None:
    """One line of JSON for the parent."""
    print(json.dumps(what), flush=True)


def wait_for_go() -> None:
    """Tell the parent, and let it choose the moment."""
    print("ready", flush=True)
    sys.stdin.readline()


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """Run *work* in that many threads, to the end."""
    threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def claim(address: str, threads: str, quota: str) -> None:
    """Each thread claims *quota* applies; none may come back empty-handed."""
    done: list[dict[str, Any]] = []
    with known(address).open(patient=True) as store:
        store.ping()
        wait_for_go()

        def work(_number: int) -> None:
            mine: dict[str, Any] = {"claims": [], "empty": 0, "errors": [], "slowest": 0.0}
            for _ in range(int(quota)):
                began = time.monotonic()
                try:
                    found = store.claim("claimer", 600.0)
                except StoreError as error:
                    mine["errors"].append(repr(error))
                    continue
                mine["slowest"] = max(mine["slowest"], time.monotonic() - began)
                if found is None:
                    mine["empty"] += 1
                else:
                    mine["claims"].append([found.apply_id, found.fence])
            done.append(mine)

        in_threads(int(threads), work)
    say(done)


def zombies(address: str, guard: str, threads: str, lease: str, robbed: str) -> None:
    """Each thread drives one apply, one write after the other, until it is refused or has written after it was robbed."""
    done: list[dict[str, Any]] = []
    with known(address).open(guard=cast("Guard", guard), patient=True) as store:
        claims = [claimed(store, "zombie", float(lease)) for _ in range(int(threads))]
        wait_for_go()

        def work(number: int) -> None:
            mine = {"written": 0, "refused": 0, "written_after_refusal": 0}
            late = 0
            while late < 3:
                time.sleep(0.01)  # most of the time outside a transaction, where the parent wants to stop it
                late += Path(robbed).exists()
                progress = [TaskProgress(seq=0, rows_copied=mine["written"], rows_total=10**6)]
                try:
                    store.record(claims[number], progress, durable=False)
                    mine["written"] += 1
                    mine["written_after_refusal"] += mine["refused"] > 0
                except LeaseLost:
                    mine["refused"] += 1
            done.append(mine)

        in_threads(int(threads), work)
    say(done)


def stop_inside(address: str) -> None:
    """Stop the process itself between the last statement and COMMIT of an enqueue."""

    def before(sql: str) -> None:
        if sql == "COMMIT":
            os.kill(os.getpid(), signal.SIGSTOP)

    with known(address).open(before=before) as store:
        wait_for_go()
        say(store.enqueue(a_request("paused")).apply_uid)


def complete(path: str) -> None:
    """Four threads enqueue, claim, record and complete for ever, sharing commits; each acknowledged completion is printed."""

    def often(connection: apsw.Connection) -> None:
        connection.wal_autocheckpoint(20)

    def work(thread: int) -> None:
        for number in count(1):
            queued(store, f"db{os.getpid()}-{thread}-{number}")
            mine = claimed(store)
            store.record(mine, [TaskProgress(seq=0, rows_copied=number, rows_total=number)], durable=True)
            store.complete(mine)
            with saying:
                say(mine.apply_uid)

    saying = threading.Lock()
    with SqliteStore(path, _on_connect=often) as store, ThreadPoolExecutor(4) as pool:
        wait_for_go()
        list(pool.map(work, range(4)))


def sweep(address: str) -> None:
    """Sweep, stopping the process itself before the fifth expiry begins."""
    seen = 0

    def before(sql: str) -> None:
        nonlocal seen
        seen += sql in BEGIN
        if sql in BEGIN and seen == 5:
            os.kill(os.getpid(), signal.SIGSTOP)

    with known(address).open(before=before) as store:
        wait_for_go()
        say([expired.apply_uid for expired in store.expire_retryable()])


def upgrade(address: str) -> None:
    """Open and upgrade a store that others open and upgrade, too."""
    wait_for_go()
    with open_store(address) as store:
        store.upgrade()
        store.ping()
        store.set_setting(str(os.getpid()), "was here")
    say("done")


def enqueue(address: str, threads: str, key: str) -> None:
    """Each thread asks for the same target; with *key*, for the same apply."""
    done: list[tuple[str, str]] = []
    with known(address).open(patient=True) as store:
        store.ping()
        wait_for_go()

        def work(_number: int) -> None:
            try:
                done.append(("made", store.enqueue(a_request("shop", idempotency_key=key or None)).apply_uid))
            except TargetBusy as refusal:
                done.append(("busy", refusal.apply_uid))

        in_threads(int(threads), work)
    say(done)


ROLES: dict[str, Callable[..., None]] = {
    role.__name__: role for role in (claim, zombies, stop_inside, complete, sweep, upgrade, enqueue)
}

if __name__ == "__main__":
    ROLES[sys.argv[1]](*sys.argv[2:])
