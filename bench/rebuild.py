"""Online rebuild of a large SQLite table beside a writer: `python -m bench.rebuild [--rows N] [--quick]`.

For each table: the floor is one INSERT … SELECT into the same definition (indexes included) on the same file, nobody
else writing. Then a separate process commits a small transaction every 2 ms, before, during and after the rebuild; it
waits for locks with SQLite's own busy handler. A stall is how long one of its transactions took.
"""

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import apsw

from bench.machine import describe
from engine.base import DEFAULT_VOLUME, Change, Job, Progress, Signal, Target
from engine.sqlite.engine import SqliteEngine


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table to rebuild."""

    columns: str = "id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, quantity TEXT NOT NULL, note TEXT, placed_at TEXT NOT NULL"
    indexes: str = ""

    @property
    def new_columns(self) -> str:
        """What it becomes."""
        return self.columns.replace("quantity TEXT", "quantity INTEGER")


PAIR = f"{Table().columns.replace('PRIMARY KEY', 'NOT NULL')}, PRIMARY KEY (customer, id)"
TABLES = {
    "no index": Table(),
    "index in key order": Table(indexes="CREATE INDEX by_time ON orders (placed_at);"),
    "index in random order": Table(indexes="CREATE INDEX by_customer ON orders (customer);"),
    "key of two columns": Table(columns=PAIR),
}
PAUSE = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class Stalls:
    """Seconds that transactions of the writer took, in a stretch of time."""

    p50: float
    p99: float
    worst: float
    count: int

    @classmethod
    def of(cls, durations: Sequence[float]) -> "Stalls":
        """From the single durations."""
        ordered = sorted(durations) or [0.0]
        return cls(
            p50=ordered[len(ordered) // 2], p99=ordered[int(len(ordered) * 0.99)], worst=ordered[-1],
            count=len(durations),
        )  # fmt: skip


class Going:
    """A Control that never stops anything."""

    def report(self, _: Progress) -> Signal:
        """Go on."""
        return Signal.GO

    def clear_to_cut_over(self) -> Signal:
        """Go."""
        return Signal.GO

    def pause(self, seconds: float) -> None:
        """Rest."""
        time.sleep(seconds)

    def volume(self) -> int:
        """SQLite has no use for it."""
        return DEFAULT_VOLUME


def write(path: str, rows: int) -> None:
    """The application (a process of its own): one row changed or added per transaction, until stdin closes."""
    stop = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=wait, daemon=True).start()
    connection = apsw.Connection(path)
    connection.set_busy_timeout(10_000)
    print("ready", flush=True)
    number = 0
    found: list[tuple[float, float]] = []
    while not stop.is_set():
        number += 1
        began = time.monotonic()
        if number % 2:
            connection.execute(
                "UPDATE orders SET note = ?1 WHERE id = ?2 AND customer = ?2 * 7919 % 1000003",
                (f"n{number}", number * 7919 % rows + 1),
            )
        else:
            connection.execute(
                "INSERT INTO orders (id, customer, quantity, placed_at) VALUES (?, ?, '1', ?)",
                (rows + number, number, str(time.time())),
            )
        found.append((began, time.monotonic() - began))
        time.sleep(PAUSE)
    for began, took in found:
        print(began, took)


def fill(path: Path, rows: int, table: Table, journal: str) -> float:
    """Make the table; returns the floor, in seconds: the better of two runs."""
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
        connection.execute(f"CREATE TABLE orders ({table.columns}); {table.indexes}")
        connection.execute(
            """
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
            INSERT INTO orders
            SELECT i, i * 7919 % 1000003, i % 9 + 1, 'a note of some length ' || i, 1700000000 + i FROM n
            """,
            (rows,),
        )
        return min(_floor(connection, table) for _ in range(2))


def _floor(connection: apsw.Connection, table: Table) -> float:
    indexes = table.indexes.replace("orders", "floor").replace("by_", "f_")
    connection.execute(f"CREATE TABLE floor ({table.new_columns}); {indexes}")
    began = time.monotonic()
    connection.execute("INSERT INTO floor SELECT * FROM orders")
    took = time.monotonic() - began
    connection.execute("DROP TABLE floor")
    return took


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one rebuild took."""

    floor: float
    copying: float  # prepare: copy, catch up, verify
    swapping: float  # cut_over
    tidying: float
    before: Stalls
    during: Stalls
    swap: Stalls
    tidy: Stalls


