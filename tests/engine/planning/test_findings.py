"""What a plan says about itself: losses, questions asked of the rows, renames, keys — and what it keeps quiet about."""

from contextlib import closing
from pathlib import Path

import apsw
import pytest

from engine.base import Severity
from engine.errors import BadFiles
from engine.sqlite.planning.planner import plan_sqlite
from tests.engine.planning.rig import database, files, found, messages, migrate, plan, rows, run

BASE = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INTEGER);"
FILL = "INSERT INTO t (id, a, b) VALUES (7, '1', 1), (8, '22', 2), (9, NULL, 2);"


# -- unsafe ------------------------------------------------------------------------------------------------------


def test_a_dropped_column_is_unsafe_and_says_where(tmp_path: Path) -> None:
    with database(tmp_path, BASE, FILL) as connection:
        result = plan(connection, "\nCREATE TABLE t (id INTEGER PRIMARY KEY, b INTEGER);")
    (finding,) = found(result, Severity.ERROR)
    assert finding.message == 'Unsafe operation detected: DROP COLUMN "a"'
    assert (finding.linter, finding.table, finding.column, finding.file, finding.line) == (
        "unsafe",
        "t",
        "a",
        "schema.sql",
        2,
    )
    assert result.changes[0].unsafe == (finding.message,)


def test_a_dropped_generated_column_and_an_index_lose_nothing(tmp_path: Path) -> None:
    live = "CREATE TABLE t (a TEXT, g AS (a || 'x')); CREATE INDEX i ON t (a);"
    with database(tmp_path, live, "INSERT INTO t VALUES ('1')") as connection:
        assert found(migrate(connection, "CREATE TABLE t (a TEXT);"), Severity.ERROR) == []


VIEW = "CREATE VIEW v AS SELECT a FROM t;"
TRIGGER = "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END;"
LOST = "(its definition, which no file has, is lost)"


@pytest.mark.parametrize(
    ("live", "wanted", "unsafe"),
    [
        (VIEW, "", f'DROP VIEW "v" {LOST}'),
        (VIEW, "CREATE TABLE v (a TEXT);", f'DROP VIEW "v" {LOST}'),
        (TRIGGER, "", f'DROP TRIGGER "r" {LOST}'),
        (
            VIEW + TRIGGER.replace("AFTER", "INSTEAD OF").replace("ON t", "ON v"),
            VIEW,
            f'DROP TRIGGER "r" {LOST}',
        ),
        (VIEW + TRIGGER, VIEW.replace("a FROM", "b FROM") + TRIGGER.replace("1", "2"), ""),
        (TRIGGER, "CREATE TABLE u (a);" + TRIGGER.replace("ON t", "ON u"), ""),
    ],
)
def test_a_view_or_trigger_that_no_file_has_is_dropped_only_if_people_allow_it(
    live: str, wanted: str, unsafe: str, tmp_path: Path
) -> None:
    with database(tmp_path, BASE + live) as connection:
        result = migrate(connection, BASE + wanted)
    expected = [f"Unsafe operation detected: {unsafe}"] if unsafe else []
    assert messages(result, Severity.ERROR) == expected
    assert [said for change in result.changes for said in change.unsafe] == expected


