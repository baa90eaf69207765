"""An application at work on a table: several writers with a few kinds of statements each, every operation accounted for."""

import random
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pymysql

from engine.errors import EngineError
from tests.engine.mysql.copying.rig import Rig
from tests.servers.numbers import numbers

TABLE = """
CREATE TABLE t (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    u INT DEFAULT NULL,
    ops INT NOT NULL DEFAULT 1,
    pad VARCHAR(60) NOT NULL,
    touched DATETIME(3) NOT NULL DEFAULT '2024-01-01',
    UNIQUE KEY u (u), KEY pad (pad)
) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
"""


def fill(rows: int) -> str:
    """SQL that makes the first rows."""
    return f"""
    INSERT INTO t (id, u, pad)
    SELECT i, i, REPEAT(CHAR(97 + i MOD 26), 1 + i MOD 60) FROM {numbers(rows)}
    """


class Writer:
    """One connection that changes rows at random and counts what was committed."""

    def __init__(self, rig: Rig, seed: int, rows: int, tables: Sequence[str] = ("t",)) -> None:
        self._rig = rig
        self._tables = tables
        self.random = random.Random(seed)
        self._rows = rows
        self.count = Counter[str]()
        self.errors = Counter[int]()
        self.seen: list[tuple[float, float]] = []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"writer-{seed}")

    def _run(self) -> None:
        connection = self._rig.server.connect(database=self._rig.schema, autocommit=False)
        try:
            while not self.stop.is_set():
                name = self.random.choice(KINDS)
                try:
                    with connection.cursor() as cursor:
                        sums = getattr(self, f"_{name}")(cursor)
                    connection.commit()
                except pymysql.MySQLError as error:
                    code = error.args[0]
                    self.errors[code] += 1
                    if code not in (1062, 1205, 1213):  # its own conflicts
                        if code in (2006, 2013, 1053, 1927, 4031, 0):
                            connection = self._rig.server.connect(database=self._rig.schema, autocommit=False)
                            continue
                        raise
                    connection.rollback()
                else:
                    self.count[name] += 1
                    self.count["sum"] += sums
        finally:
            connection.close()

    def _id(self) -> int:
        return self.random.randint(1, self._rows)

    def _update(self, cursor: Any) -> int:
        return int(
            cursor.execute("UPDATE t SET ops = ops + 1, pad = %s WHERE id = %s", (self._pad(), self._id()))
        )

    def _insert(self, cursor: Any) -> int:
        return int(cursor.execute("INSERT INTO t (pad) VALUES (%s)", (self._pad(),)))

    def _again(self, cursor: Any) -> int:
        """Delete and insert the same key."""
        key = self._id()
        cursor.execute("SELECT ops FROM t WHERE id = %s FOR UPDATE", (key,))
        row = cursor.fetchone()
        cursor.execute("DELETE FROM t WHERE id = %s", (key,))
        cursor.execute(
            "INSERT INTO t (id, ops, pad) VALUES (%s, %s, 'again')", (key, (row[0] if row else 0) + 1)
        )
        return 1

    def _delete(self, cursor: Any) -> int:
        key = self._id()
        cursor.execute("SELECT ops FROM t WHERE id = %s FOR UPDATE", (key,))
        row = cursor.fetchone()
        cursor.execute("DELETE FROM t WHERE id = %s", (key,))
        return -int(row[0]) if row else 0

    def _move(self, cursor: Any) -> int:
        """Another key for a row."""
        cursor.execute("UPDATE t SET id = %s, ops = ops + 1 WHERE id = %s", (self._id(), self._id()))
        return int(cursor.rowcount)

    def _replace(self, cursor: Any) -> int:
        key = self._id()
        cursor.execute("SELECT ops FROM t WHERE id = %s FOR UPDATE", (key,))
        row = cursor.fetchone()
        cursor.execute("REPLACE INTO t (id, ops, pad) VALUES (%s, 1, 'replaced')", (key,))
        return 1 - (int(row[0]) if row else 0)

    def _upsert(self, cursor: Any) -> int:
        key = self._id()
        cursor.execute(
            "INSERT INTO t (id, pad) VALUES (%s, 'new') ON DUPLICATE KEY UPDATE ops = ops + 1", (key,)
        )
        return 1

    def _hand_on(self, cursor: Any) -> int:
        """The unique value of one row goes to another."""
        one, other = sorted((self._id(), self._id()))
        cursor.execute("SELECT id, u FROM t WHERE id IN (%s, %s) ORDER BY id FOR UPDATE", (one, other))
        rows = cursor.fetchall()
        if len(rows) < 2:
            return 0
        cursor.execute("UPDATE t SET u = NULL, ops = ops + 1 WHERE id = %s", (rows[0][0],))
        cursor.execute("UPDATE t SET u = %s, ops = ops + 1 WHERE id = %s", (rows[0][1], rows[1][0]))
        return 2

    def _swap(self, cursor: Any) -> int:
        """Two rows exchange their unique values."""
        one, other = sorted((self._id(), self._id()))
        cursor.execute("SELECT id, u FROM t WHERE id IN (%s, %s) ORDER BY id FOR UPDATE", (one, other))
        rows = cursor.fetchall()
        if len(rows) < 2:
            return 0
        for key, value in ((rows[0][0], None), (rows[1][0], rows[0][1]), (rows[0][0], rows[1][1])):
            cursor.execute("UPDATE t SET u = %s, ops = ops + 1 WHERE id = %s", (value, key))
        return 3

    def _many(self, cursor: Any) -> int:
        """A transaction over many rows, half of it undone."""
        start = self._id()
        changed = cursor.execute("UPDATE t SET ops = ops + 1 WHERE id BETWEEN %s AND %s", (start, start + 20))
        cursor.execute("SAVEPOINT half")
        cursor.execute("UPDATE t SET ops = ops + 100 WHERE id BETWEEN %s AND %s", (start, start + 10))
        cursor.execute("ROLLBACK TO half")
        return int(changed)

    def _pad(self) -> str:
        return self.random.choice("abcdefgh") * self.random.randint(1, 60)


