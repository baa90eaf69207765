"""The server with clients that mean well: keep-alive, pipelining, order, waiting without a thread, the way out."""

import logging
import socket
import threading
import time

import pytest

from server.connections import Limits
from server.http import CannotListen, HttpServer
from server.requests import Later, Request, Response
from tests.server.http.conftest import Echo, Serve
from tests.server.http.peer import Peer
from tests.waiting import until


def test_a_connection_serves_many_requests(serve: Serve, echo: Echo) -> None:
    server = serve(echo)
    with Peer(server.address) as peer:
        for number in range(20):
            peer.ask(f"/{number}", b"x" * number)
            answer = peer.answer()
            assert answer.body == f"POST /{number} {number}".encode()
            assert "connection" not in answer.headers


def test_pipelined_requests_are_answered_in_order(serve: Serve) -> None:
    def handler(request: Request) -> Response:
        if request.segments == ("0",):
            time.sleep(0.05)  # the first is the slowest: order must not come from luck
        return Response(body=request.segments[0].encode())

    server = serve(handler, threads=8)
    with Peer(server.address) as peer:
        peer.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(30)))
        assert [peer.answer().body for _ in range(30)] == [str(number).encode() for number in range(30)]


def test_a_request_sent_while_the_one_before_is_worked_on_waits_its_turn(serve: Serve) -> None:
    entered, release = threading.Event(), threading.Event()
    running: list[str] = []
    most: list[int] = []

    def handler(request: Request) -> Response:
        running.append(request.segments[0])
        most.append(len(running))
        if request.segments == ("first",):
            entered.set()
            assert release.wait(30)
        running.remove(request.segments[0])
        return Response(body=request.segments[0].encode())

    server = serve(handler, threads=4)
    with Peer(server.address) as peer, Peer(server.address) as other:
        peer.ask("/first")
        assert entered.wait(30)
        peer.ask("/second")
        other.ask("/other")  # by its answer the collector has had its chance to read the second
        assert other.answer().body == b"other"
        other.ask("/other")
        assert other.answer().body == b"other"
        assert "second" not in running
        release.set()
        assert [peer.answer().body, peer.answer().body] == [b"first", b"second"]
    assert max(most) == 2


def test_a_request_in_single_bytes_is_a_request(serve: Serve, echo: Echo) -> None:
    server = serve(echo)
    with Peer(server.address) as peer:
        for byte in b"\r\nPOST /slow?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc":
            peer.send(bytes([byte]))
        assert peer.answer().body == b"POST /slow 3"


