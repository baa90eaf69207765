"""From files to a changed server through a real daemon: every kind of change, every command, and a death in mid-copy."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine.mysql.changing.plans import Shop
from tests.engine.mysql.daemon import Daemon, dsn_of
from tests.engine.mysql.journey import ORDERS, ROWS, USERS, WIDE, columns, files, fill
from tests.engine.mysql.planning.places import account, dsn
from tests.servers.server import Server


@pytest.fixture
def shop(server: Server) -> Shop:
    shop = Shop(server, USERS, ORDERS, "INSERT INTO users VALUES (1, 'ann', 1970)")
    fill(shop)
    return shop


@pytest.fixture
def daemon(shop: Shop, tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path, dsn_of(shop.server, shop.database)) as daemon:
        yield daemon


def test_create_alter_and_drop_in_one_plan(shop: Shop, daemon: Daemon) -> None:
    """An instant column, an index, a new table, a table that goes, and a copy of the big one."""
    wanted = files(
        users=USERS.replace("born INT", "born INT, mail VARCHAR(99), KEY by_name (name)"),
        parts="CREATE TABLE parts (id INT NOT NULL PRIMARY KEY) DEFAULT CHARSET utf8mb4",
        orders=WIDE,
    )
    apply_id = daemon.apply(wanted)
    done = daemon.wait(apply_id, "completed")
    assert {table["table_name"] for table in done["tables"]} == {"users", "parts", "orders"}
    assert columns(shop, "users") == {"id": "int", "name": "varchar", "born": "int", "mail": "varchar"}
    assert columns(shop, "orders")["quantity"] == "bigint"
    assert columns(shop, "parts") == {"id": "int"}
    assert shop.rows("SELECT COUNT(*), SUM(quantity) FROM orders") == [(ROWS, ROWS)]
    assert shop.left_behind() == []
    assert daemon.plan(wanted)["changes"] == []
    dropped = files(users=wanted["shop"]["users.sql"].rstrip(";\n"), orders=WIDE)
    daemon.wait(daemon.apply(dropped), "completed")
    assert shop.rows("SHOW TABLES") == [("orders",), ("users",)]


def test_a_deferred_cutover_waits_in_step_until_it_is_asked_for(shop: Shop, daemon: Daemon) -> None:
    """CO-5."""
    apply_id = daemon.apply(files(users=USERS, orders=WIDE), defer_cutover="true")
    daemon.wait(apply_id, "waiting_for_cutover")
    assert columns(shop, "orders")["quantity"] == "int"
    shop.run("UPDATE orders SET quantity = 2 WHERE id = 7", "DELETE FROM orders WHERE id = 8")
    daemon.command("cutover", apply_id)
    daemon.wait(apply_id, "completed")
    assert columns(shop, "orders")["quantity"] == "bigint"
    assert shop.rows("SELECT COUNT(*), SUM(quantity) FROM orders") == [(ROWS - 1, ROWS)]
    assert shop.left_behind() == []


def test_a_copy_is_stopped_and_started(shop: Shop, daemon: Daemon) -> None:
    daemon.slow(0.1)
    apply_id = daemon.apply(files(users=USERS, orders=WIDE))
    daemon.wait_rows(apply_id, 1)
    daemon.command("stop", apply_id)
    stopped = daemon.wait(apply_id, "stopped")
    assert columns(shop, "orders")["quantity"] == "int"
    daemon.slow(0)
    daemon.command("start", apply_id)
    daemon.wait(apply_id, "completed")
    assert int(stopped["tables"][0]["rows_copied"]) > 0
    assert shop.rows("SELECT COUNT(*), SUM(quantity) FROM orders") == [(ROWS, ROWS)]
    assert shop.left_behind() == []


def test_a_copy_that_fails_for_good_leaves_nothing(shop: Shop, daemon: Daemon) -> None:
    daemon.slow(0.1)
    apply_id = daemon.apply(files(users=USERS, orders=WIDE))
    daemon.wait_rows(apply_id, 1)
    shop.run("ALTER TABLE orders ADD COLUMN intruder INT")
    daemon.slow(0)
    failed = daemon.wait(apply_id, "failed")
    assert "orders was changed" in str(failed)
    assert shop.left_behind() == []


def test_a_cancelled_copy_leaves_nothing(shop: Shop, daemon: Daemon) -> None:
    daemon.slow(0.1)
    apply_id = daemon.apply(files(users=USERS, orders=WIDE))
    daemon.wait_rows(apply_id, 1)
    daemon.command("cancel", apply_id)
    daemon.wait(apply_id, "cancelled")
    assert columns(shop, "orders")["quantity"] == "int"
    assert shop.left_behind() == []


def test_a_daemon_killed_in_mid_copy_goes_on_when_it_is_started_again(shop: Shop, daemon: Daemon) -> None:
    """The rows that were copied are not copied again; writes of the meantime are in."""
    daemon.slow(0.03)
    apply_id = daemon.apply(files(users=USERS, orders=WIDE))
    daemon.wait_rows(apply_id, 500)
    daemon.kill()
    shop.run("UPDATE orders SET quantity = 3 WHERE id IN (1, 59000)", "DELETE FROM orders WHERE id = 2")
    daemon.slow(0)
    daemon.start()
    done = daemon.wait(apply_id, "completed")
    assert columns(shop, "orders")["quantity"] == "bigint"
    assert shop.rows("SELECT COUNT(*), SUM(quantity) FROM orders") == [(ROWS - 1, ROWS + 3)]
    assert shop.left_behind() == []
    assert done["tables"][0]["rows_copied"]


def test_several_namespaces_are_changed_in_one_apply(server: Server, tmp_path: Path) -> None:
    """The dsn names no database: each namespace is a schema. Their copies become live together."""
    shops = [Shop(server, ORDERS) for _ in range(2)]
    for shop in shops:
        fill(shop, rows=21_000)
    with Daemon(tmp_path, dsn_of(server, "")) as daemon:
        wanted = {shop.database: {"orders.sql": f"{WIDE};\n"} for shop in shops}
        apply_id = daemon.apply(wanted, defer_cutover="true")
        daemon.wait(apply_id, "waiting_for_cutover")
        daemon.command("cutover", apply_id)
        daemon.wait(apply_id, "completed")
        assert daemon.plan(wanted)["changes"] == []
    for shop in shops:
        assert columns(shop, "orders")["quantity"] == "bigint"
        assert shop.rows("SELECT COUNT(*) FROM orders") == [(21_000,)]
        assert shop.left_behind() == []


def test_a_table_that_follows_a_name_is_changed_together_with_it(server: Server, tmp_path: Path) -> None:
    """The server rewrites its foreign key. Once somebody else has changed it (RC-2), once the daemon dies in between (RC-4)."""
    parent = "-- renamed from: par\nCREATE TABLE top (\n-- renamed from: id\nnr INT PRIMARY KEY)"
    chi = "CREATE TABLE chi (id INT PRIMARY KEY, p INT{}, CONSTRAINT fk FOREIGN KEY (p) REFERENCES {})"
    shop = Shop(server, "CREATE TABLE par (id INT PRIMARY KEY)", chi.format("", "par (id)"))
    wanted = files(top=parent, chi=chi.format(", q INT", "top (nr)"))
    with Daemon(tmp_path, dsn_of(server, shop.database)) as daemon:
        apply_id = daemon.apply(wanted, defer_cutover="true")
        daemon.wait(apply_id, "waiting_for_cutover")
        shop.run("ALTER TABLE chi ADD COLUMN r INT")
        daemon.command("cutover", apply_id)
        assert "chi was changed since the plan was made" in str(daemon.wait(apply_id, "failed"))
        shop.run("ALTER TABLE chi DROP COLUMN r")
        apply_id = daemon.apply(wanted, defer_cutover="true")
        daemon.wait(apply_id, "waiting_for_cutover")
        assert list(columns(shop, "chi")) == ["id", "p"]
        daemon.freeze_at("after_statement")
        daemon.command("cutover", apply_id)
        daemon.wait_frozen()
        daemon.kill()
        daemon.start()
        daemon.wait(apply_id, "completed")
        assert list(columns(shop, "chi")) == ["id", "p", "q"]
        assert daemon.plan(wanted)["changes"] == []
    assert shop.left_behind() == []


def test_a_password_that_was_renewed_is_used_without_a_restart(
    shop: Shop, daemon: Daemon, tmp_path: Path
) -> None:
    with account(shop.server, "ALL ON *.*", schema=shop.database) as address:
        (tmp_path / "dsn").write_text(dsn(address))
        assert daemon.plan(files(users=USERS, orders=ORDERS))["changes"] == []
        shop.run(f"ALTER USER {address.user}@'%' IDENTIFIED BY 'second-secret'")
        (tmp_path / "dsn").write_text(dsn(replace(address, password="second-secret")))
        assert daemon.plan(files(users=USERS, orders=ORDERS))["changes"] == []


def test_names_with_percent_signs_are_names_like_others(server: Server, tmp_path: Path) -> None:
    """In the database and in the table: %s is what stands for a value in a statement, %d is nothing at all."""
    orders = ORDERS.replace("orders", "`t%d%s`")
    shop = Shop(server, orders, prefix="a%sb%d%_")
    fill(shop, "`t%d%s`")
    with Daemon(tmp_path, dsn_of(server, shop.database)) as daemon:
        wanted = {"shop": {"orders.sql": orders.replace("quantity INT", "quantity BIGINT") + ";\n"}}
        apply_id = daemon.apply(wanted, defer_cutover="true")
        daemon.wait(apply_id, "waiting_for_cutover")
        shop.run("DELETE FROM `t%d%s` WHERE id = 8")
        daemon.command("cutover", apply_id)
        daemon.wait(apply_id, "completed")
    assert columns(shop, "`t%d%s`")["quantity"] == "bigint"
    assert shop.rows("SELECT COUNT(*) FROM `t%d%s`") == [(ROWS - 1,)]
    assert shop.left_behind() == []
