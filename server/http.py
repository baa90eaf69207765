"""The HTTP server: one thread collects complete requests from every connection, a fixed pool answers them.

A connection is always in the hands of exactly one thread: the collector's, or, from dispatch to the answer's first write,
a worker's. So nothing here is locked. Slow clients cost a buffer and a deadline, never a worker: requests are handed over
whole, and what a slow reader does not take at once the collector goes on sending. Slow answers cost others nothing either:
those that may wait for a target never have all workers, and what needs nothing the collector answers.
"""

import heapq
import itertools
import logging
import os
import queue
import selectors
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from server.connections import READ_BYTES, Connection, Limits, State
from server.lanes import Pace, SlowLane
from server.requests import (
    Incoming,
    Later,
    Malformed,
    Request,
    Response,
    error_response,
)

log = logging.getLogger(__name__)

Handler = Callable[[Request], Response | Later]

BACKLOG = 512
"""Connections the kernel holds for us; the stdlib's 5 loses bursts and costs them a second each."""
ACCEPTS_AT_ONCE = 64
MOST_LINGERING = 64
"""Connections above the limit that still get a polite refusal at the same time."""
WORKERS_KEPT = 2
"""Workers that no slow request gets, so that a store's reader and a person's `stop` find one."""


def _quick(_request: Request) -> Pace:
    return Pace.QUICK


@dataclass(frozen=True, slots=True)
class _Job:
    connection: Connection
    request: Request
    pace: Pace
    call: Callable[[], Response | Later]


@dataclass(frozen=True, slots=True)
class _Sent:
    """The job is answered; `rest` is what the client did not take at once (None: it is gone)."""

    job: _Job
    rest: memoryview | None
    close: bool


@dataclass(frozen=True, slots=True)
class _Postponed:
    job: _Job
    seconds: float


class CannotListen(Exception):
    """The address cannot be had; the text says which and why."""


