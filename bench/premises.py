"""Databases on one server, made for measuring: a store with a history of any length, the floor's table, huey's."""

from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from bench.queues import BareQueue, HueyQueue, Place
from storage.registry import open_store
from tests.servers.flavours import ACCOUNT

BATCH = 50_000
"""Rows of history in one transaction."""

APPLIES = """
    INSERT INTO applies(apply_uid, plan_id, request_hash, database_name, database_type, environment, deployment, repository,
                        caller, engine, options, state, claimable_at, due_in, max_attempts, created_at, updated_at,
                        finished_at)
    SELECT CONCAT('generated-', %(first)s + n), 'plan-0', '',
           CONCAT('generated', IF(%(live)s, %(first)s + n, n %% 1000)), 'sqlite', 'local', 'x', '', 'bench', 'SQLite', '{}',
           IF(%(live)s, 'pending', 'completed'), IF(%(live)s, UTC_TIMESTAMP(6) - INTERVAL 1 HOUR + INTERVAL n SECOND, NULL),
           0, 10, UTC_TIMESTAMP(6) - INTERVAL 1 DAY + INTERVAL n SECOND, UTC_TIMESTAMP(6),
           IF(%(live)s, NULL, UTC_TIMESTAMP(6))
      FROM numbers WHERE n < %(count)s
    """
PLANS = """
    INSERT INTO plans(plan_id, database_name, database_type, environment, deployment, repository, engine, schema_files,
                      changes, findings, original_schema, fingerprints, created_at)
    SELECT CONCAT('plan-', n), CONCAT('bench', n), 'sqlite', 'local', '', '', 'SQLite',
           '{"main":{"t.sql":"CREATE TABLE t(a);"}}',
           '[{"namespace":"main","table":"t","ddl":"CREATE TABLE t(a);","change_type":"create","strategy":"instant",'
           '"lock":"none"}]',
           '[]', '{}', '{}', UTC_TIMESTAMP(6)
      FROM numbers WHERE n < %(count)s
    """
BARE = """
    INSERT INTO bare(claimable_at, payload)
    SELECT UTC_TIMESTAMP(6) - INTERVAL 1 HOUR + INTERVAL n SECOND, 'work' FROM numbers WHERE n < %(count)s
    """


class Premises:
    """One database with a store of *history* completed applies; the floor and huey have their tables in it, too."""

    def __init__(self, port: int, history: int, plans: int) -> None:
        self.history = history
        self.address = f"mysql://{ACCOUNT}@127.0.0.1:{port}/bench_{history}?ssl_mode=disabled"
        self._link = connect(port)
        self._run(f"CREATE DATABASE bench_{history} DEFAULT CHARACTER SET utf8mb4")
        self._link.select_db(f"bench_{history}")
        store = open_store(self.address)
        store.upgrade()
        store.close()
        self._run(BareQueue.TABLE)
        self._make_numbers()
        self._run(PLANS, count=plans)
        for first in range(0, history, BATCH):
            self._run(APPLIES, first=first, count=min(BATCH, history - first), live=False)
        self._run("ANALYZE TABLE applies")
        self._last = self._number("SELECT COALESCE(max(id), 0) AS found FROM applies")

    def place(self, kind: str) -> Place:
        """Where the queue of that kind is."""
        return Place(kind=kind, address=self.address)

    def fill(self, kind: str, count: int) -> None:
        """Make that many due."""
        if kind == "store":
            self._run(APPLIES, first=self._last + 1, count=count, live=True)
        elif kind == "bare":
            self._run(BARE, count=count)
        else:
            huey = HueyQueue(self.address)
            huey.fill(count)
            huey.close()

    def due(self, kind: str) -> int:
        """How many are due now."""
        if kind == "huey":
            return self._number("SELECT count(*) AS found FROM task")
        table = {"store": "applies", "bare": "bare"}[kind]
        return self._number(f"SELECT count(*) AS found FROM {table} WHERE claimable_at <= UTC_TIMESTAMP(6)")

    def clear(self, kind: str) -> None:
        """Take away all but the history."""
        if kind != "store":
            self._run({"bare": "DELETE FROM bare", "huey": "DELETE FROM task"}[kind])
            return
        for table in ("apply_events", "attempts", "tasks"):
            self._run(f"DELETE FROM {table} WHERE apply_id > %(last)s", last=self._last)
        self._run("DELETE FROM applies WHERE id > %(last)s", last=self._last)

    def close(self) -> None:
        """Let go of the connection."""
        self._link.close()

    def _make_numbers(self) -> None:
        self._run("CREATE TABLE numbers(n INT NOT NULL PRIMARY KEY)")
        with self._link.cursor() as cursor:
            cursor.executemany("INSERT INTO numbers(n) VALUES (%s)", [(n,) for n in range(BATCH)])

    def _run(self, sql: str, **values: Any) -> None:
        with self._link.cursor() as cursor:
            cursor.execute(sql, values or None)

    def _number(self, sql: str) -> int:
        with self._link.cursor() as cursor:
            cursor.execute(sql)
            found = cursor.fetchone()
        assert found is not None
        return int(found["found"])


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the server says of itself."""

    version: str
    durability: str


def connect(port: int) -> "Connection[DictCursor]":
    """A connection for preparing: committed by itself, not in the binary log."""
    link = pymysql.connect(
        host="127.0.0.1",
        port=port,
        user=ACCOUNT,
        cursorclass=DictCursor,
        autocommit=True,
        read_timeout=300.0,
        ssl_disabled=True,
    )
    link.query("SET SESSION sql_log_bin = 0, SESSION unique_checks = 0, SESSION wait_timeout = 3600")
    return link


def about(port: int) -> About:
    """The server's version and how durable its commits are."""
    link = connect(port)
    with link.cursor() as cursor:
        cursor.execute(
            """
            SELECT version() AS version, @@innodb_flush_log_at_trx_commit AS log, @@sync_binlog AS binlog,
                   @@innodb_buffer_pool_size DIV 1048576 AS pool
            """
        )
        found = cursor.fetchone()
    link.close()
    assert found is not None
    return About(
        version=str(found["version"]),
        durability=(
            f"innodb_flush_log_at_trx_commit={found['log']}, sync_binlog={found['binlog']}, "
            f"buffer pool {found['pool']} MB"
        ),
    )


def deadlocks(port: int) -> int:
    """How many the server has seen so far, whether or not somebody ran the transaction again."""
    link = connect(port)
    with link.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_deadlocks'")
        found = cursor.fetchone()
        if found is None:
            cursor.execute(
                "SELECT count AS Value FROM information_schema.innodb_metrics WHERE name = 'lock_deadlocks'"
            )
            found = cursor.fetchone()
    link.close()
    return int(found["Value"]) if found else 0
