"""Tables of every shape, rebuilt online and at once: the same outcome as one INSERT … SELECT into the new definition."""

from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import pytest

from engine.base import Progress, Signal
from engine.errors import Refused
from engine.sqlite.engine import SqliteEngine
from engine.sqlite.planning.planner import plan_sqlite
from engine.sqlite.spec import Rebuild, Step
from tests.engine.sqlite import plans

N = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A table before and after, and what the application does to it in between."""

    create: str
    desired: str
    fill: str
    writes: tuple[str, ...] = ()
    table: str = "t"
    others: str = ""
    renames: dict[str, str] = field(default_factory=dict)
    source: str = ""


LONG = "ein sehr langer Name mit \"Anführungen\", 'Strichen', [Klammern], `Akzent` und mehr als 64 Zeichen"
QUOTED = '"' + LONG.replace('"', '""') + '"'

SHAPES = {
    "without rowid": Shape(
        create="CREATE TABLE t (a TEXT, b INTEGER, c BLOB, PRIMARY KEY (a, b)) WITHOUT ROWID",
        desired="CREATE TABLE t (a TEXT, b INTEGER, c BLOB, d DEFAULT 7, PRIMARY KEY (b, a)) WITHOUT ROWID",
        fill=f"{N} INSERT INTO t SELECT 'k' || (i % 30), i, CAST('blob' || i AS BLOB) FROM n",
        writes=("UPDATE t SET b = b + 5000 WHERE a = 'k7'", "REPLACE INTO t VALUES ('k1', 1, x'00')"),
    ),
    "tuple of text": Shape(
        create="CREATE TABLE t (a TEXT NOT NULL, b TEXT NOT NULL, v, PRIMARY KEY (a, b))",
        desired="CREATE TABLE t (v TEXT, b TEXT NOT NULL, a TEXT NOT NULL, PRIMARY KEY (a, b))",
        fill=f"{N} INSERT INTO t SELECT 'x' || (i % 40), char(i + 200) || i, i FROM n",
        writes=("DELETE FROM t WHERE a = 'x3'", "UPDATE t SET a = 'y' WHERE a = 'x4'"),
    ),
    "nocase key": Shape(
        create="CREATE TABLE t (a TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, v)",
        desired="CREATE TABLE t (a TEXT PRIMARY KEY NOT NULL, v)",
        fill=f"{N} INSERT INTO t SELECT CASE i % 2 WHEN 0 THEN 'Key' ELSE 'kEY' END || i, i FROM n",
        writes=("UPDATE t SET a = upper(a) WHERE v % 3 = 0", "REPLACE INTO t VALUES ('key10', 0)"),
    ),
    "key becomes nocase": Shape(
        create="CREATE TABLE t (a TEXT PRIMARY KEY NOT NULL, v)",
        desired="CREATE TABLE t (a TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, v)",
        fill=f"{N} INSERT INTO t SELECT 'Key' || i, i FROM n",
        writes=(
            "INSERT INTO t VALUES ('KEY10', 0)",
            "DELETE FROM t WHERE a = 'KEY10'",
            "UPDATE t SET a = 'kEY9' WHERE v = 9",
        ),
    ),
    "key changes its type": Shape(
        create="CREATE TABLE t (id INTEGER PRIMARY KEY, v)",
        desired="CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v)",
        fill=f"{N} INSERT INTO t SELECT i * 5, i FROM n",
        writes=("UPDATE t SET id = id + 1 WHERE id % 10 = 0", "DELETE FROM t WHERE id < 30"),
    ),
    "key is a key no more": Shape(
        create="CREATE TABLE t (id INTEGER PRIMARY KEY, v)",
        desired="CREATE TABLE t (id INTEGER, v)",
        fill=f"{N} INSERT INTO t SELECT i * 5, i FROM n",
        writes=("UPDATE t SET v = -v WHERE id % 10 = 0", "DELETE FROM t WHERE id < 30"),
    ),
    "autoincrement": Shape(
        create="CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v)",
        desired="CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT)",
        fill=f"{N} INSERT INTO t (v) SELECT i FROM n",
        writes=("INSERT INTO t VALUES (9000, 1)", "DELETE FROM t WHERE id = 9000"),
    ),
    "autoincrement of an emptied table": Shape(
        create="CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v)",
        desired="CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT)",
        fill="INSERT INTO t VALUES (77, 1)",
        writes=("DELETE FROM t",),
    ),
    "generated columns": Shape(
        create="CREATE TABLE t (id INTEGER PRIMARY KEY, a, g AS (a * 2), s AS (a + 1) STORED UNIQUE)",
        desired="CREATE TABLE t (id INTEGER PRIMARY KEY, g AS (a * 3), a INTEGER, s AS (a + 1) STORED UNIQUE)",
        fill=f"{N} INSERT INTO t (id, a) SELECT i, i * 3 FROM n",
        writes=(
            "UPDATE t SET a = a + 1 WHERE id % 50 = 1",
            "INSERT OR REPLACE INTO t (id, a) VALUES (9999, 30)",
        ),
    ),
    "strict": Shape(
        create="CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, c)",
        desired="CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b REAL, c ANY) STRICT",
        fill=f"{N} INSERT INTO t SELECT i, 'a' || i, i * 3, CASE i % 3 WHEN 0 THEN x'01' WHEN 1 THEN 1.5 ELSE 'x' END FROM n",
        writes=("UPDATE t SET a = 5, b = '7', c = NULL WHERE id % 9 = 0",),
    ),
    "types that convert": Shape(
        create="CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b, c INTEGER, d REAL, e TEXT)",
        desired="CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b REAL, c TEXT, d TEXT, e NUMERIC)",
        fill=f"{N} INSERT INTO t "
        "SELECT i, i || '', '0' || i || '.50', i, i / 3.0, CASE i % 2 WHEN 0 THEN '1e3' ELSE 'no' END FROM n",
        writes=("UPDATE t SET d = 0.1 + 0.2, b = 9007199254740993, a = 'text' WHERE id % 20 = 0",),
    ),
    "hidden rowids": Shape(
        create="CREATE TABLE t (a TEXT NOT NULL UNIQUE, rowid, v)",
        desired="CREATE TABLE t (a TEXT NOT NULL UNIQUE, rowid, v TEXT)",
        fill=f"{N} INSERT INTO t SELECT 'a' || i, -i, i FROM n",
        writes=(
            "INSERT OR REPLACE INTO t (_rowid_, a) VALUES (12, 'new')",
            "UPDATE OR REPLACE t SET oid = 40 WHERE oid = 41",
        ),
    ),
    "names": Shape(
        table=LONG,
        create=f'CREATE TABLE {QUOTED} (id INTEGER PRIMARY KEY, "a b" TEXT, "x.y", "from", "Größe ""ß""", "n.")',
        desired=f'CREATE TABLE {QUOTED} (id INTEGER PRIMARY KEY, "a b" INTEGER, "x.y", "from", "Größe ""ß""", "n.");'
        f'CREATE UNIQUE INDEX "i ""x"" [y]" ON {QUOTED} ("x.y", "a b" DESC) WHERE "from" > 3 -- and no more',
        fill=f"{N} INSERT INTO {QUOTED} SELECT i, i, i, i, i, i FROM n",
        writes=(f'UPDATE {QUOTED} SET "from" = 1, "x.y" = NULL WHERE id % 7 = 0',),
        others=f'CREATE UNIQUE INDEX "i ""x"" [y]" ON {QUOTED} ("x.y" DESC, "a b") WHERE "n." > 3 -- and no more',
    ),
    "renamed, with a view, triggers and children": Shape(
        table="new_name",
        source="old_name",
        create="CREATE TABLE old_name (id INTEGER PRIMARY KEY, v TEXT, up INTEGER REFERENCES old_name)",
        desired="CREATE TABLE new_name (id INTEGER PRIMARY KEY, value INTEGER, up INTEGER REFERENCES new_name);"
        "CREATE TRIGGER tr AFTER DELETE ON new_name BEGIN SELECT OLD.id; END;",
        fill=f"{N} INSERT INTO old_name SELECT i, i, nullif(i - 1, 0) FROM n",
        writes=("UPDATE old_name SET v = 5 WHERE id % 3 = 0",),
        others="CREATE TRIGGER tr AFTER DELETE ON old_name BEGIN SELECT OLD.id + 1; END;"
        "CREATE VIEW looks AS SELECT v FROM old_name; CREATE TABLE child (x REFERENCES new_name (id))",
        renames={"value": "v"},
    ),
    "indexes built from sorted rows": Shape(
        create="CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE NOT NULL, b REAL NOT NULL, c BLOB NOT NULL)",
        desired="CREATE TABLE t (id INTEGER PRIMARY KEY, b REAL NOT NULL, c NOT NULL, a TEXT COLLATE NOCASE NOT NULL);"
        "CREATE UNIQUE INDEX ua ON t (a); CREATE INDEX ib ON t (b, a COLLATE BINARY); CREATE UNIQUE INDEX uc ON t (c, b);"
        "CREATE INDEX ic ON t (c COLLATE RTRIM)",
        fill=f"{N} INSERT INTO t SELECT i, CASE i % 2 WHEN 0 THEN 'N' ELSE 'n' END || (i * 7919 % 100003), i * 31 % 1009, "
        "CASE i % 3 WHEN 0 THEN CAST(x'ff' || i AS BLOB) WHEN 1 THEN 1000 - i "
        "ELSE 'text ' || (i * 31 % 997) || substr('   ', i % 4) END "
        "FROM n",
        writes=("UPDATE t SET a = a || 'x', b = -b WHERE id % 5 = 0", "DELETE FROM t WHERE id % 7 = 0"),
    ),
    "parent of itself": Shape(
        create="CREATE TABLE t (id INTEGER PRIMARY KEY, up TEXT REFERENCES t)",
        desired="CREATE TABLE t (id INTEGER PRIMARY KEY, up INTEGER REFERENCES t)",
        fill=f"{N} INSERT INTO t SELECT i, i FROM n",
        writes=("UPDATE t SET up = NULL WHERE id % 3 = 0",),
    ),
    "empty": Shape(
        create="CREATE TABLE t (id INTEGER PRIMARY KEY, v)",
        desired="CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT UNIQUE)",
        fill="SELECT 1",
    ),
    "negative and huge keys": Shape(
        create="CREATE TABLE t (id INTEGER PRIMARY KEY, v)",
        desired="CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)",
        fill=f"{N} INSERT INTO t SELECT i * 6148914691236517 * (1 - 2 * (i % 2)), i FROM n",
        writes=(
            "INSERT INTO t VALUES (9223372036854775807, 1), (-9223372036854775808, 2)",
            "DELETE FROM t WHERE v = 7",
        ),
    ),
}


