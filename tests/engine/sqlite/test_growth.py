"""What was planned for a small table is not run when the table is large by then: writers would wait for longer than told."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from engine.base import Change, Signal, Strategy
from engine.errors import DriftFound
from engine.sqlite.changing import growth
from engine.sqlite.planning.planner import plan_sqlite
from tests.engine.sqlite import plans

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);"
INDEX = "CREATE INDEX i ON t (v);"


def _planned(path: Path, wanted: str, rows: int, more: int) -> Sequence[Change]:
    """The changes planned where up to 50 rows are few, and then *more* rows."""
    with closing(apsw.Connection(str(path))) as connection:
        fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?) INSERT INTO t (v) SELECT i FROM n"
        connection.execute(fill, (rows,))
        changes = plan_sqlite(connection, {"main": {"t.sql": wanted}}, direct_rows=50).changes
        connection.execute(fill, (more,))
    return changes


@pytest.fixture(autouse=True)
def few_rows_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "GROWN_ROWS", 100)


@pytest.mark.parametrize(
    ("live", "wanted"),
    [
        (TABLE, "CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER);"),
        (TABLE, "CREATE TABLE t (id INTEGER PRIMARY KEY);"),
        (TABLE, TABLE + INDEX),
        (TABLE + INDEX, TABLE),
        (TABLE, "CREATE TABLE t (other TEXT);"),
    ],
    ids=["rebuilt", "column dropped", "index made", "index dropped", "replaced"],
)
def test_a_change_of_a_small_table_is_refused_when_the_table_has_grown(
    tmp_path: Path, live: str, wanted: str
) -> None:
    path = plans.make(tmp_path / "t.db", live)
    (change,) = _planned(path, wanted, 40, 100)
    with plans.open_session(path) as session:
        with pytest.raises(DriftFound, match="t has grown to more than 100 rows since the plan was made"):
            session.check_fits([change], {"t": change.spec["before"]})
        with pytest.raises(DriftFound, match=r"t has grown .*: plan again"):
            plans.drive(session, change, plans.Caller())
    assert plans.left_behind(path) == []


@pytest.mark.parametrize(
    ("live", "wanted", "rows", "more"),
    [
        (TABLE, "CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER);", 40, 50),
        ("CREATE TABLE t (v TEXT);", "CREATE TABLE t (v INTEGER);", 200, 200),
        (TABLE, TABLE.replace("v TEXT", "v TEXT, w TEXT"), 40, 200),
    ],
    ids=["grown a little", "large and accepted as such", "of no matter"],
)
def test_other_growth_is_of_no_matter(tmp_path: Path, live: str, wanted: str, rows: int, more: int) -> None:
    path = plans.make(tmp_path / "t.db", live)
    (change,) = _planned(path, wanted, rows, more)
    assert change.strategy is not Strategy.ONLINE
    with plans.open_session(path) as session:
        session.check_fits([change], {"t": change.spec["before"]})
        assert plans.drive(session, change, plans.Caller()) is Signal.GO


def test_few_rows_that_have_become_wide_count_as_growth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = plans.make(tmp_path / "t.db", TABLE)
    (change,) = _planned(path, TABLE + INDEX, 40, 0)
    monkeypatch.setattr(growth, "GROWN_BYTES", 1024**2)
    with closing(apsw.Connection(str(path))) as application:
        application.execute("UPDATE t SET v = printf('%050000d', id)")
    with plans.open_session(path) as session, pytest.raises(DriftFound, match="grown to more than 1 MiB"):
        plans.drive(session, change, plans.Caller())
