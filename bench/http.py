"""How the HTTP API answers while four tables are copied: 1, 8, 32 and 200 closed clients, 1,000 watchers, 50 applies/s.

The daemon is a process of its own, so are the clients (all in one), and so is the floor: the standard library's
ThreadingHTTPServer, which answers with the bytes of one progress reply and does nothing else. Beside apply and cancel stands
another floor: bare durable commits of one row by one thread, on the same disk. All share the machine's cores with
the four copies, which begin again whenever one is done.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import apsw

from bench.idle import cpu_seconds, resident_megabytes
from bench.load import Load, message
from bench.machine import describe
from bench.samples import milliseconds, quantile

COPIES = 4
CLIENTS = (1, 8, 32, 200)
WATCHERS = 1_000
POLL_SECONDS = 2.0
"""As often as the original's terminal view and ours look."""
ENQUEUES_PER_SECOND = 50.0
"""By people who enqueue at a pace of their own, however fast the answers come."""
TARGET_P99 = 0.050
COLUMNS = "id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, quantity {kind} NOT NULL, note TEXT"
KINDS = ("TEXT", "INTEGER")


@dataclass(frozen=True, slots=True)
class Scope:
    """How much is measured."""

    rows: int
    seconds: float
    watch_seconds: float
    clients: tuple[int, ...]
    watchers: int


FULL = Scope(rows=600_000, seconds=5.0, watch_seconds=24.0, clients=CLIENTS, watchers=WATCHERS)
QUICK = Scope(rows=100_000, seconds=1.0, watch_seconds=4.0, clients=(1, 32), watchers=200)


class Ask:
    """One connection to the daemon for what is not measured."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._connection = HTTPConnection(*address, timeout=60)

    def __call__(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        self._connection.request(method, path, body=None if body is None else json.dumps(body))
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{method} {path}: {answer.status} {text.decode()}")
        found: dict[str, Any] = json.loads(text)
        return found

    def plan(self, database: str, kind: str) -> str:
        """The id of a plan that gives orders.quantity that type."""
        files = {"orders.sql": f"CREATE TABLE orders ({COLUMNS.format(kind=kind)});"}
        body = {"database": database, "environment": "local", "type": "sqlite"}
        return str(self("POST", "/api/plan", {**body, "schema_files": {"main": {"files": files}}})["plan_id"])

    def close(self) -> None:
        """Let go."""
        self._connection.close()


@dataclass(slots=True)
class Copies:
    """Keeps the four copies running until told to stop."""

    address: tuple[str, int]
    names: tuple[str, ...]
    applies: dict[str, str] = field(default_factory=dict)
    completed: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)
    trouble: str = ""

    def run(self) -> None:
        """Begin again what is done."""
        ask = Ask(self.address)
        turns = dict.fromkeys(self.names, 0)
        try:
            while not self.stopping.wait(0.2):
                for name in self.names:
                    self._go_on(ask, name, turns)
        except (SystemExit, OSError) as error:
            self.trouble = str(error)
        finally:
            ask.close()

    def _go_on(self, ask: Ask, name: str, turns: dict[str, int]) -> None:
        if name in self.applies:
            state = ask("GET", f"/api/progress/apply/{self.applies[name]}")["state"]
            if state == "failed":
                raise SystemExit(f"a copy of {name} failed")
            if state != "completed":
                return
            self.completed += 1
        turns[name] += 1
        body = {"plan_id": ask.plan(name, KINDS[turns[name] % 2]), "environment": "local"}
        options = {"allow_unsafe": "true"}
        self.applies[name] = ask("POST", "/api/apply", {**body, "options": options})["apply_id"]


class Clients:
    """The process that plays them."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def begin(self, load: Load) -> None:
        """Begin to play it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(load)) + "\n")
        self._process.stdin.flush()

    def end(self) -> dict[str, list[float]]:
        """Wait for its end; the durations by label. Any failure ends the bench."""
        assert self._process.stdout is not None
        heard = json.loads(self._process.stdout.readline())
        if heard["failures"]:
            raise SystemExit(f"{heard['failures']} requests failed, the first: {heard['first_failure']}")
        durations: dict[str, list[float]] = heard["durations"]
        return durations

    def play(self, load: Load) -> dict[str, list[float]]:
        """Begin, and wait for its end."""
        self.begin(load)
        return self.end()

    def close(self) -> None:
        """Let the process go."""
        self._process.communicate()


def serve_floor(path: str) -> None:
    """The floor, in a process of its own: answers every request with the bytes of the file at *path*."""
    body = Path(path).read_bytes()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one write per answer, as ours
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 512

    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


@contextmanager
def process(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended with the block."""
    running = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield running
    finally:
        running.terminate()
        running.wait(60)
        if running.stdout is not None:
            running.stdout.close()


