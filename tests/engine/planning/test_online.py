"""What is planned online is what the engine can run online: the shapes that are more than a plain rebuild."""

from pathlib import Path

import pytest

from engine.base import Strategy
from engine.sqlite.planning.planner import plan_sqlite
from tests.engine.planning.rig import assert_reached, by_the_engine, database, files, rows

BASE = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INTEGER);"
FILL = "INSERT INTO t (id, a, b) VALUES (7, '1', 1), (8, '22', 2), (9, NULL, 2);"
REFERRING = """CREATE INDEX i ON {0} (a); CREATE TRIGGER r AFTER INSERT ON {0} BEGIN DELETE FROM {0} WHERE a = 'x'; END;
CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES {0} (id)); CREATE VIEW v AS SELECT a FROM {0};"""


@pytest.mark.parametrize(
    ("live", "wanted", "ddl"),
    [
        (
            BASE,
            "CREATE TABLE t (b INTEGER, id INTEGER PRIMARY KEY, n BLOB -- renamed from: a\n);",
            "SELECT b, id, a FROM t",
        ),
        (
            BASE + REFERRING.format("t"),
            "-- renamed from: t\nCREATE TABLE u (b INTEGER, a TEXT, id INTEGER PRIMARY KEY);"
            + REFERRING.format("u"),
            "ALTER TABLE t RENAME TO u;",
        ),
        (
            BASE + "CREATE VIEW v AS SELECT a, b FROM t;",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, b INTEGER); CREATE VIEW v AS SELECT b FROM t;",
            "SELECT id, b FROM t;",
        ),
        (
            BASE + "CREATE VIEW v AS SELECT a, b FROM t;",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT, b INTEGER); CREATE VIEW v AS SELECT x, b FROM t;",
            "CREATE VIEW v AS SELECT x, b FROM t;",
        ),
        (
            BASE,
            BASE + "CREATE UNIQUE INDEX u ON t (a COLLATE NOCASE, b) WHERE b > 0;",
            "CREATE UNIQUE INDEX u",
        ),
        (BASE, BASE.replace("b INTEGER", "b INTEGER REFERENCES t (id), g AS (b + 1)"), "g AS (b + 1)"),
    ],
)
def test_the_engine_runs_online_what_was_planned_online(
    live: str, wanted: str, ddl: str, tmp_path: Path
) -> None:
    with database(tmp_path, live, "" if "REFERENCES t" in wanted else FILL) as connection:
        before = rows(connection, "SELECT id, b FROM t ORDER BY id")
        result = plan_sqlite(connection, files(wanted), direct_rows=0 if before else -1)

        by_the_engine(connection, result)

        assert_reached(connection, wanted)
        table = "u" if "TABLE u" in wanted else "t"
        assert rows(connection, f"SELECT id, b FROM {table} ORDER BY id") == before
    assert Strategy.ONLINE in [change.strategy for change in result.changes]
    assert ddl in "\n".join(change.ddl for change in result.changes)


SECOND_KEY = "CREATE TABLE t (id INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, v TEXT);"


@pytest.mark.parametrize(
    "wanted",
    [
        "CREATE TABLE t (uuid TEXT NOT NULL PRIMARY KEY, v TEXT);",
        "CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, code TEXT NOT NULL UNIQUE -- renamed from: uuid\n, v TEXT);",
    ],
)
def test_where_the_first_key_goes_the_next_one_that_stays_leads_the_copy(wanted: str, tmp_path: Path) -> None:
    fill = "INSERT INTO t (uuid, v) VALUES ('x', '1'), ('a', '2'), ('A', '3');"
    with database(tmp_path, SECOND_KEY, fill) as connection:
        result = plan_sqlite(connection, files(wanted), direct_rows=0)

        assert [change.strategy for change in result.changes] == [Strategy.ONLINE]
        by_the_engine(connection, result)

        assert_reached(connection, wanted)
        column = "code" if "code" in wanted else "uuid"
        assert rows(connection, f"SELECT {column}, v FROM t ORDER BY 1") == [
            ("A", "3"),
            ("a", "2"),
            ("x", "1"),
        ]