def _write(path: Path, statements: tuple[str, ...]) -> None:
    with closing(apsw.Connection(str(path))) as connection:
        for statement in statements:
            connection.execute(statement)


def _expected(path: Path, rebuild: Rebuild) -> list[tuple[object, ...]]:
    """The plain way, on the reference file."""
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute(rebuild.create)
        quote = '"{}"'.format
        new = ", ".join(quote(n.replace('"', '""')) for n, _ in rebuild.columns)
        old = ", ".join(quote(o.replace('"', '""')) for _, o in rebuild.columns)
        shadow, source = (quote(name.replace('"', '""')) for name in (rebuild.shadow, rebuild.source))
        connection.execute(f"INSERT INTO {shadow} ({new}) SELECT {old} FROM {source}")
        return sorted(connection.execute(f"SELECT {_typed(rebuild)} FROM {shadow}").fetchall())


def _typed(rebuild: Rebuild) -> str:
    names = ['"' + n.replace('"', '""') + '"' for n, _ in rebuild.columns]
    return ", ".join(f"quote({n}), typeof({n})" for n in names)


@pytest.mark.parametrize("online", [True, False], ids=["online", "at once"])
@pytest.mark.parametrize("name", SHAPES)
def test_every_row_arrives_as_an_insert_select_would_bring_it(
    tmp_path: Path, name: str, online: bool
) -> None:
    """I8."""
    shape = SHAPES[name]
    statements = (shape.create, shape.others or "SELECT 1", shape.fill)
    path = plans.make(tmp_path / "t.db", *statements)
    reference = plans.make(tmp_path / "r.db", *statements)
    change = plans.rebuild_change(
        path,
        shape.desired,
        shape.table,
        source=shape.source or shape.table,
        online=online,
        renames=shape.renames,
    )
    caller = plans.Caller()
    written: list[bool] = []

    def write(progress: Progress | None = None) -> None:
        if not written and (progress is None or len(caller.reports) == 6):
            written.append(True)
            _write(path, shape.writes)
            _write(reference, shape.writes)

    caller.on_report = write
    caller.on_clear = write
    with plans.open_session(path) as session:
        assert plans.drive(session, change, caller) is Signal.GO
    rebuild = Step.from_json(change.spec).rebuild
    assert rebuild is not None
    table = '"' + shape.table.replace('"', '""') + '"'
    found = sorted(plans.rows(path, f"SELECT {_typed(rebuild)} FROM {table}"))
    assert found == _expected(reference, rebuild)
    assert plans.left_behind(path) == []
    if "AUTOINCREMENT" in shape.create:
        sequence = "SELECT seq FROM sqlite_sequence"
        assert plans.rows(path, f"{sequence} WHERE name = 't'") == plans.rows(
            reference, f"{sequence} WHERE name = 't'"
        )
        assert plans.rows(path, "SELECT name FROM sqlite_sequence") == [("t",)]