def make_database(path: Path, rows: int) -> None:
    """Orders, in WAL."""
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"CREATE TABLE orders ({COLUMNS.format(kind='TEXT')})")
    connection.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?) "
        "INSERT INTO orders SELECT i, i % 1000, i % 50, 'note number ' || i FROM n",
        (rows,),
    )
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def make_config(folder: Path, scope: Scope) -> tuple[Path, tuple[str, ...], tuple[str, ...]]:
    """The daemon's configuration, the databases to copy, and small ones to enqueue applies for."""
    big, small = folder / "big.db", folder / "small.db"
    make_database(big, scope.rows)
    make_database(small, 3)
    copied = tuple(f"copy{number}" for number in range(COPIES))
    queued = tuple(f"queue{number}" for number in range(max(scope.clients)))
    lines = [
        *("[server]", "listen_port = 0", "max_connections = 2000"),
        *("[storage]", 'url = "store.db"', "[workers]", f"count = {COPIES}"),
    ]
    for name in (*copied, *queued):
        shutil.copy(big if name in copied else small, folder / f"{name}.db")
        lines += [
            f"[databases.{name}]",
            'type = "sqlite"',
            f"[databases.{name}.environments.local]",
            f'dsn = "{name}.db"',
        ]
    config = folder / "config.toml"
    config.write_text("\n".join(lines) + "\n")
    return config, copied, queued


def bare_commits(folder: Path, seconds: float) -> list[float]:
    """What any enqueue must take at least: one row, committed durably to a file of its own on the same disk."""
    connection = apsw.Connection(str(folder / "bare.db"))
    for statement in (
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, v)",
    ):
        connection.execute(statement).fetchall()
    durations = []
    until = time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        connection.execute("INSERT INTO t (v) VALUES ('x')")
        durations.append(time.perf_counter() - began)
    connection.close()
    return durations


@dataclass(frozen=True, slots=True)
class Ground:
    """What is measured, and where."""

    scope: Scope
    folder: Path
    daemon: subprocess.Popen[str]
    address: tuple[str, int]
    floor: tuple[str, int]
    clients: Clients
    others: Clients
    copies: Copies
    plans: dict[str, str]

    def requests(self, what: str, count: int) -> list[list[tuple[str, str]]]:
        """What each of *count* clients sends."""
        if what == "apply":
            return [self._enqueue(name) for name in list(self.plans)[:count]]
        applies = list(self.copies.applies.values())
        paths = {
            "progress": [f"/api/progress/apply/{uid}" for uid in applies],
            "status": ["/api/status"],
            "floor": ["/"],
        }
        return [[(what, message("GET", paths[what][n % len(paths[what])]))] for n in range(count)]

    def _enqueue(self, database: str) -> list[tuple[str, str]]:
        """An apply and, since a target takes only one, its cancel: settled in the store alone, unless a worker was free.

        Then the cancel comes late, or the next apply is refused for a moment; both are counted as that.
        """
        place = {"database": database, "environment": "local"}
        wanted = {"plan_id": self.plans[database], "environment": "local"}
        return [
            ("apply", message("POST", "/api/apply", wanted)),
            ("cancel", message("POST", "/api/cancel", place)),
        ]

    def play(self, what: str, count: int) -> dict[str, list[float]]:
        """One stretch of as many requests as *count* clients can."""
        host, port = self.floor if what == "floor" else self.address
        load = Load(
            host=host,
            port=port,
            requests=self.requests(what, count),
            seconds=self.scope.seconds,
            may_be_refused=["cancel"],
        )
        return self.clients.play(load)

    def watchers(self) -> Load:
        """Each looks every two seconds, timed from when it was due."""
        return self._paced(self.requests("progress", self.scope.watchers), POLL_SECONDS)

    def people(self) -> Load:
        """Each enqueues, and cancels after half of the time until it enqueues again; timed in the same way."""
        count = max(self.scope.clients)
        return self._paced(self.requests("apply", count), count / ENQUEUES_PER_SECOND / 2)

    def _paced(self, requests: list[list[tuple[str, str]]], every: float) -> Load:
        host, port = self.address
        return Load(
            host=host,
            port=port,
            requests=requests,
            seconds=self.scope.watch_seconds,
            every=every,
            may_be_refused=["cancel"],
        )


