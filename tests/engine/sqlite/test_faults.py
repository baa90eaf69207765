"""Kill, freeze and fence off the process that changes a target, at every step of its way (I8, OW-5)."""

import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import apsw
import pytest

from engine import faults
from engine.base import Change, Progress, Standing
from engine.errors import EngineError, TargetUnavailable
from tests.engine.children import die_at, in_a_child, wait
from tests.engine.sqlite import plans
from tests.engine.sqlite.application import DESIRED, INDEXES, SAME_COLUMNS, TABLE, Application, fill
from tests.engine.striking import struck

ROWS = 700


def _drive(path: Path, change: Change, fence: int, control: plans.Caller) -> None:
    with plans.open_session(path, fence) as session:
        if session.standing(change) is Standing.FITS:
            plans.drive(session, change, control)
        else:
            session.tidy(control)


@pytest.mark.parametrize("kind", ["online", "offline", "statements", "drop"])
def test_a_process_killed_at_any_step_is_followed_by_one_that_finishes(tmp_path: Path, kind: str) -> None:
    """Fault test 6 (I8): every point in turn, the application writing in between, until a run meets no fault."""
    kills = 0
    rows = 21_000 if kind == "drop" else ROWS
    original = plans.make(tmp_path / "original.db", TABLE, INDEXES, fill(rows))
    for number in range(1, 500):
        target, reference = tmp_path / f"{number}.db", tmp_path / f"{number}-r.db"
        for path in (target, reference):
            shutil.copyfile(original, path)
        change = _change(kind, target)

        def victim(target: Path = target, change: Change = change, number: int = number) -> None:
            faults.install(die_at(number))
            _drive(target, change, 1, plans.Caller())

        status = wait(in_a_child(victim))
        _write_a_little(target, reference, number, rows)
        _drive(target, change, 2, plans.Caller())
        _assert_done(kind, target, reference, change)
        if status == 0:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        kills += 1
        for path in (target, reference):
            path.unlink()
    else:
        pytest.fail("there was a fault point in every run")
    assert kills >= {"online": 40, "offline": 8, "statements": 8, "drop": 20}[kind]


def _change(kind: str, path: Path) -> Change:
    if kind == "statements":
        return plans.statement_change(
            path, "items", "CREATE INDEX items_place ON items (place)", "ALTER TABLE items ADD COLUMN extra"
        )
    if kind == "drop":
        return plans.statement_change(path, "items", "DROP TABLE items")
    return plans.rebuild_change(path, DESIRED, "items", online=kind == "online")


def _write_a_little(target: Path, reference: Path, seed: int, rows: int) -> None:
    """Nothing is written to a table that may be gone."""
    if plans.rows(target, "SELECT count(*) FROM sqlite_schema WHERE name = 'items'") == [(0,)]:
        return
    application = Application(target, reference, seed, rows)
    for _ in range(10):
        application.step()
    application.close()


def _assert_done(kind: str, target: Path, reference: Path, change: Change) -> None:
    assert plans.left_behind(target) == []
    with plans.open_session(target, 3) as session:
        assert session.standing(change) is Standing.DONE
    if kind != "drop":
        query = f"SELECT {SAME_COLUMNS} FROM items ORDER BY id"
        assert plans.rows(target, query) == plans.rows(reference, query)