def test_hidden_rowids_survive_the_rebuild_at_once(tmp_path: Path) -> None:
    """They may be stored elsewhere; the path in batches cannot promise it, this one does."""
    path = plans.make(
        tmp_path / "t.db", "CREATE TABLE t (a)", "INSERT INTO t (rowid, a) VALUES (5, 'x'), (99, 'y')"
    )
    change = plans.rebuild_change(path, "CREATE TABLE t (a TEXT)", "t", online=False)
    with plans.open_session(path) as session:
        assert plans.drive(session, change, plans.Caller()) is Signal.GO
    assert plans.rows(path, "SELECT rowid, a FROM t") == [(5, "x"), (99, "y")]


@pytest.mark.parametrize("how", ["", " AUTOINCREMENT", " DESC"])
def test_hidden_rowids_become_the_numbers_of_a_new_primary_key(tmp_path: Path, how: str) -> None:
    """A full-text index without rows of its own goes on finding them."""
    index = "CREATE VIRTUAL TABLE ft USING fts5 (v, content = 't', content_rowid = 'rowid');"
    path = plans.make(
        tmp_path / "t.db",
        "CREATE TABLE t (v TEXT)",
        "INSERT INTO t (rowid, v) VALUES (5, 'five'), (99, 'ninety')",
        index,
        "INSERT INTO ft (ft) VALUES ('rebuild')",
    )
    desired = f"CREATE TABLE t (v TEXT, id INTEGER PRIMARY KEY{how}); {index}"
    (change,) = SqliteEngine(plans.target(path)).plan({"main": {"t.sql": desired}}).changes
    with plans.open_session(path) as session:
        assert plans.drive(session, change, plans.Caller()) is Signal.GO
    numbers = (
        [(None,), (None,)] if how == " DESC" else [(5,), (99,)]
    )  # with DESC it is no number, as SQLite has it
    assert plans.rows(path, "SELECT id FROM t ORDER BY rowid") == numbers
    assert plans.rows(path, "SELECT rowid FROM ft WHERE ft MATCH 'ninety'") == [(99,)]
    assert plans.left_behind(path) == []


