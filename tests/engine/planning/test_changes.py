"""Which way a change takes, in which order, and that it arrives."""

from contextlib import closing
from pathlib import Path

import apsw
import pytest

from engine.base import Severity, Strategy, Target
from engine.errors import BadFiles, Refused
from engine.sqlite.catalog import read_catalog
from engine.sqlite.engine import SqliteEngine
from engine.sqlite.sizes import DIRECT_BYTES, DIRECT_ROWS
from engine.sqlite.target import connect
from tests.engine.planning.rig import (
    assert_reached,
    by_the_engine,
    database,
    messages,
    migrate,
    plan,
    rows,
    run,
    step_of,
)

BASE = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INTEGER);"
FILL = "INSERT INTO t (a, b) VALUES ('x', 1), ('y', 2), ('z', NULL);"
MANY = f"""WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {DIRECT_ROWS + 1})
           INSERT INTO t (a, b) SELECT 'v' || i, i FROM n;"""


@pytest.mark.parametrize(
    ("wanted", "ddl", "strategy"),
    [
        (BASE[:-2] + ", c TEXT DEFAULT 'n');", "ALTER TABLE t ADD COLUMN c TEXT DEFAULT 'n';", Strategy.INSTANT),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);", "ALTER TABLE t DROP COLUMN b;", Strategy.DIRECT),
        (BASE + "CREATE INDEX i ON t (a);", "CREATE INDEX i ON t (a);", Strategy.DIRECT),
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, n INTEGER -- renamed from: b\n);",
            "ALTER TABLE t RENAME COLUMN b TO n;",
            Strategy.INSTANT,
        ),
        (
            "CREATE TABLE t (ID INTEGER PRIMARY KEY, a TEXT, b INTEGER);",
            "ALTER TABLE t RENAME COLUMN id TO ID;",
            Strategy.INSTANT,
        ),
        (
            BASE[:-2] + ", CHECK (b < 9));",
            "ALTER TABLE t ADD CHECK (b < 9);",
            Strategy.DIRECT,
        ),
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT NOT NULL, b INTEGER);",
            "ALTER TABLE t ALTER COLUMN a SET NOT NULL;",
            Strategy.DIRECT,
        ),
        (
            BASE + "CREATE TRIGGER r AFTER DELETE ON t BEGIN SELECT 1; END;",
            "CREATE TRIGGER r AFTER DELETE ON t BEGIN SELECT 1; END;",
            Strategy.INSTANT,
        ),
    ],
)  # fmt: skip
def test_what_sqlite_can_do_itself_it_does(wanted: str, ddl: str, strategy: Strategy, tmp_path: Path) -> None:
    with database(tmp_path, BASE, FILL) as connection:
        result = migrate(connection, wanted)
    (change,) = result.changes
    assert (change.ddl, change.strategy, change.change_type) == (ddl, strategy, "alter")


@pytest.mark.parametrize(
    "wanted",
    [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, b INTEGER, a TEXT);",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT);",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE, b INTEGER);",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT COLLATE NOCASE, b INTEGER);",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INTEGER, c TEXT DEFAULT CURRENT_TIMESTAMP);",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INTEGER, c AS (a || b) STORED);",
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT, b INTEGER);",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INTEGER) STRICT;",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INTEGER) WITHOUT ROWID;",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INTEGER REFERENCES t (id) ON DELETE SET NULL);",
        "CREATE TABLE T (id INTEGER PRIMARY KEY, a TEXT, b INTEGER);",
    ],
)
def test_what_sqlite_cannot_do_is_a_rebuild_that_keeps_every_row(wanted: str, tmp_path: Path) -> None:
    with database(tmp_path, BASE, FILL) as connection:
        (change,) = migrate(connection, wanted).changes
        kept = rows(connection, "SELECT id, a, CAST(b AS INTEGER) FROM t ORDER BY id")
    assert step_of(change).rebuild is not None
    assert (change.strategy, change.ddl[-1]) == (Strategy.DIRECT, ";")
    assert kept == [(1, "x", 1), (2, "y", 2), (3, "z", None)]


def test_a_rebuild_keeps_the_counter_of_ids(tmp_path: Path) -> None:
    counted = "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT);"
    with database(tmp_path, counted, "INSERT INTO t (id, a) VALUES (41, 'x'); DELETE FROM t;") as connection:
        migrate(connection, "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, n INT, a TEXT);")
        connection.execute("INSERT INTO t (a) VALUES ('y')")
        assert rows(connection, "SELECT id FROM t") == [(42,)]