@pytest.mark.parametrize(
    ("old", "new", "values", "unsafe"),
    [
        ("TEXT", "INTEGER", "('1'), ('-20'), ('x'), (NULL)", False),
        ("TEXT", "INTEGER", "('1'), ('007')", True),
        ("TEXT", "INTEGER", "(' 5')", True),
        ("TEXT", "NUMERIC", "('1.50')", True),
        ("TEXT", "NUMERIC", "('1.5'), ('2')", False),
        ("INTEGER", "TEXT", "(1), ('x'), (2.5)", False),
        ("REAL", "TEXT", "(0.1), (2.5)", False),
        ("INTEGER", "REAL", "(1), (9007199254740992)", False),
        ("INTEGER", "REAL", "(9007199254740993)", True),
        ("TEXT", "BLOB", "('007')", False),
        ("TEXT", "VARCHAR(1)", "('long')", False),
        ("BLOB", "INTEGER", "(x'01')", False),
        ("", "INTEGER", "('0x10'), ('1e3')", True),
    ],
)
def test_a_type_change_is_unsafe_exactly_when_it_alters_values(
    old: str, new: str, values: str, unsafe: bool, tmp_path: Path
) -> None:
    live = f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {old});"
    with database(tmp_path, live, f"INSERT INTO t (v) VALUES {values}") as connection:
        before = rows(connection, "SELECT CAST(v AS TEXT) FROM t")
        result = migrate(connection, f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {new});")
        after = rows(connection, "SELECT CAST(v AS TEXT) FROM t")
    assert bool(found(result, Severity.ERROR)) is unsafe
    if unsafe:
        assert "and alters 1 row (for example id " in messages(result, Severity.ERROR)[0]
    elif (old, new) != ("INTEGER", "REAL"):  # 1 becomes 1.0: the same number, another text
        assert after == before


# -- the rows say no ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("a TEXT NOT NULL, b INTEGER);", 'column "a" becomes NOT NULL would fail: 1 row (for example id 9)'),
        ("a TEXT, b INTEGER, c TEXT NOT NULL);", 'column "c" is new, NOT NULL and without a default: every row would fail'),
        ("a TEXT, b INTEGER UNIQUE);", "UNIQUE (b) would fail: 1 value twice or more (for example 2)"),
        ("a TEXT, b INTEGER); CREATE UNIQUE INDEX u ON t (b);", "UNIQUE (b) would fail: 1 value twice or more (for example 2)"),
        (
            "a TEXT, b INTEGER); CREATE UNIQUE INDEX u ON t (length(a)) WHERE b > 0;",
            None,
        ),
        (
            "a TEXT, b INTEGER); CREATE UNIQUE INDEX u ON t (b % 2, typeof(id)) WHERE id > 7;",
            "UNIQUE (b % 2, typeof(id)) would fail: 1 value twice or more (for example 0, 'integer')",
        ),
        ("a TEXT, b INTEGER CHECK (b < 2));", "CHECK (b < 2) would fail: 2 rows (for example id 8)"),
        ("a INTEGER CHECK (a < 20), b INTEGER);", "CHECK (a < 20) would fail: 1 row (for example id 8)"),
        ("a INTEGER CHECK (a > 0), b INTEGER);", None),
        (
            "a TEXT, b INTEGER REFERENCES p (id)); CREATE TABLE p (id INTEGER PRIMARY KEY);",
            "FOREIGN KEY (b) REFERENCES p would fail: 3 rows (for example id 7)",
        ),
        (
            "a TEXT, b INTEGER REFERENCES q); CREATE TABLE q (id INTEGER PRIMARY KEY);",
            "FOREIGN KEY (b) REFERENCES q would fail: 2 rows (for example id 8)",
        ),
        (
            "a INTEGER, b INTEGER) STRICT;",
            None,
        ),
        ("a TEXT, b BLOB) STRICT;", 'column "b" takes only BLOB (the table is STRICT) would fail: 3 rows (for example id 7)'),
    ],
)  # fmt: skip
def test_rows_that_would_fail_block_the_plan_with_a_count_and_an_example(
    wanted: str, message: str | None, tmp_path: Path
) -> None:
    live = BASE + "CREATE TABLE q (id INTEGER PRIMARY KEY); INSERT INTO q VALUES (1);"
    text = "CREATE TABLE t (id INTEGER PRIMARY KEY, " + wanted
    text += "" if "CREATE TABLE q" in wanted else "CREATE TABLE q (id INTEGER PRIMARY KEY);"
    with database(tmp_path, live, FILL) as connection:
        result = plan(connection, text)
        if message is None:
            assert result.blocked == ()
            run(connection, result)
    if message is not None:
        assert result.blocked == (message,)


