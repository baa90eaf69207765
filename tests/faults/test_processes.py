"""Real worker processes on one store, killed and stopped, while they rebuild real tables online. Each kind of store."""

import signal
import time
from functools import partial
from pathlib import Path

import pytest

from storage.errors import Unavailable
from storage.records import Apply
from storage.states import State
from tests.faults.grounds import Ground
from tests.faults.world import Process, World, resume, until

ROWS = 130_000
LEASE_SECONDS = 1.5


@pytest.mark.timeout(120)
def test_6_a_killed_worker_is_replaced_within_lease_plus_two_seconds(ground: Ground, tmp_path: Path) -> None:
    world = World(ground, tmp_path, targets=1, rows=ROWS, lease_seconds=LEASE_SECONDS)
    apply = world.enqueue("db0")
    with world.workers(1) as processes:
        until("rows are copied", lambda: world.copying(apply))
        world.kill(processes[0])
        killed_at = time.monotonic()
        world.start_worker()
        until("claimed again", lambda: len(world.store.attempts(apply.id)) == 2)
        # Starting a Python process on a busy machine is not part of the promise.
        assert time.monotonic() - killed_at < LEASE_SECONDS + 2.0 + 5.0
        until("completed", lambda: world.completed(apply))
    world.check(apply)
    world.store.close()


@pytest.mark.timeout(120)
def test_26_sigterm_hands_back_and_a_peer_goes_on_at_once(ground: Ground, tmp_path: Path) -> None:
    world = World(ground, tmp_path, targets=1, rows=ROWS, lease_seconds=60.0)
    apply = world.enqueue("db0")
    with world.workers(1) as processes:
        until("rows are copied", lambda: world.copying(apply))
        processes[0].send_signal(signal.SIGTERM)
        assert processes[0].wait(15) == 0
        now = world.now(apply)
        assert (now.leased, now.attempt) == (False, 0)
        world.start_worker()
        # With a lease of a minute, only a hand-back explains this.
        until("completed", lambda: world.completed(apply), 40.0)
    assert world.store.attempts(apply.id)[0].outcome == "handed_back"
    world.check(apply)
    world.store.close()


@pytest.mark.timeout(120)
def test_7_a_poisonous_apply_dies_after_its_budget_and_the_others_live(
    ground: Ground, tmp_path: Path
) -> None:
    """Its driver dies the moment it claims, every time."""
    world = World(ground, tmp_path, targets=2, rows=100, lease_seconds=LEASE_SECONDS)
    poison = world.enqueue("db0")
    claims = 0
    while world.now(poison).state is not State.FAILED:
        if claims == 11:
            world.store.expire_retryable()
        elif world.store.claim("poisoned process", 0.2) is not None:
            claims += 1  # and dies: nobody renews, nobody lets go
        time.sleep(0.02)
    assert claims == 11  # the first run and ten retries
    apply = world.enqueue("db1")
    with world.workers(1):
        until("the other completes", lambda: world.completed(apply))
    world.check(poison, apply)
    world.store.close()


@pytest.mark.timeout(120)
def test_a_cancel_after_the_owner_died_with_nothing_but_its_hold_on_the_target_leaves_nothing(
    ground: Ground, tmp_path: Path
) -> None:
    """I8: found by the half-hour soak."""
    world = World(ground, tmp_path, targets=1, rows=100, lease_seconds=LEASE_SECONDS)
    with world.workers(0):
        dead = world.start_worker(stop_at="after_commit:take")
        apply = world.enqueue("db0")
        until("it has taken the target", partial(is_stopped, dead.pid))
        world.kill(dead)
        world.store.request(apply.apply_uid, "cancel", "somebody")
        world.start_worker()
        until("cancelled", lambda: world.now(apply).state is State.CANCELLED)
    world.check(apply)
    world.store.close()


@pytest.mark.timeout(120)
def test_28_a_zombie_that_wakes_before_its_cutover_renames_nothing(ground: Ground, tmp_path: Path) -> None:
    """Stopped after its last look at the commands; its heir completes; then it goes on (OW-2, OW-5)."""
    world = World(ground, tmp_path, targets=10, rows=ROWS, lease_seconds=LEASE_SECONDS)
    with world.workers(0):
        zombie, applies = stopped_before_its_cutover(world)
        apply = applies[-1]
        assert world.now(apply).state is State.CUTTING_OVER
        heir = world.start_worker()
        until("its heir completes", lambda: all(world.completed(apply) for apply in applies))
        world.kill(heir)
        resume(zombie)
        other = world.enqueue("db9")
        until("the zombie works for others again", lambda: world.completed(other))
    # More than two where a busy machine made the heir late, too.
    assert len(world.store.attempts(apply.id)) >= 2
    world.check(*applies, other)
    world.store.close()


def stopped_before_its_cutover(world: World) -> tuple[Process, list[Apply]]:
    """A worker stopped right before the cutover of the last of those applies.

    Not one whose heartbeat held the write lock of a SQLite store at that moment: that is case 17.
    """
    applies: list[Apply] = []
    for number in range(9):
        applies.append(world.enqueue(f"db{number}"))
        zombie = world.start_worker(stop_at="after_commit:follow", stop_time=2)
        until("it stopped before the cutover", partial(is_stopped, zombie.pid))
        try:
            world.store.set_setting("is the store", "free")
        except Unavailable:
            world.kill(zombie)
        else:
            return zombie, applies
    raise AssertionError("the store was locked each time")


def is_stopped(pid: int) -> bool:
    """Whether the kernel says that it is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