class HttpServer:
    """Serves *handler* on *host*:*port* (0: any free port) from `start` to `stop`.

    *handler* is called from several threads at once; what it raises is answered with 500. *pace* says what an answer
    waits for. *tls* gives what a new connection is encrypted with; without it nothing is.
    """

    def __init__(
        self,
        host: str,
        port: int,
        handler: Handler,
        *,
        pace: Callable[[Request], Pace] = _quick,
        threads: int = 8,
        max_connections: int = 1000,
        limits: Limits | None = None,
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._handler = handler
        self._pace = pace
        self._max_connections = max_connections
        self._limits = limits or Limits()
        self._tls = tls
        self._tick = min(0.25, self._limits.request_seconds / 4, self._limits.idle_seconds / 4)
        self._selector = selectors.DefaultSelector()
        self._connections: set[Connection] = set()
        self._lingering = 0
        self._buffered = 0
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._slow = SlowLane(max(1, threads - WORKERS_KEPT), self._jobs.put)
        self._returned: deque[_Sent | _Postponed] = deque()
        self._postponed: list[tuple[float, int, _Job]] = []
        self._order = itertools.count()
        self._listener: socket.socket | None = None
        self._bound: tuple[str, int] | None = None
        self._accept_again = 0.0
        self._swept = 0.0
        self._stopping = threading.Event()
        self._stop_by = float("inf")
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._collector = threading.Thread(target=self._collect, name="http-collector")
        self._workers = [threading.Thread(target=self._work, name=f"http-{n}") for n in range(1, threads + 1)]

    # -- from outside -------------------------------------------------------------------------------------------

    @property
    def address(self) -> tuple[str, int]:
        """Host and port it listens on; after `start`."""
        if self._bound is None:
            raise RuntimeError("not started")
        return self._bound

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Listen and serve. CannotListen; OSError when the host is not known."""
        family, kind, protocol, _, where = socket.getaddrinfo(
            self._host or None, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind | socket.SOCK_NONBLOCK, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(where)
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            raise CannotListen(f"cannot listen on {self._host}:{self._port}: {error.strerror}") from error
        name = listener.getsockname()
        self._bound = (str(name[0]), int(name[1]))
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ, None)
        self._selector.register(self._wake_fd, selectors.EVENT_READ, None)
        for thread in (self._collector, *self._workers):
            thread.start()

    def stop(self, timeout: float) -> bool:
        """Take nothing new, answer what is running, close; False when a handler is still busy after *timeout* s."""
        self._stop_by = time.monotonic() + timeout
        self._stopping.set()
        self._wake()
        self._collector.join()
        for _ in self._workers:
            self._jobs.put(None)
        for thread in self._workers:
            thread.join(max(0.0, self._stop_by - time.monotonic()) + 0.1)
        stuck = [thread.name for thread in self._workers if thread.is_alive()]
        if stuck:
            log.error("still answering after %.0f s: %s", timeout, ", ".join(stuck))
            return False
        os.close(self._wake_fd)
        return True

    # -- workers ------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._perform(job)

    def _perform(self, job: _Job) -> None:
        answer = self._answer(job)
        if isinstance(answer, Later):
            self._returned.append(_Postponed(replace(job, call=answer.then), answer.seconds))
        else:
            close = not job.request.keep_alive or self._stopping.is_set()
            payload = answer.to_bytes(head=job.request.method == "HEAD", close=close)
            self._returned.append(_Sent(job, job.connection.send(payload), close))
        self._wake()

    def _answer(self, job: _Job) -> Response | Later:
        try:
            return job.call()
        except Exception:  # the pool outlives a bug in a handler (AV-3)
            log.exception("bug while answering %s /%s", job.request.method, "/".join(job.request.segments))
            return error_response(500, "internal error")

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # so many wake-ups that one more says nothing new
            os.eventfd_write(self._wake_fd, 1)

    # -- the collector ------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        while not self._finished():
            for key, _ in self._selector.select(self._select_seconds()):
                if key.fileobj == self._wake_fd:
                    os.eventfd_read(self._wake_fd)
                elif key.data is None:
                    self._accept()
                else:
                    self._guarded(key.data, partial(self._serve, key.data))
            self._take_back()
            self._dispatch_postponed()
            self._sweep()
        for connection in list(self._connections):
            self._close(connection)
        self._close_listener()
        self._selector.close()

    def _finished(self) -> bool:
        if not self._stopping.is_set():
            return False
        self._close_listener()
        for connection in list(self._connections):
            quiet = connection.state is State.READING and not connection.incoming.begun
            if quiet or connection.state in (State.LINGERING, State.GREETING):
                self._close(connection)
        return not self._connections or time.monotonic() > self._stop_by

    def _select_seconds(self) -> float | None:
        if self._connections or self._accept_again or self._stopping.is_set():
            tick = self._tick
            return max(0.0, min(tick, self._postponed[0][0] - time.monotonic())) if self._postponed else tick
        return None

    def _guarded(self, connection: Connection, step: Callable[[], None]) -> None:
        """Run *step*; whatever goes wrong costs this connection only."""
        try:
            step()
        except OSError as error:
            log.debug("connection dropped: %s", error)
            self._close(connection)
        except Exception:  # hostile bytes may find a bug; they must not find the others' connections
            log.exception("bug in the collector")
            self._close(connection)

    def _accept(self) -> None:
        if self._listener is None:
            return
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                sock, peer = self._listener.accept()
            except BlockingIOError:
                return
            except ConnectionError:  # it gave up while it waited in the backlog
                continue
            except OSError as error:
                # Out of descriptors or memory: the connection stays in the backlog; look away instead of spinning.
                log.warning("not accepting for a moment: %s", error)
                self._selector.unregister(self._listener)
                self._accept_again = time.monotonic() + 0.2
                return
            self._welcome(sock, str(peer[0]))

    def _welcome(self, sock: socket.socket, peer: str) -> None:
        sock.setblocking(False)
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        full = len(self._connections) - self._lingering >= self._max_connections
        if full and (self._tls is not None or self._lingering >= MOST_LINGERING):
            sock.close()  # a polite refusal would cost the handshake first
            return
        try:
            connection = self._connection(sock, peer)
        except OSError as error:  # it is gone already
            log.debug("connection dropped: %s", error)
            sock.close()
            return
        self._connections.add(connection)
        self._watch(connection, connection.state, selectors.EVENT_READ)
        if full:
            text = "too many connections: try again"
            self._guarded(connection, partial(self._refuse, connection, 503, text))

    def _connection(self, sock: socket.socket, peer: str) -> Connection:
        now = time.monotonic()
        incoming = Incoming(head_bytes=self._limits.head_bytes, body_bytes=self._limits.body_bytes)
        if self._tls is None:
            return Connection(sock, incoming, peer, State.READING, now + self._limits.idle_seconds)
        secure = self._tls().wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return Connection(secure, incoming, peer, State.GREETING, now + self._limits.request_seconds)

    def _serve(self, connection: Connection) -> None:
        if connection.state is State.GREETING:
            self._greet(connection)
        elif connection.state is State.WRITING:
            self._write_on(connection)
        elif connection.state is State.LINGERING:
            if not connection.sock.recv(READ_BYTES):
                self._close(connection)
        else:
            self._read(connection)

    def _greet(self, connection: Connection) -> None:
        wanted = connection.greet()
        if wanted:
            self._watch(connection, State.GREETING, wanted)
            return
        connection.deadline = time.monotonic() + self._limits.idle_seconds
        self._watch(connection, State.READING, selectors.EVENT_READ)
        self._read(connection)  # its request may have come with the last of the greeting

    def _read(self, connection: Connection) -> None:
        data = connection.receive()
        if data is None:
            return
        if not data:
            self._close(connection)
            return
        connection.incoming.feed(data)
        self._advance(connection)

    def _advance(self, connection: Connection) -> None:
        """Make a request of what has arrived, or wait for more of it."""
        try:
            request = connection.incoming.take()
        except Malformed as error:
            self._refuse(connection, error.status, str(error))
            return
        self._count(connection)
        if request is not None:
            self._dispatch(connection, request)
            return
        if self._buffered > self._limits.all_bytes:
            self._refuse(connection, 503, "too many large requests at once: try again")
            return
        if connection.incoming.wants_continue():
            connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._wait_for_more(connection)

    def _wait_for_more(self, connection: Connection) -> None:
        now = time.monotonic()
        if not connection.incoming.begun:
            connection.begun = False
            connection.deadline = now + self._limits.idle_seconds
        elif not connection.begun:
            # One deadline for the whole request: a byte now and then buys no time.
            connection.begun = True
            connection.deadline = now + self._limits.request_seconds
        self._watch(connection, State.READING, selectors.EVENT_READ)

    def _dispatch(self, connection: Connection, request: Request) -> None:
        self._unwatch(connection)
        connection.state = State.WORKING
        connection.begun = False
        connection.deadline = float("inf")
        known = replace(request, peer=connection.peer)
        self._hand_over(_Job(connection, known, self._pace(known), lambda: self._handler(known)))

    def _hand_over(self, job: _Job) -> None:
        if job.pace is Pace.AT_ONCE:
            self._perform(job)
        elif job.pace is Pace.SLOW:
            self._slow.enter(job)
        else:
            self._jobs.put(job)

    def _refuse(self, connection: Connection, status: int, text: str) -> None:
        """Answer before the request was read, so close: what follows could be anything."""
        headers = {"Retry-After": "1"} if status == 503 else {}
        payload = error_response(status, text, headers=headers).to_bytes(head=False, close=True)
        self._after_send(connection, connection.send(payload), close=True)

    def _take_back(self) -> None:
        for _ in range(len(self._returned)):  # what is answered at once meanwhile waits for its next turn
            given = self._returned.popleft()
            if given.job.pace is Pace.SLOW:
                self._slow.leave()
            if isinstance(given, _Postponed):
                due = time.monotonic() + given.seconds
                heapq.heappush(self._postponed, (due, next(self._order), given.job))
            elif (connection := given.job.connection) in self._connections:
                self._guarded(
                    connection, partial(self._after_send, connection, given.rest, close=given.close)
                )

    def _dispatch_postponed(self) -> None:
        while self._postponed and self._postponed[0][0] <= time.monotonic():
            _, _, job = heapq.heappop(self._postponed)
            if job.connection in self._connections:
                self._hand_over(job)

    def _after_send(self, connection: Connection, rest: memoryview | None, *, close: bool) -> None:
        if rest is None:
            self._close(connection)
        elif rest:
            connection.rest = rest
            connection.close_after = close
            connection.deadline = time.monotonic() + self._limits.send_seconds
            self._watch(connection, State.WRITING, selectors.EVENT_WRITE)
        elif close:
            self._linger(connection)
        else:
            connection.state = State.READING
            self._advance(connection)

    def _write_on(self, connection: Connection) -> None:
        rest = connection.send(connection.rest)
        if rest:
            connection.rest = rest
            return
        connection.rest = memoryview(b"")
        self._after_send(connection, rest, close=connection.close_after)

    def _linger(self, connection: Connection) -> None:
        connection.sock.shutdown(socket.SHUT_WR)
        connection.incoming = Incoming()
        self._count(connection)
        connection.deadline = time.monotonic() + self._limits.linger_seconds
        self._watch(connection, State.LINGERING, selectors.EVENT_READ)
        self._lingering += 1

    # -- bookkeeping --------------------------------------------------------------------------------------------

    def _sweep(self) -> None:
        """End what took too long."""
        now = time.monotonic()
        if now - self._swept < self._tick:
            return
        self._swept = now
        if self._accept_again and now >= self._accept_again and self._listener is not None:
            self._accept_again = 0.0
            self._selector.register(self._listener, selectors.EVENT_READ, None)
        for connection in [c for c in self._connections if now > c.deadline]:
            if connection.state is State.READING and connection.begun:
                late = f"the request did not arrive within {self._limits.request_seconds:g} s"
                self._guarded(connection, partial(self._refuse, connection, 408, late))
            else:
                self._close(connection)

    def _watch(self, connection: Connection, state: State, events: int) -> None:
        # The selector is not asked what it knows: it would describe a socket that it does not know, twice, in 15 µs.
        connection.state = state
        if not connection.watched:
            self._selector.register(connection.sock, events, connection)
        elif connection.watched != events:
            self._selector.modify(connection.sock, events, connection)
        connection.watched = events

    def _unwatch(self, connection: Connection) -> None:
        if connection.watched:
            self._selector.unregister(connection.sock)
            connection.watched = 0

    def _count(self, connection: Connection) -> None:
        self._buffered += len(connection.incoming) - connection.counted
        connection.counted = len(connection.incoming)

    def _close(self, connection: Connection) -> None:
        if connection not in self._connections:
            return
        self._connections.remove(connection)
        self._buffered -= connection.counted
        self._lingering -= connection.state is State.LINGERING
        self._unwatch(connection)
        connection.sock.close()

    def _close_listener(self) -> None:
        if self._listener is not None:
            with suppress(KeyError, ValueError):
                self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None
            self._accept_again = 0.0
