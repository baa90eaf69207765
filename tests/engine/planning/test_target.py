"""A target that cannot be used says so in our errors, with what to do; pulled, it gives files that change nothing."""

import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from engine.errors import EngineError, Refused, TargetUnavailable, Unreachable
from engine.sqlite.catalog import read_catalog
from engine.sqlite.planning.planner import plan_sqlite
from engine.sqlite.pull import pull_files
from engine.sqlite.quoting import quote_name
from engine.sqlite.target import READ_ONLY, connect, engine_error, file_of, translated
from tests.engine.planning.rig import database, plan

# -- opening -----------------------------------------------------------------------------------------------------


def test_a_missing_file_is_an_empty_database_and_is_not_made_by_looking(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    with closing(connect(str(path), read_only=True)) as connection:
        result = plan(connection, "CREATE TABLE t (a);")
    assert [change.change_type for change in result.changes] == ["create"]
    assert not path.exists()


def test_a_file_address_is_opened_as_one(tmp_path: Path) -> None:
    with closing(connect(f"file:{tmp_path}/my%20file.db")) as connection:
        connection.execute("CREATE TABLE t (a)")
    assert (tmp_path / "my file.db").exists()
    assert file_of(f"file:{tmp_path}/my%20file.db?mode=ro") == tmp_path / "my file.db"


@pytest.mark.parametrize("dsn", ["", ":memory:", "file::memory:", "file:x?mode=memory"])
def test_a_dsn_that_names_no_file_is_refused(dsn: str) -> None:
    with pytest.raises(Refused, match="names no file"):
        connect(dsn)


def make_corrupt(path: Path) -> None:
    path.write_bytes(b"this is a letter, not a database" * 200)


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (make_corrupt, Refused, "not a database"),
        (lambda path: path.mkdir(), Refused, "is a folder"),
        (None, Unreachable, "does not exist; create it, mount it or correct the dsn"),
    ],
)
def test_what_cannot_be_opened_says_why_and_what_to_do(
    make: object, error: type[EngineError], says: str, tmp_path: Path
) -> None:
    path = tmp_path / "target.db" if make else tmp_path / "missing" / "target.db"
    if callable(make):
        make(path)
    for read_only in (True, False):
        with pytest.raises(error, match=says):
            connect(str(path), read_only=read_only)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "target.db"
    path.touch(mode=0o000)
    with pytest.raises(TargetUnavailable, match="no permission to read"):
        connect(str(path), read_only=True)


def test_a_read_only_file_system_is_named(tmp_path: Path) -> None:
    with database(tmp_path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    code = """if True:
        import sys
        from pathlib import Path
        from engine.errors import EngineError
        from engine.sqlite.examination import examine_file
        from engine.sqlite.target import connect
        for name, read_only in ("target.db", True), ("target.db", False), ("new.db", False):
            try:
                connect(f"{sys.argv[1]}/{name}", read_only=read_only)
            except EngineError as error:
                print(error)
        for seen in examine_file(connect(f"{sys.argv[1]}/new.db", read_only=True), Path(sys.argv[1], "new.db")):
            print(seen.remedy)
    """
    mounted = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$1" -c "$2" "$0"'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", mounted]
    ended = subprocess.run(
        [*command, str(tmp_path), sys.executable, code], capture_output=True, text=True, check=False
    )
    if "unshare" in ended.stderr or "mount" in ended.stderr:
        pytest.skip("nothing may be mounted here")
    assert ended.stdout.count(READ_ONLY) == 4, ended.stdout + ended.stderr


def test_a_locked_database_is_waited_for_and_then_retryable(tmp_path: Path) -> None:
    with (
        database(tmp_path, "CREATE TABLE t (a)") as other,
        closing(connect(str(tmp_path / "target.db"))) as connection,
    ):
        connection.execute("BEGIN")
        other.execute("BEGIN EXCLUSIVE")
        locked = connect_lazily(tmp_path / "target.db")
        assert locked.retryable
        assert "another process holds a lock" in str(locked)


