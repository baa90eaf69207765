"""The stores are one store (29): the same random history of operations leaves the same rows behind on each of them."""

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storage.base import Store
from storage.errors import StoreError
from storage.records import Claim, TaskMove, TaskProgress
from storage.registry import open_store
from storage.states import State
from tests.servers.server import Server
from tests.storage.kinds import Clock, Known, known
from tests.storage.scene import a_plan, a_request

STEPS = 250
STATES = (State.RUNNING, State.WAITING_FOR_CUTOVER, State.CUTTING_OVER, State.COMPLETED, State.FAILED)
TEXTS = ("", "broken", 'it\'s 100 % \\ "odd" ☃ \x00 %(x)s :y', "x" * 5_000)
MOMENTS = {
    "created_at",
    "updated_at",
    "started_at",
    "finished_at",
    "completed_at",
    "claimed_at",
    "ended_at",
    "settled_at",
    "claimable_at",
    "heartbeat_at",
    "retrying_since",
}
TABLES = {
    "plans": "plan_id",
    "applies": "id",
    "tasks": "apply_id, seq",
    "attempts": "apply_id, fence",
    "apply_events": "id",
    "control_requests": "id",
    "locks": "database_name, database_type",
}


class Steps(Clock):
    """A clock that stands still but for a moment between two steps, so that no two stores see another order of events."""

    def __init__(self) -> None:
        super().__init__()
        self._began = float(int(super().now()))

    def now(self) -> float:
        """Seconds since 1970."""
        return self._began + self.offset


class History:
    """One store's way through a history that the seed decides; what it answers goes into a transcript."""

    def __init__(self, stage: Known, seed: int) -> None:
        self.clock = Steps()
        self.store: Store = stage.open(clock=self.clock)
        self.chance = random.Random(seed)
        self.transcript: list[str] = []
        self._claims: list[Claim] = []
        self._applies: list[str] = []
        self._requests: list[int] = []
        self._names: dict[str, str] = {}

    def run(self) -> None:
        """All steps. Every choice is made before it is known what the store answers."""
        steps: list[Callable[[], Any]] = [
            *(
                self.enqueue,
                self.enqueue,
                self.claim,
                self.claim,
                self.claim,
                self.drive,
                self.drive,
                self.drive,
                self.drive,
            ),
            *(self.request, self.request, self.sweep, self.beat, self.tick, self.people, self.look),
        ]
        for number in range(STEPS):
            step = self.chance.choice(steps)
            self.clock.offset += 0.01
            try:
                said = step()
            except StoreError as error:
                said = f"{type(error).__name__}: {error}"
            self.transcript.append(self.named(f"{number} {step.__name__}: {said}"))
        self.transcript.append(str(self.store.settings()))
        self.store.close()

    def named(self, text: str) -> str:
        """The text with random names replaced by the order in which they came."""
        return re.sub(
            r"(apply)-[0-9a-f]{16}|(control request) [0-9]+",
            lambda found: self._names.setdefault(found[0], f"{found[1] or found[2]} no {len(self._names)}"),
            text,
        )

    def some_claim(self) -> Claim:
        """A recent claim, mostly one that may still write."""
        back = min(len(self._claims), self.chance.choice((1, 1, 1, 2, 3, 6)))
        if not self._claims:
            raise StoreError("nothing was claimed yet")
        return self._claims[-back]

    # -- steps ------------------------------------------------------------------------------------------------------

    def enqueue(self) -> str:
        database, tables = self.chance.choice("abcdefgh"), self.chance.randrange(4)
        key, budget = self.chance.choice((None, None, "k1", "k2")), self.chance.randrange(4)
        self.store.save_plan(a_plan(database, tables))
        request = a_request(database, tables, idempotency_key=key, max_attempts=budget)
        apply = self.store.enqueue(request)
        self._applies.append(apply.apply_uid)
        return f"{apply.apply_uid} {apply.state}"

    def claim(self) -> str:
        lease = self.chance.choice((0.0, 60.0, 60.0, 60.0))
        claim = self.store.claim(f"worker {len(self._claims)}", lease)
        if claim is None:
            return "nothing"
        self._claims.append(claim)
        return f"{claim.apply_uid} {claim.fence} {claim.attempt}"

    def drive(self) -> Any:
        store, chance = self.store, self.chance
        verb, seq, state = chance.randrange(12), chance.randrange(3), chance.choice(STATES)
        text, delay, rows = chance.choice(TEXTS), chance.choice((0.0, 0.0, 30.0)), chance.randrange(10**9)
        which = chance.choice(self._requests or [0])
        claim = self.some_claim()
        progress = [TaskProgress(seq=seq, rows_copied=rows, rows_total=10**12, eta_seconds=seq or None)]
        verbs: list[Callable[[], Any]] = [
            lambda: store.advance(claim, [TaskMove(seq=seq, state=state)], text).state,
            lambda: store.advance(claim, [TaskMove(seq=n, state=state) for n in range(seq)], text).state,
            lambda: store.record(claim, progress, durable=seq == 0),
            lambda: store.log(claim, "warn", "info", text),
            lambda: store.attach(claim, text[:8]),
            lambda: store.complete(claim, text),
            lambda: store.fail(claim, seq, text),
            lambda: store.retry_later(claim, seq, text, delay, spent=bool(seq)),
            lambda: store.hand_back(claim),
            lambda: store.park(claim, delay),
            lambda: (store.settle_stop if seq else store.settle_cancel)(claim, which),
            lambda: store.settle(claim, which, "failed", text),
        ]
        return f"{verb} {verbs[verb]()}"

    def request(self) -> str:
        kind = self.chance.choice(("stop", "start", "start", "cancel", "cutover"))
        uid = self.chance.choice(self._applies[-6:] or ["apply-x"])
        request = self.store.request(uid, kind, "ann")
        self._requests.append(request.id)
        return f"{kind}: control request {request.id} {request.state} {request.affected} {request.skipped}"

    def sweep(self) -> str:
        return str(self.store.expire_retryable(self.chance.choice((0.0, 60.0, 86_400.0))))

    def beat(self) -> str:
        lost = self.store.heartbeat(self._claims[-10:])
        return str([claim.fence for claim in self._claims if claim.token in lost])

    def tick(self) -> None:
        self.clock.offset += self.chance.choice((1.0, 20.0, 20.0, 61.0, 61.0, 3600.0, 100_000.0, -3600.0))

    def people(self) -> Any:
        name, owner = self.chance.choice("xy"), self.chance.choice(("ann", "bob"))
        verbs: list[Callable[[], Any]] = [
            lambda: self.store.acquire_lock(name, "sqlite", owner, "repository", 7).owner,
            lambda: self.store.release_lock(name, "sqlite", owner, force=owner == "bob"),
            lambda: self.store.set_setting(name, self.chance.choice(TEXTS)),
            lambda: [self.store.settings(), [lock.database for lock in self.store.locks()]],
            self.store.release_orphans,
        ]
        return self.chance.choice(verbs)()

    def look(self) -> str:
        due = self.store.next_due()
        found = [(apply.apply_uid, apply.state.value) for apply in self.store.recent(5)]
        active = self.store.active_apply("a", "local")
        history = [apply.apply_uid for apply in self.store.history("b", "local", 3)]
        return (
            f"{due and round(due, 1)} {found} {active and active.apply_uid} {history} {self.store.counts()}"
        )