@pytest.mark.parametrize(
    "request_text",
    [b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"],
)
def test_a_client_that_wants_to_close_is_obeyed(serve: Serve, echo: Echo, request_text: bytes) -> None:
    server = serve(echo)
    with Peer(server.address) as peer:
        peer.send(request_text)
        answer = peer.answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert peer.closed()


def test_a_client_that_only_listens_on_still_gets_its_answer(serve: Serve, echo: Echo) -> None:
    server = serve(echo)
    with Peer(server.address) as peer:
        peer.ask("/half-closed")
        peer.sock.shutdown(socket.SHUT_WR)
        assert peer.answer().status == 200
        assert peer.closed()


def test_head_has_the_length_and_no_body(serve: Serve, echo: Echo) -> None:
    server = serve(echo)
    with Peer(server.address) as peer:
        peer.ask("/", method="HEAD")
        assert peer.answer(head=True).headers["content-length"] == str(len(b"HEAD / 0"))
        peer.ask("/next")
        assert peer.answer().body == b"GET /next 0"


def test_a_client_that_asks_before_sending_its_body_is_told_to_go_on(serve: Serve, echo: Echo) -> None:
    server = serve(echo)
    with Peer(server.address) as peer:
        peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert peer.answer().status == 100
        peer.send(b"hello")
        assert peer.answer().body == b"POST / 5"


def test_paths_and_queries_are_decoded_segment_by_segment(serve: Serve) -> None:
    asked: list[Request] = []

    def handler(request: Request) -> Response:
        asked.append(request)
        return Response()

    server = serve(handler)
    with Peer(server.address) as peer:
        peer.ask("/a%2Fb/%C3%A9?x=1&x=2&y=a+b&z")
        peer.answer()
        peer.send(b"GET http://elsewhere/abs?q=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        peer.answer()
    assert asked[0].segments == ("a/b", "é")
    assert dict(asked[0].query) == {"x": "1", "y": "a b", "z": ""}
    assert asked[1].segments == ("abs",)


def test_a_bug_in_a_handler_costs_one_request(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    def handler(request: Request) -> Response:
        if request.segments == ("bug",):
            raise ZeroDivisionError("secret detail")
        return Response(body=b"fine")

    server = serve(handler, threads=1)
    with Peer(server.address) as peer, caplog.at_level(logging.CRITICAL):
        peer.ask("/bug")
        answer = peer.answer()
        assert answer.status == 500
        assert b"secret" not in answer.body
        peer.ask("/next")
        assert peer.answer().body == b"fine"


def test_waiting_for_an_answer_occupies_no_thread(serve: Serve) -> None:
    settled = threading.Event()

    def look() -> Response | Later:
        return Response(body=b"settled") if settled.is_set() else Later(0.01, look)

    def handler(request: Request) -> Response | Later:
        return look() if request.segments == ("wait",) else Response(body=b"other")

    server = serve(handler, threads=1)
    waiting = [Peer(server.address) for _ in range(20)]
    for peer in waiting:
        peer.ask("/wait")
    with Peer(server.address) as other:
        other.ask("/other")
        assert other.answer().body == b"other"
    settled.set()
    assert {peer.answer().body for peer in waiting} == {b"settled"}
    for peer in waiting:
        peer.sock.close()


def test_stopping_answers_what_runs_and_takes_nothing_new(serve: Serve) -> None:
    entered, release = threading.Event(), threading.Event()

    def handler(_request: Request) -> Response:
        entered.set()
        assert release.wait(30)
        return Response(body=b"finished")

    server = serve(handler)
    with Peer(server.address) as idle, Peer(server.address) as running:
        running.ask()
        assert entered.wait(30)
        stopped: list[bool] = []
        stopping = threading.Thread(target=lambda: stopped.append(server.stop(30.0)))
        stopping.start()
        assert idle.closed()
        with pytest.raises(ConnectionError):
            Peer(server.address)
        release.set()
        answer = running.answer()
        assert (answer.body, answer.headers["connection"]) == (b"finished", "close")
        stopping.join(30)
        assert stopped == [True]
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("http-")]


def test_a_handler_that_hangs_does_not_hold_the_stop(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    entered, release = threading.Event(), threading.Event()

    def handler(_request: Request) -> Response:
        entered.set()
        release.wait(30)
        return Response()

    server = serve(handler)
    with Peer(server.address) as peer, caplog.at_level(logging.CRITICAL):
        peer.ask()
        assert entered.wait(30)
        began = time.monotonic()
        assert server.stop(0.2) is False
        assert time.monotonic() - began < 10
        release.set()
    until("no thread is left", lambda: not [t for t in threading.enumerate() if t.name.startswith("http-")])


def test_an_address_in_use_is_named(serve: Serve, echo: Echo) -> None:
    host, port = serve(echo).address
    with pytest.raises(CannotListen, match=f"cannot listen on {host}:{port}"):
        HttpServer(host, port, echo).start()


def test_ipv6_loopback_is_served(echo: Echo) -> None:
    server = HttpServer("::1", 0, echo, threads=1, limits=Limits())
    try:
        server.start()
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with socket.create_connection(server.address, timeout=30) as sock:
        sock.sendall(b"GET /six HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"GET /six 0" in sock.makefile("rb").read()
    assert server.stop(5.0)
