"""Many at once on a server: which indexes serve the statements, what a claim locks, and that no deadlock surfaces."""

import random
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from storage.base import Store
from storage.errors import LeaseLost, StoreError, TargetBusy
from storage.lifecycle.statements import Statements
from storage.mysql.store import MysqlStore
from storage.records import Claim, TaskProgress
from tests.servers.server import Server
from tests.storage.kinds import KnownServer, Watch
from tests.storage.scene import R, claimed, move, now, queued


@pytest.fixture
def stage(server: Server, database: str) -> KnownServer:
    """On a server."""
    return KnownServer(server.url(database, query="ssl_mode=disabled"))


# -- what the statements look at (3) --------------------------------------------------------------------------------

SORT_A_HANDFUL = ("GROUP BY state", "live = 1", "FROM locks", "is_open = 1")
"""Marks of statements whose index leaves only live applies, or one apply's open commands, to be sorted."""


A_ROW_OR_TWO = ("plans:", "settings:", "locks:")
"""Tables so small here that they are read as a whole."""


@pytest.mark.parametrize("history", [10, 30_000])
def test_3_the_hot_statements_use_their_index_however_long_the_history(
    stage: KnownServer, history: int
) -> None:
    watch = Watch()
    with stage.open(before=watch) as store:
        stage.generate(store, history=history, live=20)
        stage.run("ANALYZE TABLE applies")
        watch.statements.clear()
        use_everything(store)
    plans = {sql: stage.explain(sql) for sql in watch.statements if is_explainable(sql)}
    assert len(plans) > 20
    for sql, lines in plans.items():
        for line in lines:
            sorts = "filesort" in line or "temporary" in line
            assert not sorts or any(mark in sql for mark in SORT_A_HANDFUL), f"{sql}\n{line}"
            assert ": ALL " not in line or line.startswith(A_ROW_OR_TWO), f"{sql}\n{line}"
    (claim,) = {line for sql, lines in plans.items() if "SKIP LOCKED" in sql for line in lines}
    assert claim.startswith("applies: range applies_claim; ")
    renewals = [lines for sql, lines in plans.items() if "AND lease_token = " in sql]
    assert renewals
    assert all(line.startswith("applies: range PRIMARY; ") for lines in renewals for line in lines)


def use_everything(store: Store) -> None:
    """Every statement a daemon runs by itself or for a view."""
    claim = claimed(store)
    store.next_due()
    store.heartbeat([claim])
    store.expire_retryable()
    store.log(claim, "info", "info", "a word")
    apply = next(apply for apply in store.recent(100) if apply.id == claim.apply_id)
    store.apply(apply.apply_uid)
    store.active_apply(apply.database, "local")
    store.latest_apply(apply.database, "local")
    store.history("db1")
    store.counts()
    store.request(apply.apply_uid, "stop", "ann")
    store.pending_requests(claim.apply_id)
    store.events(claim.apply_id)
    store.attempts(claim.apply_id)
    store.hand_back(claim)
    queued(store, "fresh", idempotency_key="k")
    with pytest.raises(TargetBusy):
        queued(store, "fresh")


def is_explainable(sql: str) -> bool:
    return sql.lstrip().startswith(("SELECT", "UPDATE", "DELETE"))


# -- what a claim locks (4) -------------------------------------------------------------------------------------------


def test_4_an_open_claim_stands_in_nobodys_way(stage: KnownServer) -> None:
    with stage.open() as store, stage.open() as other:
        stage.generate(store, history=200, live=50)
        driven = claimed(store, "driver")
        slowest: dict[str, float] = {}

        def look_around(transaction: Statements) -> int:
            due = transaction.first_due(60.0)
            assert due is not None
            footprint(stage)
            for name, call in neighbours(other, driven, due["id"]).items():
                began = time.monotonic()
                call()
                slowest[name] = time.monotonic() - began
            return int(due["id"])

        store._database.write(look_around)  # type: ignore[attr-defined]
    # A row lock would be waited for 5 s. (On a machine of its own each takes a few milliseconds.)
    assert max(slowest.values()) < 2.0, slowest


def neighbours(other: Store, driven: Claim, held: int) -> dict[str, Callable[[], object]]:
    """What others do meanwhile."""

    def claim() -> None:
        assert claimed(other, "peer").apply_id != held

    return {
        "claim": claim,
        "claim again": claim,
        "enqueue": lambda: queued(other, "another"),
        "heartbeat": lambda: other.heartbeat([driven]),
        "sweep": other.expire_retryable,
    }


def footprint(stage: KnownServer) -> None:
    """One row in two indexes, and no gap. Only MySQL shows locks that nobody waits for."""
    if "mariadb" in stage.version.lower():
        return
    locks = stage.rows(
        """
        SELECT index_name, lock_mode FROM performance_schema.data_locks
         WHERE object_schema = DATABASE() AND lock_type = 'RECORD'
        """
    )
    assert sorted(locks) == [("PRIMARY", "X,REC_NOT_GAP"), ("applies_claim", "X,REC_NOT_GAP")]


