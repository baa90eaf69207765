"""The shop of the fault tests in a database of a MariaDB or MySQL server, as `shop` is the one in a SQLite file."""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pymysql

from storage.states import State
from tests.faults.grounds import patiently
from tests.faults.shop import Shop
from tests.servers.numbers import numbers
from tests.servers.server import Server

BEFORE = """
CREATE TABLE items (
  id INT NOT NULL PRIMARY KEY, name VARCHAR(40) NOT NULL, amount VARCHAR(10) NOT NULL, KEY items_by_name (name)
)
"""
AFTER = """
CREATE TABLE items (
  id INT NOT NULL PRIMARY KEY, name VARCHAR(40) NOT NULL, amount INT NOT NULL, note VARCHAR(20) DEFAULT NULL,
  KEY items_by_name (name), KEY items_by_amount (amount)
);
CREATE TABLE extras (id INT NOT NULL PRIMARY KEY, item_id INT DEFAULT NULL);
"""
OLD_NAMES = {"items", "index PRIMARY", "index items_by_name"}
NEW_NAMES = OLD_NAMES | {"index items_by_amount"}
ANSWER_SECONDS = 20


class ServerShop(Shop):
    """In a database of its own."""

    def __init__(self, server: Server, database: str, rows: int, template: str) -> None:
        super().__init__(rows)
        self._server = server
        self._database = database
        self._doubtful: tuple[int, set[int | None]] | None = None
        self._wrong: list[str] = []
        self.worst_stall = 0.0
        """The longest that a write took which succeeded, in seconds."""
        self._run([f"CREATE DATABASE {database} CHARACTER SET utf8mb4"])
        self._run([f"USE {database}", BEFORE, f"INSERT INTO items SELECT * FROM {template}.items"])

    # -- the application ------------------------------------------------------------------------------------------

    def _trade(self, chance: random.Random) -> None:
        while not self.done.is_set():
            # The server may be away, or end our connection: then the application connects again.
            with suppress(pymysql.MySQLError, OSError), self._connected() as connection:
                self._resolve(connection)
                while not self.done.wait(0.025):
                    self._write(connection, chance)
            self.done.wait(0.1)

    def _write(self, connection: Any, chance: random.Random) -> None:
        key, amount = chance.randrange(1, len(self.amounts) + 100), chance.randrange(100)
        old, new = self.amounts.get(key), None if key in self.amounts and amount < 20 else amount
        if old is None:
            statement = f"INSERT INTO items (id, name, amount) VALUES ({key}, 'new', '{amount}')"
        elif new is None:
            statement = f"DELETE FROM items WHERE id = {key}"
        else:
            statement = f"UPDATE items SET amount = '{amount}' WHERE id = {key}"
        self._doubtful = (key, {old, new})
        began = time.monotonic()
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        except pymysql.MySQLError as error:
            if error.args and error.args[0] in (1205, 1213):  # rolled back, and nothing is in doubt
                self._doubtful = None
                return
            raise
        self.worst_stall = max(self.worst_stall, time.monotonic() - began)
        self._settle(key, new)

    def _settle(self, key: int, amount: int | None) -> None:
        self._doubtful = None
        if amount is None:
            self.amounts.pop(key, None)
        else:
            self.amounts[key] = amount

    def _resolve(self, connection: Any) -> None:
        """The answer to the last write was lost: it is done, or it is not; anything else is a breach."""
        if self._doubtful is None:
            return
        key, possible = self._doubtful
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT CAST(amount AS SIGNED) FROM items WHERE id = {key}")
            row = cursor.fetchone()
        found = None if row is None else int(row[0])
        if found not in possible:
            self._wrong.append(f"I8: row {key} is {found}, not one of {possible}")
        self._settle(key, found)

    # -- the check --------------------------------------------------------------------------------------------------

    def faults(self, ended: State) -> list[str]:
        """Breaches of I8 in words (see `Shop`)."""
        with self._patiently() as connection:
            self._resolve(connection)
            names = self._names(connection)
            kind = _rows(
                connection,
                "SELECT data_type FROM information_schema.columns"
                f" WHERE table_schema = '{self._database}' AND table_name = 'items' AND column_name = 'amount'",
            )[0][0]
            rows = dict(_rows(connection, "SELECT id, CAST(amount AS SIGNED) FROM items"))
        completed = ended is State.COMPLETED
        expected = (NEW_NAMES if kind == "int" else OLD_NAMES) | ({"extras"} & names)
        found = [*self._wrong, *self.compare(rows)]
        if completed and (kind != "int" or "extras" not in names):
            found.append(f"I8: completed, but amounts are {kind}, and there is {sorted(names)}")
        if names != expected and (ended is not State.FAILED or not names > expected):
            found.append(f"I8: there is {sorted(names)}, not {sorted(expected)}")
        return found

    def _names(self, connection: Any) -> set[str]:
        where = f"WHERE table_schema = '{self._database}'"
        tables = _rows(connection, f"SELECT table_name FROM information_schema.tables {where}")
        indexes = _rows(
            connection,
            f"SELECT index_name FROM information_schema.statistics {where} AND table_name = 'items'",
        )
        triggers = _rows(
            connection,
            f"SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = '{self._database}'",
        )
        return (
            {name for (name,) in tables}
            | {f"index {name}" for (name,) in indexes}
            | {f"trigger {name}" for (name,) in triggers}
        )

    def remove(self) -> None:
        """Drop the database."""
        self._run([f"DROP DATABASE {self._database}"])

    # -- connections --------------------------------------------------------------------------------------------------

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        with self._server.connect(
            database=self._database, autocommit=True, read_timeout=ANSWER_SECONDS
        ) as connection:
            yield connection

    @contextmanager
    def _patiently(self) -> Iterator[Any]:
        connection = patiently(lambda: self._server.connect(database=self._database, autocommit=True))
        with connection:
            yield connection

    def _run(self, statements: Sequence[str]) -> None:
        with patiently(lambda: self._server.connect(autocommit=True)) as connection:
            for statement in statements:
                with connection.cursor() as cursor:
                    cursor.execute(statement)


class Blocker(threading.Thread):
    """A transaction of somebody's that has read a table and stays open: it holds the table's metadata lock."""

    def __init__(self, server: Server, database: str, seconds: float) -> None:
        super().__init__(name="open transaction")
        self._server = server
        self._database = database
        self._seconds = seconds
        self._done = threading.Event()

    def run(self) -> None:
        """Hold it; the server may be gone meanwhile."""
        with (
            suppress(pymysql.MySQLError, OSError),
            self._server.connect(database=self._database, autocommit=False) as connection,
        ):
            with connection.cursor() as cursor:
                cursor.execute("SET SESSION lock_wait_timeout = 2")
                cursor.execute("SELECT id FROM items LIMIT 1")
                cursor.fetchall()
            self._done.wait(self._seconds)

    def end(self) -> None:
        """Let go."""
        self._done.set()
        self.join()


def make_template(server: Server, database: str, rows: int) -> None:
    """A shop to copy others from: so many items in *database*."""
    with server.connect(database=database, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(BEFORE)
        made = "SELECT i, CONCAT('name ', i * 7919 % 1000), i % 100"
        cursor.execute(f"INSERT INTO items {made} FROM {numbers(rows)}")


def _rows(connection: Any, sql: str) -> Sequence[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())
