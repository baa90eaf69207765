"""How fast the key reader reads a server's binary log, beside the floor: receiving the same stream without looking into it.

The reader is one thread. The promise is judged by the clock; where other programs take the cores, what it does in a second of
processor time tells how much of the pace is its own.
"""

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from bench.machine import describe
from engine.mysql.address import parse_address
from engine.mysql.binlog.dump import Dump
from engine.mysql.binlog.position import Position, end_of_log
from engine.mysql.binlog.reader import KeyReader
from engine.mysql.binlog.transactions import Transactions
from engine.mysql.binlog.watched import Key, TableName, Watched, watch
from engine.mysql.catalog import read_table
from engine.mysql.flavour import flavour_of
from engine.mysql.link import Link
from engine.mysql.shadow.keys import row_key
from tests.servers.flavours import ACCOUNT, FLAVOURS
from tests.servers.private import PrivateServer

WANTED = 100_000  # single-row transactions in a second
PATIENCE = 120.0
WRITERS = 4
ROWS = 20_000

TABLE = """
    CREATE TABLE bench.{name} (
      id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, k INT NOT NULL, c CHAR(32) CHARACTER SET latin1 NOT NULL,
      pad VARCHAR(120) NOT NULL, price DECIMAL(12,2) NOT NULL, state ENUM('new','paid','sent') NOT NULL, note VARCHAR(255),
      created DATETIME(3) NOT NULL, touched TIMESTAMP NOT NULL, KEY (k), KEY (created)
    ) CHARSET utf8mb4
"""
FILL = """
    INSERT INTO bench.{name} (k, c, pad, price, state, note, created, touched)
    SELECT (a.n * 31 + b.n) % 9973, LPAD(a.n, 32, 'x'), REPEAT('p', 20 + b.n % 80), a.n + b.n / 100, 1 + b.n % 3,
           IF(a.n % 3, NULL, REPEAT('n', b.n % 60)), NOW(3), NOW()
    FROM bench.digits a, bench.digits b LIMIT {rows}
"""
LOOP = """
    CREATE PROCEDURE bench.touch(first INT, step INT, times INT)
    BEGIN
      DECLARE done INT DEFAULT 0;
      WHILE done < times DO
        UPDATE bench.item SET k = k + 1, price = price + 1 WHERE id = 1 + (first + done * step) MOD {rows};
        SET done = done + 1;
      END WHILE;
    END
"""


class Counter:
    """A sink that counts."""

    def __init__(self) -> None:
        self.keys_told = 0

    def keys(self, _table: TableName, keys: Sequence[Key]) -> None:
        self.keys_told += len(keys)

    def committed(self, _position: Position) -> None:
        return

    def full(self) -> bool:
        return False


