"""Interrupted at any point, a copy goes on from its checkpoint and ends with the same rows; where it cannot, it says so."""

import threading
import time
from collections.abc import Callable

import pytest

from engine.base import Progress, Signal
from engine.errors import DriftFound, Fenced, Refused, TargetUnavailable
from engine.mysql.binlog.errors import PositionRewound
from engine.mysql.shadow.checkpoints import MOST_BEGINNINGS, Phase
from tests.engine.mysql.binlog.rig import purge
from tests.engine.mysql.copying.application import TABLE, Application, Killer, fill
from tests.engine.mysql.copying.rig import Rig, Watcher, make_rig, prepare
from tests.engine.striking import struck
from tests.servers.server import Server

ROWS = 4_000
CHANGE = ["MODIFY pad VARCHAR(80) NOT NULL, ADD extra INT NOT NULL DEFAULT 7"]
POINTS = (
    "begun:checkpoint", "shadow:begin", "shadow:made", "before_commit:checkpoint", "after_commit:checkpoint",
    "begun:chunk", "before_commit:chunk", "after_commit:chunk", "begun:apply", "before_commit:apply",
    "after_commit:apply", "after_commit:open_link",
)  # fmt: skip


class Crash(Exception):
    """What a test raises in place of a crash."""


def striking(point: str, *, after: int = 0) -> Callable[[str], None]:
    """A hook that crashes whoever comes to *point*, once."""
    left = [after]
    lock = threading.Lock()

    def hook(reached: str) -> None:
        with lock:
            if reached == point:
                left[0] -= 1
                if left[0] == -1:
                    raise Crash(point)

    return hook


def rig_with_rows(server: Server, rows: int = ROWS) -> Rig:
    return make_rig(server, f"{TABLE};;{fill(rows)}", CHANGE)


def finish(rig: Rig, step: object, watcher: Watcher | None = None) -> None:
    """Go on to the end, with nothing mended, and compare."""
    with rig.copying(step) as copy:  # type: ignore[arg-type]
        prepare(copy, watcher or Watcher())
        with rig.locked(copy) as link:
            rig.assert_same(link)
        assert copy.checkpoint.repairs == 0


def test_a_copy_that_is_interrupted_at_every_point_ends_with_the_same_rows(server: Server) -> None:
    rig = rig_with_rows(server)
    step = rig.step()
    with Application(rig, writers=1, rows=ROWS):
        for point in POINTS:
            once = server.flavour == "mysql" or point.startswith("shadow")
            crash = striking(point, after=0 if once else 1)
            with struck(crash), pytest.raises(Crash, match=point), rig.copying(step) as copy:
                prepare(copy, Watcher(volume=1))
        finish(rig, step)


def test_a_copy_whose_connections_are_killed_again_and_again_ends_with_the_same_rows(server: Server) -> None:
    rig = rig_with_rows(server, 20_000)
    step = rig.step()
    with Application(rig, writers=2, rows=20_000):
        with Killer(rig, seed=5) as killer:
            for _ in range(6):
                try:
                    with rig.copying(step) as copy:
                        prepare(copy, Watcher(volume=1))
                    break
                except (TargetUnavailable, Fenced):
                    continue
        finish(rig, step)
    assert killer.killed


def test_connections_that_are_ended_under_a_copy_are_let_go_of(server: Server) -> None:
    rig = rig_with_rows(server, 1_000)
    killed: set[int] = set()
    with rig.copying(rig.step()) as copy:

        def kill(reached: str) -> None:
            if reached == "begun:chunk" and not killed:
                killed.update(copy.hold.connections - {copy.hold.link.id, copy.link.id})
                rig.run(*(f"KILL {one}" for one in killed))

        with struck(kill):
            prepare(copy, Watcher(volume=1))
        assert killed
        assert copy.hold.connections == {copy.hold.link.id, copy.link.id}
        with rig.locked(copy) as link:
            rig.assert_same(link)