KINDS = (
    *("update",) * 8, *("insert",) * 3, *("delete",) * 2, *("again",) * 2, *("move",) * 2, "replace", "upsert",
    *("hand_on",) * 3, *("swap",) * 3, "many",
)  # fmt: skip


class Application:
    """A context manager: inside, the writers write; afterwards `sum` is how many operations they committed."""

    def __init__(self, rig: Rig, *, writers: int = 4, rows: int = 20_000, seed: int = 1) -> None:
        self.writers = [Writer(rig, seed * 100 + n, rows) for n in range(writers)]

    def __enter__(self) -> "Application":
        for writer in self.writers:
            writer.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.halt()

    def halt(self) -> None:
        """Let all finish what they are at."""
        for writer in self.writers:
            writer.stop.set()
        for writer in self.writers:
            writer.thread.join(30)

    @property
    def sum(self) -> int:
        return sum(writer.count["sum"] for writer in self.writers)

    @property
    def transactions(self) -> int:
        return sum(sum(writer.count.values()) - writer.count["sum"] for writer in self.writers)


class Killer:
    """Kills connections of the copy at random, again and again, while it is entered; `killed` counts."""

    def __init__(self, rig: Rig, *, seed: int, every: float = 0.3) -> None:
        self._rig = rig
        self._random = random.Random(seed)
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="killer")
        self.killed = 0

    def __enter__(self) -> "Killer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with self._rig.link() as link:
            while not self._stop.wait(self._every * self._random.uniform(0.5, 1.5)):
                try:
                    ours = [int(one) for (one,) in link.rows(OURS)]
                    if ours:
                        link.run(f"KILL {self._random.choice(ours)}")
                        self.killed += 1
                except EngineError:
                    continue  # gone by itself, or nobody has begun yet


OURS = """
SELECT id FROM information_schema.processlist
 WHERE command LIKE 'Binlog Dump%' OR id IN (SELECT connection_id FROM _schemabot_connection)
"""
