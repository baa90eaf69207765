"""The server's side of a running engine call: leases looked at, commands consumed, progress written."""

import logging
import random
import re
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from engine.base import DEFAULT_VOLUME, Progress, Signal
from server.backoff import outage_delay
from server.leases import Lease, boottime
from server.metrics import Metrics
from server.options import ApplyOptions
from server.rates import RowMeter
from server.texts import clean
from storage.base import Store
from storage.errors import StoreError, Unavailable
from storage.records import ControlRequest, TaskProgress

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""How often commands are read while an engine works: a stop is seen within a second."""
WRITE_SECONDS = 0.5
"""How often progress is written."""
LONG_PAUSE_SECONDS = 0.25
"""An engine that rests for so long follows work elsewhere: it reports all its tables at once, then nothing for a while."""
PROGRESS_EVENT_SECONDS = 10.0
"""How often progress goes into the log people read."""
WAIT = re.compile(r"(?:^|[,;] )waiting\b")
"""What a detail says when the copy waits, for somebody's lock or for a replica: `engine.base.Progress` promises it."""

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
        on_live: Callable[[int], None],
    ) -> None:
        self._store = store
        self._lease = lease
        self._metrics = metrics
        self._stopping = stopping
        self._on_live = on_live
        self.seqs: dict[tuple[str, str], int] = {}
        """Change → its task, once the apply is read; what an engine reports about others is a bug."""
        self._looked_at = 0.0
        self._volume = DEFAULT_VOLUME
        self._volume_at = 0.0
        self._wrote_at = 0.0
        self._logged_at = time.monotonic()
        self._durable = False
        self._unwritten: dict[int, TaskProgress] = {}
        self._meters: dict[int, RowMeter] = {}
        self._counted: dict[int, int] = {}
        self._requests: dict[str, ControlRequest] = {}
        self.finishing = False
        """Set while only cleaning is left, of what is live (CO-3), given up or cancelled: only shutdown interrupts that."""

    # -- called by the engine -----------------------------------------------------------------------------------

    def report(self, progress: Progress) -> Signal:
        """Keep the progress; write and look now and then; say what is wanted."""
        self._lease.check()
        self._lease.alive()
        now = time.monotonic()
        self._durable = self._durable or progress.durable
        self._note(progress)
        if progress.live:
            self._on_live(self.seqs[progress.change.key])
        if (progress.notable or now - self._wrote_at >= WRITE_SECONDS) and self._write():
            self._log_progress(progress)
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
        """Sleep, woken early by shutdown. What was reported and not written yet is written before a long sleep."""
        if seconds >= LONG_PAUSE_SECONDS:
            self.flush()
        self._stopping.wait(seconds)

    def volume(self) -> int:
        """What the apply's options say, read afresh now and then; while the store is away, what they said last."""
        now = time.monotonic()
        if now - self._volume_at >= LOOK_SECONDS:
            self._volume_at = now
            try:
                options = self._store.apply(self._lease.claim.apply_uid).options
            except StoreError as error:
                log.warning("%s: the volume was not read: %s", self._lease.claim.apply_uid, error)
            else:
                self._volume = ApplyOptions.read(options).volume or DEFAULT_VOLUME
        return self._volume

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

    def refused(self, command: Signal, reason: str) -> None:
        """Settle the open stop or cancel as failed: it cannot be done where the work is (CO-2)."""
        request = self._requests.pop(command.value, None)
        if request is not None:
            claim = self._lease.claim
            log.warning("%s: %s refused: %s", claim.apply_uid, command.value, reason)
            self.insist(
                lambda: self.guarded(lambda: self._store.settle(claim, request.id, "failed", clean(reason)))
            )

    def attach(self, external_id: str) -> None:
        """Make durable where the work is done; waits out a store that cannot be written."""
        claim = self._lease.claim
        self._lease.check()
        self.insist(lambda: self.guarded(lambda: self._store.attach(claim, external_id)))

    def flush(self) -> None:
        """Write what was reported and not written yet."""
        if self._unwritten:
            self._write()

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

    def _note(self, progress: Progress) -> None:
        """Keep the newest of each task for the next write, and count the rows."""
        seq = self.seqs[progress.change.key]
        meter = self._meters.setdefault(seq, RowMeter())
        if WAIT.search(progress.detail):
            meter.begin_anew()
        else:
            meter.note(time.monotonic(), progress.rows_copied)
        before = self._counted.setdefault(seq, progress.rows_copied)
        if progress.rows_copied > before:
            self._metrics.rows_copied.inc(progress.rows_copied - before)
            self._counted[seq] = progress.rows_copied
        copying = progress.rows_copied < progress.rows_total
        self._unwritten[seq] = TaskProgress(
            seq=seq,
            rows_copied=progress.rows_copied,
            rows_total=progress.rows_total,
            eta_seconds=meter.eta_seconds(progress.rows_total) if copying else None,
            rows_per_second=meter.rows_per_second if copying else None,
            detail=progress.detail,
        )

    def _write(self) -> bool:
        """Whether the store took it."""
        self._wrote_at = time.monotonic()
        rows, durable = list(self._unwritten.values()), self._durable
        try:
            self.guarded(lambda: self._store.record(self._lease.claim, rows, durable=durable))
            self._durable = False
            self._unwritten.clear()
        except Unavailable as error:
            self._metrics.store_errors.inc()
            log.warning("%s: progress not written: %s", self._lease.claim.apply_uid, error)
            return False
        return True

    def _log_progress(self, progress: Progress) -> None:
        now = time.monotonic()
        if not progress.notable and now - self._logged_at < PROGRESS_EVENT_SECONDS:
            return
        self._logged_at = now
        text = (
            f"{progress.change.table}: {progress.detail or 'working'}, "
            f"{progress.rows_copied:,} of {progress.rows_total:,} rows"
        )
        try:
            self.guarded(lambda: self._store.log(self._lease.claim, "info", "progress", text))
        except Unavailable as error:
            self._metrics.store_errors.inc()
            log.warning("%s: progress not logged: %s", self._lease.claim.apply_uid, error)
