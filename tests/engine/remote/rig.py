"""Two daemons, each a process with a store of its own, the target at the far one, and a network between them."""

import json
import signal
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.proxy import Moment, Proxy
from tests.servers.ports import free_port
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[3]
LIMIT_SECONDS = 90.0
ROWS = 120_000
"""More than what is changed in one transaction."""
TOKEN = "far-and-secret-token"
BEFORE = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, quantity TEXT NOT NULL);
CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);
"""
AFTER = """
CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT, author TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, quantity INTEGER NOT NULL);
"""
QUICK = """
CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT, author TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, quantity TEXT NOT NULL);
"""
END = ("completed", "failed", "cancelled")


class Side:
    """One daemon: its folder, its process, its API."""

    def __init__(self, folder: Path, config: str, token: str = "") -> None:
        folder.mkdir()
        self.folder = folder
        self._config = folder / "config.toml"
        self._config.write_text(config)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.process: subprocess.Popen[str] | None = None
        self.url = ""
        self.rest_seconds = 0.3
        """After every batch of a `slow` copy."""

    def start(self) -> None:
        """Start it and wait until it listens."""
        with (self.folder / "daemon.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.engine.remote.daemon_process", self._config, self.folder],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=ROOT,
            )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        assert self.url, self.log()

    def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        """End it with that signal; its exit status."""
        if self.process is None:
            return 0
        self.process.send_signal(number)
        assert self.process.stdout is not None
        self.process.stdout.close()
        code = self.process.wait(LIMIT_SECONDS)
        self.process = None
        return code

    def log(self) -> str:
        """The end of what it logged."""
        return (self.folder / "daemon.log").read_text()[-6000:]

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON of one request."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=self._headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=40) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def get(self, path: str) -> Any:
        """The JSON of a GET that must succeed."""
        status, body = self.call("GET", path)
        assert status == 200, body
        return body

    def progress(self, uid: str) -> Any:
        """How far the apply is."""
        return self.get(f"/api/progress/apply/{uid}")

    def command(self, kind: str, uid: str) -> Any:
        """Give a command; it must be accepted."""
        body = {"database": "shop", "environment": "staging", "apply_id": uid, "caller": "ann"}
        status, answer = self.call("POST", f"/api/{kind}", body)
        assert (status, answer["accepted"]) == (200, True), answer
        return answer

    def applies(self) -> list[Any]:
        """All applies of the shop, newest first."""
        found: list[Any] = self.get("/api/history/shop")["applies"]
        return found

    def events(self, uid: str) -> list[str]:
        """The messages of its log."""
        return [event["message"] for event in self.get(f"/api/logs?apply_id={uid}&limit=500")["logs"]]

    def when(self, uid: str, *states: str) -> Any:
        """Its progress, once it is in one of *states*."""
        return self.once(uid, lambda body: body["state"] in states, "/".join(states))

    def once(self, uid: str, true: Callable[[Any], bool], what: str) -> Any:
        """Its progress, once that is true of it; one that ended otherwise will not become it."""

        def look() -> Any:
            body = self.progress(uid)
            found = true(body)
            assert found or body["state"] not in END, f"{what}: {body}\n{self.log()}"
            return body if found else None

        return until(what, look, tell=lambda: f"{self.progress(uid)}\n{self.log()}")

    def asked(self, request: str) -> int:
        """How often it was asked `POST /api/stop` (and the like) since it started."""
        method, route = request.split()
        call = urllib.request.Request(f"{self.url}/metrics", headers=self._headers)
        with urllib.request.urlopen(call, timeout=40) as answer:
            lines = answer.read().decode().splitlines()
        start, labels = "schemabot_http_request_seconds_count{", (f'method="{method}"', f'route="{route}"')
        counts = [
            line.split()[-1] for line in lines if line.startswith(start) and all(x in line for x in labels)
        ]
        return sum(int(float(count)) for count in counts)

    def set(self, name: str, *, on: bool) -> None:
        """Make its changes `slow`, or let them meet `trouble`."""
        if on:
            (self.folder / name).write_text(str(self.rest_seconds))
        else:
            (self.folder / name).unlink(missing_ok=True)


class Sides:
    """The near daemon, which is asked, and the far one, which does it."""

    def __init__(self, folder: Path, network: Proxy, far_port: int, near_token: str) -> None:
        self.network = network
        self.target = folder / "shop.db"
        (folder / "token").write_text(near_token)
        self.far = Side(
            folder / "far",
            f"""
            [server]
            listen_port = {far_port}
            [[server.tokens]]
            name = "near"
            secret = "{TOKEN}"
            [databases.shop]
            type = "sqlite"
            [databases.shop.environments.staging]
            dsn = "{self.target}"
            """,
            TOKEN,
        )
        self.near = Side(
            folder / "near",
            f"""
            [server]
            listen_port = 0
            [deployments.default]
            token = "file:{folder / "token"}"
            [deployments.default.environments]
            staging = "http://127.0.0.1:{network.port}"
            """,
        )
        with closing(sqlite3.connect(self.target, isolation_level=None)) as target:
            target.execute("PRAGMA journal_mode = WAL")
            target.executescript(BEFORE)
            target.execute(
                "INSERT INTO orders WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n LIMIT ?)"
                " SELECT v, CAST(v % 100 AS TEXT) FROM n",
                (ROWS,),
            )

    def lose_answers(self, request: str, times: int) -> None:
        """Let the next *times* requests that begin so through, but not their answers."""
        start = f"{request} ".encode()
        self.network.cut_when(lambda sent: sent.startswith(start), at=Moment.ANSWERED, times=times)

    def plan(self, schema: str = AFTER, **more: str) -> tuple[int, Any]:
        """Ask the near one for a plan."""
        files = {"shop": {"files": {"shop.sql": schema}}}
        request = {"database": "shop", "environment": "staging", "type": "sqlite", "schema_files": files}
        return self.near.call("POST", "/api/plan", {**request, **more})

    def apply(self, schema: str = AFTER, **options: str) -> str:
        """Plan and apply at the near one; the apply's id there."""
        status, plan = self.plan(schema)
        assert status == 200, plan
        request = {"plan_id": plan["plan_id"], "environment": "staging", "options": options, "caller": "ann"}
        status, answer = self.near.call("POST", "/api/apply", request)
        assert (status, answer["accepted"]) == (200, True), answer
        return str(answer["apply_id"])

    def copying(self, schema: str = AFTER, **options: str) -> tuple[str, str]:
        """A slow apply in the middle of its copy, seen from both sides; its ids here and there."""
        self.far.set("slow", on=True)
        uid = self.apply(schema, **options)
        body = self.near.once(uid, lambda body: _rows(body) > 0, "rows copied, seen from the near side")
        assert body["state"] == "running"
        return uid, str(body["external_id"])

    def kinds(self) -> set[str]:
        """The storage classes in orders.quantity: `integer` after the change."""
        with closing(sqlite3.connect(self.target)) as target:
            return {kind for (kind,) in target.execute("SELECT DISTINCT typeof(quantity) FROM orders")}

    def check_done(self, uid: str) -> None:
        """Completed on both sides by one apply, every row there, nothing left behind (I8)."""
        far = self.far.applies()
        assert [apply["state"] for apply in far] == ["completed"], far
        body = self.near.progress(uid)
        assert (body["state"], body["external_id"]) == ("completed", far[0]["apply_id"])
        assert [table["status"] for table in body["tables"]] == ["completed"] * len(body["tables"])
        with closing(sqlite3.connect(self.target)) as target:
            assert target.execute("SELECT count(*), sum(quantity) FROM orders").fetchone() == (
                ROWS,
                sum(n % 100 for n in range(1, ROWS + 1)),
            )
            names = {name for (name,) in target.execute("SELECT name FROM sqlite_master")}
        assert names == {"orders", "notes"}
        assert self.kinds() == {"integer"}


def _rows(body: Any) -> int:
    return sum(table["rows_copied"] for table in body.get("tables", []))


@contextmanager
def two_daemons(folder: Path, near_token: str = TOKEN) -> Iterator[Sides]:
    """Both running."""
    far_port = free_port()
    with Proxy("127.0.0.1", far_port) as network:
        sides = Sides(folder, network, far_port, near_token)
        try:
            sides.far.start()
            sides.near.start()
            yield sides
        finally:
            sides.near.end()
            sides.far.end()
