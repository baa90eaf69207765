"""The store's own tables on a server, which commits at every statement of an upgrade (AV-5)."""

import re
from collections.abc import Iterator

import pytest
from pymysql.cursors import DictCursor

from storage.errors import Corrupt, SchemaTooNew, StoreError, Unavailable
from storage.mysql.transaction import Transaction
from storage.mysql.upgrades import Upgrade, converge, known_upgrades, split
from storage.registry import open_store
from tests.servers.server import Server
from tests.storage.kinds import KnownServer
from tests.storage.scene import queued


class Killed(Exception):
    """The process ended here."""


@pytest.fixture
def empty(server: Server) -> Iterator[KnownServer]:
    """An empty database."""
    database = server.fresh_database()
    yield KnownServer(server.url(database, query="ssl_mode=disabled"))
    server.drop_database(database)


def schema(empty: KnownServer) -> list[object]:
    """Everything that defines the tables; the ledger of upgrades without its times."""
    tables = [str(name) for (name,) in empty.rows("SHOW TABLES")]
    found: list[object] = [
        re.sub(r" AUTO_INCREMENT=[0-9]+", "", empty.rows(f"SHOW CREATE TABLE {name}")[0][1])
        for name in sorted(tables)
    ]
    ledger = "SELECT number, step, name, done_at IS NOT NULL FROM schemabot_upgrades ORDER BY number, step"
    return found + (empty.rows(ledger) if "schemabot_upgrades" in tables else [])


@pytest.fixture
def whole(server: Server, empty: KnownServer) -> list[object]:
    """What a store that was upgraded at once looks like."""
    database = server.fresh_database()
    other = KnownServer(server.url(database, query="ssl_mode=disabled"))
    with other.open() as store:
        store.upgrade()
    found = schema(other)
    server.drop_database(database)
    assert len(found) > 9
    return found


def test_av_5_upgrades_in_order_equal_a_fresh_schema(empty: KnownServer, whole: list[object]) -> None:
    for count in range(1, len(known_upgrades()) + 1):
        with empty.connected(cursorclass=DictCursor) as link:
            converge(Transaction(link, "here"), known_upgrades()[:count], "store")
    assert schema(empty) == whole


def test_av_5_upgrading_again_changes_nothing(empty: KnownServer, whole: list[object]) -> None:
    with empty.open() as store:
        store.upgrade()
        apply = queued(store)
        store.upgrade()
        assert store.apply(apply.apply_uid) == apply
    assert schema(empty) == whole


def test_av_5_an_upgrade_killed_after_any_statement_is_finished_by_the_next(
    server: Server, empty: KnownServer, whole: list[object]
) -> None:
    """Killed after statement N, for every N, until a run has no fault; so before N + 1, too."""
    number, interrupted = 0, True
    while interrupted:
        number += 1
        database = server.fresh_database()
        stage = KnownServer(server.url(database, query="ssl_mode=disabled"))
        interrupted = killed_after(stage, number)
        with stage.open() as store:
            store.upgrade()
            store.ping()
        assert schema(stage) == whole, f"killed after statement {number}"
        server.drop_database(database)
    assert number > 20


def killed_after(stage: KnownServer, number: int) -> bool:
    """Upgrade until the statement of that number; whether there was one."""
    seen = 0

    class Interrupted(Transaction):
        def run(self, sql: str, **values: object) -> int:
            nonlocal seen
            seen += 1
            changed = super().run(sql, **values)
            if seen == number:
                raise Killed
            return changed

    with stage.connected(cursorclass=DictCursor) as link:
        try:
            converge(Interrupted(link, "here"), known_upgrades(), "store")
        except Killed:
            return True
    return False


def test_av_5_a_name_that_was_taken_before_the_upgrade_began_is_no_upgrade(empty: KnownServer) -> None:
    """Only a statement that was begun before may find its work done."""
    with empty.open() as store:
        store.upgrade()
    odd = [
        *known_upgrades(),
        Upgrade(number=len(known_upgrades()) + 1, name="x", statements=["CREATE TABLE plans(a INT)"]),
    ]
    with empty.connected(cursorclass=DictCursor) as link, pytest.raises(StoreError, match="already exists"):
        converge(Transaction(link, "here"), odd, "store")


def test_av_5_a_newer_schema_is_refused_and_left_alone(empty: KnownServer) -> None:
    with empty.open() as store:
        store.upgrade()
        empty.run("INSERT INTO schemabot_upgrades VALUES (99, 1, '0099_new.sql', NOW(6), NULL)")
        before = schema(empty)
        with pytest.raises(SchemaTooNew, match="version 99"):
            store.upgrade()
    assert schema(empty) == before


def test_somebody_elses_database_is_refused_and_left_alone(empty: KnownServer) -> None:
    empty.run("CREATE TABLE orders(id INT PRIMARY KEY)")
    with empty.open() as store, pytest.raises(Corrupt, match="not a SchemaBot store"):
        store.upgrade()
    assert empty.rows("SHOW TABLES") == [("orders",)]


def test_a_store_that_was_never_upgraded_says_so(empty: KnownServer) -> None:
    with empty.open() as store:
        for call in (store.ping, store.counts, lambda: store.claim("worker", 60.0)):
            with pytest.raises(Unavailable, match="not upgraded"):
                call()


def test_a_database_that_does_not_exist_is_named(server: Server) -> None:
    with open_store(server.url("nowhere", query="ssl_mode=disabled")) as store:
        for call in (store.upgrade, store.ping):
            with pytest.raises(Unavailable, match="nowhere: there is no such database"):
                call()


def test_the_statements_of_a_file_end_with_a_semicolon_at_the_end_of_a_line() -> None:
    assert split("-- a; b\nSELECT ';';\nSELECT 2;\n") == ["-- a; b\nSELECT ';'", "SELECT 2"]
    with pytest.raises(AssertionError, match="semicolon"):
        split("SELECT 1;\nSELECT 2")


def test_the_checks_and_unique_keys_of_the_tables_hold(empty: KnownServer) -> None:
    """The last line of defence: what the program would never write, the tables refuse (OW-4 among it)."""
    with empty.open() as store:
        store.upgrade()
        apply = queued(store)
    wrong = (
        "UPDATE applies SET state = 'odd'",
        "UPDATE applies SET claimable_at = NULL",
        "UPDATE applies SET finished_at = NOW(6)",
        "UPDATE applies SET retrying_since = NOW(6)",
        "UPDATE applies SET attempt = 11",
        "UPDATE applies SET options = 'no JSON'",
        "UPDATE tasks SET state = 'preparing_branch'",
        "UPDATE tasks SET completed_at = NOW(6)",
        "UPDATE apply_events SET level = 'loud'",
        """
        INSERT INTO tasks(apply_id, seq, task_uid, namespace, table_name, ddl, change_type, strategy, state)
        VALUES (-1, 0, 'x', '', '', '', '', '', 'pending')
        """,
        """
        INSERT INTO applies(apply_uid, plan_id, request_hash, database_name, database_type, environment, deployment,
                            repository, caller, engine, options, state, claimable_at, due_in, max_attempts, created_at,
                            updated_at)
        SELECT 'second', plan_id, request_hash, database_name, database_type, environment, deployment, repository,
               caller, engine, options, 'stopped', NULL, 0, 1, created_at, updated_at FROM applies
        """,
    )
    for sql in wrong:
        with pytest.raises(Exception, match=r"(?i)constraint|duplicate") as refusal:
            empty.run(sql)
        assert refusal.type.__module__.startswith("pymysql"), sql
    with empty.open() as store:
        assert store.apply(apply.apply_uid) == apply
