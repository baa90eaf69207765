"""A process that plays many HTTP clients over kept connections and says how long each answer took.

It reads one JSON `Load` per line of stdin, plays it, and answers with one JSON line: durations by label, and failures.
"""

import asyncio
import gc
import heapq
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Who asks what: each connection sends its requests in turn, again and again.

    `requests[i]` of connection i: (label, message). `every` 0: the next as soon as the answer is there. Otherwise one each
    `every` seconds, and timed from when it was due, whether or not the client came late; the connections begin one after the
    other, evenly spread over the time that one needs for its requests, so that at any moment all kinds of them are due.
    """

    host: str
    port: int
    requests: list[list[tuple[str, str]]]
    seconds: float
    every: float = 0.0
    may_be_refused: list[str] = field(default_factory=list)
    """Labels of requests for which another answer than 200 is none of the client's faults."""


@dataclass(slots=True)
class Heard:
    """What came back."""

    durations: dict[str, list[float]] = field(default_factory=dict)
    failures: int = 0
    first_failure: str = ""

    def fail(self, text: str) -> None:
        """Count it, and keep the first for the report."""
        self.failures += 1
        self.first_failure = self.first_failure or text[:300]


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, requests: list[tuple[str, bytes]], heard: Heard) -> None:
        self._requests = requests
        self._heard = heard
        self._next = 0
        self._buffer = bytearray()
        self._began = 0.0
        self._transport: asyncio.Transport | None = None
        self.busy = False
        self.every = 0.0
        self.may_be_refused: list[str] = []
        self.until = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Only the end of the load may end it."""
        if self.busy:
            self._heard.fail(f"connection lost: {exc}")
        self.busy = False

    @property
    def through(self) -> bool:
        """Whether its requests were sent equally often: those that belong together are not torn apart by the end."""
        return self._next == 0

    def ask(self, due: float) -> None:
        """Send the next request; its time runs from *due*."""
        assert self._transport is not None
        if self.busy:
            self._heard.fail("the answer before did not come within the interval")
            return
        self.busy = True
        self._began = due
        self._transport.write(self._requests[self._next][1])

    def data_received(self, data: bytes) -> None:
        """An answer, or part of one."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[:end]).lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(self._buffer) < end + 4 + length:
            return
        self._answered(head, bytes(self._buffer[end + 4 : end + 4 + length]))

    def _answered(self, head: bytes, body: bytes) -> None:
        now = time.perf_counter()
        self._buffer.clear()
        self.busy = False
        label = self._requests[self._next][0]
        self._next = (self._next + 1) % len(self._requests)
        good = head.startswith(b"http/1.1 200")
        if not good and label not in self.may_be_refused:
            self._heard.fail(f"{label}: {head[:40]!r} {body[:200]!r}")
        if not good or b'"accepted":false' in body:
            label = f"{label} refused"
        self._heard.durations.setdefault(label, []).append(now - self._began)
        if not self.every and (now < self.until or not self.through):
            self.ask(now)

    def close(self) -> None:
        """Done."""
        if self._transport is not None:
            self._transport.close()


async def play(load: Load) -> Heard:
    """Play *load* to its end."""
    heard, loop = Heard(), asyncio.get_running_loop()
    clients = []
    for requests in load.requests:
        plain = [(label, text.encode()) for label, text in requests]
        _, client = await loop.create_connection(partial(Client, plain, heard), load.host, load.port)
        client.every = load.every
        client.may_be_refused = load.may_be_refused
        clients.append(client)
    began = time.perf_counter()
    until = began + load.seconds
    for client in clients:
        client.until = until
    if load.every:
        await _paced(load, clients, began, until)
    else:
        for client in clients:
            client.ask(time.perf_counter())
        await asyncio.sleep(load.seconds)
    deadline = time.perf_counter() + 30.0
    while any(client.busy for client in clients) and time.perf_counter() < deadline:
        await asyncio.sleep(0.01)
    for client in clients:
        client.close()
    await asyncio.sleep(0.05)
    return heard


async def _paced(load: Load, clients: list[Client], began: float, until: float) -> None:
    """One request per client and interval."""
    cycle = load.every * len(load.requests[0])
    due = [(began + cycle * number / len(clients), number) for number in range(len(clients))]
    while due:
        at, number = due[0]
        wait = at - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        if at >= until and clients[number].through:
            heapq.heappop(due)
        else:
            clients[number].ask(at)
            heapq.heapreplace(due, (at + load.every, number))


def message(method: str, path: str, body: dict[str, Any] | None = None) -> str:
    """A request as text."""
    text = "" if body is None else json.dumps(body)
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(text)}\r\n\r\n{text}"


def main() -> None:
    """Play what stdin says."""
    gc.disable()  # its pauses would be measured as the server's
    for line in sys.stdin:
        heard = asyncio.run(play(Load(**json.loads(line))))
        print(json.dumps(asdict(heard)), flush=True)
        gc.collect()


if __name__ == "__main__":
    main()
