"""No rebuild leaves a row without its parent, whenever the application wrote it."""

from contextlib import closing
from pathlib import Path

import apsw
import pytest

from engine.base import PlanResult, Signal
from engine.errors import Refused
from engine.sqlite.planning.planner import plan_sqlite
from tests.engine.sqlite import plans

N = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)"
FAMILY = (
    "CREATE TABLE p (id INTEGER PRIMARY KEY)",
    "CREATE TABLE t (id INTEGER PRIMARY KEY, p INTEGER)",
    f"{N} INSERT INTO p SELECT i FROM n",
    f"{N} INSERT INTO t SELECT i, i FROM n",
)
REFERRING = "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p);"


def _plan(path: Path, desired: str, *, online: bool = True) -> PlanResult:
    with closing(apsw.Connection(str(path))) as connection:
        return plan_sqlite(connection, {"main": {"t.sql": desired}}, direct_rows=10 if online else 1000)


def _write(path: Path, *statements: str) -> None:
    with closing(apsw.Connection(str(path))) as application:
        for statement in statements:
            application.execute(statement)


ORPHANING = {
    "INSERT INTO t VALUES (5000, -1)": 5000,
    "UPDATE t SET p = -2 WHERE id = 7": 7,
    "DELETE FROM p WHERE id = 200": 200,
}


@pytest.mark.parametrize("again", [True, False])
@pytest.mark.parametrize("statement", ORPHANING)
def test_an_orphan_made_after_the_check_is_refused(tmp_path: Path, statement: str, again: bool) -> None:
    """The parents are looked for once more before the cutover. *again*: as a parked apply prepares every half minute."""
    path = plans.make(tmp_path / "t.db", *FAMILY)
    changes = _plan(path, REFERRING).changes
    caller = plans.Caller()
    with plans.open_session(path) as session:
        assert session.prepare(changes, caller) is Signal.GO
        _write(path, statement)
        if again:
            assert session.prepare(changes, caller) is Signal.GO
        with pytest.raises(Refused, match=f"id = {ORPHANING[statement]} has no parent in p"):
            session.cut_over(changes, caller)
        assert session.discard(caller) is Signal.GO
    assert plans.rows(path, "SELECT count(*) FROM pragma_foreign_key_list('t')") == [(0,)]


@pytest.mark.parametrize("statement", list(ORPHANING)[:2])
def test_an_orphan_written_at_the_last_moment_is_refused_under_the_lock(
    tmp_path: Path, statement: str
) -> None:
    """Its key waits, so it is found among the few that are applied there."""
    path = plans.make(tmp_path / "t.db", *FAMILY)
    (change,) = _plan(path, REFERRING).changes
    caller = plans.Caller()
    caller.on_clear = lambda: _write(path, statement)
    with (
        plans.open_session(path) as session,
        pytest.raises(Refused, match=f"id = {ORPHANING[statement]} has no parent in p"),
    ):
        plans.drive(session, change, caller)
    assert plans.left_behind(path) == []


def test_a_child_may_come_before_its_parent(tmp_path: Path) -> None:
    """Whoever enforces no keys may write in any order; what counts is the moment of the cutover."""
    path = plans.make(tmp_path / "t.db", *FAMILY)
    changes = _plan(path, REFERRING).changes
    caller = plans.Caller()
    with plans.open_session(path) as session:
        assert session.prepare(changes, caller) is Signal.GO
        _write(path, "INSERT INTO t VALUES (5000, 900)")
        assert session.prepare(changes, caller) is Signal.GO
        _write(path, "INSERT INTO p VALUES (900)")
        assert session.cut_over(changes, caller) is Signal.GO
        assert session.tidy(caller) is Signal.GO
    assert plans.rows(path, "SELECT p FROM t WHERE id = 5000") == [(900,)]
    assert plans.left_behind(path) == []


def test_a_family_that_goes_while_it_is_checked_is_no_orphan(tmp_path: Path) -> None:
    """The copy of a row that was given another parent is old until its key is applied, and the old parent may be gone."""
    path = plans.make(tmp_path / "t.db", *FAMILY)
    (change,) = _plan(path, REFERRING).changes
    caller = plans.Caller()
    numbers = iter(range(2, 300))

    def adopt(progress: object) -> None:
        number = next(numbers)
        _write(path, f"UPDATE t SET p = 1 WHERE id = {number}", f"DELETE FROM p WHERE id = {number}")

    caller.on_report = adopt
    caller.on_clear = lambda: adopt(None)
    with plans.open_session(path) as session:
        assert plans.drive(session, change, caller) is Signal.GO
    assert plans.left_behind(path) == []


@pytest.mark.parametrize("online", [True, False])
def test_a_parent_whose_key_compares_otherwise_keeps_its_children_or_is_refused(
    tmp_path: Path, online: bool
) -> None:
    """NOCASE becomes BINARY: a child that wrote its parent's code in other letters finds it no more."""
    live = "CREATE TABLE p (id INTEGER PRIMARY KEY, code TEXT COLLATE NOCASE NOT NULL UNIQUE)"
    child = "CREATE TABLE c (id INTEGER PRIMARY KEY, code TEXT REFERENCES p (code))"
    path = plans.make(
        tmp_path / "t.db",
        live,
        child,
        f"{N} INSERT INTO p SELECT i, 'CODE' || i FROM n",
        f"{N} INSERT INTO c SELECT i, 'CODE' || i FROM n",
        "UPDATE c SET code = 'code9' WHERE id = 9",
    )
    (change,) = _plan(path, f"{live.replace(' COLLATE NOCASE', '')}; {child};", online=online).changes
    message = (
        "c would not find their parent, the row with id = 9" if online else "1 rows of c would have no parent"
    )
    with plans.open_session(path) as session, pytest.raises(Refused, match=message):
        plans.drive(session, change, plans.Caller())
    _write(path, "UPDATE c SET code = 'CODE9' WHERE id = 9")
    with plans.open_session(path, fence=2) as session:
        assert plans.drive(session, change, plans.Caller()) is Signal.GO
    assert plans.left_behind(path) == []