def test_a_copy_survives_the_death_of_the_server(own_server: Server) -> None:
    rig = rig_with_rows(own_server)
    step = rig.step()
    with pytest.raises(TargetUnavailable), rig.copying(step) as copy:
        prepare(copy, Watcher(killing(own_server, "copying rows"), volume=1))
    own_server.start()
    with Application(rig, writers=2, rows=ROWS):
        finish(rig, step)


HOLE = (
    "SET SESSION sql_log_bin = 0",
    "UPDATE t SET pad = 'unlogged' WHERE id = 7",
    "INSERT INTO t (id, pad) VALUES (100000, 'unlogged')",
    "DELETE FROM t WHERE id = 9",
)
"""What another run of the server without a log leaves behind, or one whose log lost its end with the power."""


def test_what_a_log_does_not_tell_of_another_run_of_the_server_is_found(own_server: Server) -> None:
    """By one more comparison; where that is blind, the copy begins anew."""
    create = f"{TABLE};;{fill(99)}"
    rigs = [make_rig(own_server, create, change) for change in (CHANGE, ["MODIFY pad VARBINARY(99)"])]
    steps = [rig.step() for rig in rigs]
    for rig, step in zip(rigs, steps, strict=True):
        with rig.copying(step) as copy:
            prepare(copy, Watcher())
        rig.run(*HOLE)
    own_server.kill()
    own_server.start()
    watchers = []
    for rig, step in zip(rigs, steps, strict=True):
        watchers.append(Watcher())
        with rig.copying(step) as copy:
            prepare(copy, watchers[-1])
        rig.assert_as_altered()
    assert not any("from the start again" in detail for detail in watchers[0].details())
    assert any(
        "a comparison would overlook other values of pad" in detail for detail in watchers[1].details()
    )
    with rigs[0].copying(steps[0]) as copy:
        assert copy.open(Watcher()) is Signal.GO
        assert copy.checkpoint.phase is Phase.READY  # once for each run


@pytest.mark.parametrize(("seconds", "anew"), [(1, False), (0, True)])
def test_a_copy_of_an_earlier_release_goes_on_if_it_began_in_this_run_of_the_server(
    server: Server, seconds: int, anew: bool
) -> None:
    """Its checkpoint does not tell of the run, and a comparison would overlook some values."""
    rig = make_rig(server, f"{TABLE};;{fill(99)}", ["MODIFY pad VARBINARY(99)"])
    step, watcher = rig.step(), Watcher()
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
        started = copy.checkpoint.started_at
    began = f"TIMESTAMPADD(SECOND, {started + seconds}, '1970-01-01')"
    rig.run(
        "UPDATE _schemabot_copy SET state = JSON_SET(JSON_REMOVE(state, '$.started_at'), '$.witness', NULL), "
        f"created_at = {began}"
    )
    with rig.copying(step) as copy:
        assert copy.open(watcher) is Signal.GO
        assert copy.checkpoint.phase is (Phase.COPY if anew else Phase.READY)
        assert copy.checkpoint.started_at == started
        copy.discard(Watcher())
    assert anew == any("may have been restarted" in detail for detail in watcher.details())


def killing(server: Server, detail: str) -> Callable[[Progress], Signal | None]:
    """Kills the server the second time that *detail* is told."""
    seen = [0]

    def hook(progress: Progress) -> Signal | None:
        if progress.detail == detail:
            seen[0] += 1
            if seen[0] == 2:
                server.kill()
        return None

    return hook


def test_a_copy_that_is_stopped_says_so_and_keeps_its_checkpoint(server: Server) -> None:
    rig = rig_with_rows(server)
    step = rig.step()
    watcher = Watcher(
        lambda p: Signal.STOP if p.detail == "copying rows" and p.rows_copied else None, volume=1
    )
    with rig.copying(step) as copy:
        copy.open(watcher)
        assert copy.fill(watcher) is Signal.STOP
        assert copy.checkpoint.phase is Phase.COPY
        assert copy.checkpoint.low is not None
    rig.run("UPDATE t SET pad = 'while stopped' WHERE id < 50", "DELETE FROM t WHERE id BETWEEN 60 AND 70")
    finish(rig, step)


