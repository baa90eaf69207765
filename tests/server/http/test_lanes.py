"""Who waits for whom: slow answers wait for each other, quick ones find a worker, and what needs nothing waits for none."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import pytest

from engine.base import PlanResult, SchemaFiles
from server.lanes import Pace
from server.requests import Later, Request, Response
from tests.server.http.api import Api, Reply, plan_request, result
from tests.server.http.conftest import Serve
from tests.server.http.peer import Peer
from tests.waiting import until


def by_first_segment(request: Request) -> Pace:
    return Pace[request.segments[0].upper()]


class Gate:
    """A handler whose quick and slow answers wait until it opens."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.running: list[str] = []

    def __call__(self, request: Request) -> Response:
        name = "/".join(request.segments)
        if not name.endswith("free"):
            self.running.append(name)
            assert self.open.wait(30)
            self.running.remove(name)
        return Response(body=name.encode())

    def has_begun(self, number: int) -> bool:
        return len(self.running) == number


def test_slow_requests_leave_two_workers_to_the_quick_ones(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate, threads=4, pace=by_first_segment)
    with ExitStack() as stack:
        peers = [stack.enter_context(Peer(server.address)) for _ in range(6)]
        for number, peer in enumerate(peers):
            peer.ask(f"/slow/{number}")
            until("it has begun", partial(gate.has_begun, min(2, number + 1)))
        for name in ("one", "two"):
            stack.enter_context(other := Peer(server.address))
            other.ask(f"/quick/{name}")
            peers.append(other)
        until("both quick ones have begun", partial(gate.has_begun, 4))
        assert sorted(gate.running) == ["quick/one", "quick/two", "slow/0", "slow/1"]
        gate.open.set()
        assert [peer.answer().body.decode() for peer in peers[:6]] == [f"slow/{n}" for n in range(6)]
        assert [peer.answer().status for peer in peers[6:]] == [200, 200]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_small_server_answers_slow_requests_one_at_a_time(serve: Serve, threads: int) -> None:
    most: list[int] = []
    running: list[bool] = []

    def handler(_request: Request) -> Response:
        running.append(True)
        most.append(len(running))
        running.pop()
        return Response()

    server = serve(handler, threads=threads, pace=by_first_segment)
    with ExitStack() as stack:
        peers = [stack.enter_context(Peer(server.address)) for _ in range(20)]
        for peer in peers:
            peer.ask("/slow")
        assert {peer.answer().status for peer in peers} == {200}
    assert max(most) == 1


def test_a_slow_request_that_waits_without_a_thread_lets_the_next_one_in(serve: Serve) -> None:
    second = threading.Event()

    def look() -> Response | Later:
        return Response(body=b"first") if second.is_set() else Later(0.01, look)

    def handler(request: Request) -> Response | Later:
        if request.segments == ("slow", "1"):
            return look()
        second.set()
        return Response(body=b"second")

    server = serve(handler, threads=3, pace=by_first_segment)
    with Peer(server.address) as one, Peer(server.address) as two:
        one.ask("/slow/1")
        two.ask("/slow/2")
        assert (one.answer().body, two.answer().body) == (b"first", b"second")


def test_what_needs_nothing_is_answered_while_every_worker_is_busy(serve: Serve) -> None:
    gate = Gate()
    server = serve(gate, threads=1, pace=by_first_segment)
    with Peer(server.address) as busy, Peer(server.address) as probe:
        busy.ask("/quick")
        until("the only worker is busy", lambda: gate.running == ["quick"])
        probe.ask("/at_once/free")
        assert probe.answer().body == b"at_once/free"
        gate.open.set()
        assert busy.answer().status == 200


def test_thousands_of_pipelined_requests_that_need_nothing_are_answered_in_turn(serve: Serve) -> None:
    server = serve(Gate(), threads=1, pace=by_first_segment)
    with Peer(server.address) as peer:
        peer.send(b"GET /at_once/free HTTP/1.1\r\nHost: x\r\n\r\n" * 3000)
        assert {peer.answer().status for _ in range(3000)} == {200}


@contextmanager
def frozen(api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bool]]:
    """No target answers meanwhile; who asks one."""
    asked: list[bool] = []
    thawed = threading.Event()

    def plan(_files: SchemaFiles) -> PlanResult:
        asked.append(True)
        assert thawed.wait(30)
        return result()

    monkeypatch.setattr(api.engine, "plan", plan)
    monkeypatch.setattr(api.engine, "pull", lambda: plan({}).original)
    try:
        yield asked
    finally:
        thawed.set()


def test_a_frozen_target_keeps_nobody_from_probing_looking_and_stopping(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, running = api.completed(), api.applied()
    answers: list[Reply] = []
    asking = [
        partial(api.post, "/api/plan", plan_request()),
        partial(api.get, "/api/pull/shop?environment=staging"),
        partial(api.post, "/api/pull", {"database": "shop", "environment": "staging"}),
        partial(api.post, "/api/rollback/plan", {"apply_id": done}),
    ]
    threads = [threading.Thread(target=lambda ask=ask: answers.append(ask())) for ask in asking * 3]
    with frozen(api, monkeypatch) as asked:
        for thread in threads:
            thread.start()
        until("two of them ask", lambda: len(asked) == 2)
        for path in ("/livez", "/health", "/api/status", f"/api/progress/apply/{running.apply_uid}"):
            assert api.get(path).status == 200
        stopped = api.post("/api/stop", {"apply_id": running.apply_uid, "environment": "staging"})
        assert stopped.status == 200
        assert len(asked) == 2
    for thread in threads:
        thread.join(30)
    assert [answer.status for answer in answers] == [200] * 12
