"""An online copy on MySQL or MariaDB against a plain ALGORITHM=COPY and pt-online-schema-change: `python -m bench.copy_mysql`.

One server per run, started for it (`--server mariadb|mysql`), 1 GB of buffer pool, synced at every commit; a table of `--rows`
rows with and without two secondary indexes, changed by MODIFY k BIGINT. Idle, then (`--load`) beside paced writers in a process
of their own: single-row updates, inserts and deletes. The native change locks writers out for as long as it takes, which is the
floor of the one and the ceiling of the other figure; the floor of that is a connection that only computes as long and as often as
the copy works. Options: `--rounds`, `--volume`, `--without-pt`.
"""

import argparse
import multiprocessing
import random
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.synchronize import Event
from typing import Any

from bench.machine import describe
from bench.samples import quantile
from engine.base import DEFAULT_VOLUME, Signal
from engine.mysql.address import Address
from engine.mysql.copying.volume import GENTLE_REST, GENTLE_SECONDS
from tests.engine.mysql.copying.rig import Rig, Watcher
from tests.servers.flavours import ACCOUNT, FLAVOURS
from tests.servers.private import PrivateServer
from tests.servers.server import Server, server_of

COLUMNS = """
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    k INT NOT NULL,
    c CHAR(32) CHARACTER SET latin1 NOT NULL,
    v VARCHAR(120) NOT NULL,
    a DECIMAL(12,2) NOT NULL,
    e ENUM('new','paid','sent') NOT NULL,
    n VARCHAR(255) DEFAULT NULL,
    d DATETIME(3) NOT NULL,
    s TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
"""
INDEXES = {"no secondary index": "", "two secondary indexes": ", KEY k (k, e), KEY v (v)"}
CHANGE = "MODIFY k BIGINT NOT NULL"
WRITERS = 4
WRITER_RATE = 25
"""Transactions per second of each."""
BEFORE_SECONDS = 30.0
"""So long the application is measured alone, before the change begins."""
SETTLE_SECONDS = 120.0
COMPUTING_SECONDS = 20.0
HOW_FAR = re.compile(r",? [\d,]*\d (?:of [\d,]*\d|changed rows to go)(?:, about \d+ (?:s|min|h) left)?")
"""What a report says of how far a part is, and how long it still takes: of the same part each says something else."""
OPTIONS = {
    "mariadb": ("--innodb-log-file-size=512M",),
    "mysql": ("--innodb-redo-log-capacity=1G",),
}
COMMON = (
    "--innodb-buffer-pool-size=1G",
    "--innodb-flush-log-at-trx-commit=1",
    "--sync-binlog=1",
    "--innodb-flush-method=O_DIRECT",
    "--lower-case-table-names=0",
)


@dataclass(slots=True)
class Result:
    """What one change took."""

    seconds: float
    cpu: float = 0.0  # of our process
    parts: dict[str, float] = field(default_factory=dict)
    binlog: int = 0
    stalls: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    timeline: list[tuple[float, str]] = field(default_factory=list)  # when each part began


class Plain(Rig):
    """Nothing is encrypted on the way to a server on this machine, as with the application and pt-online-schema-change."""

    def _address(self) -> Address:
        return replace(super()._address(), ssl_mode="disabled")


class Timed(Watcher):
    """Notes how long each part took."""

    def __init__(self, volume: int) -> None:
        super().__init__(volume=volume)
        self._until = time.monotonic() + 3600
        self.parts: dict[str, float] = {}
        self._last = ("staging", time.monotonic())
        self.timeline = [(time.time(), "staging")]

    def report(self, progress: Any) -> Signal:
        self.enter(HOW_FAR.sub("", progress.detail))
        return Signal.GO

    def enter(self, part: str) -> None:
        name, since = self._last
        if part != self.timeline[-1][1]:
            self.timeline.append((time.time(), part))
        now = time.monotonic()
        self.parts[name] = self.parts.get(name, 0.0) + now - since
        self._last = (part, now)