def test_a_parked_copy_catches_up_with_a_new_session_each_time(server: Server) -> None:
    rig = rig_with_rows(server)
    step = rig.step()
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
    for turn in range(3):
        rig.run(
            f"UPDATE t SET pad = 'turn {turn}' WHERE id % 7 = {turn}", f"DELETE FROM t WHERE id = {turn + 9}"
        )
        with rig.copying(step) as copy:
            assert copy.checkpoint.phase is Phase.READY
            prepare(copy, Watcher())
            rows = copy.hold.link.value(f"SELECT COUNT(*) FROM {rig.shadow} WHERE pad = 'turn {turn}'")
            assert rows == rig.value(f"SELECT COUNT(*) FROM t WHERE pad = 'turn {turn}'")
    finish(rig, step)


def test_a_copy_whose_place_in_the_log_is_gone_starts_over_and_says_so(server: Server) -> None:
    rig = rig_with_rows(server)
    step = rig.step()
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
    rig.run("UPDATE t SET pad = 'unseen' WHERE id = 1")
    with rig.link() as link:
        purge(link)
    watcher = Watcher()
    finish(rig, step, watcher)
    assert any("from the start again" in detail for detail in watcher.details())
    with rig.copying(step) as copy:
        assert copy.open(watcher) is Signal.GO
        assert copy.checkpoint.begun_anew == 0  # what waits and finds its place again may lose it often


def test_a_copy_whose_place_in_the_log_is_gone_each_time_is_given_up(server: Server) -> None:
    rig = rig_with_rows(server)
    step = rig.step()
    for times in range(MOST_BEGINNINGS + 1):
        watcher = Watcher(
            lambda p: Signal.STOP if p.detail.startswith("copying rows") and p.rows_copied else None, volume=1
        )
        with rig.copying(step) as copy:
            assert copy.open(watcher) is Signal.GO
            assert copy.checkpoint.begun_anew == times
            assert copy.fill(watcher) is Signal.STOP
        with rig.link() as link:
            purge(link)
    with (
        rig.copying(step) as copy,
        pytest.raises(
            Refused, match=f"begun anew {MOST_BEGINNINGS} times, .* how long the server keeps its log"
        ),
    ):
        copy.open(Watcher())


def test_a_copy_that_is_stopped_while_it_begins_anew_has_begun_anew(server: Server) -> None:
    rig = rig_with_rows(server)
    step = rig.step()
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
    with rig.link() as link:
        purge(link)
    with rig.copying(step) as copy:
        assert copy.open(Watcher(lambda p: Signal.STOP if "removing" in p.detail else None)) is Signal.STOP
    with rig.copying(step) as copy:
        assert copy.open(Watcher()) is Signal.GO
        assert copy.checkpoint.begun_anew == 1


@pytest.mark.parametrize("phase", ["copying rows", "catching up"])
@pytest.mark.parametrize("statement", ["ALTER TABLE t ADD intruder INT", "TRUNCATE TABLE t"])
def test_a_table_that_somebody_changes_meanwhile_is_drift(server: Server, statement: str, phase: str) -> None:
    rig = rig_with_rows(server)
    struck = threading.Event()

    def hook(progress: Progress) -> Signal | None:
        if progress.detail == phase and not struck.is_set():
            struck.set()
            rig.run(statement)
        return None

    with rig.copying(rig.step()) as copy:
        with pytest.raises(DriftFound, match=f"t was changed while it was copied .*{statement}"):
            prepare(copy, Watcher(hook, volume=1))
        copy.discard(Watcher())
    assert rig.leftovers() == []


