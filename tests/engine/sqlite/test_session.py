"""The contract of a session: idempotent, resumable, obedient, honest about drift, and it leaves nothing behind."""

from contextlib import closing
from pathlib import Path

import apsw
import pytest

from engine.base import Change, Job, Progress, Signal, Standing
from engine.errors import DriftFound, FenceAhead, Fenced, Refused, TargetHeld, TargetUnavailable
from engine.sqlite.changing.session import SqliteSession
from storage.errors import LeaseLost
from tests.engine.sqlite import plans

CREATE = "CREATE TABLE orders (id INTEGER PRIMARY KEY, quantity TEXT, note TEXT)"
DESIRED = "CREATE TABLE orders (id INTEGER PRIMARY KEY, quantity INTEGER, note TEXT); CREATE INDEX by_note ON orders (note)"
ROWS = 3000
FILL = f"""
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
INSERT INTO orders SELECT i, i % 7, 'note ' || i FROM n
"""


def _shop(tmp_path: Path) -> Path:
    return plans.make(tmp_path / "shop.db", CREATE, "CREATE INDEX by_note ON orders (quantity)", FILL)


def _changes(path: Path) -> dict[str, Change]:
    return {
        "online": plans.rebuild_change(path, DESIRED, "orders"),
        "offline": plans.rebuild_change(path, DESIRED, "orders", online=False),
        "statements": plans.statement_change(
            path, "orders", "ALTER TABLE orders ADD COLUMN c", "DROP INDEX by_note"
        ),
    }


KINDS = ["online", "offline", "statements"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_change_twice_is_harmless(tmp_path: Path, kind: str) -> None:
    """RC-4: what is done is found done, and doing it again changes nothing."""
    path = _shop(tmp_path)
    change = _changes(path)[kind]
    with plans.open_session(path) as session:
        assert session.standing(change) is Standing.FITS
        assert plans.drive(session, change, plans.Caller()) is Signal.GO
        assert session.standing(change) is Standing.DONE
        before = plans.rows(path, "SELECT * FROM sqlite_schema")
        assert plans.drive(session, change, plans.Caller()) is Signal.GO
    assert plans.rows(path, "SELECT * FROM sqlite_schema") == before
    assert plans.rows(path, "SELECT count(*), sum(quantity) FROM orders") == [
        (ROWS, sum(i % 7 for i in range(ROWS + 1)))
    ]
    assert plans.left_behind(path) == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("moment", ["before", "while"])
def test_a_table_changed_by_somebody_else_is_drift_and_stays_as_it_is(
    tmp_path: Path, kind: str, moment: str
) -> None:
    """RC-2, RC-3: the message names the table; nothing of ours stays."""
    path = _shop(tmp_path)
    change = _changes(path)[kind]
    caller = plans.Caller()

    def meddle() -> None:
        with apsw.Connection(str(path)) as connection:
            connection.execute("ALTER TABLE orders ADD COLUMN meddled")

    if moment == "before":
        meddle()
    else:
        caller.on_clear = meddle
    with (
        plans.open_session(path) as session,
        pytest.raises(DriftFound, match=r"orders was changed.*plan again"),
    ):
        plans.drive(session, change, caller)
    assert plans.left_behind(path) == []
    assert len(plans.rows(path, "SELECT * FROM orders")) == ROWS


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "CREATE UNIQUE INDEX one ON orders (quantity)",
            "UNIQUE constraint failed: orders.quantity by CREATE",
        ),
        ("ALTER TABLE orders ALTER COLUMN note SET NOT NULL", "by ALTER TABLE orders ALTER COLUMN note SET"),
        ("ALTER TABLE orders ADD CHECK (id < 100)", r"by ALTER TABLE orders ADD CHECK \(id < 100"),
    ],
)
def test_rows_that_a_statement_does_not_take_are_named_with_table_and_statement(
    tmp_path: Path, statement: str, said: str
) -> None:
    path = _shop(tmp_path)
    change = plans.statement_change(path, "orders", statement)
    plans.make(path, "UPDATE orders SET note = NULL WHERE id = 7")
    expected = f"^orders: a row does not fit the new definition: .*{said}.*; nothing was changed: correct"
    with plans.open_session(path) as session, pytest.raises(Refused, match=expected):
        plans.drive(session, change, plans.Caller())
    assert plans.left_behind(path) == []