def test_kills_one_after_the_other_do_not_stop_the_copy(tmp_path: Path) -> None:
    """Killed again and again, each owner a few steps further: it ends, and nothing is lost."""
    target = plans.make(tmp_path / "t.db", TABLE, INDEXES, fill(2000))
    reference = plans.make(tmp_path / "r.db", TABLE, INDEXES, fill(2000))
    change = plans.rebuild_change(target, DESIRED, "items")
    for fence in range(1, 200):

        def victim(fence: int = fence) -> None:
            faults.install(die_at(20 + fence // 4))  # chunks are small where the machine is slow
            _drive(target, change, fence, plans.Caller())

        if wait(in_a_child(victim)) == 0:
            break
        _write_a_little(target, reference, fence, 2000)
    else:
        pytest.fail("never finished")
    assert fence > 5
    _assert_done("online", target, reference, change)


@pytest.mark.parametrize("moment", ["copying", "before the cutover", "tidying"])
def test_a_frozen_process_that_wakes_after_its_successor_writes_nothing(tmp_path: Path, moment: str) -> None:
    """Fault tests 8 and 28 (I2, OW-5): SIGSTOP, a successor finishes, SIGCONT: the next transaction is refused."""
    target = plans.make(tmp_path / "t.db", TABLE, INDEXES, fill(2000))
    change = plans.rebuild_change(target, DESIRED, "items")

    def zombie() -> None:
        caller = plans.Caller()

        def freeze(progress: Progress | None = None) -> None:
            if progress is None or progress.detail == {
                "copying": "copying rows",
                "tidying": "removing the old table",
            }.get(moment):
                caller.on_report = caller.on_clear = None
                os.kill(os.getpid(), signal.SIGSTOP)

        if moment == "before the cutover":
            caller.on_clear = freeze
        else:
            caller.on_report = freeze
        with plans.open_session(target, 1) as session:
            plans.drive(session, change, caller)

    child = in_a_child(zombie)
    assert os.WIFSTOPPED(wait(child, os.WUNTRACED))
    _drive(target, change, 2, plans.Caller())
    assert plans.left_behind(target) == []
    everything = "SELECT name, sql, (SELECT sum(id) FROM items) FROM sqlite_schema, pragma_schema_version"
    before = plans.rows(target, everything)
    os.kill(child, signal.SIGCONT)
    assert os.waitstatus_to_exitcode(wait(child)) == 3
    assert plans.left_behind(target) == []
    assert plans.rows(target, everything) == before


def test_a_process_frozen_inside_a_transaction_makes_others_wait_and_no_more(tmp_path: Path) -> None:
    """Fault test 17: a clear, retryable error while it lives, business as usual once it is gone."""
    target = plans.make(tmp_path / "t.db", TABLE, INDEXES, fill(ROWS))
    change = plans.rebuild_change(target, DESIRED, "items")

    def frozen() -> None:
        def hook(point: str) -> None:
            if point == "before_commit:batch":
                os.kill(os.getpid(), signal.SIGSTOP)

        faults.install(hook)
        _drive(target, change, 1, plans.Caller())

    child = in_a_child(frozen)
    assert os.WIFSTOPPED(wait(child, os.WUNTRACED))
    with pytest.raises(TargetUnavailable, match="lock"):
        plans.open_session(target, 2)
    os.kill(child, signal.SIGKILL)
    wait(child)
    began = time.monotonic()
    _drive(target, change, 2, plans.Caller())
    assert time.monotonic() - began < 20
    assert plans.left_behind(target) == []


def test_a_power_cut_leaves_a_target_that_can_be_finished(tmp_path: Path) -> None:
    """Fault test 18: the files copied as they are at a moment of the run (some just before a commit) go on elsewhere."""
    target = plans.make(tmp_path / "t.db", TABLE, INDEXES, fill(ROWS))
    change = plans.rebuild_change(target, DESIRED, "items")
    expected = plans.rows(target, f"SELECT {SAME_COLUMNS} FROM items ORDER BY id")
    copies: list[Path] = []
    seen = [0]

    def snapshot(point: str) -> None:
        seen[0] += 1
        if seen[0] % 4 == 0:
            copy = tmp_path / f"copy{seen[0]}.db"
            copy.write_bytes(target.read_bytes())
            wal = Path(f"{target}-wal")
            if wal.exists():
                Path(f"{copy}-wal").write_bytes(wal.read_bytes())
            copies.append(copy)

    with struck(snapshot):
        _drive(target, change, 1, plans.Caller())
    assert len(copies) > 10
    for copy in copies:
        _drive(copy, change, 2, plans.Caller())
        assert plans.left_behind(copy) == []
        assert plans.rows(copy, f"SELECT {SAME_COLUMNS} FROM items ORDER BY id") == expected


def test_an_error_at_any_step_leaves_no_open_transaction(tmp_path: Path) -> None:
    """A bug or a lost lease raised in the middle: rolled back; the same session could go on."""
    for number in range(1, 200):
        target = plans.make(tmp_path / f"{number}.db", TABLE, INDEXES, fill(300))
        change = plans.rebuild_change(target, DESIRED, "items")
        left = [number]

        def hook(point: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise TargetUnavailable(point)

        with struck(hook), suppress(EngineError):
            _drive(target, change, 1, plans.Caller())
        with apsw.Connection(str(target)) as application:
            application.execute("UPDATE items SET note = 'free'")
        _drive(target, change, 1, plans.Caller())
        assert plans.left_behind(target) == []
        assert plans.rows(target, "SELECT DISTINCT note FROM items") == [("free",)]
        target.unlink()
        if left[0] > 0:
            break
    else:
        pytest.fail("there was a fault point in every run")
