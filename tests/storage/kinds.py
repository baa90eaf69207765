"""The kinds of store, each with what a test may do behind its back: one class per kind, one interface.

`known(address)` gives the class for an address, in the test and in the processes it starts.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import apsw
import pymysql
from pymysql.connections import Connection

from storage.base import Store
from storage.lifecycle.statements import Guard
from storage.mysql.store import MysqlStore
from storage.mysql.transaction import BETWEEN
from storage.sqlite.store import SqliteStore
from tests import write_log
from tests.storage.scene import a_plan

KINDS = ("mariadb", "mysql", "sqlite")
BEGIN = ("BEGIN IMMEDIATE", "START TRANSACTION")
Before = Callable[[str], None]
"""Is told of a statement before it runs, or of all that go to a server together, and may stop it by raising."""


class Clock:
    """The store's clock, as it is seen through connections that were opened with it; a test may turn it."""

    def __init__(self) -> None:
        self.offset = 0.0

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time() + self.offset


class Watch:
    """Keeps what was run on the connections that were opened with it."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def __call__(self, sql: str) -> None:
        self.statements.append(sql)


class Known(ABC):
    """An upgraded store, as a test knows it: its tables, its clock, its transactions."""

    def __init__(self, address: str) -> None:
        self.address = address

    @abstractmethod
    def open(
        self,
        *,
        guard: Guard = "full",
        clock: Clock | None = None,
        before: Before | None = None,
        patient: bool = False,
    ) -> Store:
        """The store; *patient*: many processes queue for it."""

    @abstractmethod
    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement on the tables."""

    @abstractmethod
    def run(self, *statements: str) -> None:
        """Run statements one after the other on one connection, each committed by itself."""

    @abstractmethod
    def explain(self, sql: str) -> list[str]:
        """How a statement would be run, in the store's words."""

    @abstractmethod
    def somebody_is_inside(self) -> bool:
        """Whether a transaction that has locked something is open."""

    @abstractmethod
    def jam(self) -> None:
        """Refuse every change of an apply that has been retrying since 1970."""

    @property
    @abstractmethod
    def history_sql(self) -> str:
        """Makes applies number first … first + count - 1: live ones due since 1970, or completed ones."""

    @property
    @abstractmethod
    def write_log_sql(self) -> Sequence[str]:
        """Make `write_log` and what fills it."""

    own_columns: frozenset[str]
    """Columns of this kind only, computed from the others."""

    @abstractmethod
    def columns(self, table: str) -> list[str]:
        """The columns of a table, in alphabetical order."""

    @property
    @abstractmethod
    def early(self) -> str:
        """A time in 1970, as an SQL expression."""

    def generate(self, store: Store, *, history: int = 0, live: int = 0) -> None:
        """Make applies by SQL: completed ones, then live ones that are due."""
        store.save_plan(a_plan("history", 0, "plan-history"))
        ((first,),) = self.rows("SELECT COALESCE(max(id), 0) + 1 FROM applies")
        for count, is_live in ((history, 0), (live, 1)):
            if count:
                self.rows(self.history_sql.format(first=int(first), count=count, live=is_live))
                first += count

    def keep_write_log(self) -> None:
        """Log every fenced write in the transaction that makes it."""
        self.run(*self.write_log_sql)

    def violations(self) -> list[str]:
        """Breaches of I2, I3 and I7 in the write log and the attempts, in words; empty when all is well.

        The numbers of the log are the order of commit: every write to an apply has locked its row first.
        """
        return write_log.breaches(self.rows)


def known(address: str) -> Known:
    """What serves the address."""
    return KnownServer(address) if address.startswith("mysql://") else KnownFile(address)


class KnownFile(Known):
    """A SQLite file."""

    early = "5"
    own_columns = frozenset()

    def columns(self, table: str) -> list[str]:
        return [
            str(name) for (name,) in self.rows("SELECT name FROM pragma_table_info(?) ORDER BY name", table)
        ]

    history_sql = """
        INSERT INTO applies(apply_uid, plan_id, request_hash, database_name, database_type, environment, deployment,
                            repository, caller, engine, options, state, claimable_at, due_in, max_attempts, created_at,
                            updated_at, finished_at)
        WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {first} + {count})
        SELECT 'apply-' || i, 'plan-history', '', 'db' || CASE WHEN {live} THEN i ELSE i % 1000 END, 'sqlite', 'local',
               'x', '', 'ann', 'SQLite', '{{}}', CASE WHEN {live} THEN 'pending' ELSE 'completed' END,
               CASE WHEN {live} THEN 1000 + i END, 0, 10, 1000 + i, 1000 + i, CASE WHEN {live} THEN NULL ELSE 2000 + i END
          FROM n
        """
    write_log_sql = write_log.SQLITE

    @property
    def path(self) -> Path:
        """The file."""
        return Path(self.address)

    def open(
        self,
        *,
        guard: Guard = "full",
        clock: Clock | None = None,
        before: Before | None = None,
        patient: bool = False,
    ) -> Store:
        def install(connection: apsw.Connection) -> None:
            if clock is not None:
                turned = clock

                def unixepoch(*_modifiers: object) -> float:
                    return turned.now()

                connection.create_scalar_function("unixepoch", unixepoch, 1, deterministic=False)
            if before is not None:
                told = before

                def trace(_cursor: apsw.Cursor, sql: str, _values: object) -> bool:
                    told(sql)
                    return True

                connection.exec_trace = trace

        busy = 30.0 if patient else 5.0
        return SqliteStore(self.path, busy_seconds=busy, _guard=guard, _on_connect=install)

    @contextmanager
    def _connected(self) -> Iterator[apsw.Connection]:
        connection = apsw.Connection(self.address, flags=apsw.SQLITE_OPEN_READWRITE)
        connection.set_busy_timeout(10_000)
        try:
            yield connection
        finally:
            connection.close()

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._connected() as connection:
            return list(connection.execute(sql, values))

    def run(self, *statements: str) -> None:
        with self._connected() as connection:
            for sql in statements:
                connection.execute(sql)

    def explain(self, sql: str) -> list[str]:
        return [str(step[3]) for step in self.rows(f"EXPLAIN QUERY PLAN {sql}")]

    def somebody_is_inside(self) -> bool:
        connection = apsw.Connection(self.address)
        connection.set_busy_timeout(200)
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
        except apsw.BusyError:
            return True
        finally:
            connection.close()
        return False

    def jam(self) -> None:
        self.rows(
            """
            CREATE TRIGGER jam BEFORE UPDATE ON applies WHEN OLD.retrying_since = 5 BEGIN SELECT RAISE(ABORT, 'stuck'); END
            """
        )