def test_4_an_idle_claimer_stands_in_no_enqueues_way(stage: KnownServer) -> None:
    with stage.open() as store, stage.open() as other:

        def enqueue_meanwhile(transaction: Statements) -> None:
            assert transaction.first_due(60.0) is None
            began = time.monotonic()
            queued(other)
            assert time.monotonic() - began < 2.0

        store._database.write(enqueue_meanwhile)  # type: ignore[attr-defined]
        assert claimed(store).fence == 1


def test_ow_6_heartbeats_do_not_queue_behind_the_processs_own_writes(stage: KnownServer) -> None:
    """They have a connection of their own: with a write of the same thread under way, they still go through."""
    with stage.open() as store:
        queued(store)
        claim = claimed(store)
        beaten: list[frozenset[str]] = []
        store._database.write(lambda _: beaten.append(store.heartbeat([claim])))  # type: ignore[attr-defined]
        assert beaten == [frozenset()]


# -- no deadlock surfaces (5) -------------------------------------------------------------------------------------------


def test_5_claims_beats_ends_enqueues_and_sweeps_at_once_surface_no_deadlock(stage: KnownServer) -> None:
    """Seconds of what the long form does for a minute. Every apply is accounted for in the end."""
    mix = Mix(stage, seconds=3.0)
    mix.run()
    assert mix.surprises == []
    assert stage.violations() == []
    with stage.open() as store:
        left = sum(store.counts().values())
    assert mix.enqueued == mix.completed + mix.failed + mix.expired + left
    assert mix.completed > 20


class Mix:
    """Four drivers, two that enqueue, one that sweeps, one that beats: on two stores, as two processes have."""

    def __init__(self, stage: KnownServer, seconds: float) -> None:
        stage.keep_write_log()
        self._stage = stage
        self._until = time.monotonic() + seconds
        self.surprises: list[str] = []
        self.enqueued = self.completed = self.failed = self.expired = 0
        self._count = threading.Lock()
        self._claims: dict[int, Claim] = {}

    def run(self) -> None:
        """Until the time is up."""
        with ExitStack() as stack:
            stores = [stack.enter_context(self._stage.open()) for _ in range(2)]
            roles = [self.drive] * 4 + [self.enqueue] * 2 + [self.sweep, self.beat]
            threads = [
                threading.Thread(target=self._repeat, args=(role, stores[n % 2], n))
                for n, role in enumerate(roles)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def _repeat(self, role: Callable[[Store, random.Random], None], store: Store, seed: int) -> None:
        chance = random.Random(seed)
        while time.monotonic() < self._until:
            try:
                role(store, chance)
            except (LeaseLost, TargetBusy):
                continue
            except StoreError as error:
                self.surprises.append(repr(error))

    def _add(self, name: str, number: int = 1) -> None:
        with self._count:
            setattr(self, name, getattr(self, name) + number)

    def enqueue(self, store: Store, chance: random.Random) -> None:
        """One for one of thirty targets."""
        queued(store, f"db{chance.randrange(30)}", 3, max_attempts=1)
        self._add("enqueued")

    def drive(self, store: Store, chance: random.Random) -> None:
        """Claim, beat and write, then end it, let it go, or leave it."""
        claim = store.claim("worker", chance.choice((0.05, 5.0)))
        if claim is None:
            time.sleep(0.005)
            return
        self._claims[claim.apply_id] = claim
        move(store, claim, R)
        store.record(claim, [TaskProgress(seq=0, rows_copied=1, rows_total=2)], durable=False)
        match chance.randrange(8):
            case 0:
                store.fail(claim, 0, "broken")
                self._add("failed")
            case 1:
                store.retry_later(claim, 0, "flaky", 0.0)
            case 2:
                store.hand_back(claim)
            case 3:
                pass  # its driver has died
            case _:
                store.complete(claim)
                self._add("completed")

    def sweep(self, store: Store, _chance: random.Random) -> None:
        """Every 20 ms, as nobody does."""
        self._add("expired", len(store.expire_retryable()))
        time.sleep(0.02)

    def beat(self, store: Store, _chance: random.Random) -> None:
        """For everything that was ever claimed."""
        store.heartbeat(list(self._claims.copy().values()))
        time.sleep(0.02)


def test_a_row_that_stays_locked_is_unavailable_in_the_end_and_nothing_is_half_done(
    stage: KnownServer,
) -> None:
    with stage.open() as store:
        apply = queued(store)
        claim = claimed(store)
        with stage.connected() as holder, holder.cursor() as cursor:
            cursor.execute("START TRANSACTION")
            cursor.execute("SELECT * FROM applies FOR UPDATE")
            began = time.monotonic()
            with pytest.raises(StoreError, match="a row stayed locked"):
                store.heartbeat([claim])
            assert time.monotonic() - began < 20.0
            cursor.execute("ROLLBACK")
        assert store.heartbeat([claim]) == frozenset(), "what cannot be read is not proven lost (OW-3)"
        assert now(store, apply).leased


def test_one_store_serves_many_threads_and_forgets_those_that_are_gone(stage: KnownServer) -> None:
    with MysqlStore(stage.address.removeprefix("mysql://")) as store:
        for _ in range(3):
            threads = [threading.Thread(target=store.counts) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        store.counts()
        owned = store._database._sessions._owned
        assert len([thread for thread, _ in owned if thread.is_alive()]) == 1
        assert len(owned) <= 8 + 1