def test_children_keep_their_rows_and_their_keys_when_the_parent_is_rebuilt(tmp_path: Path) -> None:
    child = "CREATE TABLE c (id INTEGER PRIMARY KEY, p INT REFERENCES t (id) ON DELETE CASCADE);"
    with database(tmp_path, BASE, FILL, child, "INSERT INTO c VALUES (1, 1), (2, 2)") as connection:
        result = migrate(connection, BASE.replace("a TEXT", "a BLOB") + child)
        assert [change.table for change in result.changes] == ["t"]
        assert rows(connection, "SELECT * FROM c") == [(1, 1), (2, 2)]
        assert rows(connection, "PRAGMA foreign_key_check") == []


@pytest.mark.parametrize(
    ("wanted", "strategy"),
    [
        (BASE[:-2] + ", c TEXT DEFAULT 'n');", Strategy.INSTANT),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);", Strategy.ONLINE),
        (BASE + "CREATE INDEX i ON t (a);", Strategy.ONLINE),
        (BASE[:-2] + ", CHECK (b > 0));", Strategy.ONLINE),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT);", Strategy.ONLINE),
        ("", Strategy.INSTANT),
    ],
)  # fmt: skip
def test_a_large_table_is_changed_instantly_or_online(
    wanted: str, strategy: Strategy, tmp_path: Path
) -> None:
    with database(tmp_path, BASE, MANY) as connection:
        (change,) = plan(connection, wanted).changes
    assert change.strategy is strategy
    step = step_of(change)
    if strategy is Strategy.ONLINE:
        assert step.online
        assert step.rebuild is not None
        assert (step.rebuild.key, step.rebuild.new_key, step.rebuild.rowid_key) == (("id",), ("id",), True)
        assert "short batches" in change.lock


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("CREATE TABLE t (a TEXT, b INT);", ()),
        ("CREATE TABLE t (a TEXT UNIQUE, b INT);", ()),  # may hold NULLs
        ("CREATE TABLE t (a TEXT PRIMARY KEY, b INT);", ()),  # so may this, in SQLite
        ("CREATE TABLE t (a TEXT NOT NULL, b INT); CREATE UNIQUE INDEX u ON t (a) WHERE b > 0;", ()),
        ("CREATE TABLE t (a TEXT NOT NULL COLLATE NOCASE, b INT, UNIQUE (a COLLATE BINARY));", ()),
        ("CREATE TABLE t (a TEXT NOT NULL PRIMARY KEY, b INT);", ("a",)),
        ("CREATE TABLE t (a TEXT NOT NULL, b INT NOT NULL, UNIQUE (b, a));", ("b", "a")),
        ("CREATE TABLE t (a TEXT PRIMARY KEY, b INT) WITHOUT ROWID;", ("a",)),
        ("CREATE TABLE t (a TEXT NOT NULL, b INT); CREATE UNIQUE INDEX u ON t (a);", ("a",)),
    ],
)  # fmt: skip
def test_a_large_table_goes_online_by_a_stable_key_or_says_that_it_cannot(
    table: str, key: tuple[str, ...], tmp_path: Path
) -> None:
    with database(tmp_path, table, MANY) as connection:
        result = plan(connection, table.replace(", b INT", ", c DEFAULT CURRENT_TIMESTAMP, b INT"))
    (change,) = result.changes
    rebuild = step_of(change).rebuild
    assert rebuild is not None
    assert (rebuild.key, rebuild.new_key) == (key, key)
    assert change.strategy is (Strategy.ONLINE if key else Strategy.DIRECT)
    assert ("blocking_change" in [f.linter for f in result.findings]) is not bool(key)
    assert ("no stable key" in change.lock) is not bool(key)


def test_a_large_table_whose_key_goes_is_changed_in_one_transaction(tmp_path: Path) -> None:
    with database(tmp_path, BASE, MANY) as connection:
        (change,) = plan(connection, "CREATE TABLE t (a TEXT, b INTEGER, c);").changes
    assert (change.strategy, step_of(change).online) == (Strategy.DIRECT, False)