_DIGITS = " UNION ALL ".join(f"SELECT {n} AS d" for n in range(10))


class KnownServer(Known):
    """A database of MySQL or MariaDB."""

    early = "'1970-01-01 00:00:00.005'"
    own_columns = frozenset({"live", "shown_at", "is_open", "exhausted"})

    def columns(self, table: str) -> list[str]:
        found = self.rows(
            """
            SELECT column_name FROM information_schema.columns
             WHERE table_schema = DATABASE() AND table_name = ? ORDER BY column_name
            """,
            table,
        )
        return [str(name) for (name,) in found]

    history_sql = f"""
        INSERT INTO applies(apply_uid, plan_id, request_hash, database_name, database_type, environment, deployment,
                            repository, caller, engine, options, state, claimable_at, due_in, max_attempts, created_at,
                            updated_at, finished_at)
        SELECT CONCAT('apply-', i), 'plan-history', '', CONCAT('db', IF({{live}}, i, i % 1000)), 'sqlite', 'local',
               'x', '', 'ann', 'SQLite', '{{{{}}}}', IF({{live}}, 'pending', 'completed'), IF({{live}}, made, NULL), 0,
               10, made, made, IF({{live}}, NULL, made + INTERVAL 1 SECOND)
          FROM (SELECT i, '1970-01-01 00:00:01.000000' + INTERVAL i * 1000 MICROSECOND AS made
                  FROM (SELECT {{first}} + a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d + 100000 * g.d AS i
                          FROM ({_DIGITS}) a, ({_DIGITS}) b, ({_DIGITS}) c, ({_DIGITS}) e, ({_DIGITS}) f, ({_DIGITS}) g)
                       numbers
                 WHERE i < {{first}} + {{count}}) n
         ORDER BY i
        """
    write_log_sql = write_log.MYSQL

    def open(
        self,
        *,
        guard: Guard = "full",
        clock: Clock | None = None,
        before: Before | None = None,
        patient: bool = False,
    ) -> Store:
        def install(link: "Connection[Any]") -> None:
            query = link.query

            def watched(sql: Any, unbuffered: bool = False) -> int:
                text = sql.decode() if isinstance(sql, bytes) else str(sql)
                if before is not None:
                    for statement in text.split(BETWEEN):
                        before(statement)
                if clock is not None:
                    query(f"SET timestamp = {clock.now():.6f}")
                return query(sql, unbuffered)

            link.query = watched  # type: ignore[method-assign]

        return MysqlStore(self.address.removeprefix("mysql://"), _guard=guard, _on_connect=install)

    @contextmanager
    def connected(self, **options: Any) -> Iterator["Connection[Any]"]:
        """A connection of the test's own, in autocommit."""
        parts = urlsplit(self.address)
        connection = pymysql.connect(
            host=parts.hostname,
            port=parts.port or 3306,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            database=parts.path.removeprefix("/"),
            autocommit=True,
            charset="utf8mb4",
            ssl_disabled=True,
            **options,
        )
        with connection:
            yield connection

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.connected() as connection, connection.cursor() as cursor:
            cursor.execute(sql.replace("?", "%s") if values else sql, values or None)
            return list(cursor.fetchall())

    def run(self, *statements: str) -> None:
        with self.connected() as connection, connection.cursor() as cursor:
            for sql in statements:
                cursor.execute(sql)

    def explain(self, sql: str) -> list[str]:
        with self.connected() as connection, connection.cursor(pymysql.cursors.DictCursor) as cursor:
            form = "" if "MariaDB" in self.version else "FORMAT=TRADITIONAL"
            cursor.execute(f"EXPLAIN {form} {sql}")
            return [
                f"{row['table']}: {row['type']} {row['key']}; {row['Extra']}" for row in cursor.fetchall()
            ]

    @property
    def version(self) -> str:
        """What the server says it is."""
        return str(self.rows("SELECT VERSION()")[0][0])

    def somebody_is_inside(self) -> bool:
        # The server looks at most ten times a second; two looks in a row are of different moments.
        def inside() -> bool:
            ((count,),) = self.rows(
                """
                SELECT count(*) FROM information_schema.innodb_trx JOIN information_schema.processlist
                    ON id = trx_mysql_thread_id
                 WHERE db = DATABASE()
                """
            )
            return bool(count)

        first = inside()
        time.sleep(0.15)
        return first or inside()

    def jam(self) -> None:
        self.rows(
            f"""
            CREATE TRIGGER jam BEFORE UPDATE ON applies FOR EACH ROW
            IF OLD.retrying_since = {self.early} THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'stuck'; END IF
            """
        )
