"""What happens every few seconds whatever the workers do: giving up on what spent its budget."""

import logging
import random
import threading

from server.metrics import Metrics
from server.rounds import attempt
from storage.base import Store

log = logging.getLogger(__name__)

TICK_SECONDS = 5.0


class Housekeeping:
    """One thread per process; several processes may do the same work at once."""

    def __init__(self, store: Store, metrics: Metrics, tick_seconds: float = TICK_SECONDS) -> None:
        self._store = store
        self._metrics = metrics
        self._tick_seconds = tick_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping")

    def start(self) -> None:
        """Begin ticking."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._tick_seconds * random.uniform(0.9, 1.1)):  # noqa: S311 - jitter
            self.tick()

    def tick(self) -> None:
        """Sweep once."""
        for gone in attempt(self._store.expire_retryable, self._metrics, "nothing swept") or ():
            self._metrics.expired.inc()
            log.error("%s: given up after %d retries: %s", gone.apply_uid, gone.attempt, gone.reason)