FAMILY = """
CREATE TABLE parents (id INTEGER PRIMARY KEY, v);
CREATE TABLE t (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parents ON DELETE RESTRICT, v);
CREATE TABLE children (id INTEGER PRIMARY KEY, t INTEGER REFERENCES t ON DELETE CASCADE);
"""


@pytest.mark.parametrize("table", ["parents", "t"])
def test_a_copy_takes_no_part_in_foreign_keys(tmp_path: Path, table: str) -> None:
    """The application deletes children, then their parent, at every moment: no copy stands in its way (or cascades)."""
    fill = (
        f"{N} INSERT INTO parents SELECT i, i FROM n",
        f"{N} INSERT INTO t SELECT i, i, i FROM n",
        f"{N} INSERT INTO children SELECT i, i FROM n",
    )
    path = plans.make(tmp_path / "t.db", FAMILY, *fill)
    change = plans.rebuild_change(path, FAMILY.replace("v)", "v TEXT)"), table)
    caller = plans.Caller()
    application = apsw.Connection(str(path))
    application.execute("PRAGMA foreign_keys = ON")
    numbers = iter(range(1, 700))

    def write(progress: Progress | None = None) -> None:
        number = next(numbers)
        for each in (
            number,
            1501 - number,
        ):  # from both ends: copied early, and removed from the old table late
            application.execute("DELETE FROM t WHERE id = ?", (each,))
            application.execute("DELETE FROM parents WHERE id = ?", (each,))

    caller.on_report = write
    caller.on_clear = write
    with plans.open_session(path) as session:
        assert plans.drive(session, change, caller) is Signal.GO
    application.close()
    left = 1500 - 2 * (next(numbers) - 1)
    for name in ("parents", "t", "children"):
        assert plans.rows(path, f"SELECT count(*) FROM {name}") == [(left,)]
    assert plans.left_behind(path) == []


