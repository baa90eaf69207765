"""The server's side of a running engine call: leases looked at, commands consumed, progress written."""

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from engine.base import Progress, Signal
from server.backoff import outage_delay
from server.leases import Lease, boottime
from server.metrics import Metrics
from server.rates import RowMeter
from storage.base import Store
from storage.errors import Unavailable
from storage.records import ControlRequest, TaskProgress

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""How often commands are read while an engine works: a stop is seen within a second."""
WRITE_SECONDS = 1.0
"""How often progress is written."""
PROGRESS_EVENT_SECONDS = 10.0
"""How often progress goes into the log people read."""

T = TypeVar("T")


class ShuttingDown(Exception):
    """The daemon is going down and the store cannot be reached: let the lease lapse."""


class DriveControl:
    """What one drive reports to and takes commands from; implements `engine.base.Control`."""

    def __init__(
        self,
        *,
        store: Store,
        lease: Lease,
        metrics: Metrics,
        stopping: threading.Event,
        seqs: dict[tuple[str, str], int],
    ) -> None:
        self._store = store
        self._lease = lease
        self._metrics = metrics
        self._stopping = stopping
        self._seqs = seqs
        self._looked_at = 0.0
        self._wrote_at = 0.0
        self._logged_at = time.monotonic()
        self._durable = False
        self._meters: dict[int, RowMeter] = {}
        self._counted: dict[int, int] = {}
        self._requests: dict[str, ControlRequest] = {}
        self.finishing = False
        """Set once a change is live: what is left is tidying, and only shutdown interrupts that (CO-3)."""

    # -- called by the engine -----------------------------------------------------------------------------------

    def report(self, progress: Progress) -> Signal:
        """Keep the progress; write and look now and then; say what is wanted."""
        self._lease.check()
        self._lease.alive()
        now = time.monotonic()
        self._durable = self._durable or progress.durable
        self._count(progress)
        if now - self._wrote_at >= WRITE_SECONDS:
            self._wrote_at = now
            self._write(progress)
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            self._look()
        return self.signal

    def clear_to_cut_over(self) -> Signal:
        """Read the commands afresh and look at the lease; waits out a store that cannot be read (CO-1)."""
        self.insist(self.look_afresh)
        self._lease.check()
        return self.signal

    def pause(self, seconds: float) -> None:
        """Sleep, woken early by shutdown."""
        self._stopping.wait(seconds)

    # -- called by the drive ------------------------------------------------------------------------------------

    @property
    def signal(self) -> Signal:
        """What is wanted now, from what was last read."""
        if not self.finishing:
            if "cancel" in self._requests:
                return Signal.CANCEL
            if "stop" in self._requests:
                return Signal.STOP
        return Signal.HALT if self._stopping.is_set() else Signal.GO

    def pending(self, kind: str) -> ControlRequest | None:
        """The open command of that kind, from what was last read."""
        return self._requests.get(kind)

    def look_afresh(self) -> None:
        """Read the open commands now. Raises Unavailable."""
        found = self._store.pending_requests(self._lease.claim.apply_id)
        self._requests = {request.kind: request for request in found}

    def guarded(self, write: Callable[[], T]) -> T:
        """Run one guarded write and count it as a renewal. Raises LeaseLost, Unavailable."""
        sent_at = boottime()
        result = write()
        self._lease.renewed(sent_at)
        return result

    def insist(self, call: Callable[[], T]) -> T:
        """Repeat *call* until the store answers (AV-1); ShuttingDown when the daemon stops first."""
        failures = 0
        while True:
            try:
                return call()
            except Unavailable as error:
                self._metrics.store_errors.inc()
                log.warning("%s: the store does not answer, waiting: %s", self._lease.claim.apply_uid, error)
                if self._stopping.wait(outage_delay(failures, random.random)):
                    raise ShuttingDown(str(error)) from error
                failures += 1

    # -- inside -------------------------------------------------------------------------------------------------

    def _look(self) -> None:
        try:
            self.look_afresh()
        except Unavailable as error:
            self._metrics.store_errors.inc()
            log.warning("%s: commands not read: %s", self._lease.claim.apply_uid, error)

    def _count(self, progress: Progress) -> None:
        seq = self._seqs[progress.change.key]
        self._meters.setdefault(seq, RowMeter()).note(time.monotonic(), progress.rows_copied)
        before = self._counted.setdefault(seq, progress.rows_copied)
        if progress.rows_copied > before:
            self._metrics.rows_copied.inc(progress.rows_copied - before)
            self._counted[seq] = progress.rows_copied

    def _write(self, progress: Progress) -> None:
        seq = self._seqs[progress.change.key]
        meter = self._meters[seq]
        copying = progress.rows_copied < progress.rows_total
        row = TaskProgress(
            seq=seq,
            rows_copied=progress.rows_copied,
            rows_total=progress.rows_total,
            eta_seconds=meter.eta_seconds(progress.rows_total) if copying else None,
            rows_per_second=meter.rows_per_second if copying else None,
            detail=progress.detail,
        )
        durable = self._durable
        try:
            self.guarded(lambda: self._store.record(self._lease.claim, [row], durable=durable))
            self._durable = False
            self._log_progress(progress)
        except Unavailable as error:
            self._metrics.store_errors.inc()
            log.warning("%s: progress not written: %s", self._lease.claim.apply_uid, error)

    def _log_progress(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._logged_at < PROGRESS_EVENT_SECONDS:
            return
        self._logged_at = now
        text = (
            f"{progress.change.table}: {progress.detail or 'working'}, "
            f"{progress.rows_copied:,} of {progress.rows_total:,} rows"
        )
        self.guarded(lambda: self._store.log(self._lease.claim, "info", "progress", text))
