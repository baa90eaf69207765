"""What the daemon counts, and its text for Prometheus."""

import logging
from collections.abc import Callable, Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from storage.errors import StoreError

log = logging.getLogger(__name__)

# Without the time of creation: a series per series that nobody asked for.
disable_created_metrics()  # type: ignore[no-untyped-call]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_WAITS = (0.001, 0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300)
_DRIVES = (0.01, 0.05, 0.2, 1, 5, 20, 60, 300, 1800, 7200, 86_400)
_REQUESTS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """One process's metrics, in a registry of its own; every member may be used from any thread.

    *counts* is asked at every scrape for the live applies by state (`Store.counts`).
    """

    def __init__(self, counts: Callable[[], Mapping[str, int]] = dict) -> None:
        self.registry = CollectorRegistry()
        self._counts = counts
        self._scheduler()
        self._http()

    def _scheduler(self) -> None:
        at = self.registry
        self.claims = Counter("schemabot_scheduler_claims", "Applies claimed by a worker", registry=at)
        self.recovery_cycles = Counter(
            "schemabot_recovery_cycles", "Looks for an apply that is due", registry=at
        )
        self.recovery_recovered = Counter(
            "schemabot_recovery_recovered",
            "Applies taken up again after a failure or the end of their driver",
            registry=at,
        )
        self.recovery_failed = Counter(
            "schemabot_recovery_failed",
            "Applies that did not get on after they were taken up again",
            registry=at,
        )
        self.claim_wait_seconds = Histogram(
            "schemabot_scheduler_claim_wait_seconds",
            "From due to claimed, on the store's clock",
            buckets=_WAITS,
            registry=at,
        )
        self.running = Gauge("schemabot_scheduler_running", "Applies this process drives now", registry=at)
        self.retries = Counter(
            "schemabot_scheduler_retries", "Drives that ended in a planned retry", registry=at
        )
        self.expired = Counter(
            "schemabot_scheduler_expired_retryable",
            "Applies given up after their budget of attempts or a day",
            registry=at,
        )
        self.lease_losses = Counter(
            "schemabot_scheduler_lease_losses", "Drives let go because the lease was lost", registry=at
        )
        self.drive_seconds = Histogram(
            "schemabot_drive_seconds", "From claim to letting go", ["outcome"], buckets=_DRIVES, registry=at
        )
        self.drive_crashes = Counter(
            "schemabot_drive_crashes", "Drives ended by a bug in our code", registry=at
        )
        self.rows_copied = Counter("schemabot_rows_copied", "Rows copied by online rebuilds", registry=at)
        self.store_errors = Counter("schemabot_store_errors", "Calls the store could not answer", registry=at)
        self.active_applies = Gauge(
            "schemabot_active_applies", "Live applies in the store, of every process", ["state"], registry=at
        )
        ProcessCollector(registry=at)

    def _http(self) -> None:
        at = self.registry
        where = ["database", "environment", "status"]
        self.http_seconds = Histogram(
            "schemabot_http_request_seconds",
            "From a complete request to its response",
            ["method", "route", "status"],
            buckets=_REQUESTS,
            registry=at,
        )
        self.plans = Counter("schemabot_plans", "Plans asked for", where, registry=at)
        self.plan_duration_seconds = Histogram(
            "schemabot_plan_duration_seconds", "Time to make a plan", where, buckets=_REQUESTS, registry=at
        )
        self.applies = Counter("schemabot_applies", "Applies asked for", where, registry=at)
        self.apply_duration_seconds = Histogram(
            "schemabot_apply_duration_seconds",
            "From an apply's first step to its end",
            where,
            buckets=_DRIVES,
            registry=at,
        )
        self.control_operations = Counter(
            "schemabot_control_operations", "Commands about applies", ["operation", *where], registry=at
        )
        self.lock_operations = Counter(
            "schemabot_lock_operations",
            "Locks taken and released",
            ["operation", "database", "status"],
            registry=at,
        )

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format; without live applies while the store is away."""
        try:
            counts = self._counts()
        except StoreError as error:
            self.store_errors.inc()
            log.warning("live applies not counted: %s", error)
            counts = {}
        self.active_applies.clear()
        for state, number in counts.items():
            self.active_applies.labels(state=state).set(number)
        return generate_latest(self.registry)
