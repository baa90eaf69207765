"""The API over TLS: the same server, other bytes on the wire; certificates that are renewed while it runs."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from cli.client import Client
from cli.errors import Unreachable
from server.config import Config, ServerConfig, StorageConfig, Token
from server.connections import Limits
from server.daemon import CannotStart, Daemon
from server.http import HttpServer
from server.requests import Later, Request, Response
from server.tls import LOOK_SECONDS, BadCertificate, Certificate
from tests.server.http.certificates import make_certificate
from tests.server.http.peer import Peer
from tests.waiting import until

BIG = b"0123456789abcdef" * 128 * 1024  # 2 MiB, many records and more than any socket buffer


def handler(request: Request) -> Response | Later:
    if request.segments == ("big",):
        return Response(body=BIG)
    if request.segments == ("later",):
        return Later(0.05, lambda: Response(body=b"later"))
    return Response(body=f"{request.method} {len(request.body)} from {request.peer}".encode())


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return make_certificate(tmp_path)


@pytest.fixture
def server(files: tuple[Path, Path]) -> Iterator[HttpServer]:
    limits = Limits(request_seconds=2.0)
    made = HttpServer(
        "127.0.0.1", 0, handler, threads=2, max_connections=20, limits=limits, tls=Certificate(*files).context
    )
    made.start()
    yield made
    assert made.stop(5.0)


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


def connected(server: HttpServer, certificate: Path) -> HTTPSConnection:
    return HTTPSConnection(*server.address, context=trusting(certificate), timeout=30)


def ask(connection: HTTPSConnection, path: str = "/", body: bytes | None = None) -> bytes:
    connection.request("GET" if body is None else "POST", path, body=body)
    answer = connection.getresponse()
    assert answer.status == 200
    return answer.read()


def test_a_connection_serves_many_requests_of_any_size(server: HttpServer, files: tuple[Path, Path]) -> None:
    connection = connected(server, files[0])
    try:
        for _ in range(3):
            assert ask(connection) == b"GET 0 from 127.0.0.1"
            assert ask(connection, "/", BIG) == f"POST {len(BIG)} from 127.0.0.1".encode()
            assert ask(connection, "/big") == BIG
            assert ask(connection, "/later") == b"later"
    finally:
        connection.close()


def test_many_clients_at_once_are_answered(server: HttpServer, files: tuple[Path, Path]) -> None:
    right: list[bool] = []

    def work() -> None:
        connection = connected(server, files[0])
        try:
            right.extend(ask(connection, "/big") == BIG for _ in range(5))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert right == [True] * 40


def test_pipelined_requests_in_one_record_are_all_answered(
    server: HttpServer, files: tuple[Path, Path]
) -> None:
    with (
        socket.create_connection(server.address, 30) as plain,
        trusting(files[0]).wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        secure.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        seen = b""
        while seen.count(b"from 127.0.0.1") < 20:
            data = secure.recv(65536)
            assert data
            seen += data


@pytest.mark.parametrize(
    "bytes_sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01", b"\x00" * 200]
)
def test_whoever_does_not_greet_is_dropped_in_time_and_costs_others_nothing(
    server: HttpServer, files: tuple[Path, Path], bytes_sent: bytes
) -> None:
    with Peer(server.address) as stranger:
        stranger.send(bytes_sent)
        connection = connected(server, files[0])
        assert ask(connection) == b"GET 0 from 127.0.0.1"
        connection.close()
        began = time.monotonic()
        stranger.sock.settimeout(30)
        with suppress(ConnectionResetError):
            while stranger.sock.recv(4096):  # an alert may come before the end
                pass
        assert time.monotonic() - began < 10


def test_a_full_server_closes_without_a_handshake(server: HttpServer, files: tuple[Path, Path]) -> None:
    strangers = [Peer(server.address) for _ in range(20)]
    try:
        until("it is refused", lambda: _refused(server, files[0]), 2.0)
    finally:
        for stranger in strangers:
            stranger.sock.close()
    until("it is taken", lambda: not _refused(server, files[0]))


def _refused(server: HttpServer, certificate: Path) -> bool:
    connection = connected(server, certificate)
    try:
        return ask(connection) != b"GET 0 from 127.0.0.1"
    except OSError:
        return True
    finally:
        connection.close()


def test_old_protocols_are_refused(server: HttpServer, files: tuple[Path, Path]) -> None:
    context = trusting(files[0])
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(server.address, 30) as plain,
        pytest.raises(OSError),  # noqa: PT011 - which one depends on the machine's OpenSSL
    ):
        context.wrap_socket(plain, server_hostname="127.0.0.1").close()


def test_a_renewed_certificate_is_shown_to_new_connections(tmp_path: Path) -> None:
    now = [0.0]
    live = make_certificate(tmp_path, "live")
    certificate = Certificate(*live, clock=lambda: now[0])
    first = certificate.context()
    renewed = make_certificate(tmp_path, "renewed")
    for new, old in zip(renewed, live, strict=True):
        new.replace(old)
    assert certificate.context() is first, "not looked at yet"
    now[0] += LOOK_SECONDS
    second = certificate.context()
    assert second is not first
    live[1].write_text("half a file")
    now[0] += LOOK_SECONDS
    assert certificate.context() is second, "what cannot be used leaves the old one in force"
    live[1].unlink()
    now[0] += LOOK_SECONDS
    assert certificate.context() is second


def test_files_that_are_no_certificate_are_named_and_never_quoted(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    other, _ = make_certificate(tmp_path, "other")
    text = tmp_path / "secret.txt"
    text.write_text("hunter2")
    for files in ((other, key), (text, key), (certificate, text), (certificate, tmp_path / "none")):
        with pytest.raises(BadCertificate) as refused:
            Certificate(*files)
        assert str(tmp_path) in str(refused.value)
        assert "hunter2" not in str(refused.value)


def daemon_config(folder: Path, certificate: Path, key: Path) -> Config:
    server = ServerConfig(
        listen_port=0,
        tokens=(Token(name="ops", secret="s3cret-one"),),
        tls_certificate=str(certificate),
        tls_key=str(key),
    )
    return Config(server=server, storage=StorageConfig(url=str(folder / "store.db")))


def test_the_daemon_speaks_tls_and_says_so_in_its_address(tmp_path: Path, files: tuple[Path, Path]) -> None:
    with Daemon(daemon_config(tmp_path, *files)) as daemon:
        assert daemon.url.startswith("https://127.0.0.1:")
        port = int(daemon.url.rpartition(":")[2])
        connection = HTTPSConnection("127.0.0.1", port, context=trusting(files[0]), timeout=30)
        connection.request("GET", "/api/status", headers={"Authorization": "Bearer s3cret-one"})
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["active_count"]) == (200, 0)
        connection.close()


def test_the_daemon_does_not_start_with_a_certificate_it_cannot_use(
    tmp_path: Path, files: tuple[Path, Path]
) -> None:
    config = daemon_config(tmp_path, files[0], tmp_path / "none.key")
    with pytest.raises(CannotStart, match=r"none\.key cannot be read"), Daemon(config):
        pass


def test_the_command_line_trusts_what_its_user_says(
    tmp_path: Path, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Daemon(daemon_config(tmp_path, *files)) as daemon:
        with closing(Client(daemon.url, token="s3cret-one")) as wary, pytest.raises(Unreachable):
            wary.get("/api/status")
        monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
        with closing(Client(daemon.url, token="s3cret-one")) as trustful:
            assert trustful.get("/api/status")["active_count"] == 0
