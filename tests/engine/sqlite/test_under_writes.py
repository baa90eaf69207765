"""The online rebuild while an application writes in every way there is: nothing lost, doubled or stale (I8)."""

import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from engine.base import Progress, Signal
from engine.errors import Refused
from tests.engine.sqlite import plans
from tests.engine.sqlite.application import DESIRED, INDEXES, SAME_COLUMNS, TABLE, Application, fill

ROWS = 3000


def _two_files(tmp_path: Path, *, wal: bool = True, extra: str = "") -> tuple[Path, Path]:
    statements = (TABLE, INDEXES, fill(ROWS), extra)
    return (
        plans.make(tmp_path / "target.db", *statements, wal=wal),
        plans.make(tmp_path / "reference.db", *statements),
    )


def _assert_same(target: Path, reference: Path) -> None:
    query = f"SELECT {SAME_COLUMNS} FROM items ORDER BY id"
    assert plans.rows(target, query) == plans.rows(reference, query)
    log = "SELECT what FROM log ORDER BY id"
    assert plans.rows(target, log) == plans.rows(reference, log)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("wal", [True, False], ids=["wal", "rollback"])
def test_writes_between_any_two_steps_arrive_in_the_new_table(tmp_path: Path, seed: int, wal: bool) -> None:
    """I8. Deterministic: some operations after every report, the last look before the cutover included."""
    target, reference = _two_files(tmp_path, wal=wal)
    change = plans.rebuild_change(target, DESIRED, "items")
    application = Application(target, reference, seed, ROWS)
    caller = plans.Caller()

    def write(progress: Progress | None = None) -> None:
        for _ in range(application.random.randint(0, 12)):
            application.step()

    caller.on_report = write
    caller.on_clear = write
    with plans.open_session(target) as session:
        assert plans.drive(session, change, caller) is Signal.GO
    application.close()
    assert application.done > 100
    _assert_same(target, reference)
    assert plans.left_behind(target) == []


def test_a_writing_process_loses_nothing_and_never_fails(tmp_path: Path) -> None:
    """I8, with a real process beside the copy, before, during and after it."""
    target, reference = _two_files(tmp_path)
    change = plans.rebuild_change(target, DESIRED, "items")
    stop = tmp_path / "stop"
    writer = subprocess.Popen(
        [sys.executable, "-m", "tests.engine.sqlite.application", target, reference, "5", str(ROWS), stop],
        stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert writer.stdout is not None
    assert writer.stdout.readline().strip() == "ready"
    caller = plans.Caller()
    caller.rests = True
    with plans.open_session(target) as session:
        assert plans.drive(session, change, caller) is Signal.GO
    stop.touch()
    out, _ = writer.communicate(timeout=60)
    assert writer.returncode == 0
    assert int(out.split()[0]) > 20
    _assert_same(target, reference)
    assert plans.left_behind(target) == []


def test_cascades_of_foreign_keys_are_followed(tmp_path: Path) -> None:
    """I8. The rebuilt table is a child: deleting a parent deletes and changes its rows by the library's own action."""
    schema = """
    CREATE TABLE boxes (id INTEGER PRIMARY KEY);
    CREATE TABLE items (
        id INTEGER PRIMARY KEY,
        box INTEGER REFERENCES boxes ON DELETE CASCADE,
        other INTEGER REFERENCES boxes ON DELETE SET NULL,
        above INTEGER REFERENCES items ON DELETE CASCADE
    );
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO boxes SELECT i FROM n;
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    INSERT INTO items SELECT i, i % 500 + 1, (i * 7) % 500 + 1, CASE WHEN i % 9 = 0 THEN i - 1 END FROM n;
    """
    target = plans.make(tmp_path / "t.db", schema)
    reference = plans.make(tmp_path / "r.db", schema)
    desired = "CREATE TABLE boxes (id INTEGER PRIMARY KEY);" + schema[
        schema.index("CREATE TABLE items") : schema.index("WITH")
    ].replace("other INTEGER", "note TEXT, other INTEGER")
    change = plans.rebuild_change(target, desired, "items")
    application = Application(target, reference, 1, 1)
    for connection in application.connections:
        connection.execute("PRAGMA foreign_keys = ON")
    numbers = iter(range(1, 400))

    def write(progress: Progress | None = None) -> None:
        for _ in range(3):
            box = next(numbers)
            for connection in application.connections:
                connection.execute("DELETE FROM boxes WHERE id = ?", (box,))
                connection.execute("REPLACE INTO items (id, box) VALUES (?, 450)", (box * 8,))

    caller = plans.Caller()
    caller.on_report = write
    with plans.open_session(target) as session:
        assert plans.drive(session, change, caller) is Signal.GO
    application.close()
    query = "SELECT id, box, other, above FROM items ORDER BY id"
    assert plans.rows(target, query) == plans.rows(reference, query)
    assert plans.left_behind(target) == []


SPOILERS = {
    "not null": (
        "note NOT NULL",
        "UPDATE items SET note = NULL WHERE id = {id}",
        "NOT NULL constraint failed",
    ),
    "check": (
        "note CHECK (note <> 'bad')",
        "UPDATE items SET note = 'bad' WHERE id = {id}",
        "CHECK constraint failed",
    ),
    "unique": (
        "note UNIQUE",
        "INSERT INTO items (id, note) VALUES (99999, 'note {id}')",
        "UNIQUE constraint failed",
    ),
    "conflict clause": (
        "note UNIQUE ON CONFLICT REPLACE",
        "UPDATE items SET note = 'note 2' WHERE id = {id}",
        "UNIQUE",
    ),
}


@pytest.mark.parametrize("moment", ["early", "late", "at the cutover"])
@pytest.mark.parametrize("spoiler", SPOILERS)
def test_a_row_that_breaks_the_new_rule_refuses_the_change_and_never_the_application(
    tmp_path: Path, spoiler: str, moment: str
) -> None:
    """The application's write succeeds; the change is refused, names the row, and leaves nothing behind."""
    column, statement, words = SPOILERS[spoiler]
    create = "CREATE TABLE items (id INTEGER PRIMARY KEY, note)"
    target = plans.make(
        tmp_path / "t.db",
        create,
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) "
        "INSERT INTO items SELECT i, 'note ' || i FROM n",
    )
    change = plans.rebuild_change(target, create.replace("note)", f"{column})"), "items")
    reference = plans.make(tmp_path / "r.db", create)
    application = Application(target, reference, 1, 1)
    at = {"early": 3000, "late": 10, "at the cutover": 1234}[moment]
    written: list[bool] = []

    def write(progress: Progress | None = None) -> None:
        if not written and (progress is None or moment != "at the cutover"):
            application.connections[0].execute(statement.format(id=at))
            written.append(True)

    caller = plans.Caller()
    caller.on_report = write
    caller.on_clear = write
    before = plans.rows(target, "SELECT sql FROM sqlite_schema")
    with plans.open_session(target) as session, pytest.raises(Refused) as refused:
        plans.drive(session, change, caller)
    application.close()
    assert written
    assert words in str(refused.value)
    assert "__osc_" not in str(refused.value)
    assert "id = " in str(refused.value)
    assert plans.rows(target, "SELECT sql FROM sqlite_schema") == before
    assert plans.left_behind(target) == []


