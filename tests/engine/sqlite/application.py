"""An application that writes in every way SQLite has, to the target and, the same, to a reference file of its own.

The reference is never rebuilt, so in the end both must hold the same rows. Run as a program it writes until it is told
to stop, and prints how many operations it did and the longest one.
"""

import random
import sys
import time
from pathlib import Path

import apsw

TABLE = """
CREATE TABLE items (
    id INTEGER PRIMARY KEY,
    code TEXT COLLATE NOCASE UNIQUE,
    place INTEGER,
    amount REAL,
    note,
    mix INTEGER NOT NULL DEFAULT 0,
    UNIQUE (place, amount)
)
"""
INDEXES = """
CREATE UNIQUE INDEX items_note ON items (note) WHERE amount > 500;
CREATE UNIQUE INDEX items_sum ON items (lower(code), place + 1);
CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT);
CREATE TRIGGER items_touch AFTER INSERT ON items WHEN NEW.id % 7 = 0
BEGIN UPDATE items SET note = 'touched ' || NEW.id WHERE id = NEW.id; INSERT INTO log (what) VALUES ('i' || NEW.id); END;
CREATE TRIGGER items_push BEFORE UPDATE OF place ON items WHEN NEW.place % 11 = 0
BEGIN UPDATE OR REPLACE items SET amount = amount + 1 WHERE id = NEW.id + 1; END;
"""
DESIRED = """
CREATE TABLE items (
    id INTEGER PRIMARY KEY,
    code TEXT COLLATE NOCASE UNIQUE,
    place INTEGER,
    amount REAL,
    note,
    mix INTEGER NOT NULL DEFAULT 0,
    extra TEXT NOT NULL DEFAULT 'none',
    UNIQUE (place, amount),
    CHECK (id <> 0)
);
CREATE INDEX items_place ON items (place);
CREATE INDEX items_mix ON items (mix, extra);
""" + INDEXES.replace("CREATE TABLE log (id INTEGER PRIMARY KEY, what TEXT);", "CREATE TABLE log (id);")
SAME_COLUMNS = "id, code, place, amount, note, typeof(note), mix"


def fill(rows: int, table: str = "items") -> str:
    """SQL that makes the first rows."""
    return f"""
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
    INSERT INTO {table} (id, code, place, amount, note, mix)
    SELECT i * 3, 'code ' || i, i % 100, i + 0.5, CASE i % 5 WHEN 0 THEN NULL ELSE 'note ' || i END, i * 7919 % 1009 FROM n
    """


class Application:
    """Random operations from a seed: the same on both connections."""

    def __init__(self, target: Path, reference: Path, seed: int, rows: int) -> None:
        self.connections = [apsw.Connection(str(path)) for path in (target, reference)]
        for connection in self.connections:
            connection.set_busy_timeout(20_000)
        self.random = random.Random(seed)
        self.rows = rows
        self.done = 0
        self.longest = 0.0

    def close(self) -> None:
        """Close both."""
        for connection in self.connections:
            connection.close()

    def step(self) -> None:
        """One transaction. Only the application's own conflicts may fail it, and on both alike."""
        statements = self._statements()
        outcomes = []
        for connection in self.connections:
            began = time.monotonic()
            outcomes.append(self._run(connection, statements))
            self.longest = max(self.longest, time.monotonic() - began)
        assert outcomes[0] == outcomes[1], (outcomes, statements)
        self.done += 1

    def _run(self, connection: apsw.Connection, statements: list[str]) -> str:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements:
                connection.execute(statement)
            connection.execute("COMMIT")
        except apsw.ConstraintError as error:
            connection.execute("ROLLBACK")
            return str(error)
        return "ok"

    def _statements(self) -> list[str]:
        r = self.random
        a, b = r.randint(1, self.rows * 3), r.randint(1, self.rows * 3)
        place, code = r.randint(0, 99), f"{r.choice(['code', 'CODE'])} {r.randint(1, self.rows)}"
        values = f"'{code}', {place}, {r.randint(1, self.rows)}.5, 'note {r.randint(1, self.rows)}'"
        columns = "(code, place, amount, note)"
        return r.choice(
            [
                [f"INSERT INTO items {columns} VALUES ({values})"],
                [f"INSERT OR REPLACE INTO items (id, code, place, amount, note) VALUES ({a}, {values})"],
                [f"REPLACE INTO items {columns} VALUES ({values})"],
                [f"INSERT OR IGNORE INTO items {columns} VALUES ({values})"],
                [f"INSERT INTO items (id, code) VALUES ({a}, '{code}') ON CONFLICT DO UPDATE SET amount = amount + 0.25"],
                [f"UPDATE OR REPLACE items SET code = '{code}' WHERE id = {a}"],
                [f"UPDATE OR REPLACE items SET id = {a} WHERE id = {b}"],
                [f"UPDATE items SET id = -{a} WHERE id = {a}"],
                [f"UPDATE OR REPLACE items SET place = {place}, amount = {a} WHERE id IN ({a}, {b})"],
                [f"UPDATE OR REPLACE items SET note = 'note {b}', amount = 501 WHERE id = {a}"],
                [f"UPDATE OR IGNORE items SET note = 'bulk {place}', amount = amount + 0.125 WHERE place = {place}"],
                [f"UPDATE items SET mix = mix + {place} WHERE place = {place}"],
                [f"DELETE FROM items WHERE id = {a}"],
                [f"DELETE FROM items WHERE place = {place} AND id % 5 = 0"],
                [  # two rows exchange a unique value
                    f"UPDATE items SET code = 'swap' WHERE id = (SELECT id FROM items WHERE id >= {a} LIMIT 1)",
                    f"UPDATE OR IGNORE items SET code = 'code {a}' WHERE id = (SELECT id FROM items WHERE id >= {b} LIMIT 1)",
                    f"UPDATE OR REPLACE items SET code = 'code {b}' WHERE code = 'swap'",
                ],
                [f"DELETE FROM items WHERE id = {a}", f"INSERT OR REPLACE INTO items (id, code) VALUES ({a}, '{code}')"],
            ]
        )  # fmt: skip


def main() -> None:
    """Write until a line comes on stdin."""
    target, reference, seed, rows, stop = sys.argv[1:6]
    application = Application(Path(target), Path(reference), int(seed), int(rows))
    print("ready", flush=True)
    while not Path(stop).exists():
        application.step()
        time.sleep(0.002)
    print(application.done, application.longest, flush=True)


if __name__ == "__main__":
    main()