@pytest.mark.parametrize("id_type", ["INT", "TEXT"])
def test_an_id_that_is_null_blocks_the_plan_that_would_make_a_number_of_it(
    id_type: str, tmp_path: Path
) -> None:
    """SQLite lets any primary key but the row's number hold NULLs."""
    live = f"CREATE TABLE t (id {id_type} PRIMARY KEY, v); INSERT INTO t VALUES (1, 'one'), (NULL, 'nobody');"
    with database(tmp_path, live) as connection:
        result = plan(connection, "CREATE TABLE t (id INTEGER PRIMARY KEY, v);")
    assert len(result.blocked) == 1
    assert result.blocked[0].startswith(
        'column "id" becomes the row number, never NULL would fail: 1 row (for example'
    )


def test_a_new_id_that_is_the_row_s_number_needs_no_default(tmp_path: Path) -> None:
    """NOT NULL or not: SQLite numbers the rows."""
    with database(tmp_path, "CREATE TABLE t (v); INSERT INTO t VALUES ('a');") as connection:
        result = plan(connection, "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, v);")
        assert result.blocked == ()
        run(connection, result)
        assert rows(connection, "SELECT id, v FROM t") == [(1, "a")]


def test_what_was_wrong_before_blocks_nothing(tmp_path: Path) -> None:
    live = "CREATE TABLE t (id INTEGER PRIMARY KEY, b INTEGER REFERENCES q (id)); CREATE TABLE q (id INTEGER PRIMARY KEY);"
    with database(tmp_path, live, "INSERT INTO t VALUES (1, 5)") as connection:
        result = migrate(connection, live.replace("b INTEGER", "a TEXT, b INTEGER"))
    assert result.findings == ()


def test_a_question_that_takes_too_long_is_said_not_to_be_answered(tmp_path: Path) -> None:
    many = """WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 50000)
              INSERT INTO t (a, b) SELECT i, i FROM n"""
    wanted = files("CREATE TABLE t (id INTEGER PRIMARY KEY, a NUMERIC, b INTEGER CHECK (b < 9));")
    with database(tmp_path, BASE, many) as connection:
        result = plan_sqlite(connection, wanted, question_seconds=0.0)
        assert plan_sqlite(connection, wanted).blocked  # given the time, the answer is no
    assert messages(result, Severity.INFO) == ["CHECK (b < 9): not checked: table too large"]
    assert messages(result, Severity.ERROR) == [
        'Unsafe operation detected: type of column "a" changes from TEXT to NUMERIC (not checked: table too large)'
    ]


# -- renames -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "column",
    [
        "n TEXT, -- renamed from: a",
        "-- renamed from: a\n n TEXT,",
        "n TEXT, /* Renamed from: a */",
        'n TEXT, -- @renamed from="a"',
        "n TEXT, -- atlas:renamed_from a",
    ],
)
def test_a_rename_told_by_a_comment_keeps_the_values_and_is_done_once(column: str, tmp_path: Path) -> None:
    wanted = f"CREATE TABLE t (id INTEGER PRIMARY KEY,\n {column}\n b INTEGER);"
    with database(tmp_path, BASE, FILL) as connection:
        result = migrate(connection, wanted)
        assert rows(connection, "SELECT n FROM t ORDER BY id") == [("1",), ("22",), (None,)]
    assert [change.ddl for change in result.changes] == ["ALTER TABLE t RENAME COLUMN a TO n;"]
    assert [f.linter for f in found(result, Severity.WARNING)] == ["rename_column"]
    assert found(result, Severity.ERROR) == []


def test_a_renamed_column_that_also_changes_is_carried_through_the_rebuild(tmp_path: Path) -> None:
    wanted = (
        "CREATE TABLE t (b INTEGER, id INTEGER PRIMARY KEY, n BLOB CHECK (n <> '') -- renamed from: a\n);"
    )
    with database(tmp_path, BASE, FILL) as connection:
        migrate(connection, wanted)
        assert rows(connection, "SELECT id, n, b FROM t") == [(7, "1", 1), (8, "22", 2), (9, None, 2)]


