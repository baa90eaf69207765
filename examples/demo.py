"""`make demo`: the whole main job on a million rows, with the daemon killed in the middle of it.

Bounded, on loopback, in a temporary folder; everything it starts it also stops.
"""

import argparse
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

HERE = Path(__file__).resolve().parent
PROGRAM = str(Path(sys.executable).with_name("schemabot"))
LIMIT_SECONDS = 240.0
KILL_AT = 0.05  # of the rows, at the first report that says so

console = Console(highlight=False)


def chapter(title: str) -> None:
    """Say what comes next."""
    console.print()
    console.rule(f"[bold blue]{title}", align="left")


def run(*arguments: str, expect: int = 0) -> None:
    """Run the command line as a person would, in this terminal."""
    console.print(f"[dim]$ schemabot {' '.join(arguments)}[/dim]")
    status = subprocess.run([PROGRAM, *arguments], check=False, timeout=LIMIT_SECONDS).returncode
    if status != expect:
        raise SystemExit(f"schemabot {arguments[0]} ended with {status}, expected {expect}")


def create_shop(path: Path, orders: int) -> None:
    """The shop as it is today: the old schema and `orders` generated rows."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript((HERE / "shop/before/shop.sql").read_text())
    connection.execute("BEGIN")
    for statement in (
        (
            "INSERT INTO customers SELECT value, 'c' || value || '@example.org', 'Customer ' || value, 'L' || value"
            " FROM (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT 1000) SELECT * FROM n)"
        ),
        (
            "INSERT INTO products SELECT value, 'sku-' || value, 'Product ' || value, value || '.90'"
            " FROM (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT 200) SELECT * FROM n)"
        ),
    ):
        connection.execute(statement)
    connection.execute(
        "INSERT INTO orders WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT ?)"
        " SELECT value, value % 1000 + 1, value % 200 + 1, CAST(value % 9 + 1 AS TEXT), 'note ' || value,"
        " datetime('2026-01-01', '+' || value || ' seconds') FROM n",
        (orders,),
    )
    connection.execute("COMMIT")
    connection.close()


def free_port() -> int:
    """A loopback port nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Daemon:
    """`schemabot serve` as a process that can be killed and started again."""

    def __init__(self, folder: Path, shop: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [
            PROGRAM,
            "serve",
            "--listen",
            f"127.0.0.1:{self.port}",
            "--store",
            str(folder / "store.db"),
        ]
        self._command += ["-d", f"shop={shop}"]
        self._log = (folder / "daemon.log").open("ab")
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(self._command, stdout=self._log, stderr=self._log)
        for _ in range(200):
            try:
                with urllib.request.urlopen(f"{self.url}/livez", timeout=2):
                    return process
            except OSError:
                if process.poll() is not None:
                    break
                time.sleep(0.05)
        process.kill()
        raise SystemExit(f"the daemon did not start; see {self._log.name}")

    def kill_and_restart(self) -> int:
        """SIGKILL, as an out-of-memory killer would; a second later somebody starts it again. Returns the dead pid."""
        pid = self.process.pid
        os.kill(pid, signal.SIGKILL)
        self.process.wait()
        time.sleep(1.0)
        self.process = self._start()
        return pid

    def get(self, path: str) -> dict[str, Any]:
        """One JSON answer."""
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
            return found

    def stop(self) -> None:
        """SIGTERM and wait."""
        self.process.terminate()
        self.process.wait(30)
        self._log.close()


class Killer(threading.Thread):
    """Waits until the copy is well under way, then kills the daemon once and starts it again."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(name="killer")
        self._daemon = daemon
        self._done = threading.Event()
        self.story = ""

    def run(self) -> None:
        """Look every 50 ms."""
        while not self._done.wait(0.05):
            found = self._daemon.get("/api/progress/shop?environment=local")
            for table in found.get("tables") or []:
                copied, total = table["rows_copied"], table["rows_total"]
                if table["table_name"] == "orders" and total and copied >= KILL_AT * total:
                    pid = self._daemon.kill_and_restart()
                    self.story = f"pid {pid} killed with SIGKILL at {copied:,} of {total:,} rows"
                    return

    def finish(self) -> None:
        """No later than now."""
        self._done.set()
        self.join()


@contextmanager
def application(shop: Path, folder: Path) -> Iterator[dict[str, float]]:
    """The shop's writer beside us; its figures are filled in at the end."""
    figures: dict[str, float] = {}
    command = [
        sys.executable,
        str(HERE / "shop_writer.py"),
        str(shop),
        str(folder / "journal"),
        str(LIMIT_SECONDS),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield figures
    finally:
        process.terminate()
        figures.update(json.loads(process.communicate(timeout=30)[0]))


def account(shop: Path, journal: Path, orders: int) -> None:
    """Every generated and every acknowledged row, once, with its value, in the new form."""
    connection = sqlite3.connect(shop)
    placed = dict(line.split() for line in journal.read_text().splitlines())
    found = {
        str(key): str(quantity)
        for key, quantity in connection.execute("SELECT id, quantity FROM orders WHERE id > ?", (orders,))
    }
    generated = connection.execute(
        "SELECT count(*) FROM orders WHERE id <= ? AND quantity = id % 9 + 1 AND typeof(quantity) = 'integer'"
        " AND note = 'note ' || id",
        (orders,),
    ).fetchone()[0]
    left = connection.execute(
        "SELECT count(*) FROM sqlite_master WHERE name LIKE '%\\_\\_osc\\_%' ESCAPE '\\' OR name LIKE '\\_schemabot%' ESCAPE '\\'"
    ).fetchone()[0]
    whole = connection.execute("PRAGMA integrity_check").fetchone()[0]
    connection.close()
    table = Table("what", "expected", "found", box=None, header_style="dim")
    table.add_row("generated orders, values intact", f"{orders:,}", f"{generated:,}")
    table.add_row("orders the application placed meanwhile", f"{len(placed):,}", f"{len(found):,}")
    table.add_row("helper objects left behind", "0", str(left))
    table.add_row("integrity_check", "ok", whole)
    console.print(table)
    if generated != orders or found != placed or left or whole != "ok":
        raise SystemExit("rows are missing, changed or left over: please report this")
    console.print("[bold green]Every row is accounted for.")


def tell(folder: Path, orders: int) -> None:
    """The story, chapter by chapter."""
    shop = folder / "shop.db"
    chapter(f"1. A shop with {orders:,} orders, and an application that keeps selling")
    create_shop(shop, orders)
    console.print(f"{shop} ({shop.stat().st_size / 1e6:.0f} MB)")
    daemon = Daemon(folder, shop)
    console.print(f"the daemon listens on {daemon.url}")
    try:
        with application(shop, folder) as figures:
            where = ["-e", "local", "--endpoint", daemon.url]
            chapter("2. A plan that would lose data is refused")
            run("apply", "-s", str(HERE / "shop/unsafe"), *where, "-y", expect=3)
            chapter("3. The plan we want")
            run("plan", "-s", str(HERE / "shop/after"), *where)
            chapter("4. Apply it, and kill the daemon with SIGKILL in the middle of the copy")
            killer = Killer(daemon)
            killer.start()
            began = time.monotonic()
            run("apply", "-s", str(HERE / "shop/after"), *where, "-y")
            seconds = time.monotonic() - began
            killer.finish()
            if not killer.story:
                raise SystemExit("the copy was over before the daemon could be killed: use more rows")
            console.print(
                f"[yellow]{killer.story}[/yellow], started again, completed {seconds:.1f} s after it began"
            )
            apply_id = daemon.get("/api/progress/shop?environment=local")["apply_id"]
            run("logs", apply_id, "--endpoint", daemon.url)
        chapter("5. Is everything there?")
        account(shop, folder / "journal", orders)
        console.print(
            f"The application placed {figures['placed']:,} orders meanwhile; "
            f"p99 {figures['p99_ms']:.1f} ms, worst {figures['worst_ms']:.1f} ms."
        )
        run("plan", "-s", str(HERE / "shop/after"), *where)
    finally:
        daemon.stop()


def main() -> None:
    """Parse, make a folder, tell the story, clean up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000_000)
    orders = parser.parse_args().orders
    began = time.monotonic()
    console.print(Panel.fit("[bold]SchemaBot[/bold]: declare, plan, apply, survive", border_style="blue"))
    with tempfile.TemporaryDirectory(prefix="schemabot-demo-") as folder:
        tell(Path(folder), orders)
    console.print(f"[dim]{time.monotonic() - began:.0f} s in all; the temporary folder is gone.[/dim]")


if __name__ == "__main__":
    main()
