"""The servers for tests are real, come back with their data, and leave nothing behind."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pymysql
import pytest

from tests.servers.errors import NotOurs, ServerBroken
from tests.servers.flavours import FLAVOURS
from tests.servers.private import PrivateServer
from tests.servers.server import Server, open_server
from tests.waiting import until

_ROOT = Path(__file__).parents[1]
_LIMIT_SECONDS = 60.0


def _rows(server: Server, statement: str, database: str | None = None) -> list[tuple[object, ...]]:
    with server.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def test_a_server_answers_and_says_what_it_is(server: Server) -> None:
    ((version,),) = _rows(server, "SELECT VERSION()")

    assert str(version).startswith(server.version)
    assert ("MariaDB" in str(version)) == (server.flavour == "mariadb")


def test_a_server_has_what_production_has(own_server: Server) -> None:
    ((log, form, schema, helpers),) = _rows(
        own_server,
        """
        SELECT @@global.log_bin, @@global.binlog_format, @@global.performance_schema,
               (SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'sys')
        """,
    )

    assert (log, form, schema) == (1, "ROW", 1)
    assert helpers


def test_variables_that_a_test_sets_are_as_before_however_it_ends(server: Server) -> None:
    asked = "SELECT @@GLOBAL.sql_mode, @@GLOBAL.max_error_count"
    before = _rows(server, asked)
    with suppress(ArithmeticError), server.having(sql_mode="ANSI_QUOTES", max_error_count=7):
        assert _rows(server, asked) == [("ANSI_QUOTES", 7)]
        with server.having(sql_mode=""):
            assert _rows(server, asked) == [("", 7)]
        assert _rows(server, asked) == [("ANSI_QUOTES", 7)]
        raise ArithmeticError

    assert _rows(server, asked) == before


def test_what_was_committed_is_there_after_kill_9(own_server: Server) -> None:
    database = own_server.fresh_database()
    with own_server.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept (id INT PRIMARY KEY)")
        cursor.execute("INSERT INTO kept VALUES (1)")
        connection.commit()
        cursor.execute("INSERT INTO kept VALUES (2)")
        process = _running(own_server)

        own_server.kill()

    with pytest.raises(pymysql.OperationalError):
        own_server.connect()
    own_server.start()
    assert _running(own_server) != process
    assert _rows(own_server, "SELECT id FROM kept", database) == [(1,)]


def test_a_restart_keeps_port_and_data(own_server: Server) -> None:
    database = own_server.fresh_database()
    process = _running(own_server)

    own_server.restart()

    assert _running(own_server) != process
    assert _rows(own_server, f"SHOW DATABASES LIKE '{database}'") == [(database,)]


def _running(server: Server) -> int:
    process = server.pid
    assert process is not None
    return process


@pytest.mark.parametrize("left", [signal.SIGSTOP, signal.SIGKILL])
def test_a_server_that_a_test_left_broken_is_there_for_the_next(
    own_server: Server, left: signal.Signals
) -> None:
    process = _running(own_server)
    os.kill(process, left)
    # The signal is sent, not done: look until the process is stopped, or dead and not yet reaped.
    until("the server is dead", lambda: _process_state(process) in "TZX")

    own_server.revive()

    assert _rows(own_server, "SELECT 1") == [(1,)]


def _process_state(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0]
    except FileNotFoundError:
        return "X"


@pytest.mark.parametrize("flavour", sorted(FLAVOURS))
def test_a_server_dies_with_its_test_run_and_leaves_no_file(flavour: str) -> None:
    program = f"""
import time
from tests.servers.flavours import FLAVOURS
from tests.servers.private import PrivateServer
server = PrivateServer(FLAVOURS["{flavour}"])
print(server.pid, server.folder, flush=True)
time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=_ROOT
    ) as run:
        assert run.stdout is not None
        process, folder = run.stdout.readline().split()
        assert Path(folder, "data").is_dir()

        run.kill()

    until("its folder is gone", lambda: not Path(folder).exists())
    assert not Path("/proc", process).exists()


