"""The fixed pool: one poller claims while a worker is free, the workers drive what it claimed."""

import logging
import os
import queue
import random
import socket
import threading
import time
from pathlib import Path

from server.app import App
from server.backoff import outage_delay
from server.drive import Drive
from server.leases import Lease, LeaseKeeper, boottime
from server.ledger import Outcome
from server.rounds import attempt
from storage.errors import StoreError

log = logging.getLogger(__name__)

YIELDING = 5
"""How much the threads that drive give way (nice): answers, heartbeats and commands come first when cores are scarce."""
ENDS = {Outcome.COMPLETED: "success", Outcome.FAILED: "error"}
"""Drives after which an apply is over, in the words of the metrics."""
IN_VAIN = frozenset({Outcome.FAILED, Outcome.RETRY, Outcome.CRASHED})


def owner_name() -> str:
    """host:pid:boot, for people who read the attempts of an apply; the thread is added per worker."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{socket.gethostname()}:{os.getpid()}:{boot.read_text().strip()[:8] if boot.exists() else '-'}"


class Workers:
    """`count` driving threads behind one polling thread; nothing else in the process claims."""

    def __init__(self, app: App, keeper: LeaseKeeper, wake: threading.Event) -> None:
        self._app = app
        for outcome in Outcome:  # at 0, so that an alert on what grows sees the first one, too
            app.metrics.drive_seconds.labels(outcome=outcome.value)
        self._keeper = keeper
        settings = app.config.workers
        self._poll_seconds = settings.poll_seconds
        self._lease_seconds = settings.lease_seconds
        self._owner = owner_name()
        self._stopping = threading.Event()
        # Something became due in this process (OW-1: only sooner, never instead of a claim).
        self._wake = wake
        self._free = threading.Semaphore(settings.count)
        self._claimed: queue.SimpleQueue[Lease | None] = queue.SimpleQueue()
        self._poller = threading.Thread(target=self._poll, name="poller")
        self._threads = [
            threading.Thread(target=self._work, name=f"worker-{n + 1}") for n in range(settings.count)
        ]

    def start(self) -> None:
        """Begin claiming."""
        for thread in [*self._threads, self._poller]:
            thread.start()

    def stop(self, grace: float) -> bool:
        """Stop claiming, tell the engines to halt, wait at most *grace* seconds. True when every worker let go (AV-4)."""
        deadline = time.monotonic() + grace
        self._stopping.set()
        self._wake.set()
        self._free.release()  # the poller may be waiting for a worker
        self._poller.join(max(0.0, deadline - time.monotonic()))
        for _ in self._threads:
            self._claimed.put(None)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in [self._poller, *self._threads])

    # -- the poller ---------------------------------------------------------------------------------------------

    def _poll(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            self._free.acquire()
            if self._stopping.is_set():
                return
            handed_out = attempt(self.poll_once, self._app.metrics, "nothing claimed")
            if handed_out is None:
                self._free.release()
                self._stopping.wait(outage_delay(failures, random.random))
                failures += 1
                continue
            failures = 0
            if not handed_out:
                self._free.release()
                self._rest()

    def poll_once(self) -> bool:
        """Claim at most one apply and hand it to a worker; whether there was one."""
        self._wake.clear()
        sent_at = boottime()
        self._app.metrics.recovery_cycles.inc()
        claim = self._app.store.claim(self._owner, self._lease_seconds)
        if claim is None:
            return False
        self._app.metrics.claims.inc()
        self._app.metrics.recovery_recovered.inc(int(claim.recovered))
        self._app.metrics.claim_wait_seconds.observe(max(0.0, claim.waited_seconds))
        log.info("%s: claimed (fence %d, attempt %d)", claim.apply_uid, claim.fence, claim.attempt)
        self._claimed.put(self._keeper.hold(claim, sent_at))
        return True

    def _rest(self) -> None:
        """Sleep until woken, the next due time, or the poll interval ± 10 % (peers must not look all at once)."""
        try:
            due = self._app.store.next_due()
        except StoreError:
            due = None
        wait = self._poll_seconds * random.uniform(0.9, 1.1)  # noqa: S311 - jitter
        self._wake.wait(wait if due is None else min(wait, max(due, 0.02)))

    # -- the workers --------------------------------------------------------------------------------------------

    def _work(self) -> None:
        _give_way()
        while (lease := self._claimed.get()) is not None:
            try:
                self._drive(lease)
            except Exception:
                # Not even the failure could be written down (AV-3): the lease lapses, the next attempt is counted.
                log.exception("%s: bug while driving", lease.claim.apply_uid)
                self._app.metrics.drive_crashes.inc()
            self._free.release()
            self._wake.set()

    def _drive(self, lease: Lease) -> None:
        metrics = self._app.metrics
        metrics.running.inc()
        began = time.monotonic()
        try:
            outcome = Drive(self._app, lease, self._stopping).run()
        finally:
            metrics.running.dec()
            self._keeper.release(lease)
        metrics.drive_seconds.labels(outcome=outcome.value).observe(time.monotonic() - began)
        if lease.claim.recovered and outcome in IN_VAIN:
            metrics.recovery_failed.inc()
        if outcome in ENDS:
            self._observe_end(lease.claim.apply_uid, ENDS[outcome])

    def _observe_end(self, apply_uid: str, status: str) -> None:
        try:
            apply = self._app.store.apply(apply_uid)
        except StoreError as error:
            log.warning("%s: its duration was not counted: %s", apply_uid, error)
            return
        if apply.started_at is not None and apply.finished_at is not None:
            seconds = (apply.finished_at - apply.started_at).total_seconds()
            where = {"database": apply.database, "environment": apply.environment}
            self._app.metrics.apply_duration_seconds.labels(**where, status=status).observe(seconds)


def _give_way() -> None:
    """Lower this thread's priority (on Linux a thread has one of its own), if the whole process is not as low already."""
    thread = threading.get_native_id()
    if os.getpriority(os.PRIO_PROCESS, thread) < YIELDING:
        os.setpriority(os.PRIO_PROCESS, thread, YIELDING)
