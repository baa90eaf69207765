"""Fixtures of the command line's tests: a home of one's own, and a peer that misbehaves."""

import json
import os
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.cli.rig import Run, runner


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No profile, endpoint or token of the person who runs the tests; a working folder of the test's own."""
    home = tmp_path / "home"
    work = tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in [name for name in os.environ if name.startswith("SCHEMABOT_") or name == "COLUMNS"]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(work)
    return home


@dataclass
class Peer:
    """An HTTP server that answers what the test tells it to; the first answer of a path is used up, the last one stays."""

    url: str = ""
    answers: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)
    seen: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)

    def answer(self, path: str, body: Any, status: int = 200) -> None:
        """Answer *path* (without its query) with *body*: bytes as they are, anything else as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers.setdefault(path, []).append((status, data))

    def bodies(self, path: str) -> list[Any]:
        """What was sent to *path*."""
        return [body for _, seen, _, body in self.seen if seen.partition("?")[0] == path]


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            sent = json.loads(self.rfile.read(length)) if length else None
            peer.seen.append((self.command, self.path, dict(self.headers.items()), sent))
            queued = peer.answers.get(self.path.partition("?")[0], [])
            status, data = (
                (queued.pop(0) if len(queued) > 1 else queued[0]) if queued else (404, b"404 page not found")
            )
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            if status == 302:
                self.send_header("Location", peer.url + "/elsewhere")
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), Handler) as server:
        peer.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02))
        thread.start()
        yield peer
        server.shutdown()
        thread.join()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs command lines inside this process."""
    return runner(capsys)
