"""The proxy breaks links in just the ways it says, and heals."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pymysql
import pytest

from tests.proxy import Moment, Proxy, is_commit, is_whole
from tests.servers.server import Server
from tests.waiting import until

_LIMIT_SECONDS = 20.0
_SHORT_SECONDS = 0.2  # long enough for loopback to have delivered what it will deliver


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A client, the proxy, and the socket on which the server meets that client."""

    proxy: Proxy
    listener: socket.socket
    client: socket.socket
    server: socket.socket


@pytest.fixture
def line() -> Iterator[Line]:
    """A connection through the proxy, both of whose ends are in the test's hands."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(_LIMIT_SECONDS)
        with Proxy("127.0.0.1", listener.getsockname()[1]) as proxy:
            client = _dial(proxy)
            server = listener.accept()[0]
            server.settimeout(_LIMIT_SECONDS)
            with client, server:
                yield Line(proxy=proxy, listener=listener, client=client, server=server)


def _dial(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=_LIMIT_SECONDS)


def _read(source: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        chunk = source.recv(length - len(data))
        if not chunk:
            break
        data += chunk
    return data


def _assert_silent(source: socket.socket) -> None:
    source.settimeout(_SHORT_SECONDS)
    with pytest.raises(TimeoutError):
        source.recv(1)
    source.settimeout(_LIMIT_SECONDS)


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_bytes_pass_whole_in_both_directions(line: Line) -> None:
    told = os.urandom(3_000_000)
    sender = threading.Thread(target=lambda: line.client.sendall(told))
    sender.start()

    heard = _read(line.server, len(told))
    line.server.sendall(heard[:70_000])

    assert heard == told
    assert _read(line.client, 70_000) == told[:70_000]
    sender.join()


def test_the_end_of_a_stream_passes_and_the_other_direction_goes_on(line: Line) -> None:
    line.client.sendall(b"last words")
    line.client.shutdown(socket.SHUT_WR)

    assert _read(line.server, 100) == b"last words"
    line.server.sendall(b"answer")
    line.server.close()

    assert _read(line.client, 100) == b"answer"
    until("the connection is gone", lambda: line.proxy.links == 0)


def test_a_black_hole_takes_bytes_and_connections_and_gives_nothing(line: Line) -> None:
    line.proxy.swallow()

    line.client.sendall(b"question")
    line.server.sendall(b"answer")
    with _dial(line.proxy) as another:
        another.sendall(b"hello")

        _assert_silent(another)
        _assert_silent(line.server)
        _assert_silent(line.client)


def test_a_black_hole_does_not_even_tell_that_the_client_is_gone(line: Line) -> None:
    line.proxy.swallow(to_client=False)
    line.client.close()

    _assert_silent(line.server)


def test_a_link_that_lost_bytes_is_reset_when_the_network_heals(line: Line) -> None:
    line.proxy.swallow()
    line.client.sendall(b"question")
    _assert_silent(line.server)

    line.proxy.heal()

    with pytest.raises(ConnectionResetError):
        line.server.recv(1)
    with _dial(line.proxy) as again, line.listener.accept()[0] as peer:
        again.sendall(b"once more")
        assert _read(peer, 9) == b"once more"


def test_a_black_hole_may_have_one_direction(line: Line) -> None:
    line.proxy.swallow(to_server=False)

    line.client.sendall(b"question")
    assert _read(line.server, 8) == b"question"
    line.server.sendall(b"answer")

    _assert_silent(line.client)


def test_what_was_held_arrives_late_whole_and_after_its_sender_is_gone(line: Line) -> None:
    line.proxy.hold()
    line.client.sendall(b"one ")
    line.client.sendall(b"two")
    line.client.close()
    _assert_silent(line.server)

    line.proxy.heal()

    assert _read(line.server, 100) == b"one two"


def test_a_cut_resets_both_ends_and_new_connections_are_welcome(line: Line) -> None:
    assert line.proxy.cut() == 1

    for end in (line.client, line.server):
        with pytest.raises(ConnectionResetError):
            end.recv(1)
    with _dial(line.proxy), line.listener.accept()[0]:
        assert line.proxy.links == 1
    assert line.proxy.accepted == 2


def test_refusal_is_for_new_connections_and_ends_on_the_same_port(line: Line) -> None:
    line.proxy.refuse()

    with pytest.raises(ConnectionRefusedError):
        _dial(line.proxy)
    line.client.sendall(b"still here")
    assert _read(line.server, 10) == b"still here"
    line.proxy.heal()
    _dial(line.proxy).close()


def test_delayed_bytes_arrive_in_order_and_not_before_their_time(line: Line) -> None:
    line.proxy.delay(0.3)
    begin = time.monotonic()
    line.client.sendall(b"one ")
    # The proxy wakes up for this with the bytes there, and has read them before the next call.
    line.proxy.delay(0.3)
    line.proxy.delay(0.0)
    line.client.sendall(b"two")

    assert _read(line.server, 7) == b"one two"
    assert time.monotonic() - begin >= 0.3


def test_a_client_of_a_dead_server_is_reset(line: Line) -> None:
    line.listener.close()

    with pytest.raises(ConnectionResetError), _dial(line.proxy) as client:
        client.recv(1)


def test_a_request_is_everything_since_the_last_answer(line: Line) -> None:
    seen: list[bytes] = []

    def end(request: bytes) -> bool:
        seen.append(request)
        return request == b"COMMIT"

    line.proxy.cut_when(end, at=Moment.BEFORE)
    line.client.sendall(b"BEGIN")
    assert _read(line.server, 5) == b"BEGIN"
    line.server.sendall(b"ok")
    assert _read(line.client, 2) == b"ok"
    line.client.sendall(b"COM")
    assert _read(line.server, 3) == b"COM"
    line.client.sendall(b"MIT")

    with pytest.raises(ConnectionResetError):
        line.server.recv(1)
    assert seen == [b"BEGIN", b"COM", b"COMMIT"]
    assert line.proxy.cuts == 1


def test_a_proxy_leaves_no_thread_and_no_descriptor_behind() -> None:
    descriptors = _descriptors()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        with Proxy("127.0.0.1", listener.getsockname()[1]) as proxy:
            clients = [_dial(proxy) for _ in range(5)]
            proxy.hold()
            clients[0].sendall(b"never delivered")
            until("all have come", lambda: proxy.links == 5)
        for client in clients:
            client.close()

    assert not [thread for thread in threading.enumerate() if thread.name.startswith("proxy-")]
    assert _descriptors() <= descriptors  # fewer when another test's are collected meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table on a real server, and a proxy in front of that server."""

    server: Server
    database: str
    proxy: Proxy

    def insert_and_commit(self) -> None:
        """Raises what PyMySQL raises when the link breaks."""
        with closing(
            self.server.connect(port=self.proxy.port, host="127.0.0.1", database=self.database)
        ) as connection:
            connection.cursor().execute("INSERT INTO told VALUES (1)")
            connection.commit()

    def rows(self) -> int:
        with closing(self.server.connect(database=self.database)) as connection:
            return int(connection.cursor().execute("SELECT id FROM told"))