def test_rows_that_a_small_rebuild_finds_twice_are_named_with_table_and_index(tmp_path: Path) -> None:
    path = _shop(tmp_path)
    desired = f"{CREATE.replace('TEXT,', 'INTEGER,')}; CREATE UNIQUE INDEX one ON orders (quantity)"
    change = plans.rebuild_change(path, desired, "orders", online=False)
    expected = (
        "^orders: a row does not fit .* failed: orders.quantity by CREATE UNIQUE INDEX one.*; nothing was"
    )
    with plans.open_session(path) as session, pytest.raises(Refused, match=expected):
        plans.drive(session, change, plans.Caller())
    assert plans.left_behind(path) == []


def test_a_table_altered_in_mid_copy_is_drift(tmp_path: Path) -> None:
    """RC-2: a dropped column is met by a copy statement first, and still called by its name."""
    path = _shop(tmp_path)
    change = _changes(path)["online"]
    caller = plans.Caller()

    def meddle(progress: Progress) -> None:
        if len(caller.reports) == 5:
            with apsw.Connection(str(path)) as connection:
                connection.execute("ALTER TABLE orders DROP COLUMN note")

    caller.on_report = meddle
    with plans.open_session(path) as session, pytest.raises(DriftFound, match="orders was changed"):
        plans.drive(session, change, caller)
    assert plans.left_behind(path) == []


def test_a_table_made_anew_by_another_tool_in_mid_copy_is_drift(tmp_path: Path) -> None:
    """The definition is the same as before, but our capture went with the old table: writes since then are unseen."""
    path = plans.make(
        tmp_path / "t.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000) INSERT INTO t SELECT i, i FROM n",
    )
    change = plans.rebuild_change(path, "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER)", "t")

    def another_tool() -> None:
        with closing(apsw.Connection(str(path))) as connection:
            connection.execute(
                "BEGIN; CREATE TABLE new_t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO new_t SELECT * FROM t;"
                "DROP TABLE t; ALTER TABLE new_t RENAME TO t; UPDATE t SET a = 'unseen' WHERE id = 5; COMMIT"
            )
            connection.execute("UPDATE t SET a = '999' WHERE id = 5")

    caller = plans.Caller()
    caller.on_clear = another_tool
    with plans.open_session(path) as session:
        with pytest.raises(DriftFound, match="t was"):
            plans.drive(session, change, caller)
        assert session.discard(plans.Caller()) is Signal.GO
    assert plans.rows(path, "SELECT a FROM t WHERE id = 5") == [("999",)]
    assert plans.left_behind(path) == []


def test_a_table_of_very_many_columns_is_copied_online(tmp_path: Path) -> None:
    columns = ", ".join(f"c{n} INTEGER" for n in range(1_500))
    path = plans.make(
        tmp_path / "t.db",
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, {columns})",
        "INSERT INTO t (id, c7) VALUES (1, 7)",
    )
    change = plans.rebuild_change(path, f"CREATE TABLE t (id INTEGER PRIMARY KEY, {columns}, z TEXT)", "t")
    with plans.open_session(path) as session:
        assert plans.drive(session, change, plans.Caller()) is Signal.GO
    assert plans.rows(path, "SELECT id, c7, z FROM t") == [(1, 7, None)]


def test_a_replaced_table_of_few_wide_rows_goes_in_small_steps(tmp_path: Path) -> None:
    """Every row may be megabytes: the number of rows says little about how long its removal holds the lock."""
    path = plans.make(
        tmp_path / "t.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b BLOB)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 12)"
        " INSERT INTO t SELECT i, i, randomblob(2000000) FROM n",
    )
    change = plans.rebuild_change(path, "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b BLOB)", "t")
    caller = plans.Caller()
    with plans.open_session(path) as session:
        assert plans.drive(session, change, caller) is Signal.GO
    steps = [report for report in caller.reports if report.detail == "removing the old table"]
    assert len(steps) > 4
    assert plans.left_behind(path) == []


