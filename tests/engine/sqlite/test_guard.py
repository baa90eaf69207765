"""Rows written after the plan that SQLite would take into the new table as something else."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from engine.base import PlanResult, Progress, Signal
from engine.errors import Refused
from engine.sqlite.planning.planner import plan_sqlite
from tests.engine.sqlite import plans

N = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)"
ZIPS = ("CREATE TABLE t (id INTEGER PRIMARY KEY, zip TEXT)", f"{N} INSERT INTO t SELECT i, 10000 + i FROM n")
NUMBERED = "CREATE TABLE t (id INTEGER PRIMARY KEY, zip INTEGER);"


def _plan(path: Path, desired: str, *, online: bool) -> PlanResult:
    with closing(apsw.Connection(str(path))) as connection:
        return plan_sqlite(connection, {"main": {"t.sql": desired}}, direct_rows=10 if online else 1000)


def _write(path: Path, sql: str) -> None:
    with closing(apsw.Connection(str(path))) as application:
        application.execute(sql)


def _after_the_plan(path: Path, sql: str) -> Callable[[plans.Caller], None]:
    def act(caller: plans.Caller) -> None:
        _write(path, sql)

    return act


def _while_copying(path: Path, sql: str) -> Callable[[plans.Caller], None]:
    def write(progress: Progress) -> None:
        if progress.detail == "copying rows":
            _write(path, sql)

    def act(caller: plans.Caller) -> None:
        caller.on_report = write

    return act


def _before_the_cutover(path: Path, sql: str) -> Callable[[plans.Caller], None]:
    def act(caller: plans.Caller) -> None:
        caller.on_clear = lambda: _write(path, sql)

    return act


MOMENTS = {
    "at once": (False, _after_the_plan),
    "after the plan": (True, _after_the_plan),
    "while copying": (True, _while_copying),
    "before the cutover": (True, _before_the_cutover),
}


@pytest.mark.parametrize("value", ["007", "1e3", "0123456789012345678901", " 12 "])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_value_written_after_the_plan_is_refused_rather_than_altered(
    tmp_path: Path, moment: str, value: str
) -> None:
    """The plan said that none is lost, so nobody has allowed it."""
    path = plans.make(tmp_path / "t.db", *ZIPS)
    online, arrange = MOMENTS[moment]
    found = _plan(path, NUMBERED, online=online)
    assert not found.changes[0].unsafe
    caller = plans.Caller()
    arrange(path, f"INSERT OR REPLACE INTO t VALUES (5001, '{value}')")(caller)
    with (
        plans.open_session(path) as session,
        pytest.raises(Refused, match=r'"zip" would not keep its value \(in the row with id = 5001\)'),
    ):
        plans.drive(session, found.changes[0], caller)
    assert plans.rows(path, "SELECT zip FROM t WHERE id = 5001") == [(value,)]
    assert plans.left_behind(path) == []


@pytest.mark.parametrize("online", [True, False])
def test_what_the_plan_called_unsafe_and_somebody_allowed_is_done(tmp_path: Path, online: bool) -> None:
    """Only the columns that were named: another one stays guarded."""
    path = plans.make(
        tmp_path / "t.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, zip TEXT, code TEXT)",
        f"{N} INSERT INTO t SELECT i, '0' || i, i FROM n",
    )
    desired = "CREATE TABLE t (id INTEGER PRIMARY KEY, zip INTEGER, code INTEGER);"
    found = _plan(path, desired, online=online)
    assert found.changes[0].unsafe
    _write(path, "UPDATE t SET code = '08' WHERE id = 8")
    with plans.open_session(path) as session, pytest.raises(Refused, match='"code" would not'):
        plans.drive(session, found.changes[0], plans.Caller())
    _write(path, "UPDATE t SET code = 8 WHERE id = 8")
    with plans.open_session(path, fence=2) as session:
        assert plans.drive(session, found.changes[0], plans.Caller()) is Signal.GO
    assert plans.rows(path, "SELECT zip, code FROM t WHERE id = 7") == [(7, 7)]
    assert plans.left_behind(path) == []


@pytest.mark.parametrize("online", [True, False])
def test_a_null_written_after_the_plan_gets_no_number(tmp_path: Path, online: bool) -> None:
    """What becomes the row's number could hold NULLs before."""
    path = plans.make(
        tmp_path / "t.db",
        "CREATE TABLE t (uuid TEXT NOT NULL PRIMARY KEY, id INT)",
        f"{N} INSERT INTO t SELECT 'u' || i, i FROM n",
    )
    found = _plan(path, "CREATE TABLE t (uuid TEXT NOT NULL UNIQUE, id INTEGER PRIMARY KEY);", online=online)
    _write(path, "UPDATE t SET id = NULL WHERE uuid = 'u7'")
    refusal = r"\"id\" is NULL and would get a number \(in the row with uuid = 'u7'\)"
    with plans.open_session(path) as session, pytest.raises(Refused, match=refusal):
        plans.drive(session, found.changes[0], plans.Caller())
    assert plans.rows(path, "SELECT count(*) FROM t WHERE id IS NULL") == [(1,)]
    assert plans.left_behind(path) == []