def test_what_a_killed_application_left_half_done_is_rolled_back_by_a_look(tmp_path: Path) -> None:
    """Rollback journal: who may only read cannot open such a file."""
    (tmp_path / "killed").mkdir()
    with database(tmp_path, "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)") as application:
        application.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000) INSERT INTO t SELECT i, 'whole' FROM n"
        )
        application.execute("PRAGMA cache_size = 5; BEGIN; UPDATE t SET v = 'half done'")
        for name in ("target.db", "target.db-journal"):
            shutil.copy(tmp_path / name, tmp_path / "killed" / name)
    with closing(connect(str(tmp_path / "killed" / "target.db"), read_only=True)) as connection:
        assert connection.execute("SELECT DISTINCT v FROM t").fetchall() == [("whole",)]
        assert connection.readonly("main")


def connect_lazily(path: Path) -> EngineError:
    with pytest.raises(TargetUnavailable) as caught:
        connect(str(path), busy_seconds=0.05)
    return caught.value


def test_a_lock_that_goes_in_time_is_waited_out(tmp_path: Path) -> None:
    path = tmp_path / "target.db"
    code = (
        "import apsw, sys; c = apsw.Connection(sys.argv[1]); c.execute('CREATE TABLE t (a); BEGIN EXCLUSIVE');"
        "print('locked', flush=True); sys.stdin.readline(); c.execute('COMMIT')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        assert "lock" in str(connect_lazily(path))
        holder.stdin.write("go\n")
        holder.stdin.flush()
        with closing(connect(str(path), busy_seconds=60)) as connection:
            assert read_catalog(connection).names() == ["t"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (apsw.BusyError, TargetUnavailable), (apsw.LockedError, TargetUnavailable), (apsw.IOError, TargetUnavailable),
        (apsw.FullError, TargetUnavailable), (apsw.CantOpenError, TargetUnavailable),
        (apsw.ReadOnlyError, TargetUnavailable), (apsw.ConstraintError, Refused), (apsw.SQLError, Refused),
        (apsw.CorruptError, Refused), (apsw.NotADBError, Refused), (apsw.MismatchError, Refused),
    ],
)  # fmt: skip
def test_errors_of_the_library_become_ours(error: type[apsw.Error], kind: type[EngineError]) -> None:
    made = engine_error(error("oh no"), "shop")
    assert type(made) is kind
    assert str(made).startswith("shop: oh no")


def test_a_full_disk_may_be_that_of_the_temporary_files(tmp_path: Path) -> None:
    """SQLite says the same of both: here it is neither, but a limit of the temporary database."""
    with closing(connect(str(tmp_path / "t.db"))) as connection:
        connection.execute("CREATE TEMP TABLE sorted (v); PRAGMA temp.max_page_count = 3")
        with pytest.raises(TargetUnavailable, match="also for SQLite's temporary files"), translated("shop"):
            connection.execute("INSERT INTO sorted VALUES (zeroblob(100000))")


# -- reading and pulling -----------------------------------------------------------------------------------------

SCHEMA = """
CREATE TABLE "Order" ("select" INTEGER PRIMARY KEY, "a b" TEXT -- it's
);
CREATE INDEX "z i" ON "Order" ("a b");
CREATE INDEX i ON "Order" ("select", "a b");
CREATE TRIGGER r AFTER INSERT ON "Order" BEGIN SELECT ';'; END;
CREATE TABLE "a/b%" (x);
CREATE TABLE Ärzte (name TEXT);
CREATE TABLE ÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄÄ (name TEXT);
CREATE VIEW v AS SELECT "a b" AS Total FROM "Order";
CREATE VIRTUAL TABLE f USING fts5(x);
"""