@pytest.mark.parametrize("flavour", sorted(FLAVOURS))
def test_a_server_dies_with_its_keeper(flavour: str) -> None:
    with PrivateServer(FLAVOURS[flavour]) as server:
        process = server.pid
        assert process is not None
        keeper = int(Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()[1])

        os.kill(keeper, signal.SIGKILL)

        until("its process is gone", lambda: not Path(f"/proc/{process}").exists())
    assert not server.folder.exists()


def test_a_server_that_the_environment_names_is_used_and_never_stopped(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    flavour = FLAVOURS[server.flavour]
    monkeypatch.setenv(flavour.variable, server.url(""))

    named = open_server(flavour)

    assert (named.port, named.version) == (server.port, server.version)
    with pytest.raises(NotOurs):
        named.kill()
    database = named.fresh_database()
    named.close()
    assert _rows(server, f"SHOW DATABASES LIKE '{database}'") == []


def test_a_server_of_the_wrong_flavour_is_not_used(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    (other,) = (flavour for flavour in FLAVOURS.values() if flavour.name != server.flavour)
    monkeypatch.setenv(other.variable, server.url(""))

    with pytest.raises(ServerBroken, match="names a server that is not"):
        open_server(other)


_CONFTEST = """
from dataclasses import replace
from tests.conftest import (
    counted,
    mariadb,
    mysql,
    pytest_collection_finish,
    pytest_configure,
    pytest_runtest_makereport,
    pytest_terminal_summary,
)
from tests.servers.flavours import FLAVOURS

FLAVOURS["mysql"] = replace(FLAVOURS["mysql"], name="absent", programs=("no-such-server",))
"""

_TESTS = """
import apsw
import pytest

@pytest.fixture
def store(request):
    return request.getfixturevalue(request.param) if request.param != "sqlite" else apsw.Connection(":memory:")

@pytest.mark.parametrize("store", ["sqlite", "mysql"], indirect=True)
def test_on_each_store(store):
    pass

def test_with_a_file_of_its_own():
    apsw.Connection(":memory:").close()

def test_without_any_database():
    pass
"""


def _run_without_mysql(folder: Path, ci: str) -> subprocess.CompletedProcess[str]:
    (folder / "conftest.py").write_text(_CONFTEST)
    (folder / "test_something.py").write_text(_TESTS)
    environment = {
        **os.environ,
        "PATH": "",  # no apt
        "PYTHONPATH": str(_ROOT),
        "SCHEMABOT_TEST_CACHE": str(folder / "cache"),
        "SCHEMABOT_TEST_MYSQL": "",
        "CI": ci,
    }
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-rs",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(folder),
            str(folder),
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_LIMIT_SECONDS,
        check=False,
    )


def test_a_missing_server_is_a_loud_skip_on_a_laptop_and_the_closing_lines_count_what_ran(
    tmp_path: Path,
) -> None:
    run = _run_without_mysql(tmp_path, ci="")

    assert run.returncode == 0, run.stdout
    assert "3 passed, 1 skipped" in run.stdout
    assert "NOT RUN on MySQL: 1 (no MySQL for the tests: this machine has no apt" in run.stdout
    assert "SCHEMABOT_TEST_MYSQL=mysql://user:password@host:port" in run.stdout
    (line,) = (line for line in run.stdout.splitlines() if line.startswith("ran on: "))
    assert line.startswith("ran on: SQLite 3.")
    assert line.endswith(": at least 2")


def test_a_missing_server_is_a_failure_in_ci(tmp_path: Path) -> None:
    run = _run_without_mysql(tmp_path, ci="true")

    assert run.returncode == 1, run.stdout
    assert "3 passed, 1 error" in run.stdout
    assert "NOT RUN on MySQL: 1" in run.stdout
