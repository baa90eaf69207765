"""The answer to COMMIT is lost (13): each write is done once all the same, and nobody is told that it was not.

A proxy cuts the connection at a COMMIT: before the server sees it, while it works on it, or after it has answered. What
the store holds afterwards must be what the same write leaves behind on a network without faults.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from storage.base import Store
from storage.errors import LeaseLost
from storage.mysql.store import MysqlStore
from storage.records import Claim, TaskMove, TaskProgress
from storage.registry import open_store
from tests.proxy import Moment, Proxy, is_commit, is_whole
from tests.servers.server import Server
from tests.storage.scene import C, R, W, a_plan, a_request, claimed, move, now, queued


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """An apply that is driven (or not), and a command about it, if there is one."""

    store: Store
    claim: Claim
    uid: str
    request: int = 0


def driven(store: Store) -> Scene:
    apply = queued(store)
    claim = claimed(store)
    move(store, claim, R)
    return Scene(store=store, claim=claim, uid=apply.apply_uid)


def waiting(store: Store) -> Scene:
    apply = queued(store)
    claim = claimed(store)
    move(store, claim, W, W)
    return Scene(store=store, claim=claim, uid=apply.apply_uid)


def asked(kind: str) -> Callable[[Store], Scene]:
    def make(store: Store) -> Scene:
        scene = waiting(store)
        request = store.request(scene.uid, kind, "ann")
        return Scene(store=store, claim=scene.claim, uid=scene.uid, request=request.id)

    return make


def let_go(store: Store) -> Scene:
    scene = driven(store)
    store.hand_back(scene.claim)
    return scene


def stopped(store: Store) -> Scene:
    scene = let_go(store)
    store.request(scene.uid, "stop", "ann")
    return scene


def lapsed(store: Store) -> Scene:
    apply = queued(store)
    claim = claimed(store, lease=0.0)
    return Scene(store=store, claim=claim, uid=apply.apply_uid)


def retrying(store: Store) -> Scene:
    scene = driven(store)
    store.retry_later(scene.claim, 0, "flaky", 0.0)
    return scene


def planned(store: Store) -> Scene:
    scene = driven(store)
    store.save_plan(a_plan("other"))
    return scene


def locked(store: Store) -> Scene:
    scene = driven(store)
    store.acquire_lock("other", "sqlite", "ann")
    return scene


WRITES: dict[str, tuple[Callable[[Store], Scene], Callable[[Scene], Any]]] = {
    "save_plan": (driven, lambda s: s.store.save_plan(a_plan("other"))),
    "enqueue": (planned, lambda s: s.store.enqueue(a_request("other"))),
    "enqueue with a key": (planned, lambda s: s.store.enqueue(a_request("other", idempotency_key="k"))),
    "claim": (let_go, lambda s: s.store.claim("heir", 60.0)),
    "claim what lapsed": (lapsed, lambda s: s.store.claim("heir", 60.0)),
    "claim a retry": (retrying, lambda s: s.store.claim("heir", 60.0)),
    "heartbeat": (driven, lambda s: s.store.heartbeat([s.claim])),
    "advance": (driven, lambda s: s.store.advance(s.claim, [TaskMove(seq=0, state=C)], "t0: done")),
    "advance two": (
        driven,
        lambda s: s.store.advance(s.claim, [TaskMove(seq=0, state=C), TaskMove(seq=1, state=R)], "both"),
    ),
    "record": (
        driven,
        lambda s: s.store.record(s.claim, [TaskProgress(seq=0, rows_copied=5, rows_total=9)], durable=True),
    ),
    "log": (driven, lambda s: s.store.log(s.claim, "info", "info", "a word")),
    "attach": (driven, lambda s: s.store.attach(s.claim, "elsewhere")),
    "complete": (driven, lambda s: s.store.complete(s.claim)),
    "fail": (driven, lambda s: s.store.fail(s.claim, 0, "broken")),
    "retry_later": (driven, lambda s: s.store.retry_later(s.claim, 0, "flaky", 60.0)),
    "retry_later with a stop": (asked("stop"), lambda s: s.store.retry_later(s.claim, 0, "flaky", 60.0)),
    "park": (waiting, lambda s: s.store.park(s.claim, 60.0)),
    "hand_back": (driven, lambda s: s.store.hand_back(s.claim)),
    "settle_stop": (asked("stop"), lambda s: s.store.settle_stop(s.claim, s.request)),
    "settle_cancel": (asked("cancel"), lambda s: s.store.settle_cancel(s.claim, s.request)),
    "settle": (asked("cutover"), lambda s: s.store.settle(s.claim, s.request, "done", "because")),
    "stop, driven": (driven, lambda s: s.store.request(s.uid, "stop", "ann")),
    "stop, not driven": (let_go, lambda s: s.store.request(s.uid, "stop", "ann")),
    "start": (stopped, lambda s: s.store.request(s.uid, "start", "ann")),
    "cancel": (let_go, lambda s: s.store.request(s.uid, "cancel", "ann")),
    "acquire_lock": (driven, lambda s: s.store.acquire_lock("other", "sqlite", "ann")),
    "release_lock": (locked, lambda s: s.store.release_lock("other", "sqlite", "ann")),
    "set_setting": (driven, lambda s: s.store.set_setting("a", "b")),
    "orphans": (driven, lambda s: s.store.release_orphans()),
}


def left_behind(store: Store) -> list[object]:
    """Everything a store holds, without names and times that differ from run to run."""
    found: list[object] = [store.settings(), [(lock.database, lock.owner) for lock in store.locks()]]
    for apply in reversed(store.recent()):
        found += [
            (apply.database, apply.state, apply.attempt, apply.fence, apply.leased, apply.error),
            (apply.lease_owner, apply.external_id, apply.started_at is None, apply.finished_at is None),
            [(task.state, task.attempt, task.error, task.rows_copied) for task in store.tasks(apply.id)],
            [(one.fence, one.attempt, one.owner, one.outcome) for one in store.attempts(apply.id)],
            [(e.level, e.event_type, e.message, e.new_state, e.fence) for e in store.events(apply.id)],
            [(request.kind, request.caller) for request in store.pending_requests(apply.id)],
        ]
    return found


@pytest.mark.parametrize("moment", list(Moment), ids=lambda moment: moment.name.lower())
def test_13_a_write_whose_commit_was_not_answered_is_done_once(
    server: Server, proxy: Proxy, database: str, moment: Moment
) -> None:
    there, through = (
        server.url(database, port=port, query="ssl_mode=disabled") for port in (None, proxy.port)
    )
    for name, (prepare, write) in WRITES.items():
        with open_store(there) as store:
            expected = write(prepare(store)), left_behind(store)
            wipe(server, database)
        with open_store(through) as store:
            scene = prepare(store)
            cuts = proxy.cuts
            proxy.cut_when(is_commit, is_whole, at=moment)
            answer = write(scene)
            assert proxy.cuts == cuts + 1, f"{name}: the test cut nothing"
            assert left_behind(store) == expected[1], name
            assert alike(answer, expected[0]), name
            wipe(server, database)


def alike(answer: Any, expected: Any) -> bool:
    """Whether two answers say the same; ids, names and times differ between two runs."""
    if type(answer) is not type(expected):
        return False
    facts = [
        name for name in ("state", "kind", "fence", "attempt", "affected", "owner") if hasattr(expected, name)
    ]
    return all(getattr(answer, name) == getattr(expected, name) for name in facts)


def wipe(server: Server, database: str) -> None:
    """Remove every row."""
    with server.connect(database=database, autocommit=True) as connection, connection.cursor() as cursor:
        for table in (
            "control_requests",
            "apply_events",
            "attempts",
            "tasks",
            "applies",
            "locks",
            "settings",
        ):
            cursor.execute(f"DELETE FROM {table}")


def test_13_the_claim_that_is_found_again_is_good_for_writing(
    server: Server, proxy: Proxy, database: str
) -> None:
    with open_store(server.url(database, port=proxy.port, query="ssl_mode=disabled")) as store:
        apply = queued(store)
        proxy.cut_when(is_commit, is_whole, at=Moment.ANSWERED)
        claim = claimed(store)
        store.complete(claim)
        assert now(store, apply).state is C
        assert len(store.attempts(apply.id)) == 1


def test_13_a_claim_that_the_server_is_still_working_on_is_waited_for(
    server: Server, proxy: Proxy, database: str
) -> None:
    """The link breaks while the server has the rest of the claim before it: what looks now must not find nothing yet."""
    with server.connect(database=database, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TRIGGER slow BEFORE INSERT ON attempts FOR EACH ROW DO SLEEP(1.0)")
    with open_store(server.url(database, port=proxy.port, query="ssl_mode=disabled")) as store:
        first, second = queued(store, "one"), queued(store, "two")
        proxy.cut_when(is_commit, is_whole, at=Moment.SENT)
        claim = claimed(store)
        assert proxy.cuts == 1
        assert claim.apply_id == first.id
        assert (len(store.attempts(first.id)), len(store.attempts(second.id))) == (1, 0)
        store.complete(claim)


def test_13_a_completion_that_somebody_was_faster_than_is_a_lost_lease(
    server: Server, proxy: Proxy, database: str
) -> None:
    """Only our own outcome is taken for ours: the COMMIT never arrived, and before we ask, another has the apply."""
    through = server.url(database, port=proxy.port, query="ssl_mode=disabled").removeprefix("mysql://")
    with open_store(server.url(database, query="ssl_mode=disabled")) as other:
        apply = queued(other)

        def rob(_link: object) -> None:
            if proxy.cuts:
                claimed(other, "heir")

        with MysqlStore(through, _on_connect=rob) as store:
            claim = claimed(store, lease=0.0)
            move(store, claim, R)
            proxy.cut_when(is_commit, is_whole, at=Moment.BEFORE)
            with pytest.raises(LeaseLost):
                store.complete(claim)
        assert proxy.cuts == 1
        assert (now(other, apply).lease_owner, now(other, apply).state) == ("heir", R)
