"""The pool: who claims when, how many at once, and what shutdown and outages do to it."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import apsw
import pytest

from engine.base import Control
from engine.errors import Refused, TargetUnavailable
from server.app import App
from server.changes import to_stored
from server.config import Config, WorkerConfig
from server.housekeeping import Housekeeping
from server.leases import LeaseKeeper, boottime
from server.workers import YIELDING, Workers
from storage.records import Apply, NewApply, Plan, TaskMove
from storage.states import State
from tests.fakes import fake_change
from tests.server.rig import Rig
from tests.waiting import until

LIMIT_SECONDS = 20.0


@contextmanager
def pool(rig: Rig, *, count: int = 4, poll_seconds: float = 60.0) -> Iterator[App]:
    """A running pool; its wake is the app's."""
    wake = threading.Event()
    config = Config(workers=WorkerConfig(count=count, poll_seconds=poll_seconds))
    app = replace(rig.app, config=config, wake=wake.set)
    keeper = LeaseKeeper(rig.store, app.metrics, config.workers.lease_seconds)
    workers = Workers(app, keeper, wake)
    keeper.start()
    workers.start()
    try:
        yield app
    finally:
        for hook in list(rig.target.on):
            rig.target.on.pop(hook)
        assert workers.stop(LIMIT_SECONDS)
        keeper.stop()


def enqueue(rig: Rig, database: str, **options: str) -> Apply:
    """One change of a table named after its database."""
    plan = Plan(
        plan_id=f"plan-{database}",
        database=database,
        database_type="sqlite",
        environment="local",
        schema_files={},
        changes=[to_stored(fake_change(database))],
    )
    rig.store.save_plan(plan)
    return rig.store.enqueue(
        NewApply(plan_id=plan.plan_id, environment="local", deployment=database, options=options)
    )


def test_new_work_starts_at_once_in_the_same_process(rig: Rig) -> None:
    with pool(rig, poll_seconds=60.0) as app:
        apply = enqueue(rig, "orders")
        app.wake()

        until("completed", lambda: rig.now(apply).state is State.COMPLETED)


