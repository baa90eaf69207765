"""A copy that waited for its cutover is compared again: some writes fire no trigger, so nothing notes them."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from engine.base import Signal, Standing
from engine.errors import Refused
from tests.engine.sqlite import plans

CREATE = "CREATE TABLE files (id INTEGER PRIMARY KEY, name TEXT, body BLOB)"
DESIRED = "CREATE TABLE files (id INTEGER PRIMARY KEY, name BLOB, body BLOB)"
ROWS = 1000
FILL = f"WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {ROWS}) INSERT INTO files SELECT i, i, zeroblob(20) FROM n"


def _write_into_a_blob(application: apsw.Connection) -> None:
    with application.blob_open("main", "files", "body", 990, True) as blob:
        blob.write(b"precious")


def _without_triggers(sql: str) -> Callable[[apsw.Connection], None]:
    def write(application: apsw.Connection) -> None:
        application.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
        application.execute(sql)

    return write


def _wait(path: Path, table: str) -> None:
    """Some time passes."""
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute(f"UPDATE {table}__osc_w SET k0 = k0 - 6 WHERE at = 'ready'")
        assert connection.changes() == 1


WRITES = {
    "into a BLOB": _write_into_a_blob,
    "an update": _without_triggers("UPDATE files SET name = 'paid' WHERE id = 990"),
    "an insert": _without_triggers("INSERT INTO files VALUES (5000, 'new', x'')"),
    "a delete": _without_triggers("DELETE FROM files WHERE id = 990"),
}


@pytest.mark.parametrize("wal", [True, False])
@pytest.mark.parametrize("write", WRITES)
def test_a_write_that_fires_no_trigger_while_the_copy_waits_is_not_lost(
    tmp_path: Path, write: str, *, wal: bool
) -> None:
    path = plans.make(tmp_path / "t.db", CREATE, FILL, wal=wal)
    change = plans.rebuild_change(path, DESIRED, "files")
    with plans.open_session(path) as session:
        assert session.prepare([change], plans.Caller()) is Signal.GO
    with closing(apsw.Connection(str(path))) as application:
        WRITES[write](application)
    _wait(path, "files")
    before = plans.rows(path, "SELECT * FROM files ORDER BY id")
    with (
        plans.open_session(path, 2) as session,
        pytest.raises(Refused, match=r"id = (990|5000) .*nothing was changed"),
    ):
        plans.drive(session, change, plans.Caller())
    assert plans.rows(path, "SELECT * FROM files ORDER BY id") == before
    assert plans.left_behind(path) == []


def test_what_triggers_note_while_the_copy_waits_is_no_difference(tmp_path: Path) -> None:
    path = plans.make(tmp_path / "t.db", CREATE, FILL)
    change = plans.rebuild_change(path, DESIRED, "files")
    with plans.open_session(path) as session:
        assert session.prepare([change], plans.Caller()) is Signal.GO
    with closing(apsw.Connection(str(path))) as application:
        application.execute("UPDATE files SET name = 'paid' WHERE id > 700; DELETE FROM files WHERE id < 9")
    _wait(path, "files")
    before = plans.rows(path, "SELECT * FROM files ORDER BY id")
    with plans.open_session(path, 2) as session:
        assert plans.drive(session, change, plans.Caller()) is Signal.GO
    assert plans.rows(path, "SELECT * FROM files ORDER BY id") == before


def test_a_copy_that_was_compared_just_now_is_not_compared_again(tmp_path: Path) -> None:
    path = plans.make(
        tmp_path / "t.db", CREATE, FILL, CREATE.replace("files", "parts"), FILL.replace("files", "parts")
    )
    changes = [
        plans.rebuild_change(path, DESIRED, "files"),
        plans.rebuild_change(path, DESIRED.replace("files", "parts"), "parts"),
    ]
    caller = plans.Caller()
    with plans.open_session(path) as session:
        assert session.prepare(changes, plans.Caller()) is Signal.GO
        _wait(path, "files")
        assert session.cut_over(changes, caller) is Signal.GO
        assert session.tidy(plans.Caller()) is Signal.GO
    assert {report.change.table for report in caller.reports if report.detail == "verifying"} == {"files"}


@pytest.mark.parametrize("signal", [Signal.STOP, Signal.HALT])
def test_the_second_look_goes_on_where_it_was_interrupted(tmp_path: Path, signal: Signal) -> None:
    path = plans.make(tmp_path / "t.db", CREATE, FILL)
    change = plans.rebuild_change(path, DESIRED, "files")
    with plans.open_session(path) as session:
        assert session.prepare([change], plans.Caller()) is Signal.GO
    _wait(path, "files")
    interrupted = 0
    for fence in range(2, 100):
        caller = plans.Caller(Signal.GO, signal)
        with plans.open_session(path, fence) as session:
            if session.standing(change) is Standing.DONE:
                assert session.tidy(plans.Caller()) is Signal.GO
                break
            plans.drive(session, change, caller)
        interrupted += caller.reports[-1].detail == "verifying"
    else:
        pytest.fail("never done")
    assert interrupted > 1
    assert plans.left_behind(path) == []
