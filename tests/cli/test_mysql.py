"""The commands on a database of MySQL and of MariaDB, from an empty folder to a change, and back."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cli.rig import Process, Run, free_address, process
from tests.engine.mysql.planning.places import account, dsn
from tests.servers.server import Server

ROWS = 20_000
TABLES = (
    "CREATE TABLE orders (id INT NOT NULL PRIMARY KEY, quantity INT NOT NULL) DEFAULT CHARSET utf8mb4",
    "CREATE TABLE `odd``name` (id INT NOT NULL PRIMARY KEY) DEFAULT CHARSET utf8mb4",
)


@pytest.fixture
def database(server: Server) -> str:
    """A database with two tables and some rows; its name."""
    name = server.fresh_database()
    with server.connect(database=name, autocommit=True) as connection, connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(table)
        # The driver sends many rows at once only where all values are parameters.
        cursor.executemany("INSERT INTO orders VALUES (%s, %s)", [(n, 1) for n in range(ROWS)])
    return name


@pytest.fixture
def configured(server: Server, database: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config.toml that names it as shop/production; SCHEMABOT_ENDPOINT is where its daemon will be."""
    address = free_address()
    monkeypatch.setenv("SCHEMABOT_ENDPOINT", f"http://{address}")
    file = Path("config.toml")
    file.write_text(
        f"""
        [server]
        listen_port = {address.rpartition(":")[2]}
        [databases.shop]
        type = "mysql"
        [databases.shop.environments.production]
        dsn = "{server.url(database, query="ssl_mode=disabled")}"
        """
    )
    return file


@pytest.fixture
def daemon(configured: Path) -> Iterator[Process]:
    with process("serve", "-c", str(configured)) as running:
        running.wait_line("SchemaBot listens on")
        yield running


def columns(server: Server, database: str, table: str) -> list[str]:
    with server.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute(f"SHOW COLUMNS FROM {table}")
        return [f"{name} {kind.partition('(')[0]}" for name, kind, *_ in cursor.fetchall()]


@pytest.mark.usefixtures("daemon")
def test_from_a_live_database_to_a_change_and_back(run: Run, server: Server, database: str) -> None:
    made = run("init", "shop", "-o", "schema")
    assert made.code == 0, made.err
    assert yaml.safe_load(Path("schema/schemabot.yaml").read_text()) == {
        "database": "shop",
        "type": "mysql",
        "environments": ["production"],
    }
    assert "No schema changes detected" in run("plan", "-s", "schema").out
    file = Path("schema/orders.sql")
    file.write_text(
        file.read_text().replace("`quantity` int", "/* renamed from: quantity */ `amount` bigint")
    )
    planned = run("plan", "-s", "schema")
    assert (planned.code, "~ orders  alter" in planned.out) == (0, True), planned.err
    applied = run("apply", "-s", "schema", "-y", "--allow-unsafe")
    assert applied.code == 0, applied.out + applied.err
    assert "MySQL Schema Change Apply" in applied.out
    assert columns(server, database, "orders") == ["id int", "amount bigint"]
    back = run("rollback", "shop", "-y", "--allow-unsafe")
    assert (back.code, "Rollback started" in back.out) == (0, True), back.out + back.err
    assert columns(server, database, "orders") == ["id int", "quantity int"]
    with server.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT SUM(quantity) FROM orders")
        assert cursor.fetchone() == (ROWS,)


def test_a_parked_change_is_cut_over_by_a_daemon_that_came_after_a_death(
    run: Run, configured: Path, server: Server, database: str
) -> None:
    with process("serve", "-c", str(configured)) as first:
        first.wait_line("SchemaBot listens on")
        assert run("init", "shop", "-o", "schema").code == 0
        file = Path("schema/orders.sql")
        file.write_text(file.read_text().replace("`quantity` int", "`quantity` bigint"))
        words = ["apply", "-s", "schema", "-y", "--allow-unsafe", "--defer-cutover"]
        with process(*words) as watcher:
            watcher.wait_line("waiting for cutover")
            first.send(signal.SIGKILL)
            first.end()
            watcher.wait_line("trying again in")
            with process("serve", "-c", str(configured)) as second:
                second.wait_line("SchemaBot listens on")
                assert run("cutover", "shop").code == 0
                assert watcher.end() == 0, watcher.told()
    assert columns(server, database, "orders") == ["id int", "quantity bigint"]


def test_doctor_looks_at_the_server_and_says_what_its_user_lacks(
    run: Run, configured: Path, server: Server, database: str
) -> None:
    ended = run("doctor", "-c", str(configured))
    assert "shop/production" in ended.out
    assert "✗" not in ended.out.partition("shop/production")[2].partition("binary log")[0], ended.out
    with account(server, f"SELECT ON {database}.*", schema=database) as address:
        configured.write_text(
            f"""
            [databases.shop]
            type = "mysql"
            [databases.shop.environments.production]
            dsn = "{dsn(address)}"
            """
        )
        poor = run("doctor", "-c", str(configured))
    assert poor.code == 1, poor.out
    assert "✗ privileges: missing on" in poor.out
    assert "→ GRANT" in poor.out
