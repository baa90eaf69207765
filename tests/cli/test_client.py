"""The client's errors, word for word, and where it finds its server."""

import socket
from pathlib import Path

import pytest

from cli.client import Client, segment
from cli.errors import ApiError, Unreachable, WrongUsage
from cli.profile import find_endpoint
from server.config import Config, ServerConfig, StorageConfig, Token
from server.daemon import Daemon
from tests.cli.conftest import Peer
from tests.server.http.certificates import make_certificate


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def refusal(peer: Peer, body: object, status: int = 500) -> ApiError:
    peer.answer("/x", body, status)
    with pytest.raises(ApiError) as caught:
        Client(peer.url).get("/x")
    return caught.value


@pytest.mark.parametrize("key", ["error", "message", "error_message"])
def test_the_text_of_an_error_is_found_under_each_key_a_server_may_use(peer: Peer, key: str) -> None:
    assert str(refusal(peer, {"error_code": "", key: "table is gone"})) == "table is gone"


def test_an_error_without_a_text_shows_the_status_and_the_start_of_the_body(peer: Peer) -> None:
    assert str(refusal(peer, b"b" * 200, 418)) == f"HTTP 418: {'b' * 100}"


def test_only_200_is_success(peer: Peer) -> None:
    assert refusal(peer, {"ok": True}, 202).status == 202


def test_html_instead_of_json_is_named(peer: Peer) -> None:
    error = refusal(peer, b"<!DOCTYPE html><p>Welcome", 200)
    assert str(error) == "unexpected response from server (received HTML, expected JSON)"


@pytest.mark.parametrize("body", [b"[1, 2]", b"OK", b"", b"null"])
def test_an_answer_that_is_no_json_object_is_an_error(peer: Peer, body: bytes) -> None:
    assert str(refusal(peer, body, 200)).startswith("unexpected response from server")


@pytest.mark.parametrize(
    ("status", "code", "passing"),
    [
        (503, "", True),
        (500, "storage_error", True),
        (500, "engine_unavailable", True),
        (500, "", False),
        (404, "not_found", False),
    ],
)
def test_an_error_passes_when_its_status_or_code_says_so(
    peer: Peer, status: int, code: str, passing: bool
) -> None:
    assert refusal(peer, {"error": "no", "error_code": code}, status).passing is passing


def test_a_redirect_is_not_followed_so_that_the_token_stays_here(peer: Peer) -> None:
    assert refusal(peer, b"", 302).status == 302
    assert [path for _, path, _, _ in peer.seen] == ["/x"]


def test_nobody_listening_is_said_so_and_the_request_was_not_sent() -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    with pytest.raises(Unreachable) as caught:
        Client(url).get("/x")
    assert str(caught.value) == f"cannot connect to {url} (is the server running?)"
    assert caught.value.sent is False
    assert caught.value.exit_code == 4


def test_a_host_nobody_knows_is_said_so() -> None:
    with pytest.raises(Unreachable, match=r"cannot resolve host: http://nowhere\.invalid:1"):
        Client("http://nowhere.invalid:1").get("/x")


def test_a_server_that_hangs_up_in_the_middle_is_a_failed_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        client = Client(url)
        import threading

        def hang_up() -> None:
            connection, _ = listener.accept()
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(Unreachable, match=f"connection failed: {url}") as caught:
            client.get("/x")
        thread.join()
    assert caught.value.sent is True


def test_a_request_nobody_has_seen_is_sent_once_more_to_where_recover_says(peer: Peer) -> None:
    peer.answer("/x", {"ok": True})
    client = Client(f"http://127.0.0.1:{closed_port()}", recover=lambda: peer.url)
    assert client.post("/x", {"a": 1}) == {"ok": True}
    assert client.endpoint == peer.url


