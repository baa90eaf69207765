"""Several real daemons, `schemabot serve`, on one store: started, asked, ended, and never left behind."""

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from storage.records import Apply, Attempt
from tests.faults.grounds import Ground
from tests.faults.shop import AFTER, SqliteShop
from tests.faults.world import ROOT, patient

LIMIT_SECONDS = 60.0


class Daemon:
    """One `schemabot serve` and its API."""

    def __init__(self, config: Path) -> None:
        with config.with_name("daemons.log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "schemabot", "serve", "-c", str(config)],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        assert "listens on" in first, config.with_name("daemons.log").read_text()[-3000:]
        self.url = first.split()[-1]

    @property
    def pid(self) -> int:
        return self.process.pid

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The JSON of one request, whatever its status."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=40) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return json.load(error)

    def apply(self, database: str, **options: str) -> str:
        """Plan and apply; the apply's id."""
        files = {database: {"files": {"all.sql": AFTER}}}
        wanted = {"database": database, "environment": "local", "type": "sqlite", "schema_files": files}
        plan = self.call("POST", "/api/plan", wanted)
        answer = self.call(
            "POST",
            "/api/apply",
            {"plan_id": plan["plan_id"], "environment": "local", "options": options, "caller": "ann"},
        )
        assert answer["accepted"], answer
        return str(answer["apply_id"])

    def command(self, kind: str, uid: str, database: str) -> None:
        """Give a command; it must be accepted."""
        body = {"database": database, "environment": "local", "apply_id": uid, "caller": "ann"}
        answer = self.call("POST", f"/api/{kind}", body)
        assert answer.get("accepted"), answer

    def state(self, uid: str) -> str:
        """The apply's state, as this daemon says."""
        return str(self.call("GET", f"/api/progress/apply/{uid}")["state"])

    def terminate(self) -> int:
        """SIGTERM; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(LIMIT_SECONDS)

    def kill(self) -> None:
        """kill -9; nothing when it is gone already."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


class Fleet:
    """Daemons of one configuration, their targets, and their store as the test reads it."""

    def __init__(
        self, ground: Ground, folder: Path, *, targets: int, rows: int, workers: int, lease_seconds: float
    ) -> None:
        self.store = ground.open()
        self.ground = ground
        self.shops = {f"db{n}": SqliteShop(folder / f"db{n}.sqlite", rows) for n in range(targets)}
        self.daemons: list[Daemon] = []
        self._config = folder / "config.toml"
        databases = "".join(
            f'[databases.{name}]\ntype = "sqlite"\n[databases.{name}.environments.local]\ndsn = "{shop.path}"\n'
            for name, shop in self.shops.items()
        )
        self._config.write_text(
            f"""
            [server]
            listen_port = 0
            [storage]
            url = "{ground.address}"
            [workers]
            count = {workers}
            lease_seconds = {lease_seconds}
            {databases}
            """
        )

    def start(self) -> Daemon:
        """One more daemon."""
        daemon = Daemon(self._config)
        self.daemons.append(daemon)
        return daemon

    def now(self, uid: str) -> Apply:
        """The apply as it stands."""
        return patient(lambda: self.store.apply(uid))

    def attempts(self, uid: str) -> list[Attempt]:
        """Who drove it, in order."""
        return patient(lambda: self.store.attempts(self.now(uid).id))

    def driver(self, uid: str) -> Daemon | None:
        """The daemon that drives it or did so last; None when nobody did."""
        attempts = self.attempts(uid)
        return next((one for one in self.daemons if attempts and owner_pid(attempts[-1]) == one.pid), None)

    def waited(self, uid: str) -> float:
        """From enqueue to the first claim, on the store's clock."""
        return (self.attempts(uid)[0].claimed_at - self.now(uid).created_at).total_seconds()

    def copying(self, uid: str) -> bool:
        """Whether rows are being copied."""
        return any(task.rows_copied for task in patient(lambda: self.store.tasks(self.now(uid).id)))

    def breaches(self, *uids: str) -> list[str]:
        """Breaches of I2, I3, I7 and I8 by those applies, which have ended."""
        found = self.ground.breaches()
        for uid in uids:
            apply = self.now(uid)
            found += [f"{uid}: {fault}" for fault in self.shops[apply.database].faults(apply.state)]
        return found


def owner_pid(attempt: Attempt) -> int:
    """The process of an attempt's owner: host:pid:boot."""
    return int(attempt.owner.split(":")[1])


@contextmanager
def fleet(
    ground: Ground,
    folder: Path,
    *,
    daemons: int,
    targets: int,
    rows: int,
    workers: int = 1,
    lease_seconds: float = 60.0,
) -> Iterator[Fleet]:
    """Running daemons; all ended with the test."""
    made = Fleet(ground, folder, targets=targets, rows=rows, workers=workers, lease_seconds=lease_seconds)
    try:
        for _ in range(daemons):
            made.start()
        yield made
    finally:
        for daemon in made.daemons:
            daemon.kill()
        made.store.close()
