"""No statement of a copy reads a whole table, whatever the key: each would hold the write lock as long as that takes."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from engine.base import Progress, Signal, Strategy
from engine.sqlite.planning.planner import plan_sqlite
from tests.engine.sqlite import plans

NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
PAIR = "a TEXT NOT NULL, b INTEGER NOT NULL, PRIMARY KEY (a, b)"
LETTERS = PAIR.replace("a TEXT NOT NULL", "a TEXT NOT NULL COLLATE NOCASE")
KEYS = {
    "rowid": ("a TEXT, b INTEGER PRIMARY KEY",) * 2,
    "one text": ("a TEXT NOT NULL, b TEXT NOT NULL PRIMARY KEY",) * 2,
    "pair": (PAIR, PAIR),
    "pair that ignores case": (LETTERS, LETTERS),
    "pair that will ignore case": (PAIR, LETTERS),
    "pair that ignored case": (LETTERS, PAIR),
    "pair in another order": (PAIR, PAIR.replace("(a, b)", "(b, a)")),
    "pair downwards": (PAIR.replace("(a, b)", "(a DESC, b DESC)"),) * 2,
    "other unique columns": ("a TEXT NOT NULL, b REAL NOT NULL, UNIQUE (b, a)",) * 2,
}


@pytest.fixture
def scans() -> Iterator[list[str]]:
    """The statements that read more of the source or of the copy than they are to find, with their query plans."""
    found: list[str] = []

    def look(cursor: apsw.Cursor, sql: str, bindings: Any) -> bool:
        if "__osc_" in sql and "WHERE" in sql and "WHERE true" not in sql:
            explaining = cursor.connection.cursor()
            explaining.exec_trace = lambda *_: True
            lines = [str(row[3]) for row in explaining.execute(f"EXPLAIN QUERY PLAN {sql}", bindings)]
            reads = [line for line in lines if re.match(r"(SCAN|SEARCH) (t|s|n|t__osc_n)\b", line)]
            by_key = "=?" if "seq <=" in sql else "?"  # single rows, or ranges
            if not all(by_key in line for line in reads):
                found.append("\n".join((sql, *lines)))
        return True

    def watch(connection: apsw.Connection) -> None:
        connection.exec_trace = look

    apsw.connection_hooks.append(watch)
    yield found
    apsw.connection_hooks.remove(watch)


def _ways() -> Iterator[Any]:
    for name, (old, new) in KEYS.items():
        yield pytest.param(old, new, "", id=name)
        if "UNIQUE" not in old:
            yield pytest.param(old, new, " WITHOUT ROWID", id=f"{name}, without rowid")


@pytest.mark.parametrize(("old", "new", "options"), list(_ways()))
def test_every_statement_of_a_copy_finds_its_rows_by_an_index(
    tmp_path: Path, scans: list[str], old: str, new: str, options: str
) -> None:
    path = plans.make(
        tmp_path / "t.db",
        f"CREATE TABLE t (v TEXT, {old}){options}",
        f"{NUMBERS} INSERT INTO t (a, b, v) SELECT 'a' || i % 9, i, i FROM n WHERE i <= 100",
        "ANALYZE",  # SQLite takes it to be as small as that for ever
        f"{NUMBERS} INSERT INTO t (a, b, v) SELECT 'a' || i % 9, i, i FROM n WHERE i > 100",
    )
    wanted = {"main": {"t.sql": f"CREATE TABLE t (v BLOB, {new}){options};"}}
    with closing(apsw.Connection(str(path))) as application:
        (change,) = plan_sqlite(application, wanted, direct_rows=50).changes
        assert change.strategy is Strategy.ONLINE
        scans.clear()
        caller = plans.Caller()

        def write(_: Progress) -> None:
            number = 1000 + len(caller.reports)
            application.execute(
                "UPDATE t SET b = ? WHERE a = 'a1' AND b = (SELECT max(b) FROM t WHERE a = 'a1')", (number,)
            )
            application.execute("UPDATE t SET a = upper(a) WHERE b = ?", (number % 500,))

        caller.on_report = write
        with plans.open_session(path) as session:
            assert session.prepare([change], caller) is Signal.GO
            expected = application.execute("SELECT a, b, v FROM t ORDER BY b").fetchall()
            assert session.cut_over([change], caller) is Signal.GO
            assert session.tidy(caller) is Signal.GO
        assert application.execute("SELECT a, b, v FROM t ORDER BY b").fetchall() == expected
    assert scans == []