def test_the_token_is_sent_as_a_bearer(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCHEMABOT_TOKEN", "s3cret")
    peer.answer("/x", {})
    Client(peer.url).get("/x", empty="", n=3)
    method, path, headers, _ = peer.seen[0]
    assert (method, path) == ("GET", "/x?n=3")
    assert headers["Authorization"] == "Bearer s3cret"


def test_a_401_says_where_the_token_goes(peer: Peer) -> None:
    assert "SCHEMABOT_TOKEN" in refusal(peer, {"error": "unauthorized"}, 401).hint


@pytest.mark.parametrize("token", ["two words", "line\nend", "ü"])
def test_a_token_that_cannot_be_one_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(WrongUsage) as caught:
        Client("http://127.0.0.1:1", token=token)
    assert token not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize("url", ["localhost:1", "ftp://x", "http://", "http://user:pw@host", "http://[::1"])
def test_an_endpoint_that_cannot_be_one_is_wrong_usage(url: str) -> None:
    with pytest.raises(WrongUsage):
        Client(url)


def test_names_are_one_segment_of_a_path() -> None:
    assert segment("a/b c?") == "a%2Fb%20c%3F"


# -- the endpoint -------------------------------------------------------------------------------------------------


def write_profiles(home: Path, text: str) -> None:
    (home / ".schemabot").mkdir()
    (home / ".schemabot/config.yaml").write_text(text)


PROFILES = "default_profile: one\nprofiles:\n  one: {endpoint: http://one}\n  two: {endpoint: http://two/}\n"


def test_the_endpoint_comes_from_the_flag_then_the_environment_then_the_profile(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_endpoint() == ""
    write_profiles(own_home, PROFILES)
    assert find_endpoint() == "http://one"
    assert find_endpoint(profile="two") == "http://two"
    monkeypatch.setenv("SCHEMABOT_PROFILE", "two")
    assert find_endpoint() == "http://two"
    assert find_endpoint(profile="one") == "http://one"
    monkeypatch.setenv("SCHEMABOT_ENDPOINT", "http://env/")
    assert find_endpoint() == "http://env"
    assert find_endpoint("http://flag/") == "http://flag"


def test_a_profile_asked_for_that_the_environment_would_overrule_is_refused(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profiles(own_home, PROFILES)
    monkeypatch.setenv("SCHEMABOT_ENDPOINT", "http://one/")
    assert find_endpoint(profile="one") == "http://one"
    assert find_endpoint("http://flag", "two") == "http://flag"
    with pytest.raises(
        WrongUsage, match=r"SCHEMABOT_ENDPOINT \(http://one\) goes before --profile two \(http://two\)"
    ):
        find_endpoint(profile="two")


def test_a_profile_named_but_unknown_is_an_error_naming_the_known_ones(own_home: Path) -> None:
    write_profiles(own_home, PROFILES)
    with pytest.raises(WrongUsage, match='unknown profile "three"') as caught:
        find_endpoint(profile="three")
    assert "one, two" in caught.value.hint


def test_without_profiles_the_default_one_is_silently_none(own_home: Path) -> None:
    write_profiles(own_home, "profiles: {}\n")
    assert find_endpoint() == ""


@pytest.mark.parametrize(
    "text", ["- a\n", "profiles: {default: 3}\n", "a: [\n", "profiles: {default: {endpoint: 3}}\n"]
)
def test_a_profile_file_that_makes_no_sense_is_wrong_usage(own_home: Path, text: str) -> None:
    write_profiles(own_home, text)
    with pytest.raises(WrongUsage):
        find_endpoint()


# -- TLS ----------------------------------------------------------------------------------------------------------


def test_a_certificate_nobody_signed_that_we_know_is_named_with_the_way_to_trust_it(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    server = ServerConfig(
        listen_port=0,
        tokens=(Token(name="ci", secret="a-long-secret"),),
        tls_certificate=str(certificate),
        tls_key=str(key),
    )
    with Daemon(Config(server=server, storage=StorageConfig(url=str(tmp_path / "store.db")))) as daemon:
        with pytest.raises(Unreachable, match=r"no secure connection to https://.*self-signed") as caught:
            Client(daemon.url).get("/health")
        assert "SSL_CERT_FILE" in caught.value.hint
        plain = daemon.url.replace("https", "http")
        with pytest.raises(Unreachable, match="connection failed"):
            Client(plain).get("/health")


def test_a_server_that_speaks_no_tls_is_named_with_the_way_to_reach_it(peer: Peer) -> None:
    with pytest.raises(Unreachable, match="no secure connection") as caught:
        Client(peer.url.replace("http://", "https://")).get("/health")
    assert "http://" in caught.value.hint