Seen = list[tuple[float, float]]
"""(when, how long) of transactions."""


def write(
    url: dict[str, Any],
    seed: int,
    rows: int,
    stop: Event,
    out: "multiprocessing.Queue[list[tuple[float, float]]]",
) -> None:
    """One process with the application's writers; tells (when, how long) of every transaction."""
    seen: Seen = []
    threads = [
        threading.Thread(target=_writer, args=(url, seed + n, rows, stop, seen)) for n in range(WRITERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    out.put(seen)


def _writer(url: dict[str, Any], seed: int, rows: int, stop: Event, seen: Seen) -> None:
    import pymysql

    choose = random.Random(seed)
    connection = pymysql.connect(**url, autocommit=True)
    cursor = connection.cursor()
    due = time.time()
    while not stop.is_set():
        due += choose.expovariate(WRITER_RATE)
        time.sleep(max(0.0, due - time.time()))
        began = time.time()
        kind, key = choose.random(), choose.randint(1, rows)
        while True:
            try:
                if kind < 0.7:
                    cursor.execute("UPDATE t SET v = %s, a = a + 1 WHERE id = %s", (f"v{key}x{kind}", key))
                elif kind < 0.85:
                    cursor.execute(
                        "INSERT INTO t (k, c, v, a, e, d) VALUES (%s, 'c', 'v', 1, 'new', NOW(3))", (key,)
                    )
                else:
                    cursor.execute("DELETE FROM t WHERE id = %s", (key,))
                break
            except pymysql.err.OperationalError as error:
                if error.args[0] not in (1205, 1213):
                    raise
        # Counted from when it was due: a stall also holds up those that come after it.
        seen.append((began, time.time() - min(began, due)))
    connection.close()


@contextmanager
def load(server: Server, schema: str, rows: int, *, on: bool) -> Iterator[Callable[[], Seen]]:
    """Writers, if *on*; ends them and gives what they saw."""
    if not on:
        yield list
        return
    context = multiprocessing.get_context("spawn")
    stop, out = context.Event(), context.Queue()
    url = {
        "host": server.host,
        "port": server.port,
        "user": server.user,
        "database": schema,
        "ssl_disabled": True,
    }
    process = context.Process(target=write, args=(url, 7, rows, stop, out))
    process.start()
    time.sleep(2.0)

    def end() -> Seen:
        stop.set()
        found = out.get()
        process.join()
        return list(found)

    yield end


def make(rig: Rig, rows: int, indexes: str) -> None:
    """The table, filled in the order of its key as applications do; MySQL would join in another and leave pages half empty."""
    with rig.link(answer_seconds=None) as link:
        link.run("DROP TABLE IF EXISTS t")
        link.run(f"CREATE TABLE t ({COLUMNS}{indexes}) DEFAULT CHARACTER SET utf8mb4")
        digits = " UNION ALL ".join(f"SELECT {n} AS d" for n in range(10))
        for first in range(0, rows, 100_000):
            link.run(
                f"""
                INSERT INTO t (id, k, c, v, a, e, n, d)
                SELECT i, i * 7919 % 1000003, SHA2(i, 224) , CONCAT(REPEAT('v', i % 50), LEFT(SHA2(i, 256), 60)), i % 9999 / 7,
                       1 + i % 3, IF(i % 3, NULL, REPEAT('n', i % 200)), '2024-01-01 10:11:12.125'
                  FROM (SELECT {first} + 1 + a.d + 10*b.d + 100*c.d + 1000*f.d + 10000*g.d AS i
                          FROM ({digits}) a, ({digits}) b, ({digits}) c, ({digits}) f, ({digits}) g) x
                 WHERE i <= {rows}
                 ORDER BY i
                """.replace("SHA2(i, 224) ", "LEFT(SHA2(i, 224), 32)")
            )
        link.run("ANALYZE TABLE t")


def settle(rig: Rig) -> None:
    """Have the pages written that filling the table has changed: else the server is at that while the application is measured."""
    wanted = {"innodb_max_dirty_pages_pct": 0, "innodb_io_capacity_max": 40_000, "innodb_io_capacity": 20_000}
    with rig.link() as link:
        usual = {name: link.value(f"SELECT @@GLOBAL.{name}") for name in wanted}
        for name, value in wanted.items():
            link.run(f"SET GLOBAL {name} = %s", value)
        until = time.monotonic() + SETTLE_SECONDS
        while int(link.row("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'")[1]) > 100:  # type: ignore[index]
            if time.monotonic() > until:
                raise SystemExit(f"the server did not write its pages in {SETTLE_SECONDS:.0f} s")
            time.sleep(0.2)
        for name in reversed(usual):
            link.run(f"SET GLOBAL {name} = %s", usual[name])


def native(rig: Rig) -> Result:
    """The floor."""
    with rig.link(answer_seconds=None, settings={"lock_wait_timeout": 60}) as link:
        began = time.monotonic()
        link.run(f"ALTER TABLE t {CHANGE}, ALGORITHM=COPY")
        return Result(time.monotonic() - began)


def ours(rig: Rig, volume: int) -> Result:
    """All of the copy, up to and with the last changes under the lock; then it is given up."""
    timed = Timed(volume)
    cpu = time.process_time()
    began = time.monotonic()
    with rig.copying(rig.step(), uid="bench") as copy:
        copy.open(timed)
        copy.fill(timed)
        caught = time.monotonic()
        copy.catch_up(timed)
        timed.enter("lock")
        catch_up = time.monotonic() - caught
        with rig.locked(copy):
            pass
        timed.enter("done")
        seconds = time.monotonic() - began
        timed.parts["catch-up"] = catch_up
        assert copy.checkpoint.repairs == 0
        result = Result(seconds, time.process_time() - cpu, timed.parts, timeline=timed.timeline)
        copy.discard(timed)
        return result


def percona(rig: Rig) -> Result:
    """pt-online-schema-change with its defaults."""
    began = time.monotonic()
    dsn = f"h=127.0.0.1,P={rig.server.port},u={ACCOUNT},D={rig.schema},t=t,mysql_ssl=0"
    done = subprocess.run(
        ["pt-online-schema-change", "--alter", CHANGE, "--execute", "--no-version-check", "--no-drop-old-table",
         "--no-check-replication-filters", "--recursion-method=none", dsn.replace(",mysql_ssl=0", "")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    seconds = time.monotonic() - began
    if done.returncode != 0:
        raise SystemExit(f"pt-online-schema-change failed: {done.stderr[-500:]}{done.stdout[-500:]}")
    rig.run("DROP TABLE _t_old")
    return Result(seconds)


def computing(rig: Rig) -> Result:
    """What any work of the gentle copy's settings costs the application: a connection that computes, without table or disk."""
    began = time.monotonic()
    with rig.link() as link:
        rounds = 1_000
        while time.monotonic() - began < COMPUTING_SECONDS:
            at = time.monotonic()
            link.value(f"SELECT BENCHMARK({rounds}, SHA2('x', 256))")
            took = time.monotonic() - at
            rounds = max(1_000, int(rounds * min(GENTLE_SECONDS / took, 2.0)))
            time.sleep(took * GENTLE_REST)
    return Result(time.monotonic() - began)


def log_bytes(rig: Rig) -> int:
    """How much binary log there is."""
    with rig.link() as link:
        return sum(int(row["file_size"]) for row in link.named("SHOW BINARY LOGS"))


def measure(rig: Rig, rows: int, indexes: str, way: Callable[[Rig], Result], *, busy: bool) -> Result:
    """One change of a fresh table."""
    make(rig, rows, indexes)
    settle(rig)
    size = log_bytes(rig)
    with load(rig.server, rig.schema, rows, on=busy) as end:
        if busy:
            time.sleep(BEFORE_SECONDS)
        began = time.time()
        result = way(rig)
        ended = time.time()
        if busy:
            seen = end()
            result.stalls = [took for when, took in seen if began <= when <= ended]
            by_part(result, [(when, took) for when, took in seen if began <= when <= ended])
            before = [took for when, took in seen if began - BEFORE_SECONDS <= when < began]
            result.parts["baseline p99"] = quantile(before, 0.99)
            result.parts["baseline worst"] = max(before)
    result.binlog = log_bytes(rig) - size
    return result


def by_part(result: Result, seen: Seen) -> None:
    """The application's stalls in each part of ours."""
    found: dict[str, list[float]] = {}
    for when, took in seen:
        part = next((name for since, name in reversed(result.timeline) if since <= when), "")
        found.setdefault(part, []).append(took)
    for part, stalls in found.items():
        if part and len(stalls) > 20:
            shown = " / ".join(f"{1000 * quantile(stalls, share):.0f}" for share in (0.5, 0.99, 1.0))
            result.notes.append(f"{part}: app {shown} ms")


def say(name: str, result: Result, floor: float) -> None:
    """One line."""
    ratio = result.seconds / floor if floor else 1.0
    line = f"  {name:<28}{result.seconds:8.2f} s {ratio:6.2f} x   binlog {result.binlog / 1e6:7.0f} MB"
    if result.cpu:
        line += f"   our CPU {result.cpu:5.2f} s"
    if result.stalls:
        p50, p99, worst = (1000 * quantile(result.stalls, share) for share in (0.5, 0.99, 1.0))
        base, before = (1000 * result.parts[f"baseline {name}"] for name in ("p99", "worst"))
        line += f"   app p50/p99/worst {p50:.1f} / {p99:.1f} / {worst:.0f} ms (p99/worst before: {base:.1f} / {before:.0f})"
    print(line, flush=True)
    shown = {
        name: took for name, took in result.parts.items() if not name.startswith("baseline") and took > 0.01
    }
    if shown:
        print("      " + ", ".join(f"{part} {took:.2f}" for part, took in shown.items()), flush=True)
    if result.notes:
        print("      " + "; ".join(result.notes), flush=True)


def run(rig: Rig, rows: int, options: argparse.Namespace) -> None:
    """All of it."""
    ways: dict[str, Callable[[Rig], Result]] = {
        "native ALGORITHM=COPY": native,
        f"ours, volume {options.volume}": lambda rig: ours(rig, options.volume),
    }
    if not options.without_pt:
        if shutil.which("pt-online-schema-change"):
            ways["pt-online-schema-change"] = percona
        else:
            print("pt-online-schema-change is not installed (Debian: percona-toolkit): NOT COMPARED")
    if options.load:
        ways["computing only"] = computing
    for name, indexes in INDEXES.items():
        if not name.startswith(options.indexes):
            continue
        for busy in [True] if options.load else [False]:
            print(f"\n{rows:,} rows, {name}, {'beside writers' if busy else 'idle'}", flush=True)
            for _ in range(options.rounds):
                floor = 0.0
                for title, way in ways.items():
                    result = measure(rig, rows, indexes, way, busy=busy)
                    floor = floor or result.seconds
                    say(title, result, floor)


def main() -> None:
    """Measure on one server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", choices=sorted(FLAVOURS), required=True)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--load", action="store_true", help="beside writers")
    parser.add_argument("--volume", type=int, default=DEFAULT_VOLUME, help="of ours")
    parser.add_argument("--indexes", choices=("no", "two"), default="", help="only tables with so many")
    parser.add_argument("--without-pt", action="store_true")
    parser.add_argument("--option", action="append", default=[], help="of the server")
    options = parser.parse_args()
    flavour = FLAVOURS[options.server]
    with PrivateServer(flavour, options=(*COMMON, *OPTIONS[flavour.name], *options.option)) as own:
        server = server_of(own)
        print(f"{describe()}\n{server.title} {server.version}")
        rig = Plain(server=server, schema=server.fresh_database(), source="t", clauses=[CHANGE])
        run(rig, options.rows, options)


if __name__ == "__main__":
    main()
