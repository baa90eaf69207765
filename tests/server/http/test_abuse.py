"""Case 30 of the reliability table: what hostile or broken clients send costs them a clear refusal, and others nothing."""

import statistics
import subprocess
import sys
import threading
import time
from http.client import HTTPConnection

import pytest

from server.connections import Limits
from server.requests import BODY_BYTES, HEAD_BYTES
from tests.server.http.conftest import Echo, Serve
from tests.server.http.peer import Peer
from tests.waiting import until

MALFORMED = {
    "negative length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    "signed length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello", 400),
    "length in words": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: five\r\n\r\nhello", 400),
    "hexadecimal length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x5\r\n\r\nhello", 400),
    "empty length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", 400),
    "two lengths": (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        400,
    ),
    "the same length twice": (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        400,
    ),
    "list of lengths": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nhello", 400),
    "body too large": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (BODY_BYTES + 1), 413),
    "absurd length": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413),
    "chunked": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
    "chunked and length": (
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        501,
    ),
    "hidden chunked": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n", 501),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
    "folded header": (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400),
    "space before the colon": (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\n", 400),
    "header without a colon": (b"GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", 400),
    "bare line feed": (b"GET / HTTP/1.1\r\nHost: x\nContent-Length: 5\r\n\r\n", 400),
    "NUL in a header": (b"GET / HTTP/1.1\r\nHost: x\x00y\r\n\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "lower-case method": (b"get / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "space in the path": (b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "path that is no path": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "path that is no UTF-8": (b"GET /%ff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "query that is no UTF-8": (b"GET /?a=%ff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "thousands of parameters": (b"GET /?" + b"a&" * 5000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "unknown expectation": (
        b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n",
        417,
    ),
    "too many headers": (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
    "endless header": (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * (HEAD_BYTES + 10), 431),
    "large headers": (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * HEAD_BYTES + b"\r\n\r\n", 431),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_gets_a_clear_refusal_and_the_connection_ends(
    serve: Serve, echo: Echo, name: str
) -> None:
    data, status = MALFORMED[name]
    server = serve(echo)
    with Peer(server.address) as peer:
        # What follows must never be taken for a request.
        peer.send(data + b"GET /evil HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = peer.answer()
        assert answer.status == status
        assert answer.headers["connection"] == "close"
        assert b'"error_code":""' in answer.body
        assert peer.closed()
    assert echo.seen == []
    with Peer(server.address) as good:
        good.ask("/good")
        assert good.answer().status == 200


def test_a_request_hidden_in_a_chunked_body_is_not_executed(serve: Serve, echo: Echo) -> None:
    server = serve(echo)
    with Peer(server.address) as peer:
        peer.send(
            b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"2d\r\nPOST /evil HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n\r\n0\r\n\r\n"
        )
        assert peer.answer().status == 501
        assert peer.closed()
    assert echo.seen == []


@pytest.mark.parametrize(
    "start",
    [b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\n"],
)
def test_a_drip_of_bytes_buys_no_time(serve: Serve, echo: Echo, start: bytes) -> None:
    server = serve(echo, limits=Limits(request_seconds=1.0))
    with Peer(server.address) as peer:
        peer.send(start)
        began = time.monotonic()
        dripping = threading.Event()

        def drip() -> None:
            while not dripping.wait(0.05):
                try:
                    peer.send(b"x")
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            answer = peer.answer()
        finally:
            dripping.set()
            thread.join()
        assert answer.status == 408
        assert time.monotonic() - began >= 1.0
    assert echo.seen == []


def test_an_idle_connection_is_closed_without_a_word(serve: Serve, echo: Echo) -> None:
    server = serve(echo, limits=Limits(idle_seconds=0.5))
    with Peer(server.address) as fresh, Peer(server.address) as used:
        used.ask()
        assert used.answer().status == 200
        assert fresh.closed()
        assert used.closed()


def test_good_requests_are_answered_beside_200_idle_and_200_half_sent_ones(serve: Serve, echo: Echo) -> None:
    before = threading.active_count()
    server = serve(echo, threads=4, limits=Limits(request_seconds=60.0))
    bad = [Peer(server.address) for _ in range(400)]
    try:
        for number, peer in enumerate(bad):
            if number % 2:
                peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        seconds = []
        good = HTTPConnection(*server.address, timeout=30)
        for _ in range(300):
            began = time.perf_counter()
            good.request("POST", "/good", body=b"12345")
            answer = good.getresponse()
            assert answer.read() == b"POST /good 5"
            seconds.append(time.perf_counter() - began)
        good.close()
        threads = threading.active_count() - before
    finally:
        for peer in bad:
            peer.sock.close()
    p99 = statistics.quantiles(seconds, n=100)[98]
    print(
        f"p50 {statistics.median(seconds) * 1000:.2f} ms, p99 {p99 * 1000:.2f} ms beside 400 bad connections"
    )
    assert threads == 5  # four workers and the collector
    # 50 ms is the promise on a quiet machine; here only a blocked server must not pass.
    assert p99 < 2.0


def test_one_connection_too_many_is_told_so_and_the_others_are_served(serve: Serve, echo: Echo) -> None:
    server = serve(echo, max_connections=8)
    peers = [Peer(server.address) for _ in range(8)]
    try:
        for peer in peers:
            peer.ask()
            assert peer.answer().status == 200
        with Peer(server.address) as late:
            answer = late.answer()
            assert answer.status == 503
            assert answer.headers["retry-after"] == "1"
            assert late.closed()
        peers[0].ask("/again")
        assert peers[0].answer().status == 200
        peers.pop().sock.close()

        def a_place_is_free() -> bool:
            with Peer(server.address) as next_one:
                next_one.ask()
                return next_one.answer().status == 200

        until("a place is free", a_place_is_free)
    finally:
        for peer in peers:
            peer.sock.close()


def test_unfinished_large_bodies_share_one_limit(serve: Serve, echo: Echo) -> None:
    server = serve(echo, limits=Limits(all_bytes=300_000))
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n"
    with Peer(server.address) as first, Peer(server.address) as second, Peer(server.address) as third:
        first.send(head + b"x" * 199_999)
        second.send(head)
        third.ask("/small", b"x")
        assert third.answer().status == 200
        second.send(b"x" * 199_999)
        # One of the two had to go; the other may finish.
        answers = []
        for peer in (second, first):
            try:
                peer.send(b"x")
                answers.append(peer.answer().status)
            except ConnectionError:
                answers.append(503)
        assert sorted(answers) == [200, 503]


def test_a_slow_reader_pins_no_worker_and_is_given_up(serve: Serve) -> None:
    from server.requests import Request, Response

    large = b"x" * 20_000_000

    def handler(request: Request) -> Response:
        return Response(body=large if request.segments == ("large",) else b"small")

    server = serve(handler, threads=1, limits=Limits(send_seconds=1.0))
    with Peer(server.address, receive_buffer=4096) as slow, Peer(server.address) as good:
        slow.ask("/large")
        good.ask("/small")
        assert good.answer().body == b"small"
        began = time.monotonic()
        time.sleep(1.5)  # the slowness is the subject
        with pytest.raises(ConnectionError):
            slow.answer()
        assert time.monotonic() - began >= 1.0


def test_a_reader_that_takes_its_time_gets_everything(serve: Serve) -> None:
    from server.requests import Request, Response

    large = bytes(range(256)) * 20_000
    server = serve(
        lambda _request: Response(body=large) if isinstance(_request, Request) else Response(), threads=1
    )
    with Peer(server.address, receive_buffer=4096) as slow:
        slow.ask()
        assert slow.answer().body == large
        slow.ask()
        assert slow.answer().body == large


def test_clients_that_vanish_in_the_middle_cost_nothing(serve: Serve, echo: Echo) -> None:
    server = serve(echo)
    for data in (
        b"GET / HT",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ):
        with Peer(server.address) as peer:
            peer.send(data)
    with Peer(server.address) as good:
        good.ask("/good")
        assert good.answer().body == b"GET /good 0"


SERVER_WITH_FEW_DESCRIPTORS = """
import resource, sys, time
from server.http import HttpServer
from server.requests import Response

server = HttpServer("127.0.0.1", 0, lambda request: Response(body=str(time.process_time()).encode()), threads=1)
server.start()
resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30))
print(server.address[1], flush=True)
sys.stdin.read()
server.stop(5.0)
"""


def test_a_server_out_of_descriptors_neither_spins_nor_dies() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER_WITH_FEW_DESCRIPTORS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    peers: list[Peer] = []
    try:
        address = ("127.0.0.1", int(process.stdout.readline()))
        peers = [Peer(address) for _ in range(60)]
        peers[0].ask()
        before = float(peers[0].answer().body)
        time.sleep(1.0)  # the time in which it could spin
        peers[0].ask()
        assert float(peers[0].answer().body) - before < 0.5
        for peer in peers[:50]:
            peer.sock.close()
        peers[55].ask()
        assert peers[55].answer().status == 200
    finally:
        for peer in peers:
            peer.sock.close()
        process.communicate("", timeout=30)
    assert process.returncode == 0