def threads_of(pid: int) -> int:
    """How many threads the process has."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


@contextmanager
def ground(folder: Path, scope: Scope) -> Iterator[Ground]:
    """Everything started, four copies running."""
    config, copied, queued = make_config(folder, scope)
    program = str(Path(sys.executable).with_name("schemabot"))
    with ExitStack() as stack:
        daemon = stack.enter_context(process(program, "serve", "-q", "-c", str(config)))
        assert daemon.stdout is not None
        address = _address(daemon.stdout.readline().split()[-1])
        ask = Ask(address)
        stack.callback(ask.close)
        plans = {name: ask.plan(name, "INTEGER") for name in queued}
        copies = Copies(address, copied)
        keeper = threading.Thread(target=copies.run)
        keeper.start()
        stack.callback(keeper.join)
        stack.callback(copies.stopping.set)
        began = time.monotonic()
        while len(copies.applies) < COPIES or not _running(ask, copies):
            if time.monotonic() - began > 60 or copies.trouble:
                raise SystemExit(f"the copies did not begin: {copies.trouble}")
            time.sleep(0.1)
        body = folder / "progress.json"
        uid = copies.applies[copied[0]]
        body.write_text(json.dumps(ask("GET", f"/api/progress/apply/{uid}"), separators=(",", ":")))
        floor = stack.enter_context(process(sys.executable, "-m", "bench.http", "--serve-floor", str(body)))
        assert floor.stdout is not None
        port = int(floor.stdout.readline())
        clients, others = Clients(), Clients()
        stack.callback(clients.close)
        stack.callback(others.close)
        yield Ground(scope, folder, daemon, address, ("127.0.0.1", port), clients, others, copies, plans)
        if copies.trouble:
            raise SystemExit(copies.trouble)


def _address(url: str) -> tuple[str, int]:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return host, int(port)


def _running(ask: Ask, copies: Copies) -> int:
    states = [ask("GET", f"/api/progress/apply/{uid}")["state"] for uid in copies.applies.values()]
    return states.count("running")


def verdict(met: bool) -> str:
    """For the report."""
    return "met" if met else "MISSED"


def measure(at: Ground) -> None:
    """Every cell, printed as it comes."""
    tails = _closed(at)
    print()
    pid = at.daemon.pid
    before, began, cpu = resident_megabytes(pid), time.monotonic(), cpu_seconds(pid)
    _judge("watchers", f"each every {POLL_SECONDS:g} s", at.clients.play(at.watchers())["progress"], at)
    core = (cpu_seconds(pid) - cpu) / (time.monotonic() - began) * 100
    at.others.begin(at.watchers())
    enqueued = at.clients.play(at.people())
    watched = at.others.end()["progress"]
    for label, durations in enqueued.items():
        _judge(label, f"{max(at.scope.clients)} people beside the watchers", durations, at)
    _judge("watchers", "beside these people", watched, at)
    for count, tail in tails.items():
        print(f"enqueue p99 with {count} closed clients: {1000 * tail:.1f} ms, {verdict(tail < TARGET_P99)}")
    print(
        f"daemon: {threads_of(pid)} threads, {before:.0f} MB resident before the watchers and "
        f"{resident_megabytes(pid):.0f} after them, {core:.0f} % of a core with them and the copies; "
        f"{at.copies.completed} copies were completed on the way"
    )


def _judge(what: str, who: str, durations: list[float], at: Ground) -> None:
    met = verdict(quantile(durations, 0.99) < TARGET_P99)
    rate, times = len(durations) / at.scope.watch_seconds, milliseconds(durations, 0.5, 0.99, 1.0)
    print(f"{what}, {who} ({rate:,.0f}/s): p50 / p99 / worst {times} ms; p99 < 50 ms: {met}", flush=True)


def _closed(at: Ground) -> dict[int, float]:
    """As many requests as the clients can; the p99 of enqueueing by their number."""
    print("| clients | what | requests/s | p50 / p99 ms | floor requests/s | floor p50 / p99 ms |")
    print("|---|---|---|---|---|---|")
    tails: dict[int, float] = {}
    for count in at.scope.clients:
        floor = at.play("floor", count)["floor"]
        beside = f"{len(floor) / at.scope.seconds:,.0f} | {milliseconds(floor, 0.5, 0.99)}"
        for what in ("progress", "status", "apply"):
            if what == "apply":
                bare = bare_commits(at.folder, at.scope.seconds / 2)
                beside = f"{2 * len(bare) / at.scope.seconds:,.0f} commits | {milliseconds(bare, 0.5, 0.99)}"
            for label, durations in at.play(what, count).items():
                pace, times = f"{len(durations) / at.scope.seconds:,.0f}", milliseconds(durations, 0.5, 0.99)
                print(f"| {count} | {label} | {pace} | {times} | {beside} |", flush=True)
                if label == "apply":
                    tails[count] = quantile(durations, 0.99)
    return tails


def main() -> None:
    """Set up, measure, take down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--serve-floor", metavar="FILE", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve_floor:
        serve_floor(given.serve_floor)
        return
    scope = QUICK if given.quick else FULL
    began = time.monotonic()
    print(describe())
    with tempfile.TemporaryDirectory() as folder, ground(Path(folder), scope) as at:
        idle = threads_of(at.daemon.pid), resident_megabytes(at.daemon.pid)
        print(
            f"4 copies of {scope.rows:,} rows running; daemon: {idle[0]} threads, {idle[1]:.0f} MB resident\n"
        )
        measure(at)
    print(f"in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
