"""The whole API on a real server and a real store; the engine behind it is scripted."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, ClassVar

from engine.base import Capabilities, Change, Finding, PlanResult, SchemaFiles, Severity, Strategy
from server.app import App
from server.config import Config, DatabaseConfig, EnvironmentConfig
from server.handler import ApiHandler
from server.http import HttpServer
from server.metrics import Metrics
from server.targets import Targets
from storage.base import Store
from storage.records import Apply, Claim, TaskMove
from storage.registry import open_store
from storage.states import State
from tests.fakes import FakeEngine, FakeTarget

DATABASES = {
    "shop": DatabaseConfig(
        type="sqlite",
        environments={"staging": EnvironmentConfig(dsn="a.db"), "production": EnvironmentConfig(dsn="b.db")},
    ),
    "solo": DatabaseConfig(type="sqlite", environments={"local": EnvironmentConfig(dsn="c.db")}),
}


def change(table: str, *unsafe: str, strategy: Strategy = Strategy.ONLINE) -> Change:
    return Change(
        namespace="main",
        table=table,
        change_type="alter",
        ddl=f'ALTER TABLE "{table}" ADD COLUMN "c" TEXT CHECK ("c" <> \'<&>\');',
        strategy=strategy,
        lock="blocks writers for an instant",
        unsafe=unsafe,
        spec={"n": 1},
    )


def result(*changes: Change, findings: tuple[Finding, ...] = ()) -> PlanResult:
    unsafe = tuple(
        Finding(severity=Severity.ERROR, linter="unsafe", message=message, table=found.table)
        for found in changes
        for message in found.unsafe
    )
    return PlanResult(
        changes=changes,
        findings=(*unsafe, *findings),
        fingerprints={found.table: "f1" for found in changes},
        original={"main": {"orders.sql": "CREATE TABLE orders (id INTEGER PRIMARY KEY);\n"}},
        unmanaged=("trigger audit",),
    )


class ScriptedEngine(FakeEngine):
    """Plans what the test laid down, or raises it."""

    name: ClassVar[str] = "SQLite"

    def __init__(self) -> None:
        super().__init__(FakeTarget())
        self.answer: PlanResult | Exception = result(change("orders"))
        self.planned: list[SchemaFiles] = []

    def plan(self, files: SchemaFiles) -> PlanResult:
        self.planned.append(files)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def pull(self) -> SchemaFiles:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer.original


class StubbornEngine(ScriptedEngine):
    """Cannot pause, cancel or wait."""

    capabilities: ClassVar[Capabilities] = Capabilities(stop=False, cancel=False, defer_cutover=False)


class ScriptedTargets(Targets):
    """The configured databases, each with the scripted engine."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.scripted: ScriptedEngine = ScriptedEngine()
        self.broken: Exception | None = None

    def engine(self, deployment: str, environment: str, database: str) -> ScriptedEngine:
        if self.broken is not None:
            raise self.broken
        if environment not in self.environments(deployment, database):
            super().engine(deployment, environment, database)
        return self.scripted


@dataclass
class Reply:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        assert self.headers["content-type"] == "application/json"
        assert self.text.endswith("\n")
        return json.loads(self.text, parse_float=_no_float)


def _no_float(text: str) -> Any:
    raise AssertionError(f"clients of the original cannot read the float {text}")


@dataclass
class Api:
    """What a test talks to."""

    app: App
    server: HttpServer
    store: Store
    targets: ScriptedTargets
    woken: list[bool] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def engine(self) -> ScriptedEngine:
        return self.targets.scripted

    def call(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        connection = HTTPConnection(*self.server.address, timeout=30)
        try:
            data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
            connection.request(method, path, body=data, headers={**self.headers, **(headers or {})})
            answer = connection.getresponse()
            text = answer.read().decode()
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)
        finally:
            connection.close()

    def get(self, path: str) -> Reply:
        return self.call("GET", path)

    def post(self, path: str, body: object) -> Reply:
        return self.call("POST", path, body)

    def planned(self, *changes: Change, database: str = "shop", environment: str = "staging") -> Any:
        """Plan *changes*; the answer's body."""
        self.engine.answer = result(*(changes or (change("orders"),)))
        return self.post("/api/plan", plan_request(database=database, environment=environment)).json

    def applied(self, *changes: Change, **more: object) -> Apply:
        """Plan and apply *changes*; the apply as the store knows it."""
        plan_id = self.planned(*changes)["plan_id"]
        answer = self.post("/api/apply", {"plan_id": plan_id, "environment": "staging", **more}).json
        assert answer["accepted"], answer
        return self.store.apply(answer["apply_id"])

    def claim(self) -> Claim:
        claim = self.store.claim("worker", 60.0)
        assert claim is not None
        return claim

    def completed(self) -> str:
        """The id of an apply that is live."""
        apply = self.applied()
        claim = self.claim()
        self.store.advance(claim, [TaskMove(seq=self.store.tasks(apply.id)[0].seq, state=State.RUNNING)])
        self.store.complete(claim)
        return apply.apply_uid

    def metric(self, line: str) -> bool:
        return line in self.get("/metrics").text


def plan_request(**more: object) -> dict[str, object]:
    return {
        "database": "shop",
        "environment": "staging",
        "type": "sqlite",
        "schema_files": {
            "main": {"files": {"orders.sql": "CREATE TABLE orders (id INTEGER PRIMARY KEY, c TEXT);"}}
        },
        **more,
    }


@contextmanager
def running(folder: Path, config: Config) -> Iterator[Api]:
    """The API over a new store in *folder*."""
    store = open_store(str(folder / "store.db"))
    store.upgrade()
    woken: list[bool] = []
    targets = ScriptedTargets(config)
    app = App(
        config=config,
        store=store,
        targets=targets,
        metrics=Metrics(store.counts),
        wake=lambda: woken.append(True),
    )
    handler = ApiHandler(app)
    server = HttpServer("127.0.0.1", 0, handler, pace=handler.pace, threads=4)
    server.start()
    try:
        yield Api(app=app, server=server, store=store, targets=targets, woken=woken)
    finally:
        assert server.stop(5.0)
        store.close()


@contextmanager
def meanwhile(work: Callable[[], None]) -> Iterator[None]:
    """Run *work* in another thread beside the body."""
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join(30)
        assert not thread.is_alive()


def concrete(pattern: str) -> str:
    """A path of that route."""
    return "/".join("x" if part.startswith("{") else part for part in pattern.split("/"))
