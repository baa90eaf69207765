"""A server in trouble: gone, silent, read-only, its connections killed, its passwords changed (14, 15, AV-1)."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pymysql
import pytest

from storage.base import Store
from storage.errors import LeaseLost, StoreError, TargetBusy, Unavailable
from storage.mysql.store import MysqlStore
from storage.records import TaskProgress
from storage.registry import open_store
from storage.states import State
from tests.proxy import Proxy
from tests.servers.server import Server
from tests.storage.kinds import KnownServer
from tests.storage.scene import R, a_plan, a_request, claimed, move, now, queued
from tests.waiting import until


@pytest.fixture
def stage(server: Server, database: str) -> KnownServer:
    """On a server."""
    return KnownServer(server.url(database, query="ssl_mode=disabled"))


# -- gone -----------------------------------------------------------------------------------------------------------


def test_a_server_that_is_down_is_unavailable_at_once_and_missed_no_longer_than_it_is_down(
    own_server: Server, stage: KnownServer
) -> None:
    with stage.open() as store:
        apply = queued(store)
        claim = claimed(store)
        own_server.kill()
        calls: list[Callable[[], object]] = [
            store.ping,
            store.counts,
            store.upgrade,
            lambda: store.heartbeat([claim]),
            lambda: store.complete(claim),
            lambda: store.claim("worker", 60.0),
        ]
        for call in calls:
            began = time.monotonic()
            with pytest.raises(Unavailable, match="cannot be reached"):
                call()
            assert time.monotonic() - began < 5.0
        own_server.start()
        store.complete(claim)
        assert now(store, apply).state is State.COMPLETED
        store.ping()


def test_a_closed_store_is_unavailable(stage: KnownServer) -> None:
    store = stage.open()
    queued(store)
    claim = claimed(store)
    store.close()
    store.close()
    for call in (store.ping, store.counts, store.upgrade, lambda: store.heartbeat([claim])):
        with pytest.raises(Unavailable, match="closed"):
            call()


def test_connections_that_were_killed_are_opened_again_without_a_word(
    server: Server, stage: KnownServer, database: str
) -> None:
    with stage.open() as store:
        apply = queued(store)
        claim = claimed(store)
        calls: list[Callable[[], object]] = [
            store.counts,
            lambda: store.heartbeat([claim]),
            lambda: store.log(claim, "info", "info", "a word"),
            lambda: store.complete(claim),
        ]
        for call in calls:
            assert kill_connections(server, database) > 0
            call()
        assert now(store, apply).state is State.COMPLETED


def kill_connections(server: Server, database: str) -> int:
    """Kill every connection that uses the database; how many."""
    with server.connect(autocommit=True) as link, link.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", (database,))
        found = cursor.fetchall()
        for (number,) in found:
            with suppress(pymysql.MySQLError):  # it has gone by itself
                cursor.execute(f"KILL {number}")
    return len(found)


# -- under load (15) --------------------------------------------------------------------------------------------------


class Load:
    """Three workers, each enqueueing, driving and completing one apply after the other, whatever happens; one heart."""

    def __init__(self, stage: KnownServer) -> None:
        stage.keep_write_log()
        self.stage = stage
        self.connections = 0
        self.enqueued: list[str] = []
        self.completed: list[str] = []
        self.surprises: list[str] = []
        self._stop = threading.Event()
        self._claims: dict[int, Any] = {}

    @contextmanager
    def running(self) -> Iterator[None]:
        """While the body does harm."""
        with MysqlStore(self.stage.address.removeprefix("mysql://"), _on_connect=self._note) as store:
            threads = [threading.Thread(target=self._work, args=(store, n)) for n in range(3)]
            threads.append(threading.Thread(target=self._beat, args=(store,)))
            for thread in threads:
                thread.start()
            try:
                yield
            finally:
                self._stop.set()
                for thread in threads:
                    thread.join(60)

    def goes_on(self) -> None:
        """Return once more was completed."""
        wanted = len(self.completed) + 5
        until("more is completed", lambda: len(self.completed) >= wanted or bool(self.surprises), 60.0)
        assert self.surprises == []

    def check(self) -> None:
        """I1 – I5: what was acknowledged is there, once, and no stale write came through."""
        assert self.surprises == []
        assert self.stage.violations() == []
        with self.stage.open() as store:
            assert len(self.enqueued) == len(set(self.enqueued))
            for uid in self.completed:
                assert store.apply(uid).state is State.COMPLETED, "an acknowledged completion is lost"
        found = {uid for (uid,) in self.stage.rows("SELECT apply_uid FROM applies")}
        assert set(self.enqueued) <= found, "an acknowledged apply is lost"
        assert len(found - set(self.enqueued)) <= 3, "more were made than were asked for"
        assert len(self.completed) == len(set(self.completed)), "one was completed twice"

    def _note(self, _link: object) -> None:
        self.connections += 1

    def _work(self, store: Store, number: int) -> None:
        count = 0
        while not self._stop.is_set():
            count += 1
            try:
                self._make(store, f"db{number}", f"{number}-{count}")
                while self._insist(partial(store.counts)) and not self._stop.is_set():
                    self._drive(store)
            except LeaseLost:
                continue
            except Unavailable:
                return
            except (StoreError, AssertionError) as error:
                self.surprises.append(repr(error))
                return

    def _make(self, store: Store, name: str, key: str) -> None:
        """Enqueue the next one for a target, once, unless it is held."""
        self._insist(partial(store.save_plan, a_plan(name)))
        with suppress(TargetBusy):
            apply = self._insist(partial(store.enqueue, a_request(name, idempotency_key=key)))
            self.enqueued.append(apply.apply_uid)

    def _drive(self, store: Store) -> None:
        """Drive whatever is due to its end; leave it to its lease when the store is gone for too long."""
        claim = self._insist(lambda: store.claim("worker", 2.0))
        if claim is None:
            time.sleep(0.01)
            return
        self._claims[claim.apply_id] = claim
        self._insist(lambda: move(store, claim, R))
        self._insist(
            lambda: store.record(claim, [TaskProgress(seq=0, rows_copied=1, rows_total=2)], durable=True)
        )
        self._insist(lambda: store.complete(claim))
        self.completed.append(claim.apply_uid)

    def _insist(self, call: Callable[[], Any]) -> Any:
        while True:
            try:
                return call()
            except Unavailable:
                if self._stop.is_set():
                    raise
                time.sleep(0.05)

    def _beat(self, store: Store) -> None:
        while not self._stop.wait(0.1):
            with suppress(Unavailable):
                store.heartbeat(list(self._claims.copy().values()))


def test_15_connections_killed_ten_times_a_second_lose_nothing_and_are_not_reopened_in_a_storm(
    server: Server, stage: KnownServer, database: str
) -> None:
    load = Load(stage)
    seconds = 4.0
    with load.running():
        load.goes_on()
        before, began, killed = load.connections, time.monotonic(), 0
        while time.monotonic() - began < seconds:
            killed += kill_connections(server, database)
            time.sleep(0.1)
        rate = (load.connections - before) / (time.monotonic() - began)
        load.goes_on()
    load.check()
    print(f"{killed} connections killed; {rate:.1f} new ones per second and process")
    assert killed > 10
    assert rate < 5.0


@pytest.mark.timeout(180)
def test_15_a_server_killed_under_load_and_started_again_has_lost_nothing(
    own_server: Server, stage: KnownServer
) -> None:
    load = Load(stage)
    with load.running():
        for _ in range(3):
            load.goes_on()
            own_server.kill()
            own_server.start()
        load.goes_on()
    load.check()


# -- silent (14) ------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("to_server", "to_client"), [(True, True), (True, False), (False, True)])
def test_14_a_black_hole_is_noticed_in_time_and_left_without_help(
    server: Server, stage: KnownServer, proxy: Proxy, database: str, to_server: bool, to_client: bool
) -> None:
    through = server.url(database, port=proxy.port, query="ssl_mode=disabled&answer_seconds=1")
    with open_store(through) as store, stage.open() as other:
        apply = queued(store)
        claim = claimed(store)
        store.heartbeat([claim])
        proxy.swallow(to_server=to_server, to_client=to_client)
        calls: list[Callable[[], object]] = [
            lambda: store.heartbeat([claim]),
            lambda: store.record(claim, [TaskProgress(seq=0, rows_copied=1, rows_total=2)], durable=True),
            store.counts,
        ]
        for call in calls:
            began = time.monotonic()
            with pytest.raises(Unavailable):
                call()
            assert time.monotonic() - began < 25.0
        proxy.heal()
        until("it goes on", lambda: went_through(lambda: store.heartbeat([claim])))
        until("it goes on", lambda: went_through(lambda: store.complete(claim)))
        assert now(other, apply).state is State.COMPLETED
        assert store.heartbeat([claim]) == {claim.token}


def went_through(call: Callable[[], object]) -> bool:
    """Whether the store did it."""
    try:
        call()
    except Unavailable:
        return False
    return True


def test_a_process_that_falls_silent_in_mid_transaction_keeps_its_rows_no_longer_than_the_server_is_told(
    stage: KnownServer,
) -> None:
    """The server ends its connection, and with it the transaction. (Half a minute; here a second.)"""

    def soon(link: Any) -> None:
        link.query("SET SESSION wait_timeout = 1")

    with (
        MysqlStore(stage.address.removeprefix("mysql://"), _on_connect=soon) as silent,
        stage.open() as other,
    ):
        apply = queued(other)
        runs: list[float] = []

        def fall_silent(transaction: Any) -> None:
            runs.append(time.monotonic())
            transaction.hold_apply(apply.apply_uid)
            if len(runs) == 1:
                assert other.claim("peer", 60.0) is None, "the row is locked"
                until("the row is free", lambda: other.claim("peer", 60.0) is not None)
            transaction.touch(apply.id, progress=False)

        silent._database.write(fall_silent)
        assert len(runs) == 2, "what it had begun was undone, and it began again"