def test_a_first_look_compares_with_the_plan(tmp_path: Path) -> None:
    """RC-3."""
    path = _shop(tmp_path)
    change = _changes(path)["online"]
    with plans.open_session(path) as session:
        session.check_fits([change], {"orders": change.spec["before"]})
        with pytest.raises(DriftFound, match="orders was changed"):
            session.check_fits([change], {"orders": "other"})


@pytest.mark.parametrize("signal", [Signal.STOP, Signal.HALT])
def test_a_copy_stops_at_any_report_and_goes_on_from_its_checkpoint(tmp_path: Path, signal: Signal) -> None:
    """Stopped after every single report: still done in the end, and progress never goes backwards."""
    path = _shop(tmp_path)
    change = _changes(path)["online"]
    copied: list[int] = []
    for fence in range(1, 1000):
        caller = plans.Caller(Signal.GO, signal)
        with plans.open_session(path, fence) as session:
            if session.standing(change) is Standing.DONE:
                outcome = session.tidy(plans.Caller())
                assert outcome is Signal.GO
                break
            outcome = plans.drive(session, change, caller)
            assert len(caller.reports) <= 2
        copied += [report.rows_copied for report in caller.reports]
    else:
        pytest.fail("never done")
    assert copied == sorted(copied)
    assert max(copied) == ROWS
    assert plans.rows(path, "SELECT count(*), count(DISTINCT id) FROM orders") == [(ROWS, ROWS)]
    assert plans.left_behind(path) == []


def test_reports_are_honest(tmp_path: Path) -> None:
    """Never more copied than there is, the total is right at the end, checkpoints are called durable."""
    path = _shop(tmp_path)
    change = _changes(path)["online"]
    caller = plans.Caller()
    with plans.open_session(path) as session:
        plans.drive(session, change, caller)
    assert all(report.rows_copied <= report.rows_total for report in caller.reports)
    assert caller.reports[-1].rows_copied == caller.reports[-1].rows_total == ROWS
    assert any(report.durable for report in caller.reports)
    assert {report.detail for report in caller.reports} >= {
        "copying rows",
        "verifying",
        "removing the old table",
    }


@pytest.mark.parametrize("after", [0, 3, 1000])
def test_cancel_takes_everything_of_ours_away(tmp_path: Path, after: int) -> None:
    """I8: at whatever point, prepared and waiting included."""
    path = _shop(tmp_path)
    before = plans.rows(path, "SELECT * FROM sqlite_schema")
    change = _changes(path)["online"]
    caller = plans.Caller(*[Signal.GO] * after, Signal.CANCEL)
    with plans.open_session(path) as session:
        session.prepare([change], caller)
        assert session.discard(plans.Caller()) is Signal.GO
    after_it = plans.rows(path, "SELECT * FROM sqlite_schema")
    assert [row[:3] + row[4:] for row in after_it] == [row[:3] + row[4:] for row in before]
    assert plans.left_behind(path) == []


def test_a_parked_change_only_catches_up(tmp_path: Path) -> None:
    """CO-5: prepared again, it copies nothing anew and takes what was written since."""
    path = _shop(tmp_path)
    change = _changes(path)["online"]
    with plans.open_session(path, 1) as session:
        assert session.prepare([change], plans.Caller()) is Signal.GO
    with apsw.Connection(str(path)) as application:
        application.execute("UPDATE orders SET note = 'late' WHERE id = 17")
    caller = plans.Caller()
    with plans.open_session(path, 2) as session:
        assert session.prepare([change], caller) is Signal.GO
        assert [report.detail for report in caller.reports if report.detail == "copying rows"] == []
        assert plans.drive(session, change, caller) is Signal.GO
    assert plans.rows(path, "SELECT note FROM orders WHERE id = 17") == [("late",)]
    assert plans.left_behind(path) == []