def test_av_3_a_bug_in_one_look_for_work_does_not_end_the_looking(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        monkeypatch.undo()
        raise AssertionError("a row of another release")

    apply = enqueue(rig, "orders")
    monkeypatch.setattr(rig.store, "claim", broken)
    with pool(rig):
        until("completed", lambda: rig.now(apply).state is State.COMPLETED)
    assert "nothing claimed, will try again: bug" in caplog.text
    assert "a row of another release" in caplog.text


def test_av_3_a_bug_in_one_renewal_or_sweep_does_not_end_the_next(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise AssertionError("a row of another release")

    apply = enqueue(rig, "orders")
    keeper = LeaseKeeper(rig.store, rig.app.metrics, 60.0)
    claim = rig.claim().claim
    lease = keeper.hold(claim, boottime() - 55.0)  # too long ago to be trusted, until it is renewed
    monkeypatch.setattr(rig.store, "heartbeat", broken)
    monkeypatch.setattr(rig.store, "expire_retryable", broken)

    keeper.renew()
    Housekeeping(rig.store, rig.app.metrics).tick()

    assert "leases not renewed, will try again: bug" in caplog.text
    assert "nothing swept, will try again: bug" in caplog.text
    monkeypatch.undo()
    keeper.renew()
    lease.check()
    assert rig.now(apply).leased


def test_a_retry_does_not_wait_for_the_poll(rig: Rig) -> None:
    failures = iter(range(2))

    def fail_twice(_control: Control) -> None:
        if next(failures, None) is not None:
            raise TargetUnavailable("gone for a moment")

    rig.target.on["prepare orders"] = fail_twice
    with pool(rig, poll_seconds=60.0) as app:
        apply = enqueue(rig, "orders")
        app.wake()

        until("completed", lambda: rig.now(apply).state is State.COMPLETED)
    counted = app.metrics.exposition().decode()
    assert "schemabot_recovery_recovered_total 2.0" in counted, "the first drive recovered nothing"
    assert "schemabot_recovery_failed_total 1.0" in counted
    assert "schemabot_recovery_cycles_total 0.0" not in counted


def test_without_workers_a_store_is_looked_at_and_what_is_unwanted_in_it_stopped(rig: Rig) -> None:
    """As after a backup was put back: what it has due ran to its end long ago."""
    interrupted, pending, wanted = (enqueue(rig, name) for name in ("interrupted", "pending", "wanted"))
    claim = rig.claim().claim
    rig.store.advance(claim, [TaskMove(seq=0, state=State.RUNNING)])
    rig.store.release_orphans()
    with pool(rig, count=0) as app:
        app.wake()
        rig.store.request(interrupted.apply_uid, "stop", "somebody")
        rig.store.request(pending.apply_uid, "cancel", "somebody")
    assert rig.target.told == []
    with pool(rig) as app:
        app.wake()
        until("the other is completed", lambda: rig.now(wanted).state is State.COMPLETED)
    assert (rig.now(interrupted).state, rig.now(pending).state) == (State.STOPPED, State.CANCELLED)
    assert rig.target.done == [("main", "wanted")]


def test_no_more_drives_than_workers_and_no_claim_without_a_free_one(rig: Rig) -> None:
    inside, most, gate, lock = [0], [0], threading.Event(), threading.Lock()

    def wait(_control: Control) -> None:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        gate.wait(LIMIT_SECONDS)
        with lock:
            inside[0] -= 1

    applies = [enqueue(rig, f"t{n}") for n in range(6)]
    for n in range(6):
        rig.target.on[f"prepare t{n}"] = wait
    with pool(rig, count=2) as app:
        app.wake()
        until("two inside", lambda: inside[0] == 2)
        assert sum(rig.now(apply).leased for apply in applies) == 2
        gate.set()
        until("all completed", lambda: all(rig.now(a).state is State.COMPLETED for a in applies))
    assert most[0] == 2


@pytest.mark.timeout(120)
def test_co_5_a_hundred_parked_changes_occupy_no_worker(rig: Rig) -> None:
    parked = [enqueue(rig, f"parked{n}", defer_cutover="true") for n in range(100)]
    with pool(rig) as app:
        app.wake()
        until("all parked", lambda: all(rig.now(a).state is State.WAITING_FOR_CUTOVER for a in parked))

        fresh = enqueue(rig, "fresh")
        app.wake()

        until("the new one completed", lambda: rig.now(fresh).state is State.COMPLETED)
        assert not any(rig.now(apply).leased for apply in parked)


def test_av_1_a_store_that_cannot_be_written_delays_a_drive_and_decides_nothing(rig: Rig) -> None:
    locked = threading.Event()

    def lock_the_store(_control: Control) -> None:
        def hold() -> None:
            connection = apsw.Connection(str(rig.path))
            connection.execute("BEGIN IMMEDIATE")
            locked.set()
            time.sleep(7.0)  # longer than the store waits for its lock
            connection.execute("ROLLBACK")
            connection.close()

        thread = threading.Thread(target=hold)
        thread.start()
        assert locked.wait(LIMIT_SECONDS)

    rig.target.on["cut_over orders"] = lock_the_store
    with pool(rig) as app:
        apply = enqueue(rig, "orders")
        app.wake()

        until("completed", lambda: rig.now(apply).state is State.COMPLETED)
    assert rig.target.told.count("cut_over orders") == 1


def test_av_4_shutdown_is_over_when_the_engines_have_halted(rig: Rig) -> None:
    began = threading.Event()

    def copy_for_long(control: Control) -> None:
        began.set()
        control.pause(LIMIT_SECONDS)

    rig.target.on["prepare orders"] = copy_for_long
    apply = enqueue(rig, "orders")
    started = time.monotonic()
    with pool(rig) as app:
        app.wake()
        assert began.wait(LIMIT_SECONDS)
    assert time.monotonic() - started < LIMIT_SECONDS
    now = rig.now(apply)
    assert (now.state, now.leased, now.attempt) == (State.RUNNING, False, 0)


def test_how_long_an_apply_took_is_counted_once_it_is_over(rig: Rig) -> None:
    def fail(_control: Control) -> None:
        raise Refused("no")

    rig.target.on["prepare broken"] = fail
    with pool(rig) as app:
        good, bad = enqueue(rig, "orders"), enqueue(rig, "broken")
        app.wake()
        until("both over", lambda: {rig.now(a).state for a in (good, bad)} == {State.COMPLETED, State.FAILED})
        for database, status in (("orders", "success"), ("broken", "error")):
            labels = f'database="{database}",environment="local",status="{status}"'
            line = f"schemabot_apply_duration_seconds_count{{{labels}}} 1.0"
            until(line, lambda line=line: line in app.metrics.exposition().decode())  # type: ignore[misc]


def test_how_drives_end_is_counted_from_0_so_that_the_first_failure_is_a_growth(rig: Rig) -> None:
    with pool(rig) as app:
        told = app.metrics.exposition().decode()
    for outcome in ("failed", "crashed", "completed"):
        assert f'schemabot_drive_seconds_count{{outcome="{outcome}"}} 0.0' in told


def test_driving_gives_way_to_everything_else_in_the_process(rig: Rig) -> None:
    seen: list[int] = []

    def look(_control: Control) -> None:
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    rig.target.on["prepare orders"] = look
    before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    with pool(rig) as app:
        apply = enqueue(rig, "orders")
        app.wake()
        until("completed", lambda: rig.now(apply).state is State.COMPLETED)
    assert seen == [max(before, YIELDING)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