def measure(path: Path, rows: int, table: Table, journal: str) -> Result:
    """One rebuild under the writer."""
    floor = fill(path, rows, table, journal)
    engine = SqliteEngine(Target(kind="sqlite", database="bench", environment="bench", dsn=str(path)))
    writer = subprocess.Popen(
        [sys.executable, "-m", "bench.rebuild", "--write", str(path), "--rows", str(rows)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert writer.stdout is not None
    writer.stdout.readline()
    plan = engine.plan(
        {"bench": {"orders.sql": f"CREATE TABLE orders ({table.new_columns}); {table.indexes}"}}
    )
    (change,) = plan.changes
    time.sleep(1.0)
    marks = _rebuild(engine, change)
    output, _ = writer.communicate(timeout=600)
    stalls = [(float(began), float(took)) for began, took in (line.split() for line in output.splitlines())]

    def between(first: float, last: float) -> Stalls:
        return Stalls.of([took for began, took in stalls if began < last and began + took > first])

    return Result(
        floor=floor,
        copying=marks[1] - marks[0],
        swapping=marks[2] - marks[1],
        tidying=marks[3] - marks[2],
        before=between(marks[0] - 0.9, marks[0]),
        during=between(marks[0], marks[1]),
        swap=between(marks[1], marks[2]),
        tidy=between(marks[2], marks[3]),
    )


def _rebuild(engine: SqliteEngine, change: Change) -> list[float]:
    control = Going()
    marks = [time.monotonic()]
    with engine.open(Job(apply_uid="bench", fence=1, owner="bench")) as session:
        for step in (session.prepare, session.cut_over):
            assert step([change], control) is Signal.GO
            marks.append(time.monotonic())
        assert session.tidy(control) is Signal.GO
        marks.append(time.monotonic())
    return marks


def show(name: str, rows: int, result: Result) -> None:
    """Print one table's figures."""
    total = result.copying + result.swapping
    print(f"\n{name}")
    print(f"  one INSERT … SELECT           {result.floor:7.2f} s   {rows / result.floor:10,.0f} rows/s")
    print(
        f"  copy, verify and cut over     {total:7.2f} s   {rows / total:10,.0f} rows/s   "
        f"{total / result.floor:.1f} × the floor (target: ≤ 4)"
    )
    print(f"    of which the cutover        {result.swapping * 1000:7.1f} ms")
    print(f"  remove the old table          {result.tidying:7.2f} s")
    print("  writer, ms per transaction       p50      p99    worst   transactions")
    for stretch, stalls in (
        ("before", result.before), ("copying", result.during), ("cutover", result.swap), ("removal", result.tidy)
    ):  # fmt: skip
        print(
            f"    {stretch:<26}{stalls.p50 * 1000:8.1f} {stalls.p99 * 1000:8.1f} {stalls.worst * 1000:8.1f}"
            f"   {stalls.count:10,}" + ("   (target: worst ≤ 50)" if stretch == "copying" else "")
        )


def main() -> None:
    """Run all tables in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--quick", action="store_true", help="150,000 rows")
    parser.add_argument("--journal", default="wal", choices=["wal", "delete"])
    parser.add_argument("--only", help="one of the tables, by name", choices=list(TABLES))
    parser.add_argument("--write", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write(options.write, options.rows)
        return
    rows = 150_000 if options.quick else options.rows
    print(describe())
    print(f"{rows:,} rows, journal mode {options.journal}, a writer with one small transaction every 2 ms")
    for name, table in TABLES.items():
        if options.only in (None, name):
            with tempfile.TemporaryDirectory(prefix="schemabot-bench-") as folder:
                show(name, rows, measure(Path(folder) / "bench.db", rows, table, options.journal))


if __name__ == "__main__":
    main()