def test_a_group_becomes_live_in_one_transaction_or_not_at_all(tmp_path: Path) -> None:
    """Two online rebuilds and a new table; the last one fails, so none is live."""
    path = plans.make(
        tmp_path / "shop.db", CREATE, FILL, CREATE.replace("orders", "parts"), FILL.replace("orders", "parts")
    )
    good = [
        plans.rebuild_change(path, DESIRED, "orders"),
        plans.rebuild_change(path, DESIRED.replace("orders", "parts").replace("by_note", "by_part"), "parts"),
    ]
    bad = plans.statement_change(path, "extra", "CREATE TABLE extra (x)")
    bad.spec["statements"] = ("CREATE TABLE extra (y)",)  # type: ignore[index]
    before = plans.rows(path, "SELECT name, sql FROM sqlite_schema")
    with plans.open_session(path) as session:
        assert session.prepare([*good, bad], plans.Caller()) is Signal.GO
        with pytest.raises(Refused, match="extra"):
            session.cut_over([*good, bad], plans.Caller())
        assert session.discard(plans.Caller()) is Signal.GO
    assert plans.rows(path, "SELECT name, sql FROM sqlite_schema") == before
    assert plans.left_behind(path) == []
    fresh = plans.statement_change(path, "extra", "CREATE TABLE extra (x)")
    with plans.open_session(path) as session:
        assert session.prepare([*good, fresh], plans.Caller()) is Signal.GO
        assert session.cut_over([*good, fresh], plans.Caller()) is Signal.GO
        assert session.tidy(plans.Caller()) is Signal.GO
        assert all(session.standing(change) is Standing.DONE for change in [*good, fresh])
    assert plans.left_behind(path) == []


def test_closing_leaves_no_log_for_whoever_closes_last(tmp_path: Path) -> None:
    """Writing the log into the file while the last connection closes would stop every thread of the daemon."""
    path = _shop(tmp_path)
    log = path.with_name(path.name + "-wal")
    with closing(apsw.Connection(str(path))) as application:
        application.execute("PRAGMA journal_mode = WAL").fetchall()
        change = _changes(path)["online"]
        with plans.open_session(path) as session:
            assert plans.drive(session, change, plans.Caller()) is Signal.GO
            assert log.stat().st_size > 0
        assert log.stat().st_size == 0


def test_a_large_table_is_dropped_in_small_steps(tmp_path: Path) -> None:
    """Its names are free at once; its rows go in tidy; parents can be deleted meanwhile."""
    path = plans.make(
        tmp_path / "shop.db",
        "CREATE TABLE customers (id INTEGER PRIMARY KEY)",
        "INSERT INTO customers VALUES (1)",
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER REFERENCES customers, note TEXT UNIQUE)",
        "CREATE INDEX by_note ON orders (note)",
        "CREATE TRIGGER t AFTER INSERT ON orders BEGIN SELECT 1; END",
        FILL.replace(str(ROWS), "30000").replace("i % 7", "1"),
    )
    change = plans.statement_change(path, "orders", "DROP TABLE orders")
    with plans.open_session(path) as session:
        assert session.cut_over([change], plans.Caller()) is Signal.GO
        assert session.standing(change) is Standing.DONE
        with apsw.Connection(str(path)) as application:
            application.execute("PRAGMA foreign_keys = ON; DELETE FROM customers; CREATE TABLE orders (x)")
            application.execute("CREATE INDEX by_note ON orders (x)")
        caller = plans.Caller()
        assert session.tidy(caller) is Signal.GO
        assert len(caller.reports) > 5
    assert plans.left_behind(path) == []


# -- whose target it is -----------------------------------------------------------------------------------------


def test_an_older_fence_is_refused_at_the_door(tmp_path: Path) -> None:
    """OW-5."""
    path = _shop(tmp_path)
    with plans.open_session(path, fence=5), pytest.raises(Fenced):
        plans.open_session(path, fence=4)


