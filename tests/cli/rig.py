"""What the journeys share: a shop in a SQLite file, command lines run here or as processes of their own."""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import pytest

from cli.main import main
from server.config import Config, DatabaseConfig, EnvironmentConfig, ServerConfig, StorageConfig, Token

LIMIT_SECONDS = 60.0
BEFORE = """
CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  quantity TEXT NOT NULL
);
CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);
"""
AFTER = """
CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  quantity INTEGER NOT NULL
);
CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT, author TEXT);
"""
WITHOUT_NOTES = """
CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  quantity INTEGER NOT NULL
);
"""
ROWS = 50


@dataclass
class Ended:
    """How a command line ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Its one document."""
        return json.loads(self.out)

    def lines(self) -> list[Any]:
        """Its JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Ended]


def runner(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs command lines inside this process."""

    def run(*words: str) -> Ended:
        capsys.readouterr()
        code = main(words)
        captured = capsys.readouterr()
        return Ended(int(code), captured.out, captured.err)

    return run


def make_shop(path: Path = Path("shop.db"), rows: int = ROWS) -> Path:
    """A database with orders."""
    with closing(apsw.Connection(str(path))) as connection, connection:
        connection.execute(BEFORE)
        connection.executemany(
            "INSERT INTO orders VALUES (?, ?)", ((n, str(n % 7)) for n in range(1, rows + 1))
        )
        connection.execute("INSERT INTO notes VALUES (1, 'keep me')")
    return path


def config(folder: Path, *environments: str, tokens: tuple[Token, ...] = ()) -> Config:
    """A server of the database `shop`, one SQLite file for each environment."""
    found = {name: EnvironmentConfig(dsn=str(make_shop(folder / f"{name}.db"))) for name in environments}
    return Config(
        server=ServerConfig(listen_port=0, http_threads=2, tokens=tokens),
        storage=StorageConfig(url=str(folder / "store.db")),
        databases={"shop": DatabaseConfig(type="sqlite", environments=found)},
    )


def write_schema(text: str = AFTER, folder: str = "schema") -> str:
    """A schema directory that holds *text*."""
    Path(folder).mkdir(exist_ok=True)
    Path(folder, "shop.sql").write_text(text)
    return folder


def query(path: Path, sql: str) -> list[Any]:
    """What the database says, or does."""
    # By the daemon's own library: two of them in one process take each other's locks away.
    with closing(apsw.Connection(str(path))) as connection:
        connection.set_busy_timeout(5_000)
        return connection.execute(sql).fetchall()


def kinds_of_quantity(path: Path) -> list[str]:
    """The storage classes in orders.quantity: `integer` after the change, `text` before it."""
    return [kind for (kind,) in query(path, "SELECT DISTINCT typeof(quantity) FROM orders")]


def leftovers(path: Path) -> list[str]:
    """Objects of ours on the target."""
    names = [name for (name,) in query(path, "SELECT name FROM sqlite_master")]
    return [name for name in names if "__osc_" in name or name.startswith("_schemabot")]


class Process:
    """A command line as a process; its stdout is collected line by line. The program *before* runs first in it."""

    def __init__(self, *words: str, before: str = "") -> None:
        program = ["-c", f"{before}\nfrom cli.main import run; run()"] if before else ["-m", "schemabot"]
        command = [sys.executable, *program, *words]
        root = str(Path(__file__).resolve().parents[2])
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": root},
        )
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self.lines)),
            threading.Thread(target=self._read, args=(self.process.stderr, self.errors)),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any, lines: list[str]) -> None:
        for line in stream:
            lines.append(line.rstrip("\n"))
            self._news.put(None)

    def wait_line(self, part: str) -> str:
        """The first line of stdout or stderr that contains *part*."""

        def found() -> str:
            return next((line for line in [*self.lines, *self.errors] if part in line), "")

        deadline = time.monotonic() + LIMIT_SECONDS
        while not found() and time.monotonic() < deadline:
            assert self.process.poll() is None or self._drained() or found(), self.told()
            time.sleep(0.02)
        assert found(), f"no line with {part!r}: {self.told()}"
        return found()

    def _drained(self) -> bool:
        return any(reader.is_alive() for reader in self._readers)

    def told(self) -> str:
        """Everything it said."""
        return "\n".join([*self.lines, "-- stderr --", *self.errors])

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def end(self) -> int:
        """Wait for its end; its exit code (negative: the signal that ended it)."""
        try:
            code = self.process.wait(LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running: {self.told()}") from None
        for reader in self._readers:
            reader.join(LIMIT_SECONDS)
        return code

    def close(self) -> None:
        """End it, however it stands."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(LIMIT_SECONDS)
        for reader in self._readers:
            reader.join(LIMIT_SECONDS)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@contextmanager
def process(*words: str, before: str = "") -> Iterator[Process]:
    """A command line in a process of its own, ended with the test."""
    running = Process(*words, before=before)
    try:
        yield running
    finally:
        running.close()


def free_address() -> str:
    """HOST:PORT where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@contextmanager
def serve(listen: str, store: Path, shop: Path) -> Iterator[Process]:
    """`schemabot serve` as a process."""
    with process("serve", "--listen", listen, "--store", str(store), "-d", f"shop={shop}") as running:
        running.wait_line("SchemaBot listens on")
        yield running
