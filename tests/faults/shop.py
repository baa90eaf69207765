"""A target of the fault tests: a table with rows that is rebuilt, an application that goes on writing, and the check I8.

This is the one in a SQLite file; `server_shop` has the one on a server.
"""

import random
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from storage.states import State

BEFORE = "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL, amount TEXT NOT NULL)"
INDEX = "CREATE INDEX items_by_name ON items (name)"
AFTER = """
CREATE TABLE items (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, amount INTEGER NOT NULL CHECK (amount >= 0), note TEXT
);
CREATE INDEX items_by_name ON items (name);
CREATE INDEX items_by_amount ON items (amount);
CREATE TABLE extras (id INTEGER PRIMARY KEY, item_id INTEGER REFERENCES items (id));
"""
OLD_NAMES = {"items", "items_by_name"}
NEW_NAMES = OLD_NAMES | {"items_by_amount"}


@cache
def filled(rows: int) -> bytes:
    """The file of a shop with that many rows."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "template.sqlite"
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(BEFORE)
            connection.execute(
                "INSERT INTO items WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n LIMIT ?)"
                " SELECT v, 'name ' || (v * 7919 % 1000), CAST(v % 100 AS TEXT) FROM n",
                (rows,),
            )
            connection.execute(INDEX)
            connection.execute("PRAGMA journal_mode = WAL")
        return path.read_bytes()


class Shop(ABC):
    """One target and what must be in it."""

    def __init__(self, rows: int) -> None:
        self.amounts = {n: n % 100 for n in range(1, rows + 1)}
        self.done = threading.Event()
        self._thread: threading.Thread | None = None

    def open_for_business(self, seed: int) -> None:
        """An application writes from now on, about forty times a second."""
        self._thread = threading.Thread(target=self._trade, args=(random.Random(seed),), name="application")
        self._thread.start()

    def close(self) -> None:
        """No more writes."""
        self.done.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    @abstractmethod
    def _trade(self, chance: random.Random) -> None:
        """Write until `done`."""

    @abstractmethod
    def faults(self, ended: State) -> list[str]:
        """Breaches of I8 in words. Completed: the new table; else the old or the new one. Whole, and nothing beside it.

        What was given up (failed) may leave our tables for the next apply to remove; the application's rows are whole.
        """

    @abstractmethod
    def remove(self) -> None:
        """Delete it and all that belongs to it."""

    def compare(self, rows: Mapping[int, int]) -> list[str]:
        """Breaches of I8 by the rows that are there."""
        if rows == self.amounts:
            return []
        lost = len(self.amounts.keys() - rows.keys())
        more = len(rows.keys() - self.amounts.keys())
        stale = sum(rows[key] != self.amounts[key] for key in rows.keys() & self.amounts.keys())
        return [f"I8: {lost} rows lost, {more} too many, {stale} stale"]


class SqliteShop(Shop):
    """In a file."""

    def __init__(self, path: Path, rows: int) -> None:
        super().__init__(rows)
        path.write_bytes(filled(rows))
        self.path = path

    def _trade(self, chance: random.Random) -> None:
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=1.0)
        with closing(connection):
            while not self.done.wait(0.025):
                # A stopped worker may hold the target for as long as it is stopped: then nothing is written.
                with suppress(sqlite3.OperationalError):
                    self._write(connection, chance)
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _write(self, connection: sqlite3.Connection, chance: random.Random) -> None:
        key, amount = chance.randrange(1, len(self.amounts) + 100), chance.randrange(100)
        connection.execute("BEGIN IMMEDIATE")
        if key not in self.amounts:
            connection.execute(
                "INSERT INTO items (id, name, amount) VALUES (?, 'new', ?)", (key, str(amount))
            )
        elif amount < 20:
            connection.execute("DELETE FROM items WHERE id = ?", (key,))
        else:
            connection.execute("UPDATE items SET amount = ? WHERE id = ?", (str(amount), key))
        connection.execute("COMMIT")
        if key in self.amounts and amount < 20:
            del self.amounts[key]
        else:
            self.amounts[key] = amount

    def faults(self, ended: State) -> list[str]:
        completed = ended is State.COMPLETED
        with closing(sqlite3.connect(self.path, timeout=30.0)) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            kinds = {kind for (kind,) in connection.execute("SELECT DISTINCT typeof(amount) FROM items")}
            expected = (NEW_NAMES if kinds == {"integer"} else OLD_NAMES) | ({"extras"} & names)
            found = []
            if completed and (kinds != {"integer"} or "extras" not in names):
                found.append(f"I8: completed, but amounts are {sorted(kinds)}, and there is {sorted(names)}")
            if names != expected and (ended is not State.FAILED or not names > expected):
                found.append(f"I8: there is {sorted(names)}, not {sorted(expected)}")
            rows = {key: int(value) for key, value in connection.execute("SELECT id, amount FROM items")}
            found += self.compare(rows)
            if connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                found.append("I8: the file is damaged")
        return found

    def remove(self) -> None:
        for file in self.path.parent.glob(f"{self.path.name}*"):
            file.unlink()
