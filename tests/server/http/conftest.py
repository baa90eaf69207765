"""Real servers on port 0, and a place to note what reached their handlers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from server.config import Config
from server.http import Handler, HttpServer
from server.requests import Later, Request, Response
from tests.server.http.api import DATABASES, Api, running


@dataclass
class Echo:
    """A handler that says what it was asked, and remembers it."""

    seen: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Response | Later:
        self.seen.append(f"{request.method} /{'/'.join(request.segments)}")
        return Response(body=f"{self.seen[-1]} {len(request.body)}".encode())


Serve = Callable[..., HttpServer]


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server of a handler; stopped after the test."""
    running: list[HttpServer] = []

    def start(handler: Handler, *, threads: int = 2, **more: Any) -> HttpServer:
        server = HttpServer("127.0.0.1", 0, handler, threads=threads, **more)
        server.start()
        running.append(server)
        return server

    yield start
    for server in running:
        if not server.stopped:
            assert server.stop(5.0), "a handler hangs"


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with running(tmp_path, Config(databases=DATABASES)) as made:
        yield made