def test_a_new_foreign_key_over_orphans_is_refused(tmp_path: Path) -> None:
    """Found by the check before the swap, with a row to look at."""
    for online in (True, False):
        path = plans.make(
            tmp_path / f"{online}.db",
            "CREATE TABLE p (id INTEGER PRIMARY KEY)",
            "CREATE TABLE t (id INTEGER PRIMARY KEY, p INTEGER)",
            f"{N} INSERT INTO p SELECT i FROM n",
            f"{N} INSERT INTO t SELECT i, i FROM n",
            "UPDATE t SET p = -5 WHERE id = 1400",
        )
        desired = "CREATE TABLE t (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p)"
        change = plans.rebuild_change(path, desired, "t", online=online)
        with plans.open_session(path) as session, pytest.raises(Refused, match="parent in p"):
            plans.drive(session, change, plans.Caller())
        assert plans.left_behind(path) == []


def test_statistics_and_prepared_statements_of_others_live_on(tmp_path: Path) -> None:
    """A connection that was open all the time goes on with the new table."""
    path = plans.make(tmp_path / "t.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, v)", "CREATE INDEX iv ON t (v)",
                      f"{N} INSERT INTO t SELECT i, i FROM n", "ANALYZE")  # fmt: skip
    application = apsw.Connection(str(path))
    application.execute("INSERT INTO t (v) VALUES (?)", (1,))
    change = plans.rebuild_change(
        path, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE INDEX iv ON t (v)", "t"
    )
    with plans.open_session(path) as session:
        assert plans.drive(session, change, plans.Caller()) is Signal.GO
    application.execute("INSERT INTO t (v) VALUES (?)", (2,))
    plan = application.execute("EXPLAIN QUERY PLAN SELECT * FROM t WHERE v = 'x'").fetchall()
    assert "iv" in str(plan)
    assert application.execute("SELECT typeof(v) FROM t ORDER BY id DESC LIMIT 1").get == "text"
    application.close()
    assert plans.rows(path, "SELECT tbl, idx FROM sqlite_stat1") == [("t", "iv")]


def test_duplicates_under_a_new_unique_index_are_refused(tmp_path: Path) -> None:
    """Found while the index is built; the message shows a row."""
    create = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT NOT NULL COLLATE NOCASE)"
    path = plans.make(
        tmp_path / "t.db", create, f"{N} INSERT INTO t SELECT i, 'k' || (i * 7919 % 100003) FROM n"
    )
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("UPDATE t SET a = (SELECT upper(a) FROM t WHERE id = 3) WHERE id = 1400")
    change = plans.rebuild_change(path, f"{create[:-1]}, b); CREATE UNIQUE INDEX ua ON t (a)", "t")
    with plans.open_session(path) as session, pytest.raises(Refused, match=r"UNIQUE.*t\.a .*id = (3|1400)\)"):
        plans.drive(session, change, plans.Caller())
    assert plans.left_behind(path) == []