def test_an_index_has_a_text_for_the_shadow_and_one_for_the_table(tmp_path: Path) -> None:
    index = 'CREATE UNIQUE INDEX "my i" ON t (lower(a), b DESC) WHERE b > 0;'
    with database(tmp_path, BASE, index) as connection:
        (change,) = plan(connection, BASE.replace("a TEXT", "a BLOB") + index).changes
    rebuild = step_of(change).rebuild
    assert rebuild is not None
    assert [(i.name, i.sql, i.shadow_sql) for i in rebuild.indexes] == [
        (
            "my i",
            index[:-1],
            'CREATE UNIQUE INDEX "my i__osc_n" ON t__osc_n (lower(a), b DESC) WHERE b > 0',
        )
    ]


def test_comments_spaces_letter_case_and_quotes_are_no_change(tmp_path: Path) -> None:
    with database(tmp_path, BASE, "CREATE VIEW v AS SELECT a FROM t") as connection:
        wanted = """create table "t" ( -- the table
            `id` integer /* the key */ primary key, [a] text,
            "b" INTEGER ) ; create view v as select a from "t";"""
        assert plan(connection, wanted).changes == ()


def test_a_string_in_double_quotes_keeps_its_letters(tmp_path: Path) -> None:
    with database(tmp_path, """CREATE TABLE t (a TEXT CHECK (a <> "None"))""") as connection:
        (change,) = migrate(connection, """CREATE TABLE t (a TEXT CHECK (a <> "none"));""").changes
    assert change.table == "t"


@pytest.mark.parametrize(
    ("live", "wanted", "same"),
    [
        ("Active", "active", False), ("[Active]", "[ACTIVE]", False), ('"Active"', '"active"', False),
        ("Active", "Active", True), ("[Active]", "Active", True), ('"on"', '"on"', True),
        ("NULL", "null", True), ("TRUE", "true", True), ("CURRENT_DATE", "current_date", True),
    ],
)  # fmt: skip
def test_a_word_behind_default_is_a_text_and_keeps_its_letters(
    live: str, wanted: str, same: bool, tmp_path: Path
) -> None:
    table = "CREATE TABLE t (id INTEGER PRIMARY KEY, active INTEGER, a TEXT DEFAULT {});"
    with database(tmp_path, table.format(live)) as connection:
        if same:
            assert plan(connection, table.format(wanted)).changes == ()
        else:
            migrate(connection, table.format(wanted))


def test_plans_are_the_same_each_time_and_say_what_they_were_made_from(tmp_path: Path) -> None:
    wanted = BASE[:-2] + ", c); CREATE TABLE z (a); CREATE TABLE y (a);"
    with database(tmp_path, BASE, "CREATE TABLE other (x)") as connection:
        first, second = plan(connection, wanted), plan(connection, wanted)
        live = read_catalog(connection)
    assert first == second
    assert [(c.change_type, c.table) for c in first.changes] == [
        ("create", "y"), ("create", "z"), ("alter", "t"), ("drop", "other"),
    ]  # fmt: skip
    assert first.fingerprints == {"other": live.fingerprint("other"), "t": live.fingerprint("t")}
    assert set(first.original["default"]) == {"other.sql", "t.sql"}


def test_tables_go_children_first(tmp_path: Path) -> None:
    family = "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE b (x REFERENCES a); CREATE TABLE c (y REFERENCES b);"
    with database(tmp_path, family) as connection:
        result = migrate(connection, "")
    assert [change.table for change in result.changes] == ["c", "b", "a"]
    assert messages(result, Severity.ERROR)[0] == 'Unsafe operation detected: DROP TABLE "a"'


# -- views and triggers ------------------------------------------------------------------------------------------


def test_a_changed_view_is_one_change_of_its_own(tmp_path: Path) -> None:
    with database(tmp_path, BASE, "CREATE VIEW v AS SELECT a FROM t") as connection:
        (change,) = migrate(connection, BASE + "CREATE VIEW v AS SELECT b FROM t;").changes
    assert change.ddl == "DROP VIEW v;\nCREATE VIEW v AS SELECT b FROM t;"
    assert (change.table, change.change_type, change.strategy) == ("v", "alter", Strategy.INSTANT)


def test_a_view_lets_go_of_a_column_before_that_is_dropped(tmp_path: Path) -> None:
    with database(tmp_path, BASE, "CREATE VIEW v AS SELECT a, b FROM t") as connection:
        wanted = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); CREATE VIEW v AS SELECT a FROM t;"
        result = migrate(connection, wanted)
    assert [change.table for change in result.changes] == ["v", "t"]


