"""OR REPLACE removes rows without a DELETE trigger: whichever way, a row that is gone does not come back with the copy."""

from contextlib import closing
from pathlib import Path

import apsw
import pytest

from engine.base import Signal, Strategy
from engine.errors import Refused
from engine.sqlite.planning.planner import plan_sqlite
from tests.engine.sqlite import plans

DEFAULT = "CREATE TABLE t (id INTEGER PRIMARY KEY, slot TEXT NOT NULL DEFAULT {} , v TEXT)"
MAIN = DEFAULT.format("'main'")
UNIQUE = "CREATE UNIQUE INDEX u ON t (slot)"
FILL = "WITH n (i) AS (SELECT 101 UNION ALL SELECT i + 1 FROM n LIMIT 200) INSERT INTO t SELECT i, 'k' || i, 'f' FROM n"
OLD = "INSERT INTO t VALUES (1, 'main', 'old')"
NULL = "INSERT OR REPLACE INTO t (id, slot, v) VALUES (500, NULL, 'new')"

CASES = {
    "the default for a NULL": (MAIN, UNIQUE, OLD, NULL),
    "updated to the default for a NULL": (MAIN, UNIQUE, OLD, "UPDATE OR REPLACE t SET slot = NULL WHERE id = 150"),
    "a bare word as default": (DEFAULT.format("main"), UNIQUE, OLD, NULL),
    "a keyword as default": (DEFAULT.format("action"), UNIQUE, OLD.replace("main", "action"), NULL),
    "a name in quotes as default": (DEFAULT.format('"main"'), UNIQUE, OLD, NULL),
    "an expression as default": (DEFAULT.format("('ma' || 'in' /* ! */)"), UNIQUE, OLD, NULL),
    "a number as default": (DEFAULT.format("-5"), UNIQUE, OLD.replace("main", "-5"), NULL),
    "the conflict clause of the column": (
        MAIN.replace("NOT NULL", "NOT NULL ON CONFLICT REPLACE").replace("v TEXT", "v TEXT, UNIQUE (slot) ON CONFLICT REPLACE"),
        "SELECT 1", OLD, NULL.replace(" OR REPLACE", ""),
    ),
    "a partial index": (MAIN, UNIQUE + " WHERE v IS NOT NULL", OLD, NULL),
    "an index over several columns": (MAIN, UNIQUE.replace("slot", "v, slot"), OLD, NULL.replace("new", "old")),
    "an expression over the default": (MAIN, UNIQUE.replace("slot", "upper(slot)"), OLD, NULL),
    "an expression over a column in other letters": (
        MAIN.replace("slot", "Über"), UNIQUE.replace("slot", 'upper("Über")'), OLD, NULL.replace("slot", "Über"),
    ),
    "letters that the column calls equal": (
        MAIN.replace("NOT NULL", "COLLATE NOCASE"), UNIQUE.replace("slot", "slot COLLATE BINARY"), OLD + ", (2, 'MAIN', '')",
        "UPDATE OR REPLACE t SET slot = 'main' WHERE id = 2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kept", [True, False], ids=["index kept", "index dropped"])
@pytest.mark.parametrize("case", CASES)
def test_a_row_replaced_while_the_copy_waits_does_not_come_back(
    tmp_path: Path, case: str, *, kept: bool
) -> None:
    create, index, old, write = CASES[case]
    path = plans.make(tmp_path / "t.db", create, index, old, FILL)
    new = create.replace("v TEXT", "v BLOB")
    change = plans.rebuild_change(path, f"{new}; {index if kept else ''}", "t")
    with plans.open_session(path) as session:
        assert session.prepare([change], plans.Caller()) is Signal.GO
        with closing(apsw.Connection(str(path))) as application:
            application.execute(write)
        after = plans.rows(path, "SELECT * FROM t ORDER BY id")
        assert 1 not in [row[0] for row in after]
        assert plans.drive(session, change, plans.Caller()) is Signal.GO
    assert plans.rows(path, "SELECT * FROM t ORDER BY id") == after


def _planned(path: Path, desired: str) -> tuple[Strategy, str]:
    with closing(apsw.Connection(str(path))) as connection:
        result = plan_sqlite(connection, {"main": {"t.sql": desired}}, direct_rows=50)
    (change,) = result.changes
    told = [f.message for f in result.findings if f.linter == "blocking_change"]
    return change.strategy, " ".join([change.lock, *told])


UNSEEN = {
    "an expression of the automatic key": (MAIN, "CREATE UNIQUE INDEX ring ON t (id % 100000)"),
    "a column generated from it": (
        MAIN.replace("v TEXT", "v TEXT, g INT AS (id % 100000)"), "CREATE UNIQUE INDEX ring ON t (slot, g)",
    ),
    "a column generated from a default": (
        MAIN.replace("v TEXT", "v TEXT, g AS (upper(slot)) STORED"), "CREATE UNIQUE INDEX ring ON t (g)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNSEEN)
def test_where_no_trigger_can_tell_what_is_replaced_nothing_is_copied_in_batches(
    tmp_path: Path, case: str
) -> None:
    create, index = UNSEEN[case]
    path = plans.make(
        tmp_path / "t.db", create, index, FILL.replace("INTO t SELECT", "INTO t (id, slot, v) SELECT")
    )
    desired = f"{create.replace('v TEXT', 'v BLOB')}; {index};"
    strategy, told = _planned(path, desired)
    assert strategy is Strategy.DIRECT
    assert told.count("the unique index ring") + told.count("its unique index ring") == 2
    change = plans.rebuild_change(path, desired, "t")  # as planned by an earlier release
    with plans.open_session(path) as session, pytest.raises(Refused, match="unique index ring: plan again"):
        plans.drive(session, change, plans.Caller())
    assert plans.left_behind(path) == []


@pytest.mark.parametrize(
    "index", ["CREATE UNIQUE INDEX u ON t (id, v)", "CREATE INDEX u ON t (id % 9)", UNIQUE]
)
def test_other_indexes_over_the_key_are_no_obstacle(tmp_path: Path, index: str) -> None:
    path = plans.make(tmp_path / "t.db", MAIN, index, FILL)
    assert _planned(path, f"{MAIN.replace('v TEXT', 'v BLOB')}; {index};")[0] is Strategy.ONLINE


def test_a_copy_captured_by_an_earlier_release_begins_anew(tmp_path: Path) -> None:
    """It may miss what the triggers of that release did not see; it is no drift."""
    path = plans.make(tmp_path / "t.db", MAIN, UNIQUE, OLD, FILL)
    change = plans.rebuild_change(path, f"{MAIN.replace('v TEXT', 'v BLOB')}; {UNIQUE}", "t")
    with plans.open_session(path) as session:
        assert session.prepare([change], plans.Caller()) is Signal.GO
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute(
            "DROP TRIGGER t__osc_bi; CREATE TRIGGER t__osc_bi BEFORE INSERT ON t BEGIN SELECT 1; END"
        )
        connection.execute(NULL)
    caller = plans.Caller()
    with plans.open_session(path, 2) as session:
        assert plans.drive(session, change, caller) is Signal.GO
    assert "copying rows" in [report.detail for report in caller.reports]
    assert plans.rows(path, "SELECT id FROM t WHERE slot = 'main'") == [(500,)]
    assert plans.left_behind(path) == []