@pytest.mark.parametrize(
    "body", ["(id INTEGER PRIMARY KEY, a TEXT, b INTEGER)", "(id INTEGER PRIMARY KEY, b INTEGER, a BLOB)"]
)
def test_a_renamed_table_keeps_its_rows_and_what_refers_to_it_follows(body: str, tmp_path: Path) -> None:
    parts = "CREATE INDEX i ON {0} (a); CREATE TRIGGER r AFTER INSERT ON {0} BEGIN DELETE FROM {0} WHERE a = 'x'; END;"
    around = "CREATE TABLE c (p INTEGER REFERENCES {0} (id)); CREATE VIEW v AS SELECT a FROM {0};"
    live = BASE + parts.format("t") + around.format("t")
    wanted = (
        f"-- renamed from: t\nCREATE TABLE people {body};" + parts.format("people") + around.format("people")
    )
    with database(tmp_path, live, FILL, "INSERT INTO c VALUES (7)") as connection:
        result = migrate(connection, wanted)
        assert rows(connection, "SELECT id, a, b FROM people") == [(7, "1", 1), (8, "22", 2), (9, None, 2)]
        assert rows(connection, "PRAGMA foreign_key_check") == []
    assert [change.table for change in result.changes] == ["people"]
    assert [f.linter for f in found(result, Severity.WARNING)] == ["rename_table"]


@pytest.mark.parametrize(
    "wanted",
    [
        "CREATE TABLE people (-- renamed from: t\n{0});",
        "CREATE TABLE people ({0}) -- renamed from: t\n;",
        "CREATE TABLE people ({0}); -- renamed from: t",
    ],
)
def test_the_old_name_of_a_table_may_stand_at_its_begin_and_beside_its_end(
    wanted: str, tmp_path: Path
) -> None:
    with database(tmp_path, BASE, FILL) as connection:
        text = wanted.format("id INTEGER PRIMARY KEY, a TEXT, b INTEGER")
        assert [change.ddl for change in migrate(connection, text).changes] == [
            "ALTER TABLE t RENAME TO people;"
        ]


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ("a TEXT, n TEXT -- renamed from: a\n", "n cannot be renamed from a: a is still in the files"),
        (
            "n TEXT, -- renamed from: a\n m TEXT -- renamed from: a\n",
            "m cannot be renamed from a: another one",
        ),
    ],
)
def test_a_rename_that_cannot_be_meant_is_refused(wanted: str, reason: str, tmp_path: Path) -> None:
    text = f"CREATE TABLE t (id INTEGER PRIMARY KEY, {wanted});"
    with database(tmp_path, BASE) as connection, pytest.raises(BadFiles, match=reason):
        plan(connection, text)


def test_a_rename_from_something_unknown_is_told_not_obeyed(tmp_path: Path) -> None:
    with database(tmp_path, BASE) as connection:
        result = migrate(connection, BASE[:-2] + ", n TEXT -- renamed from: gone\n);")
    assert messages(result, Severity.INFO) == [
        'column "n" says it was renamed from "gone", but there is no "gone": it is made new'
    ]


def test_a_drop_and_an_add_of_one_type_are_asked_about_never_guessed(tmp_path: Path) -> None:
    with database(tmp_path, BASE) as connection:
        result = plan(connection, "CREATE TABLE t (id INTEGER PRIMARY KEY, b INTEGER, n TEXT);")
        tables = plan(connection, BASE.replace("TABLE t", "TABLE u"))
    assert "write -- renamed from: a beside it" in messages(result, Severity.INFO)[0]
    assert result.changes[0].unsafe == ('Unsafe operation detected: DROP COLUMN "a"',)
    assert "write -- renamed from: t above it" in messages(tables, Severity.INFO)[0]


