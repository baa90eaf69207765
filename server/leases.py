"""The leases this process holds, and the one thread that renews them all (OW-3, OW-6)."""

import logging
import random
import threading
import time

from server.metrics import Metrics
from server.rounds import attempt
from storage.base import Store
from storage.errors import LeaseLost
from storage.records import Claim

log = logging.getLogger(__name__)

MARGIN_SECONDS = 10.0
"""A driver stops touching its target this long before its lease could be another's (a sixth of short leases)."""

DEAD_WORK_SECONDS = 1_800.0
"""A drive that gave no sign of life for so long is no longer renewed: its heart would beat over dead work."""


def boottime() -> float:
    """Seconds since boot, suspend included: what a lease is measured with (OW-3)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """One claim and what this process knows of its right to it; shared by its driver and the keeper."""

    def __init__(self, claim: Claim, sent_at: float) -> None:
        self.claim = claim
        self._lock = threading.Lock()
        self._renewed_at = sent_at
        self._alive_at = sent_at
        self._lost = False

    def renewed(self, sent_at: float) -> None:
        """A renewal that was *sent* at that boottime succeeded."""
        with self._lock:
            self._renewed_at = max(self._renewed_at, sent_at)

    def alive(self) -> None:
        """The driver gives a sign of life."""
        with self._lock:
            self._alive_at = boottime()

    def lose(self) -> None:
        """The store has proven that the claim is another's now."""
        with self._lock:
            self._lost = True

    @property
    def dead_work(self) -> bool:
        """Whether the driver has been silent for too long to be trusted."""
        with self._lock:
            return boottime() - self._alive_at > DEAD_WORK_SECONDS

    @property
    def deadline(self) -> float:
        """The boottime after which the target must not be touched."""
        lease = self.claim.lease_seconds
        with self._lock:
            return self._renewed_at + lease - min(MARGIN_SECONDS, lease / 6)

    def check(self) -> None:
        """Raise LeaseLost when the claim is lost, or could be before the next look."""
        with self._lock:
            lost = self._lost
        if lost:
            raise LeaseLost(f"{self.claim.apply_uid}: another worker took over")
        if boottime() > self.deadline:
            raise LeaseLost(
                f"{self.claim.apply_uid}: the lease could not be renewed for {self.claim.lease_seconds:.0f} s"
            )


class LeaseKeeper:
    """Renews every lease of the process from one thread, so that a worker busy in an engine call loses none."""

    def __init__(self, store: Store, metrics: Metrics, lease_seconds: float) -> None:
        self._store = store
        self._metrics = metrics
        self._interval = lease_seconds / 4
        self._leases: dict[str, Lease] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leases")

    def start(self) -> None:
        """Begin renewing."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; call it after the last driver let go."""
        self._stop.set()
        self._thread.join()

    def hold(self, claim: Claim, sent_at: float) -> Lease:
        """Keep *claim* alive until `release`."""
        lease = Lease(claim, sent_at)
        with self._lock:
            self._leases[claim.token] = lease
        return lease

    def release(self, lease: Lease) -> None:
        """The driver is done with it."""
        with self._lock:
            self._leases.pop(lease.claim.token, None)

    def _run(self) -> None:
        while not self._stop.wait(self._interval * random.uniform(0.9, 1.1)):  # noqa: S311 - jitter
            self.renew()

    def renew(self) -> None:
        """Renew every lease once."""
        with self._lock:
            leases = [lease for lease in self._leases.values() if not lease.dead_work]
        if not leases:
            return
        sent_at = boottime()
        claims = [lease.claim for lease in leases]
        lost = attempt(lambda: self._store.heartbeat(claims), self._metrics, "leases not renewed")
        if lost is None:
            return
        for lease in leases:
            if lease.claim.token in lost:
                lease.lose()
                log.warning("%s: lease lost to another worker", lease.claim.apply_uid)
            else:
                lease.renewed(sent_at)