def test_a_view_gets_a_new_column_after_that_is_added(tmp_path: Path) -> None:
    with database(tmp_path, BASE, "CREATE VIEW v AS SELECT a FROM t") as connection:
        result = migrate(connection, BASE[:-2] + ", c); CREATE VIEW v AS SELECT c FROM t;")
    assert [change.table for change in result.changes] == ["t", "v"]


def test_a_view_that_moves_from_an_old_column_to_a_new_one_changes_with_its_table(tmp_path: Path) -> None:
    with database(tmp_path, BASE, FILL, "CREATE VIEW v AS SELECT a, b FROM t") as connection:
        wanted = (
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, c INT); CREATE VIEW v AS SELECT a, c FROM t;"
        )
        result = migrate(connection, wanted)
        assert rows(connection, "SELECT a FROM v WHERE c IS NULL ORDER BY a") == [("x",), ("y",), ("z",)]
    (change,) = result.changes
    assert change.ddl.splitlines()[0] == "DROP VIEW v;"
    assert change.ddl.splitlines()[-1] == "CREATE VIEW v AS SELECT a, c FROM t;"


def test_a_view_over_a_dropped_column_is_refused_with_its_place(tmp_path: Path) -> None:
    wanted = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);\nCREATE VIEW v AS SELECT b FROM t;"
    with (
        database(tmp_path, BASE, "CREATE VIEW v AS SELECT b FROM t") as connection,
        pytest.raises(BadFiles, match=r"schema.sql:2:1: view v would not work: no such column: b"),
    ):
        plan(connection, wanted)


def test_what_was_broken_before_stops_no_other_work(tmp_path: Path) -> None:
    with database(tmp_path, BASE, "CREATE VIEW old AS SELECT 1 FROM gone") as connection:
        result = migrate(connection, BASE[:-2] + ", c INT); CREATE VIEW old AS SELECT 1 FROM gone;")
    assert [change.table for change in result.changes] == ["t"]
    assert any("view old does not work" in message for message in messages(result, Severity.WARNING))


def test_views_of_views_are_made_in_the_order_they_need(tmp_path: Path) -> None:
    with database(tmp_path, BASE) as connection:
        result = migrate(
            connection, BASE + "CREATE VIEW a AS SELECT * FROM b; CREATE VIEW b AS SELECT a FROM t;"
        )
    assert [change.table for change in result.changes] == ["b", "a"]


def test_triggers_of_views_come_back_with_their_view(tmp_path: Path) -> None:
    trigger = "CREATE TRIGGER r INSTEAD OF INSERT ON v BEGIN INSERT INTO t (a) VALUES (new.a); END;"
    with database(tmp_path, BASE, "CREATE VIEW v AS SELECT a FROM t;", trigger) as connection:
        migrate(connection, BASE + "CREATE VIEW v AS SELECT a, b FROM t;" + trigger)
        connection.execute("INSERT INTO v (a) VALUES ('through')")
        assert rows(connection, "SELECT a FROM t") == [("through",)]


def test_a_trigger_that_moves_to_another_table_moves(tmp_path: Path) -> None:
    two = BASE + "CREATE TABLE u (a);"
    with database(tmp_path, two, "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END") as connection:
        result = migrate(connection, two + "CREATE TRIGGER r AFTER INSERT ON u BEGIN SELECT 1; END;")
    assert [change.table for change in result.changes] == ["t", "u"]


def test_an_index_that_moves_to_another_table_moves(tmp_path: Path) -> None:
    two = "CREATE TABLE t (a); CREATE TABLE b (a);"
    with database(tmp_path, two, "CREATE INDEX i ON t (a)") as connection:
        result = migrate(connection, two + "CREATE INDEX i ON b (a);")
    assert [change.table for change in result.changes] == ["t", "b"]


def test_a_table_may_become_a_view_and_is_said_to_be_dropped(tmp_path: Path) -> None:
    with database(tmp_path, BASE, "CREATE TABLE s (a)") as connection:
        result = migrate(connection, BASE + "CREATE VIEW s AS SELECT a FROM t;")
    assert result.changes[0].unsafe == ('Unsafe operation detected: DROP TABLE "s"',)