class Bench:
    """One server with a log to read."""

    def __init__(self, server: PrivateServer) -> None:
        self.address = parse_address(f"mysql://{ACCOUNT}@127.0.0.1:{server.port}/?ssl_mode=disabled")
        self.link = Link(self.address, answer_seconds=PATIENCE)
        self.flavour = flavour_of(self.link)
        self.link.run("CREATE DATABASE bench")
        self.link.run("CREATE TABLE bench.digits (n INT PRIMARY KEY)")
        self.link.run(f"INSERT INTO bench.digits VALUES {', '.join(f'({n})' for n in range(1000))}")
        for name in ("item", "bulk", "other"):
            self.link.run(TABLE.format(name=name))
        self.link.run(FILL.format(name="item", rows=ROWS))
        self.link.run(LOOP.format(rows=ROWS))

    def end(self) -> Position:
        return end_of_log(self.link, self.flavour)

    def watched(self, name: str) -> Watched:
        table = read_table(self.link, "bench", name)
        assert table is not None
        return watch(table, row_key(table, table.row_key).columns)

    def transactions(self, count: int) -> tuple[Position, Position]:
        """So many single-row updates, each a transaction: where they begin and end in the log."""
        start = self.end()
        with ThreadPoolExecutor(WRITERS) as crew:
            list(crew.map(lambda first: self._touch(first, count // WRITERS), range(WRITERS)))
        return start, self.end()

    def _touch(self, first: int, times: int) -> None:
        with Link(self.address, answer_seconds=PATIENCE) as link:
            link.run(f"CALL bench.touch({first}, {WRITERS}, {times})")

    def bulk(self, rows: int) -> tuple[Position, Position]:
        """One INSERT of so many rows."""
        start = self.end()
        self.link.run(FILL.format(name="bulk", rows=rows))
        return start, self.end()

    def read(self, table: str, start: Position, end: Position) -> tuple[float, float, int]:
        """Seconds that the reader takes from *start* to *end*, connecting included; of these on a processor; keys told."""
        sink, watched = Counter(), self.watched(table)
        began, worked = time.perf_counter(), time.process_time()
        with KeyReader(self.address, [watched], start, sink) as reader:
            assert reader.wait_until(end, PATIENCE)
            return time.perf_counter() - began, time.process_time() - worked, sink.keys_told

    def receive(self, size: int, start: Position) -> float:
        """Seconds that it takes to receive so many bytes of the stream, connecting included: in a thread, as the reader does."""
        began = time.perf_counter()
        dump = Dump(self.address, start)
        thread = threading.Thread(target=_swallow, args=(dump, size))
        thread.start()
        thread.join()
        taken = time.perf_counter() - began
        dump.close()
        return taken

    def size(self, start: Position, end: Position) -> int:
        """How many bytes the server sends from *start* to *end*."""
        reading = Transactions([self.watched("other")], Counter(), start)
        dump = Dump(self.address, start)
        rest, size = b"", 0
        while not reading.position.reaches(end):
            rest += dump.read(1)
            read = reading.packets(rest)
            size, rest = size + read, rest[read:]
            reading.flush()
        dump.close()
        return size


def _swallow(dump: Dump, size: int) -> None:
    while size > 0:
        size -= len(dump.read(1))


def measure(bench: Bench, transactions: int, rows: int, rounds: int) -> float:
    """Print the figures of one server; single-row transactions in a second."""
    single, bulk = bench.transactions(transactions), bench.bulk(rows)
    found = 0.0
    for what, table, count, (start, end), keys in (
        (
            "single-row transactions",
            "item",
            transactions // WRITERS * WRITERS,
            single,
            min(transactions, ROWS),
        ),
        ("the same of a table not watched", "other", transactions // WRITERS * WRITERS, single, 0),
        ("rows of one INSERT", "bulk", rows, bulk, rows),
        ("the same of a table not watched", "other", rows, bulk, 0),
    ):
        size = bench.size(start, end)
        ours, works, floors = [], [], []
        for _ in range(rounds):
            floors.append(bench.receive(size, start))
            seconds, worked, told = bench.read(table, start, end)
            assert told >= keys, f"{told} keys told of {keys}"
            ours.append(seconds)
            works.append(worked)
        rate, floor, worked = (count / statistics.median(one) for one in (ours, floors, works))
        found = found or rate
        print(
            f"{bench.flavour!s:<18} {what:<32} {count:>8}  {size / 2**20:6.1f} MiB  {rate:>10,.0f}/s  "
            f"floor {floor:>10,.0f}/s  {rate / floor:5.1%}  of processor time {worked:>10,.0f}/s",
            flush=True,
        )
    return found


def main() -> int:
    """Print the figures; 1 when a reader is too slow."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--transactions", type=int, default=100_000)
    options.add_argument("--rows", type=int, default=200_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--server", choices=[*FLAVOURS, "both"], default="both")
    chosen = options.parse_args()
    print(describe())
    late = False
    for name, flavour in FLAVOURS.items():
        if chosen.server in (name, "both"):
            with PrivateServer(flavour) as server:
                rate = measure(Bench(server), chosen.transactions, chosen.rows, chosen.rounds)
                late = late or rate < WANTED
    print(
        "MISSED" if late else "met",
        f": at least {WANTED:,} single-row transactions in a second",
        sep="",
    )
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