@pytest.mark.parametrize("moment", ["copying", "prepared"])
def test_a_bulk_exchange_of_unique_values_is_followed(tmp_path: Path, moment: str) -> None:
    """I8. More keys wait than go into one step, and each new value still belongs to another copied row."""
    create = "CREATE TABLE items (id INTEGER PRIMARY KEY, u INTEGER UNIQUE)"
    target = plans.make(
        tmp_path / "t.db",
        create,
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO items SELECT i, i FROM n",
    )
    change = plans.rebuild_change(target, create.replace("u INTEGER", "note, u INTEGER"), "items")
    caller = plans.Caller()

    def rotate(progress: Progress | None = None) -> None:
        if moment == "prepared" or len(caller.reports) == 5:
            with apsw.Connection(str(target)) as application:
                application.execute("UPDATE items SET u = -u; UPDATE items SET u = (-u) % 3000 + 1")

    with plans.open_session(target) as session:
        if moment == "copying":
            caller.on_report = rotate
        assert session.prepare([change], caller) is Signal.GO
        if moment == "prepared":
            rotate()
        assert plans.drive(session, change, plans.Caller()) is Signal.GO
    assert plans.rows(target, "SELECT count(*), sum(u = id % 3000 + 1) FROM items") == [(3000, 3000)]
    assert plans.left_behind(target) == []


SABOTAGE = {
    "UPDATE items SET note = 'secret' WHERE id = 5": "id = 5 differs",
    "INSERT INTO items VALUES (-7, 'secret')": "id = -7 is missing",
    "DELETE FROM items WHERE id = 9": "id = 9 is in the copy only",
}


@pytest.mark.parametrize("statement", SABOTAGE)
def test_writes_that_no_trigger_saw_are_found_before_the_swap(tmp_path: Path, statement: str) -> None:
    """The check is a second line: an application that switched triggers off is refused a wrong table."""
    create = "CREATE TABLE items (id INTEGER PRIMARY KEY, note)"
    target = plans.make(
        tmp_path / "t.db",
        create,
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO items SELECT i, i FROM n",
    )
    change = plans.rebuild_change(target, create.replace("note", "note, more"), "items")
    caller = plans.Caller()

    def write(progress: Progress) -> None:
        if len(caller.reports) == 5:
            with apsw.Connection(str(target)) as application:
                application.config(apsw.SQLITE_DBCONFIG_ENABLE_TRIGGER, 0)
                application.execute(statement)

    caller.on_report = write
    with plans.open_session(target) as session, pytest.raises(Refused, match=SABOTAGE[statement]):
        plans.drive(session, change, caller)
    assert plans.left_behind(target) == []
