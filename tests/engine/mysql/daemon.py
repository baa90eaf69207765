"""A real daemon over a real server, spoken to by HTTP."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.servers.server import Server
from tests.waiting import until

LIMIT_SECONDS = 110.0


class Daemon:
    """A context manager; `kill` and `start` as often as a test likes, on the same store."""

    def __init__(self, folder: Path, dsn: str) -> None:
        self._folder = folder
        (folder / "dsn").write_text(dsn)
        self._config = folder / "config.toml"
        self._config.write_text(
            f"""
            [server]
            listen_port = 0
            drain_seconds = 10.0
            [storage]
            url = "{folder / "store.db"}"
            [databases.shop]
            type = "mysql"
            [databases.shop.environments.test]
            dsn = "file:{folder / "dsn"}"
            """
        )
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def slow(self, seconds: float) -> None:
        """Rest so long after each chunk; 0: no more."""
        (self._folder / "slow").write_text(str(seconds))

    def freeze_at(self, point: str) -> None:
        """Be stopped (SIGSTOP) at a fault point, the next time it is reached."""
        made = self._folder / "freeze.new"
        made.write_text(point)
        made.rename(self._folder / "freeze")

    def wait_frozen(self) -> None:
        """Until it is."""
        assert self._process is not None
        asked = os.P_PID, self._process.pid, os.WSTOPPED | os.WNOHANG
        until("it is stopped", lambda: os.waitid(*asked), LIMIT_SECONDS, tell=self.log)

    def thaw(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def start(self) -> None:
        """Return once it answers."""
        with (self._folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.engine.mysql.daemon_process",
                    str(self._config),
                    str(self._folder),
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        assert self.url, self.log()

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None

    def log(self) -> str:
        """What it said so far."""
        return (self._folder / "log").read_text()[-4000:]

    def __enter__(self) -> "Daemon":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    # -- the API ------------------------------------------------------------------------------------------------

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer's document; a POST when there is a body."""
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data=data, headers={"Content-Type": "application/json"})
        try:
            with urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read().decode()}") from error

    def plan(self, files: Mapping[str, Mapping[str, str]]) -> Any:
        """A plan of these files by namespace."""
        return self.ask(
            "/api/plan",
            {
                "database": "shop",
                "environment": "test",
                "type": "mysql",
                "schema_files": {name: {"files": dict(texts)} for name, texts in files.items()},
            },
        )

    def apply(self, files: Mapping[str, Mapping[str, str]], **options: str) -> str:
        """Plan and begin; the apply's id."""
        plan = self.plan(files)
        wanted = {"allow_unsafe": "true", **options}
        answer = self.ask(
            "/api/apply",
            {"plan_id": plan["plan_id"], "database": "shop", "environment": "test", "options": wanted},
        )
        assert answer["accepted"], answer
        return str(answer["apply_id"])

    def command(self, verb: str, apply_id: str) -> Any:
        """stop, start, cancel, cutover."""
        return self.ask(f"/api/{verb}", {"database": "shop", "environment": "test", "apply_id": apply_id})

    def progress(self, apply_id: str) -> Any:
        """The apply as it is told."""
        return self.ask(f"/api/progress/apply/{apply_id}")

    def wait(self, apply_id: str, *states: str) -> Any:
        """The first progress in one of *states*."""

        def found() -> Any:
            told = self.progress(apply_id)
            wanted = told["state"] in states
            assert wanted or told["state"] not in ("failed", "completed", "cancelled"), (
                f"{told}\n{self.log()}"
            )
            return told if wanted else None

        return until(" or ".join(states), found, LIMIT_SECONDS, tell=lambda: self._told(apply_id))

    def wait_rows(self, apply_id: str, rows: int) -> None:
        """Until so many rows are copied."""

        def copied() -> bool:
            tables = self.progress(apply_id)["tables"]
            return sum(int(table.get("rows_copied") or 0) for table in tables) >= rows

        until(f"{rows} rows are copied", copied, LIMIT_SECONDS, tell=lambda: self._told(apply_id))

    def _told(self, apply_id: str) -> str:
        return f"{self.progress(apply_id)}\n{self.log()}"


def dsn_of(server: Server, database: str) -> str:
    """As a configuration has it."""
    return server.url(database, query="ssl_mode=disabled")