def test_an_older_fence_is_told_when_whoever_raised_it_shows_no_life(tmp_path: Path) -> None:
    """OW-5: as after a store was put back from a backup; with a higher fence it goes on from what is there."""
    path = _shop(tmp_path)
    change = _changes(path)["online"]
    with plans.open_session(path, fence=5) as session:
        assert session.prepare([change], plans.Caller()) is Signal.GO
    with pytest.raises(Fenced) as alive:
        plans.open_session(path, fence=4)
    assert not isinstance(alive.value, FenceAhead)
    with apsw.Connection(str(path)) as application:
        application.execute("UPDATE _schemabot_owner SET beat_at = beat_at - 61")
    with pytest.raises(FenceAhead, match="fence 4 is older than 5") as ahead:
        plans.open_session(path, fence=4)
    assert ahead.value.fence == 5
    with plans.open_session(path, fence=6) as session:
        assert plans.drive(session, change, plans.Caller()) is Signal.GO
    assert plans.left_behind(path) == []


def test_ow_3_whoever_comes_after_its_lease_ran_out_leaves_no_trace(tmp_path: Path) -> None:
    """It waited for the lock while its successor finished, cleaned up and left: no newer fence is there to refuse it."""

    def lost() -> None:
        raise LeaseLost("another worker took over")

    path = _shop(tmp_path)
    job = Job(apply_uid="apply_a", fence=1, owner="host:1:test:worker-1", still_ours=lost)
    with pytest.raises(LeaseLost):
        SqliteSession(plans.target(path), job)
    assert plans.left_behind(path) == []


def test_another_apply_is_kept_out_while_the_first_shows_life(tmp_path: Path) -> None:
    """I7: and told who is there."""
    path = _shop(tmp_path)
    with plans.open_session(path), pytest.raises(TargetHeld, match="apply_a"):
        plans.open_session(path, apply_uid="apply_b")


def test_an_apply_that_is_known_to_be_over_is_not_waited_for(tmp_path: Path) -> None:
    """It was given up while its helpers were there: nobody can cancel it any more."""
    path = _shop(tmp_path)
    with plans.open_session(path) as first:
        job = Job(
            apply_uid="apply_b", fence=1, owner="host:1:test:worker-1", is_over=lambda uid: uid == "apply_a"
        )
        with SqliteSession(plans.target(path), job), pytest.raises(Fenced):
            first.prepare([_changes(path)["online"]], plans.Caller())