@pytest.fixture
def table(server: Server) -> Iterator[Table]:
    database = server.fresh_database()
    with closing(server.connect(database=database)) as connection:
        connection.cursor().execute("CREATE TABLE told (id INT PRIMARY KEY)")
    with Proxy(server.host, server.port) as proxy:
        yield Table(server=server, database=database, proxy=proxy)
    server.drop_database(database)


def test_a_server_is_reached_through_the_proxy(table: Table) -> None:
    table.insert_and_commit()

    assert table.rows() == 1
    assert table.proxy.accepted == 1


@pytest.mark.parametrize(("moment", "kept"), [(Moment.BEFORE, 0), (Moment.ANSWERED, 1)])
def test_a_commit_whose_answer_never_came_was_done_or_not(table: Table, moment: Moment, kept: int) -> None:
    table.proxy.cut_when(is_commit, is_whole, at=moment)

    with pytest.raises(pymysql.OperationalError):
        table.insert_and_commit()

    assert table.rows() == kept
    assert table.proxy.cuts == 1


def test_a_commit_cut_when_it_was_sent_is_done_soon(table: Table) -> None:
    table.proxy.cut_when(is_commit, is_whole, at=Moment.SENT)

    with pytest.raises(pymysql.OperationalError):
        table.insert_and_commit()

    until("the row is there", lambda: table.rows() == 1)


def test_a_commit_may_be_done_long_after_its_client_was_cut_off(table: Table) -> None:
    with closing(
        table.server.connect(port=table.proxy.port, host="127.0.0.1", database=table.database)
    ) as late:
        late.cursor().execute("INSERT INTO told VALUES (1)")
        table.proxy.hold(to_client=False)
        table.proxy.cut_when(is_commit, is_whole, at=Moment.SENT)
        with pytest.raises(pymysql.OperationalError):
            late.commit()
        assert table.rows() == 0

    table.proxy.heal()

    until("the row is there", lambda: table.rows() == 1)
