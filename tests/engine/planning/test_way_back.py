"""The files a plan keeps of the schema before it lead back without loss."""

from pathlib import Path

import pytest

from engine.base import Signal
from engine.errors import BadFiles
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


def test_a_rollback_looks_at_its_own_rename_and_not_at_an_earlier_one(tmp_path: Path) -> None:
    told = "CREATE TABLE people (id INTEGER PRIMARY KEY,\n-- renamed from: nick\nname TEXT);"
    path = plans.make(tmp_path / "t.db", told, "INSERT INTO people VALUES (1, 'Ada')")
    engine = SqliteEngine(plans.target(path))
    files = {"main": {"all.sql": told.replace("nick", "name").replace("name TEXT", "title TEXT NOT NULL")}}
    back = {space: dict(texts) for space, texts in engine.plan(files).original.items()}

    arrive(path, engine, files, "apply_forth")
    arrive(path, engine, back, "apply_back")

    assert plans.rows(path, "SELECT name FROM people") == [("Ada",)]
    (text,) = next(iter(engine.pull().values())).values()
    assert "renamed back" not in text


def test_a_name_that_no_comment_holds_finds_its_way_back(tmp_path: Path) -> None:
    path = plans.make(tmp_path / "t.db", "CREATE TABLE t (a TEXT)", "INSERT INTO t VALUES ('kept')")
    engine = SqliteEngine(plans.target(path))
    files = {"main": {"all.sql": 'CREATE TABLE t ("*/ ""\n" TEXT -- renamed from: a\n);'}}
    back = engine.plan(files).original

    arrive(path, engine, files, "apply_forth")
    arrive(path, engine, {space: dict(texts) for space, texts in back.items()}, "apply_back")

    assert plans.rows(path, "SELECT a FROM t") == [("kept",)]


@pytest.mark.parametrize(
    ("later", "why"),
    [
        ("ALTER TABLE persons RENAME TO humans", "people was renamed to persons, and there is no persons any more"),
        ("CREATE TABLE people (id)", "people was renamed to persons, and the database has both persons and a new people"),
        ("ALTER TABLE persons DROP COLUMN name", "people.full name was renamed to name, and there is no name any more"),
    ],
)  # fmt: skip
def test_a_rollback_that_would_not_keep_the_values_is_refused(tmp_path: Path, later: str, why: str) -> None:
    path = plans.make(tmp_path / "t.db", BEFORE)
    engine = SqliteEngine(plans.target(path))
    back = {space: dict(files) for space, files in engine.plan({"main": {"all.sql": AFTER}}).original.items()}
    arrive(path, engine, {"main": {"all.sql": AFTER}}, "apply_forth")
    plans.make(path, later)

    with pytest.raises(BadFiles, match=f"^{why}: its values would be lost; undo first what was done since"):
        engine.plan(back)
