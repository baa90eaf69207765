"""Several daemons on one MariaDB or MySQL: they share the work, take each other's commands, and replace each other."""

import itertools
from functools import partial
from pathlib import Path

import pytest

from storage.states import State
from tests.faults.fleet import Fleet, fleet, owner_pid
from tests.faults.grounds import ServerGround
from tests.faults.world import until


def completed(running: Fleet, *uids: str) -> bool:
    """Whether all of them are; fails when one ended otherwise."""
    states = {uid: running.now(uid).state for uid in uids}
    assert set(states.values()).isdisjoint({State.FAILED, State.CANCELLED}), states
    return set(states.values()) == {State.COMPLETED}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("server_ground", ["mysql"], indirect=True)  # the store's code is the same on both
def test_daemons_on_one_store_share_the_work_and_an_idle_one_sees_new_work_within_a_second(
    server_ground: ServerGround, tmp_path: Path
) -> None:
    """All is submitted to the daemon that is busy; the others learn of it from the store alone (OW-1)."""
    with fleet(server_ground, tmp_path, daemons=3, targets=5, rows=250_000) as running:
        first = running.daemons[0].apply("db0")
        until("somebody drives it", lambda: running.driver(first))
        busy = running.driver(first)
        assert busy is not None
        second = busy.apply("db1")
        until("somebody drives the second", lambda: running.driver(second))
        assert running.driver(second) is not busy
        print(f"seen by an idle daemon after {running.waited(second):.3f} s")
        assert running.waited(second) < 1.0 + 2.0  # the promise, and what a busy machine adds
        rest = [busy.apply(f"db{n}") for n in range(2, 5)]
        uids = [first, second, *rest]
        until("all completed", lambda: completed(running, *uids))
        owners = {owner_pid(attempt) for uid in uids for attempt in running.attempts(uid)}
        assert owners == {daemon.pid for daemon in running.daemons}
        assert [len(running.attempts(uid)) for uid in uids] == [1] * 5
        assert running.breaches(*uids) == []


@pytest.mark.timeout(120)
def test_co_4_commands_are_taken_by_any_daemon(server_ground: ServerGround, tmp_path: Path) -> None:
    """Stop, start, cutover and cancel, each through a daemon that does not drive the apply."""
    with fleet(server_ground, tmp_path, daemons=2, targets=2, rows=250_000) as running:
        uid = running.daemons[0].apply("db0", defer_cutover="true")

        def peer() -> int:
            return 0 if running.driver(uid) is running.daemons[1] else 1

        until("rows are copied", lambda: running.copying(uid))
        running.daemons[peer()].command("stop", uid, "db0")
        assert running.now(uid).state is State.STOPPED  # CO-1: before the answer
        running.daemons[peer()].command("start", uid, "db0")
        until("it waits for its cutover", lambda: running.now(uid).state is State.WAITING_FOR_CUTOVER)
        running.daemons[peer()].command("cutover", uid, "db0")
        until("completed", lambda: completed(running, uid))
        uid = running.daemons[0].apply("db1")
        until("rows are copied", lambda: running.copying(uid))
        running.daemons[peer()].command("cancel", uid, "db1")
        until("cancelled", lambda: running.now(uid).state is State.CANCELLED)
        assert {daemon.state(uid) for daemon in running.daemons} == {"cancelled"}
        assert running.breaches(uid) == []


@pytest.mark.timeout(120)
@pytest.mark.parametrize("server_ground", ["mariadb"], indirect=True)  # the store's code is the same on both
def test_26_a_rolling_restart_under_load_loses_no_attempt_and_no_time(
    server_ground: ServerGround, tmp_path: Path
) -> None:
    """Each daemon ended by SIGTERM and replaced while all of them copy. With a lease of a minute only a hand-back explains it."""
    with fleet(server_ground, tmp_path, daemons=2, targets=4, rows=150_000) as running:
        uids = [running.daemons[n % 2].apply(f"db{n}") for n in range(4)]
        for old in list(running.daemons):
            until("it drives something", partial(drives_any, running, uids, old.pid))
            assert old.terminate() == 0
            running.start()
        until("all completed", lambda: completed(running, *uids))
        attempts = [running.attempts(uid) for uid in uids]
        outcomes = [attempt.outcome for attempt in itertools.chain(*attempts)]
        assert outcomes.count("handed_back") >= 2
        assert set(outcomes) == {"handed_back", "completed"}
        assert {attempt.attempt for attempt in itertools.chain(*attempts)} == {0}
        for before, after in (pair for each in attempts for pair in itertools.pairwise(each)):
            assert before.ended_at is not None
            # Due at once; taken as soon as a worker is free: at the latest when the daemon's successor is up.
            assert (after.claimed_at - before.ended_at).total_seconds() < 30.0
        assert running.breaches(*uids) == []


def drives_any(running: Fleet, uids: list[str], pid: int) -> bool:
    """Whether that process holds one of them now and copies rows."""
    for uid in uids:
        attempts = running.attempts(uid)
        if attempts and not attempts[-1].outcome and owner_pid(attempts[-1]) == pid and running.copying(uid):
            return True
    return False


@pytest.mark.timeout(120)
def test_6_after_kill_9_of_one_daemon_the_others_go_on_when_its_lease_is_over(
    server_ground: ServerGround, tmp_path: Path
) -> None:
    lease = 2.0
    with fleet(server_ground, tmp_path, daemons=2, targets=2, rows=150_000, lease_seconds=lease) as running:
        uid = running.daemons[0].apply("db0")
        until("rows are copied", lambda: running.copying(uid))
        victim = running.driver(uid)
        assert victim is not None
        victim.kill()
        survivor = next(daemon for daemon in running.daemons if daemon is not victim)
        other = survivor.apply("db1")
        until("all completed", lambda: completed(running, uid, other))
        first, second = running.attempts(uid)
        assert (first.outcome, owner_pid(second)) == ("lease_expired", survivor.pid)
        assert (second.claimed_at - first.claimed_at).total_seconds() > lease * 0.9
        assert running.breaches(uid, other) == []
