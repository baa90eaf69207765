"""Who may write: stale owners are refused whatever they do, whenever they wake, whatever the clock says.

The power rule: each scenario also runs with a weakened guard, and then it must find the damage.
"""

import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.errors import LeaseLost
from storage.lifecycle.statements import Guard
from storage.records import Claim, TaskProgress
from storage.sqlite.store import SqliteStore
from tests.storage.children import Child
from tests.storage.kinds import Clock, Known
from tests.storage.scene import R, claimed, move, now, queued, task_states
from tests.waiting import until

GUARDS: list[tuple[Guard, bool]] = [("full", False), ("state", True), ("id", True)]
"""Guard → whether it lets damage through."""


@pytest.mark.parametrize(("guard", "leaks"), GUARDS)
def test_9_a_stale_completion_while_the_new_owner_runs(stage: Known, guard: Guard, leaks: bool) -> None:
    stage.keep_write_log()
    with stage.open(guard=guard) as store:
        apply = queued(store)
        stale = claimed(store, "old", lease=0.0)
        move(store, stale, R)
        owner = claimed(store, "new")
        progress = TaskProgress(seq=0, rows_copied=1, rows_total=2)
        writes: list[Callable[[], None]] = [
            lambda: store.record(stale, [progress], durable=True),
            lambda: store.complete(stale),
        ]
        refused = sum(was_refused(write) for write in writes)
        assert bool(stage.violations()) is leaks
        if not leaks:
            assert refused == 2
            assert task_states(store, apply) == ["running", "pending"]
            assert now(store, apply).attempt == 1, "a zombie's progress is no progress"
            store.complete(owner)
            assert stage.violations() == []


def was_refused(write: Callable[[], None]) -> bool:
    """Try to write; whether the guard said no."""
    try:
        write()
    except LeaseLost:
        return True
    return False


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("guard", "leaks"), GUARDS)
def test_8_a_paused_worker_that_lost_its_lease_writes_nothing(
    stage: Known, tmp_path: Path, guard: Guard, leaks: bool
) -> None:
    """A real process, stopped in mid-work with four applies until others own them, then continued."""
    stage.keep_write_log()
    threads, lease, robbed = 4, 0.3, tmp_path / "robbed"
    with stage.open() as store:
        applies = [queued(store, f"db{n}") for n in range(threads)]
        with Child("zombies", stage.address, guard, threads, lease, robbed) as zombies:
            zombies.wait_ready()
            zombies.go()
            until("all have written", lambda: all(store.tasks(apply.id)[0].rows_copied for apply in applies))
            stop_between_transactions(zombies, stage)
            heirs: list[Claim] = []
            while len(heirs) < threads:
                claim = store.claim("heir", 60.0)
                if claim is None:
                    threading.Event().wait(lease / 4)  # the store's clock has to reach the end of the leases
                    continue
                heirs.append(claim)
                store.record(claim, [TaskProgress(seq=0, rows_copied=7, rows_total=10**6)], durable=False)
            robbed.touch()
            zombies.resume()
            said = zombies.heard()
        refused = sum(one["refused"] for one in said)
        assert bool(stage.violations()) is leaks
        assert (refused > 0) is not leaks
        if not leaks:
            assert refused >= threads
            assert sum(one["written_after_refusal"] for one in said) == 0
            assert [store.tasks(apply.id)[0].rows_copied for apply in applies] == [7] * threads
            for heir in heirs:
                store.complete(heir)


def stop_between_transactions(child: Child, stage: Known) -> None:
    """Stop it where it holds no lock (what happens if it does, is case 17)."""

    def stopped() -> bool:
        child.stop()
        if stage.somebody_is_inside():
            child.resume()
            return False
        return True

    until("a stop between two transactions", stopped)


@pytest.mark.parametrize(("guard", "leaks"), GUARDS)
def test_20_clock_steps_of_an_hour_let_no_stale_write_through(
    stage: Known, guard: Guard, leaks: bool
) -> None:
    stage.keep_write_log()
    clock = Clock()
    chance = random.Random(20)
    refused = 0
    with stage.open(guard=guard, clock=clock) as store:
        applies = [queued(store, f"db{n}", max_attempts=1000) for n in range(3)]
        claims = [claimed(store, lease=60.0) for _ in applies]
        for _ in range(150):
            clock.offset += chance.choice((-3600.0, 3600.0, 3600.0, 45.0))
            if (claim := store.claim("heir", 60.0)) is not None:
                claims.append(claim)
            for stale in chance.sample(claims, 2):
                try:
                    store.log(stale, "info", "info", "still here?")
                except LeaseLost:
                    refused += 1
            store.expire_retryable(10**9)
        assert len(claims) > 20, "the clock never let a lease run out"
    assert bool(stage.violations()) is leaks
    assert (refused > 0) is not leaks


def test_25_a_long_apply_lives_while_three_beats_in_a_row_are_not_lost(stage: Known) -> None:
    clock = Clock()
    chance = random.Random(0)
    with stage.open(clock=clock) as store:
        queued(store)
        claim = claimed(store, lease=60.0)
        missed = 0
        for _ in range(1_000):
            clock.offset += 15.0 * chance.uniform(0.9, 1.1)
            missed = missed + 1 if chance.random() < 0.2 and missed < 2 else 0
            if not missed:
                assert store.heartbeat([claim]) == frozenset(), "a false loss"
            assert store.claim("thief", 60.0) is None, "an expiry while the driver lives"
        clock.offset += 61.0
        assert store.claim("heir", 60.0) is not None, "a test that cannot fail"
        assert store.heartbeat([claim]) == {claim.token}


def test_ow_6_heartbeats_do_not_queue_behind_the_processs_own_writes(path: Path) -> None:
    """They have a connection of their own: with the writer's lock in the process taken, they still go through."""
    with SqliteStore(path, busy_seconds=30.0) as store:
        queued(store)
        claim = claimed(store)
        assert store._database._writer._in_use.acquire(timeout=5)
        try:
            assert store.heartbeat([claim]) == frozenset()
        finally:
            store._database._writer._in_use.release()