def test_a_table_of_which_no_column_stays_is_said_to_be_dropped(tmp_path: Path) -> None:
    with database(tmp_path, "CREATE TABLE s (a)", "INSERT INTO s VALUES (1)") as connection:
        result = migrate(connection, "CREATE TABLE s (b);")
    assert result.changes[0].unsafe[0].startswith('Unsafe operation detected: DROP TABLE "s"')


# -- virtual tables, strange code --------------------------------------------------------------------------------


def test_a_virtual_table_is_made_kept_and_dropped_but_not_changed(tmp_path: Path) -> None:
    fts = "CREATE VIRTUAL TABLE f USING fts5(a, b);"
    with database(tmp_path, BASE) as connection:
        migrate(connection, BASE + fts)
        assert "shadow table f_data" in plan(connection, BASE + fts).unmanaged
        with pytest.raises(Refused, match="virtual table f would change"):
            plan(connection, BASE + fts.replace("a, b", "a"))
        migrate(connection, BASE)


def test_a_collation_that_only_the_application_has_stops_no_other_work(tmp_path: Path) -> None:
    with database(tmp_path, BASE) as connection:
        connection.create_collation("german", lambda a, b: (a > b) - (a < b))
        connection.execute("CREATE TABLE g (a TEXT COLLATE german); CREATE INDEX gi ON g (a)")
    with database(tmp_path) as connection:
        strange = "CREATE TABLE g (a TEXT COLLATE german); CREATE INDEX gi ON g (a);"
        result = plan(connection, BASE[:-2] + ", c);" + strange)
        run(connection, result)
    assert [change.table for change in result.changes] == ["t"]
    assert any("german" in message for message in messages(result, Severity.WARNING))


def test_a_plan_writes_nothing_and_reads_a_read_only_connection(tmp_path: Path) -> None:
    with database(tmp_path, BASE, FILL):
        pass
    before = (tmp_path / "target.db").read_bytes()
    with closing(connect(str(tmp_path / "target.db"), read_only=True)) as reader:
        assert plan(reader, "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT NOT NULL, b TEXT);").changes
    assert (tmp_path / "target.db").read_bytes() == before


def test_a_step_interrupted_anywhere_leaves_the_table_as_it_was(tmp_path: Path) -> None:
    wanted = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT CHECK (a <> 'z'), b INTEGER);"
    with database(tmp_path, BASE, FILL) as connection:
        result = plan(connection, wanted)
        before = read_catalog(connection).fingerprints()
        with pytest.raises(apsw.ConstraintError):
            run(connection, result)
        assert read_catalog(connection).fingerprints() == before
    assert result.blocked


def test_a_key_that_children_refer_to_is_renamed_before_they_follow(tmp_path: Path) -> None:
    live = """
        CREATE TABLE x (id INTEGER PRIMARY KEY, b TEXT UNIQUE);
        CREATE TABLE c (id INTEGER PRIMARY KEY, x TEXT REFERENCES x (b));
    """
    wanted = """
        CREATE TABLE x (id INTEGER PRIMARY KEY,
            d TEXT UNIQUE -- renamed from: b
        );
        CREATE TABLE c (id INTEGER PRIMARY KEY, x TEXT REFERENCES x (d));
    """
    fill = "INSERT INTO x VALUES (1, 'k'); INSERT INTO c VALUES (7, 'k')"
    with database(tmp_path, live, fill) as connection:
        result = plan(connection, wanted)
        by_the_engine(connection, result)
        assert_reached(connection, wanted)
        assert rows(connection, "SELECT * FROM c") == [(7, "k")]
    assert [change.table for change in result.changes] == ["x"]


def test_a_view_steps_aside_for_a_table_that_is_renamed_and_rebuilt(tmp_path: Path) -> None:
    live = "CREATE TABLE x (id INTEGER PRIMARY KEY, b TEXT); CREATE VIEW v AS SELECT b FROM x;"
    wanted = """
        -- renamed from: x
        CREATE TABLE y (id INTEGER PRIMARY KEY,
            c INTEGER -- renamed from: b
        );
        CREATE VIEW v AS SELECT c FROM y;
    """
    with database(tmp_path, live, "INSERT INTO x VALUES (1, '5')") as connection:
        by_the_engine(connection, plan(connection, wanted))
        assert_reached(connection, wanted)
        assert rows(connection, "SELECT * FROM v") == [(5,)]