def rows(stage: Known) -> dict[str, list[dict[str, object]]]:
    """Every row of every table. Of times, whether there is one; of random names, nothing; of ids, their order."""
    applies = [number for (number,) in stage.rows("SELECT id FROM applies ORDER BY id")]
    found = {}
    for table, order in TABLES.items():
        columns = [column for column in stage.columns(table) if column not in stage.own_columns]
        found[table] = [
            {
                name: applies.index(value) if name == "apply_id" else comparable(name, value)
                for name, value in zip(columns, row, strict=True)
            }
            for row in stage.rows(f"SELECT {', '.join(columns)} FROM {table} ORDER BY {order}")
        ]
    return found


def comparable(name: str, value: object) -> object:
    """What every store must have alike. Servers leave gaps in ids where an INSERT met a key that was taken."""
    if name in MOMENTS or name == "lease_token":
        return value is not None
    if name in ("id", "apply_uid", "task_uid", "due_in"):
        return ""
    return re.sub(r"apply-[0-9a-f]{16}", "", value) if isinstance(value, str) else value


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", range(8))
def test_29_a_random_history_leaves_the_same_rows_on_every_store(
    tmp_path: Path, mariadb: Server, mysql: Server, seed: int
) -> None:
    stages = [known(str(tmp_path / "store.db"))]
    stages += [
        known(server.url(server.fresh_database(), query="ssl_mode=disabled")) for server in (mariadb, mysql)
    ]
    told, left = [], []
    for stage in stages:
        with open_store(stage.address) as store:
            store.upgrade()
        history = History(stage, seed)
        history.run()
        told.append(history.transcript)
        left.append(rows(stage))
    for other in (1, 2):
        for first, second in zip(told[0], told[other], strict=True):
            assert first == second
        for table in TABLES:
            for row, twin in zip(left[0][table], left[other][table], strict=True):
                assert row == twin, table
    assert len(left[0]["apply_events"]) > 30, "a history in which nothing happens proves nothing"