@pytest.mark.parametrize("moment", ["copying", "prepared", "live"])
def test_an_apply_that_died_is_dispossessed_and_cleaned_up_after(tmp_path: Path, moment: str) -> None:
    """Another store's apply takes over after a minute of silence; the dead one may come back and writes nothing."""
    path = _shop(tmp_path)
    change = _changes(path)["online"]
    dead = plans.open_session(path)
    dead.prepare(
        [change], plans.Caller(*[Signal.GO] * 4, Signal.STOP) if moment == "copying" else plans.Caller()
    )
    if moment == "live":
        dead.cut_over([change], plans.Caller())
    with apsw.Connection(str(path)) as application:
        application.execute("UPDATE _schemabot_owner SET beat_at = beat_at - 61")
    other = plans.statement_change(path, "fresh", "CREATE TABLE fresh (x)")
    with plans.open_session(path, apply_uid="apply_b") as session:
        assert session.prepare([other], plans.Caller()) is Signal.GO
        with pytest.raises(Fenced):
            dead.prepare([change], plans.Caller()) if moment != "live" else dead.tidy(plans.Caller())
        assert plans.drive(session, other, plans.Caller()) is Signal.GO
    dead.close()
    assert plans.left_behind(path) == []
    assert plans.rows(path, "SELECT count(*) FROM orders") == [(ROWS,)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_zombie_before_its_cutover_is_refused_after_a_new_owner_came(tmp_path: Path, kind: str) -> None:
    """Fault test 28 (OW-5, I2): paused after its last look; the successor finishes; its own transaction is refused."""
    path = _shop(tmp_path)
    change = _changes(path)[kind]
    zombie = plans.open_session(path, fence=1)
    assert zombie.prepare([change], plans.Caller()) is Signal.GO
    caller = plans.Caller()

    def successor() -> None:
        with plans.open_session(path, fence=2) as session:
            assert plans.drive(session, change, plans.Caller()) is Signal.GO

    caller.on_clear = successor
    with pytest.raises(Fenced):
        zombie.cut_over([change], caller)
    zombie.close()
    assert plans.rows(path, "SELECT count(*) FROM orders") == [(ROWS,)]
    assert plans.left_behind(path) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_zombie_is_refused_while_its_successor_is_at_work(tmp_path: Path, kind: str) -> None:
    """Fault tests 9 and 28 (OW-5): same apply, same row of ownership, only the fence tells them apart."""
    path = _shop(tmp_path)
    change = _changes(path)[kind]
    before = plans.rows(path, "SELECT sql FROM sqlite_schema WHERE name = 'orders'")
    zombie = plans.open_session(path, fence=1)
    assert zombie.prepare([change], plans.Caller()) is Signal.GO
    caller = plans.Caller()
    successors = []
    caller.on_clear = lambda: successors.append(plans.open_session(path, fence=2))
    with pytest.raises(Fenced):
        zombie.cut_over([change], caller)
    with pytest.raises(Fenced):
        zombie.discard(plans.Caller())
    zombie.close()
    assert plans.rows(path, "SELECT sql FROM sqlite_schema WHERE name = 'orders'") == before
    (successor,) = successors
    assert plans.drive(successor, change, plans.Caller()) is Signal.GO
    successor.close()
    assert plans.left_behind(path) == []


def test_a_zombie_in_mid_copy_writes_no_row_and_no_checkpoint(tmp_path: Path) -> None:
    """Fault test 28: its checkpoint write is refused, and the rows that would have gone with it."""
    path = _shop(tmp_path)
    change = _changes(path)["online"]
    zombie = plans.open_session(path, fence=1)
    assert zombie.prepare([change], plans.Caller(Signal.GO, Signal.STOP)) is Signal.STOP
    successor = plans.open_session(path, fence=2)
    assert successor.prepare([change], plans.Caller(Signal.GO, Signal.STOP)) is Signal.STOP
    state = "SELECT (SELECT count(*) FROM orders__osc_n), rows_copied FROM _schemabot_copy"
    before = plans.rows(path, state)
    with pytest.raises(Fenced):
        zombie.prepare([change], plans.Caller())
    zombie.close()
    assert plans.rows(path, state) == before
    assert plans.drive(successor, change, plans.Caller()) is Signal.GO
    successor.close()
    assert plans.left_behind(path) == []


def test_a_foreign_object_in_the_way_is_not_touched(tmp_path: Path) -> None:
    """I12: only what the apply made is dropped."""
    path = _shop(tmp_path)
    change = _changes(path)["online"]
    with apsw.Connection(str(path)) as application:
        application.execute("CREATE TABLE orders__osc_n (precious)")
    with plans.open_session(path) as session, pytest.raises(Refused, match="orders__osc_n is in the way"):
        plans.drive(session, change, plans.Caller())
    assert plans.left_behind(path) == ["orders__osc_n"]


# -- trouble at the target ----------------------------------------------------------------------------------------


def test_a_full_disk_is_retryable_and_the_copy_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """Fault test 19: the limit is the file's own page limit."""
    path = _shop(tmp_path)
    change = _changes(path)["online"]
    session = plans.open_session(path)
    pages = session._connection.execute("PRAGMA page_count").get
    session._connection.execute(f"PRAGMA max_page_count = {pages + 12}")
    with pytest.raises(TargetUnavailable, match="full"):
        session.prepare([change], plans.Caller())
    session.close()
    with apsw.Connection(str(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").get == "ok"
    with plans.open_session(path, 2) as session:
        assert plans.drive(session, change, plans.Caller()) is Signal.GO
    assert plans.left_behind(path) == []


def test_a_locked_target_is_retryable(tmp_path: Path) -> None:
    """A lock that is held too long is nobody's fault for ever: TargetUnavailable, and nothing was changed."""
    path = _shop(tmp_path)
    change = _changes(path)["offline"]
    session = plans.open_session(path)
    session._connection.set_busy_timeout(50)
    with apsw.Connection(str(path)) as application:
        application.execute("UPDATE orders SET note = 'mine' WHERE id = 1")
        with pytest.raises(TargetUnavailable, match="lock"):
            session.cut_over([change], plans.Caller())
    assert plans.drive(session, change, plans.Caller()) is Signal.GO
    session.close()
    assert plans.left_behind(path) == []