@pytest.mark.parametrize(
    ("live", "wanted"),
    [
        ("CREATE TABLE t (id INTEGER PRIMARY KEY, Ä TEXT, ä TEXT)", "CREATE TABLE t (id INTEGER PRIMARY KEY, Ä TEXT)"),
        ("CREATE TABLE t (id INTEGER PRIMARY KEY, Ä TEXT)", "CREATE TABLE t (id INTEGER PRIMARY KEY, Ä TEXT, ä TEXT)"),
        ("CREATE TABLE Ä (a); CREATE TABLE ä (a)", "CREATE TABLE Ä (a)"),
    ],
)  # fmt: skip
def test_names_that_only_sqlite_tells_apart_are_refused_not_mixed_up(
    live: str, wanted: str, tmp_path: Path
) -> None:
    with database(tmp_path, live) as connection, pytest.raises(Refused, match="beyond ASCII"):
        plan(connection, wanted)


@pytest.mark.parametrize(
    "stranger",
    [
        "CREATE INDEX my__osc_index ON t (a)",
        "CREATE TRIGGER my__osc_trigger AFTER DELETE ON t BEGIN SELECT 1; END",
        "CREATE TABLE t__osc_n (a)",
    ],
)
def test_what_is_called_like_our_helpers_is_neither_lost_nor_kept_quiet(
    stranger: str, tmp_path: Path
) -> None:
    with database(tmp_path, BASE, stranger) as connection:
        same, rebuilt = plan(connection, BASE), plan(connection, BASE.replace("a TEXT", "a BLOB"))
    assert len(same.unmanaged) == 1
    assert same.changes == ()
    assert "is in the way of the rebuild of t" in rebuilt.blocked[0]


@pytest.mark.parametrize(
    ("wanted", "strategy"),
    [
        ("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b BLOB);", Strategy.ONLINE),  # copies all values
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY, b INTEGER);",
            Strategy.ONLINE,
        ),  # DROP COLUMN writes all rows
        (BASE + "CREATE INDEX i ON t (b);", Strategy.DIRECT),  # reads only what it needs
        (BASE[:-2] + ", c TEXT);", Strategy.INSTANT),
    ],
)
def test_few_rows_that_are_wide_are_not_copied_in_one_transaction(
    wanted: str, strategy: Strategy, tmp_path: Path
) -> None:
    fill = f"INSERT INTO t (a, b) VALUES ('x', zeroblob({DIRECT_BYTES // 2})), ('y', zeroblob({DIRECT_BYTES // 2}))"
    with database(tmp_path, BASE, fill) as connection:
        result = plan(connection, wanted)
    assert [change.strategy for change in result.changes] == [strategy]


def test_the_plan_says_how_the_rows_of_a_dropped_table_are_removed(tmp_path: Path) -> None:
    few = "CREATE TABLE f (a); CREATE TABLE e (a); CREATE TABLE w (a);"
    fill = f"INSERT INTO f VALUES (1); INSERT INTO w VALUES (zeroblob({DIRECT_BYTES + 1}))"
    with database(tmp_path, BASE, MANY, few, fill) as connection:
        drops = {change.table: change for change in plan(connection, "").changes}
    assert "removed in short batches afterwards" in drops["t"].lock
    assert "1 row is removed" in drops["f"].lock
    assert "only the schema is written" in drops["e"].lock
    assert "removed in short batches afterwards" in drops["w"].lock  # one row, but a wide one


@pytest.mark.parametrize(
    ("live", "wanted", "why"),
    [
        (
            "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p (id));",
            """CREATE TABLE q /* renamed from: p */ (id INTEGER PRIMARY KEY);
               CREATE TABLE c (id INTEGER PRIMARY KEY, p INTEGER REFERENCES q (id), note TEXT);""",
            "the change of c begins from what another change of the plan leaves",
        ),
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE TABLE u (id INTEGER PRIMARY KEY);",
            """CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); CREATE TABLE u (id INTEGER PRIMARY KEY, a TEXT);
               CREATE TABLE w (id INTEGER PRIMARY KEY);""",
            "",
        ),
    ],
)
def test_changes_that_begin_from_what_others_leave_cannot_be_deferred(
    live: str, wanted: str, why: str, tmp_path: Path
) -> None:
    with database(tmp_path, live) as connection:
        found = plan(connection, wanted)
    engine = SqliteEngine(
        Target(kind="sqlite", database="shop", environment="local", dsn=str(tmp_path / "shop.db"))
    )
    assert engine.not_deferrable(found.changes, found.fingerprints) == why