# -- keys and indexes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("added", "linter", "message"),
    [
        ("CREATE TABLE n (a);", "primary_key", "No primary key defined"),
        (
            "CREATE TABLE n (id INTEGER PRIMARY KEY, t INTEGER REFERENCES t (id));",
            "has_foreign_key",
            'Table "n" has FOREIGN KEY constraint on (t) to "t"',
        ),
        (
            "CREATE TABLE n (id INTEGER PRIMARY KEY, t INTEGER REFERENCES t (a));",
            "has_foreign_key",
            'foreign key mismatch - "n" referencing "t"',
        ),
        (
            "CREATE INDEX i ON t (a); CREATE INDEX j ON t (a, b);",
            "redundant_indexes",
            'Index "i" is redundant: "j" begins with the same columns',
        ),
    ],
)
def test_what_the_change_brings_in_is_warned_about(
    added: str, linter: str, message: str, tmp_path: Path
) -> None:
    with database(tmp_path, BASE) as connection:
        result = migrate(connection, BASE + added)
        again = migrate(connection, BASE + added + "CREATE TABLE later (id INTEGER PRIMARY KEY);")
    assert (linter, message) in [(f.linter, f.message) for f in found(result, Severity.WARNING)]
    assert again.findings == ()


def test_nothing_is_said_when_nothing_changes(tmp_path: Path) -> None:
    live = "CREATE TABLE t (a REFERENCES t (a)); CREATE INDEX i ON t (a); CREATE INDEX j ON t (a);"
    with database(tmp_path, live) as connection:
        result = plan(connection, live)
    assert (result.changes, result.findings) == ((), ())


def test_an_application_s_own_function_is_named_when_a_check_cannot_be_asked(tmp_path: Path) -> None:
    other = "CREATE TABLE u (a CHECK (mine(a)));"
    with closing(apsw.Connection(str(tmp_path / "target.db"))) as application:
        application.create_scalar_function("mine", lambda *_: 1, 1, deterministic=True)
        application.execute(
            other + "CREATE TABLE t (id INTEGER PRIMARY KEY, a); INSERT INTO t (a) VALUES (1);"
        )
    with database(tmp_path) as connection:
        result = plan(connection, other + "CREATE TABLE t (id INTEGER PRIMARY KEY, a CHECK (mine(a)));")
    assert "CHECK (mine(a)): not checked: no such function: mine" in messages(result, Severity.INFO)


def test_duplicates_are_counted_whatever_the_columns_are_called(tmp_path: Path) -> None:
    live = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, n INTEGER NOT NULL); CREATE TABLE u (a TEXT, n INTEGER);"
    fill = "INSERT INTO t VALUES (1, 'x', 7), (2, 'y', 7); INSERT INTO u VALUES ('x', 1), ('x', 1)"
    wanted = live + "CREATE UNIQUE INDEX ta ON t (a); CREATE UNIQUE INDEX ua ON u (a);"
    with database(tmp_path, live, fill) as connection:
        result = plan(connection, wanted)
    assert [finding.table for finding in found(result, Severity.BLOCKED)] == ["u"]


@pytest.mark.parametrize(
    "old", ["user-id", "first name", "first,name", "a.b", "say `x`", "x'41'", "über", "(name):", "a\nb"]
)
def test_the_advice_about_a_rename_does_what_it_says(old: str, tmp_path: Path) -> None:
    with database(tmp_path, f'CREATE TABLE "{old}" (id INTEGER PRIMARY KEY, "{old}" INTEGER)') as connection:
        (column,) = messages(
            plan(connection, f'CREATE TABLE "{old}" (id INTEGER PRIMARY KEY, z INTEGER);'), Severity.INFO
        )
        (table,) = messages(
            plan(connection, f'CREATE TABLE z (id INTEGER PRIMARY KEY, "{old}" INTEGER);'), Severity.INFO
        )
        notes = [
            said.split("write ")[1].removesuffix(place)
            for said, place in ((table, " above it"), (column, " beside it"))
        ]
        result = plan(
            connection, f"{notes[0]}\nCREATE TABLE z (id INTEGER PRIMARY KEY,\nz INTEGER {notes[1]}\n);"
        )
    assert messages(result, Severity.WARNING) == [
        f'Column rename detected in table "z": "{old}" becomes "z"',
        f'Table rename detected: "{old}" becomes "z"',
    ]
