"""The files a plan keeps of the schema before it lead back without loss."""

from pathlib import Path

from engine.base import Signal
from engine.sqlite.engine import SqliteEngine
from tests.engine.sqlite import plans

BEFORE = (
    'CREATE TABLE people (id INTEGER PRIMARY KEY, "full name" TEXT NOT NULL, age INTEGER); '
    "CREATE TABLE pets (id INTEGER PRIMARY KEY, kind TEXT);"
)
AFTER = """
-- renamed from: people
CREATE TABLE persons (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL, -- renamed from: "full name"
  age INTEGER
);
CREATE TABLE pets (id INTEGER PRIMARY KEY, kind TEXT);
"""


def arrive(path: Path, engine: SqliteEngine, files: dict[str, dict[str, str]], apply_uid: str) -> None:
    found = engine.plan(files)
    assert found.changes
    assert not found.blocked
    assert not [f for f in found.findings if f.severity == "error"]
    with plans.open_session(path, apply_uid=apply_uid) as session:
        for change in found.changes:
            assert plans.drive(session, change, plans.Caller()) is Signal.GO


def test_a_rollback_of_renames_keeps_the_values(tmp_path: Path) -> None:
    path = plans.make(tmp_path / "t.db", BEFORE, "INSERT INTO people VALUES (1, 'Ada', 36)")
    engine = SqliteEngine(plans.target(path))
    back = {space: dict(files) for space, files in engine.plan({"main": {"all.sql": AFTER}}).original.items()}

    arrive(path, engine, {"main": {"all.sql": AFTER}}, "apply_forth")
    assert plans.rows(path, "SELECT name FROM persons") == [("Ada",)]
    arrive(path, engine, back, "apply_back")

    assert plans.rows(path, 'SELECT id, "full name", age FROM people') == [(1, "Ada", 36)]
    assert engine.plan(back).changes == ()
    assert engine.plan({"main": {"all.sql": BEFORE}}).changes == ()


def test_the_files_kept_are_those_of_a_pull_when_nothing_is_renamed(tmp_path: Path) -> None:
    path = plans.make(tmp_path / "t.db", BEFORE)
    engine = SqliteEngine(plans.target(path))
    original = engine.plan({"main": {"all.sql": BEFORE + "CREATE TABLE x (y);"}}).original
    assert original["main"] == next(iter(engine.pull().values()))