def test_a_pull_gives_one_file_per_table_that_changes_nothing(tmp_path: Path) -> None:
    with database(tmp_path, SCHEMA) as connection:
        files = pull_files(connection, "shop")
        (long,) = (name for name in files["shop"] if "~" in name)
        assert (long.startswith("%C3%84" * 29), len(long.encode()) <= 200) == (True, True)
        assert set(files["shop"]) - {long} == {
            "%C3%84rzte.sql",
            "Order.sql",
            "a%2Fb%25.sql",
            "f.sql",
            "v.sql",
        }
        assert files["shop"]["Order.sql"].splitlines()[2:] == [
            'CREATE INDEX i ON "Order" ("select", "a b");',
            'CREATE INDEX "z i" ON "Order" ("a b");',
            """CREATE TRIGGER r AFTER INSERT ON "Order" BEGIN SELECT ';'; END;""",
        ]
        assert plan_sqlite(connection, files).changes == ()
        assert pull_files(connection, "shop") == files


def test_a_pull_loads_into_an_empty_database_as_the_same_schema(tmp_path: Path) -> None:
    with database(tmp_path, SCHEMA) as connection, closing(apsw.Connection(":memory:")) as other:
        files = pull_files(connection, "x")["x"]
        for file in sorted(files):
            other.execute(files[file])
        assert read_catalog(other).fingerprints() == read_catalog(connection).fingerprints()


def test_a_comment_at_the_end_of_a_statement_does_not_take_its_semicolon_in(tmp_path: Path) -> None:
    sql = """
CREATE TABLE t (a, b) -- of the shop
;
CREATE INDEX i ON t (a) -- for the search
;
CREATE INDEX j ON t (b) /* -- */
;
CREATE VIEW v AS SELECT a FROM t -- all of it
;
"""
    with database(tmp_path, sql) as connection, closing(apsw.Connection(":memory:")) as other:
        files = pull_files(connection, "x")
        for text in files["x"].values():
            other.execute(text)
        assert read_catalog(other).fingerprints() == read_catalog(connection).fingerprints()
        assert plan_sqlite(connection, files).changes == ()


def test_our_own_objects_on_the_target_are_invisible(tmp_path: Path) -> None:
    with database(tmp_path, "CREATE TABLE t (a)") as connection:
        before = read_catalog(connection)
        connection.execute(
            "CREATE TABLE _schemabot_owner (a); CREATE TABLE t__osc_n (a); CREATE INDEX i__osc_n ON t (a)"
        )
        connection.execute("CREATE TRIGGER t__osc_i AFTER INSERT ON t BEGIN SELECT 1; END")
        assert read_catalog(connection).fingerprints() == before.fingerprints()
        assert plan(connection, "CREATE TABLE t (a);").changes == ()


def test_a_fingerprint_is_the_object_s_own(tmp_path: Path) -> None:
    with database(tmp_path, "CREATE TABLE t (a); CREATE TABLE u (a)") as connection:
        t, u = (read_catalog(connection).fingerprint(name) for name in ("T", "u"))
        connection.execute("CREATE INDEX i ON u (a)")
        now = read_catalog(connection)
    assert now.fingerprint("t") == t
    assert now.fingerprint("u") not in (u, None)
    assert now.fingerprint("nothing") is None


@pytest.mark.parametrize(
    "name", ["plain", "Order", "select", 'a"b', "a b", "", "1a", "é", "true", "new", "x;--"]
)
def test_a_quoted_name_means_that_name(name: str) -> None:
    with closing(apsw.Connection(":memory:")) as connection:
        connection.execute(f"CREATE TABLE {quote_name('t' + name)} ({quote_name(name)} INT, x)")
        connection.execute(f"INSERT INTO {quote_name('t' + name)} ({quote_name(name)}, x) VALUES (1, 2)")
        assert connection.execute(f"SELECT {quote_name(name)} FROM {quote_name('t' + name)}").get == 1
        (found,) = read_catalog(connection)
    assert (found.name, found.columns[0].name) == ("t" + name, name)