def test_a_table_emptied_by_a_statement_with_settings_is_drift(mariadb: Server) -> None:
    rig = rig_with_rows(mariadb)
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        rig.run("SET STATEMENT lock_wait_timeout = 5 FOR TRUNCATE TABLE t")
        with pytest.raises(Refused, match="SET STATEMENT"):
            copy.catch_up(Watcher())
        copy.discard(Watcher())


def test_a_shadow_that_somebody_altered_is_not_gone_on_with(server: Server) -> None:
    rig = rig_with_rows(server)
    step = rig.step()
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
    rig.run(f"ALTER TABLE {rig.shadow} ADD intruder INT")
    with rig.copying(step) as copy, pytest.raises(DriftFound, match="our copy"):
        prepare(copy, Watcher())


def test_a_stranger_with_the_name_of_a_helper_is_left_alone(server: Server) -> None:
    rig = rig_with_rows(server)
    rig.run(f"CREATE TABLE {rig.shadow} (precious INT)")
    with rig.copying(rig.step()) as copy:
        with pytest.raises(Refused, match="in the way"):
            prepare(copy, Watcher())
        copy.discard(Watcher())
    assert rig.value(f"SELECT COUNT(*) FROM {rig.shadow}") == 0


def test_a_cancelled_copy_leaves_nothing_behind(server: Server) -> None:
    rig = rig_with_rows(server)
    watcher = Watcher(
        lambda p: Signal.CANCEL if p.detail == "copying rows" and p.rows_copied else None, volume=1
    )
    with rig.copying(rig.step()) as copy:
        copy.open(watcher)
        assert copy.fill(watcher) is Signal.CANCEL
        assert rig.leftovers() != []
        assert copy.discard(Watcher()) is Signal.GO
        assert copy.hold.release()
    assert rig.leftovers() == []
    assert rig.value("SHOW TABLES LIKE '%schemabot%'") is None


def test_a_predecessor_writes_nothing_after_its_successor_came(server: Server) -> None:
    rig = rig_with_rows(server)
    step = rig.step()
    with rig.copying(step) as old:
        old.open(Watcher())
        with rig.copying(step) as new:
            new.open(Watcher())
            with pytest.raises((Fenced, TargetUnavailable)):
                prepare(old, Watcher())
            prepare(new, Watcher())
            with rig.locked(new) as link:
                rig.assert_same(link)


def test_a_log_that_was_reset_under_a_copy_is_noticed_before_a_change_is_lost(server: Server) -> None:
    rig = rig_with_rows(server)
    reset = "RESET MASTER" if server.flavour == "mariadb" else "RESET BINARY LOGS AND GTIDS"
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        rig.run(reset, "UPDATE t SET pad = 'after' WHERE id < 100", "DELETE FROM t WHERE id = 500")
        with pytest.raises(PositionRewound, match="reset"):
            copy.catch_up(Watcher())
        copy.discard(Watcher())
    assert rig.leftovers() == []


def test_the_application_waits_a_second_at_most_for_rows_behind_a_held_one(server: Server) -> None:
    rig = rig_with_rows(server)
    worst, stop = [0.0], threading.Event()

    def write() -> None:
        with rig.link() as link:
            number = 0
            while not stop.is_set():
                number += 1
                began = time.monotonic()
                link.run(f"UPDATE t SET ops = ops + 1 WHERE id = {400 + number % 45}")
                worst[0] = max(worst[0], time.monotonic() - began)

    writer = threading.Thread(target=write)
    holder = server.connect(database=rig.schema, autocommit=False)
    with rig.copying(rig.step()) as copy:
        copy.open(Watcher())
        with holder.cursor() as cursor:
            cursor.execute("UPDATE t SET ops = ops + 1 WHERE id = 450")
        writer.start()
        release = threading.Timer(5, holder.rollback)
        release.start()
        try:
            copy.fill(Watcher())
        finally:
            stop.set()
            writer.join()
            release.join()
            holder.close()
    assert worst[0] < 4.0, "as long as the holder, or nearly"
