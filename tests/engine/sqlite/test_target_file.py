"""The file of a target is away for a while, or another one is put in its place."""

import shutil
from pathlib import Path

import pytest

from engine import faults
from engine.base import Signal, Standing
from engine.errors import TargetUnavailable, Unreachable
from engine.sqlite.changing.session import SqliteSession
from tests.engine.sqlite import plans

CREATE = "CREATE TABLE orders (id INTEGER PRIMARY KEY, quantity TEXT)"
DESIRED = "CREATE TABLE orders (id INTEGER PRIMARY KEY, quantity INTEGER)"
ROWS = 500
FILL = f"""
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
INSERT INTO orders SELECT i, i % 7 FROM n
"""


@pytest.mark.parametrize("there", ["nothing", "an empty file"])
def test_a_file_that_is_away_is_waited_for_and_not_made(tmp_path: Path, there: str) -> None:
    """A finished copy is not lost because its file was not there for a moment, nor does a cancel find nothing to remove."""
    path = plans.make(tmp_path / "shop.db", CREATE, FILL)
    change = plans.rebuild_change(path, DESIRED, "orders")
    with plans.open_session(path) as session:
        assert session.prepare([change], plans.Caller()) is Signal.GO
    path.rename(tmp_path / "away.db")
    if there == "an empty file":
        path.touch()
    size = path.stat().st_size if path.exists() else None
    with pytest.raises(Unreachable, match="put the file back"):
        plans.open_session(path, 2)
    assert (path.stat().st_size if path.exists() else None) == size
    (tmp_path / "away.db").rename(path)
    with plans.open_session(path, 3) as session:
        assert plans.drive(session, change, plans.Caller()) is Signal.GO
    assert plans.left_behind(path) == []


@pytest.mark.parametrize("wal", [True, False])
@pytest.mark.parametrize("moment", ["copying", "cutover", "committing", "tidy", "standing"])
def test_a_file_put_in_the_place_of_the_target_is_noticed_and_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, *, wal: bool
) -> None:
    """A backup is restored amid a change: what SQLite has open is no longer what the application uses."""
    path = plans.make(tmp_path / "shop.db", CREATE, FILL, wal=wal)
    change = plans.rebuild_change(path, DESIRED, "orders")
    backup = tmp_path / "backup.db"
    shutil.copyfile(path, backup)

    def restore(*_: object) -> None:
        if backup.exists():
            for suffix in ("-wal", "-shm", "-journal"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            backup.rename(path)

    caller = plans.Caller()
    if moment == "copying":
        caller.on_report = restore
    elif moment == "cutover":
        caller.on_clear = restore
    elif moment == "committing":
        monkeypatch.setattr(faults, "reached", lambda at: restore() if at == "live:orders" else None)

    def at_work(session: SqliteSession) -> None:
        session.prepare([change], caller)
        session.cut_over([change], caller)
        restore()
        session.tidy(caller) if moment == "tidy" else session.standing(change)

    with (
        plans.open_session(path) as opened,
        pytest.raises(TargetUnavailable, match="replaced by another file"),
    ):
        at_work(opened)
    with plans.open_session(path, 2) as session:
        assert session.standing(change) is Standing.FITS
        assert plans.drive(session, change, plans.Caller()) is Signal.GO
    assert plans.left_behind(path) == []
    assert plans.rows(path, "SELECT typeof(quantity), count(*) FROM orders GROUP BY 1") == [("integer", ROWS)]


def test_a_target_removed_while_it_is_changed_is_waited_for(tmp_path: Path) -> None:
    path = plans.make(tmp_path / "shop.db", CREATE, FILL)
    caller = plans.Caller()
    caller.on_clear = path.unlink
    change = plans.rebuild_change(path, DESIRED, "orders")
    with plans.open_session(path) as session:
        assert session.prepare([change], plans.Caller()) is Signal.GO
        with pytest.raises(Unreachable, match="removed while it was open"):
            session.cut_over([change], caller)


def test_a_plan_from_nothing_makes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    with plans.open_session(path, may_make=True):
        pass
    assert path.stat().st_size > 0
    assert plans.left_behind(path) == []
