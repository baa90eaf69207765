"""A far side that answers as a test says: for answers that a SchemaBot of ours never gives."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

Answer = tuple[int, bytes] | Mapping[str, Any]
"""A status with a body as it is, or the JSON of a 200."""
Script = dict[str, Callable[[dict[str, Any]], Answer]]
"""`POST /api/apply` → what to answer, given the JSON of the request."""


class ScriptedFar:
    """What it was asked, and what it answers."""

    def __init__(self, url: str, script: Script) -> None:
        self.url = url
        self.script = script
        self.asked: list[str] = []


@contextmanager
def scripted_far(script: Script) -> Iterator[ScriptedFar]:
    """It, listening."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            line = f"{self.command} {urlsplit(self.path).path}"
            far.asked.append(line)
            answer = far.script[line](body)
            status, data = answer if isinstance(answer, tuple) else (200, json.dumps(answer).encode())
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815 - http.server's name

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    far = ScriptedFar(f"http://127.0.0.1:{server.server_address[1]}", script)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield far
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