def test_an_index_in_no_order_is_built_after_the_rows(tmp_path: Path) -> None:
    """The reports tell; an index in key order is there from the beginning."""
    create = "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b INTEGER NOT NULL)"
    path = plans.make(tmp_path / "t.db", create, f"{N} INSERT INTO t SELECT i, i * 7919 % 100003, i FROM n")
    for column, built in (("a", True), ("b", False)):
        before = f"{create[:-1]}, {column}x)"
        change = plans.rebuild_change(path, f"{before}; CREATE INDEX i{column} ON t ({column})", "t")
        caller = plans.Caller()
        with plans.open_session(path) as session:
            assert plans.drive(session, change, caller) is Signal.GO
        assert ("building indexes" in {report.detail for report in caller.reports}) is built
        create = before
        assert plans.left_behind(path) == []


def test_a_rebuild_at_once_may_add_a_reference_to_the_table_itself(tmp_path: Path) -> None:
    """The shadow refers to its own future name; that makes it no child of the table it replaces."""
    path = plans.make(
        tmp_path / "t.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER)",
        "INSERT INTO t VALUES (1, NULL), (2, 1)",
    )
    engine = SqliteEngine(plans.target(path))
    desired = "CREATE TABLE t (id TEXT NOT NULL PRIMARY KEY, a TEXT, FOREIGN KEY (a) REFERENCES t (id));"
    found = engine.plan({"main": {"t.sql": desired}})
    assert not found.blocked
    with plans.open_session(path) as session:
        assert plans.drive(session, found.changes[0], plans.Caller()) is Signal.GO
    assert plans.rows(path, "SELECT id, a FROM t ORDER BY id") == [("1", None), ("2", "1")]
    assert plans.left_behind(path) == []


FULL_TEXT = """
CREATE VIRTUAL TABLE ft USING fts5 (v, content = 't');
CREATE TRIGGER fi AFTER INSERT ON t BEGIN INSERT INTO ft (rowid, v) VALUES (NEW.rowid, NEW.v); END;
CREATE TRIGGER fd AFTER DELETE ON t BEGIN INSERT INTO ft (ft, rowid, v) VALUES ('delete', OLD.rowid, OLD.v); END;
"""
WORDS = (
    "CREATE TABLE t (k TEXT NOT NULL PRIMARY KEY, v TEXT)",
    FULL_TEXT,
    f"{N} INSERT INTO t SELECT printf('%05d', i * 7919 % 100003), 'word' || i FROM n",
)


def test_rows_that_a_full_text_index_finds_by_number_keep_it_in_an_online_copy(tmp_path: Path) -> None:
    """Rows of other tables may be numbered anew, which is quicker; here every search would find other rows."""
    path = plans.make(tmp_path / "t.db", *WORDS)
    desired = "CREATE TABLE t (k TEXT NOT NULL PRIMARY KEY, v BLOB);" + FULL_TEXT
    with closing(apsw.Connection(str(path))) as connection:
        (change,) = plan_sqlite(connection, {"main": {"t.sql": desired}}, direct_rows=10).changes
    caller = plans.Caller()

    def write(progress: Progress) -> None:
        if len(caller.reports) == 6:
            _write(
                path,
                ("DELETE FROM t WHERE v IN ('word3', 'word1500')", "INSERT INTO t VALUES ('late', 'word3')"),
            )

    caller.on_report = write
    with plans.open_session(path) as session:
        assert plans.drive(session, change, caller) is Signal.GO
    found = "SELECT t.v FROM ft JOIN t ON t.rowid = ft.rowid WHERE ft MATCH"
    assert plans.rows(path, f"{found} 'word7'") == [("word7",)]
    assert plans.rows(path, f"{found} 'word3'") == [("word3",)]
    _write(path, ("INSERT INTO ft (ft, rank) VALUES ('integrity-check', 1)",))
    assert plans.left_behind(path) == []
