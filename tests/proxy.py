"""A TCP proxy that breaks in the ways a network breaks, on demand.

    with Proxy("127.0.0.1", server.port) as proxy:
        connection = pymysql.connect(host="127.0.0.1", port=proxy.port, ssl_disabled=True, …)
        proxy.cut_when(is_commit, is_whole, at=Moment.ANSWERED)

One thread does all the work and is joined at the end; every switch is thrown by that thread before the
call returns. Bytes are matched as they pass, so the client must not speak TLS where it matters.
"""

import selectors
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

from tests.servers.ports import free_port

T = TypeVar("T")
Predicate = Callable[[bytes], bool]

_CHUNK = 256 * 1024
_ENOUGH = 1024 * 1024  # bytes on the way in one direction before the proxy stops reading more
_CALL_SECONDS = 30.0
_NEVER = float("inf")
_MORE_FOLLOW = 8


class Moment(Enum):
    """When `cut_when` cuts the link of a matching request."""

    BEFORE = "the server never sees the request"
    SENT = "the server has the request; nobody waits for its answer, so it may be done later than the client asks"
    ANSWERED = "the server has answered, so the request is done; the client never sees the answer"


class Flow(Enum):
    """What becomes of bytes in one direction."""

    PASS = "forwarded"
    SWALLOW = "lost; the link is reset when the network heals, as it can not go on without them"
    HOLD = "kept, and delivered when the network heals: late, but whole and in order"


def is_commit(request: bytes) -> bool:
    """Whether a request of MySQL is a COMMIT, alone or after other statements in the same packet."""
    # Three bytes of length, one of sequence, 0x03 for a query, the statements.
    length = int.from_bytes(request[:3], "little")
    last = request[5:].rpartition(b"\n")[2]
    return request[4:5] == b"\x03" and len(request) == length + 4 and last.lower() == b"commit"


def is_whole(answer: bytes) -> bool:
    """Whether MySQL has answered every statement of such a packet: an OK says that nothing follows, or one failed."""
    while len(answer) >= 4 + (length := int.from_bytes(answer[:3], "little")) > 4:
        packet, answer = answer[4 : 4 + length], answer[4 + length :]
        if packet[0] != 0 or not _flags_of_ok(packet) & _MORE_FOLLOW:
            return True
    return False


def _flags_of_ok(packet: bytes) -> int:
    """An OK is 0x00, two counts, two bytes of flags; the first byte of a count tells how long it is."""
    at = 1
    for _ in range(2):
        at += {0xFC: 3, 0xFD: 4, 0xFE: 9}.get(packet[at], 1)
    return int.from_bytes(packet[at : at + 2], "little")


@dataclass(slots=True, eq=False)
class _Side:
    """One socket of a link, and what is on its way to it."""

    socket: socket.socket
    to_server: bool  # whether what is sent here goes to the server
    # When it is due; no bytes: end of stream.
    queue: deque[tuple[float, bytes]] = field(default_factory=deque)
    waiting: int = 0
    ended: bool = False  # nothing more is to be read here
    gone: bool = False  # closed: what is sent here is lost
    events: int = 0  # that the selector watches for

    def put(self, due: float, data: bytes) -> None:
        if not self.gone:
            self.queue.append((due, data))
            self.waiting += len(data)

    def send_due(self, now: float) -> None:
        """Send what is due. Raises BlockingIOError when the socket takes no more."""
        while self.queue and self.queue[0][0] <= now:
            due, data = self.queue[0]
            if not data:
                self.socket.shutdown(socket.SHUT_WR)
                self.queue.popleft()
                continue
            sent = self.socket.send(data)
            self.waiting -= sent
            self.queue.popleft()
            if sent < len(data):
                self.queue.appendleft((due, data[sent:]))

    def reset(self) -> None:
        """Close the socket so that its peer gets a reset, not an orderly end."""
        if self.gone:
            return
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
        self.gone = self.ended = True
        self.queue.clear()
        self.waiting = 0


@dataclass(slots=True, eq=False)
class _Link:
    """One connection of a client and the one to the server that belongs to it."""

    client: _Side
    server: _Side
    request: bytes = b""  # what the client has sent since the server spoke last
    answer: bytes = b""  # what the server has said since it was found that this is to be lost
    lost: Predicate | None = None  # what is to be lost: an answer that is whole for this one
    lossy: bool = False

    @property
    def sides(self) -> tuple[_Side, _Side]:
        return (self.client, self.server)

    def other(self, side: _Side) -> _Side:
        return self.server if side is self.client else self.client

    @property
    def over(self) -> bool:
        """Whether both ends have said all and got all."""
        return not self.lossy and all(side.ended and not side.queue for side in self.sides)


@dataclass(slots=True)
class _Trap:
    request: Predicate
    answer: Predicate
    at: Moment
    times: int


class Proxy:
    """Forwards connections on `port` of 127.0.0.1 to a server, as faithfully or badly as it was told.

    The switches may be thrown by any thread. `heal` undoes all of them.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self.port = free_port()
        self.accepted = 0  # connections so far
        self.cuts = 0  # links that a trap has cut so far
        self._flows = {True: Flow.PASS, False: Flow.PASS}  # by whether to the server
        self._delay = 0.0
        self._trap: _Trap | None = None
        self._links: list[_Link] = []
        self._listener: socket.socket | None = None
        self._selector = selectors.DefaultSelector()
        self._orders: deque[tuple[Callable[[], object], Future[object]]] = deque()
        self._bell, self._ringer = socket.socketpair()
        self._open = True
        self._thread = threading.Thread(target=self._run, name=f"proxy-{self.port}")

    def __enter__(self) -> "Proxy":
        self._bell.setblocking(False)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._listen()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():  # not after a failure of its own, which is told elsewhere
            self._do(self._shut)
        self._thread.join()
        self._bell.close()
        self._ringer.close()
        self._selector.close()

    # ---- switches

    @property
    def links(self) -> int:
        """Connections that are open now."""
        return self._do(lambda: len(self._links))

    def heal(self) -> None:
        """Pass everything again: deliver what was held, reset links that have lost bytes, disarm traps."""
        self._do(self._heal)

    def swallow(self, *, to_server: bool = True, to_client: bool = True) -> None:
        """Be a black hole in the given directions: connections are accepted and stay, their bytes are lost."""
        self._do(lambda: self._set_flows(Flow.SWALLOW, to_server, to_client))

    def hold(self, *, to_server: bool = True, to_client: bool = True) -> None:
        """Keep what is sent in the given directions until `heal`, also past the end of its connection."""
        self._do(lambda: self._set_flows(Flow.HOLD, to_server, to_client))

    def delay(self, seconds: float) -> None:
        """From now on deliver everything this much later, in each direction."""
        self._do(lambda: self._set_delay(seconds))

    def cut(self) -> int:
        """Reset all links now, at both ends, and say how many they were. New ones are welcome."""
        return self._do(self._cut_all)

    def refuse(self) -> None:
        """Refuse new connections until `heal`. Links go on: see `cut`."""
        self._do(self._deaf)

    def lead_to(self, host: str, port: int) -> None:
        """Connect new links to another server from now on, as a fail-over does; those that are there stay."""
        self._do(lambda: self._retarget(host, port))

    def cut_when(self, request: Predicate, answer: Predicate = bool, *, at: Moment, times: int = 1) -> None:
        """Cut the links of the next `times` requests that match; `cuts` counts them.

        *request* gets everything that the client has sent since the server spoke last, *answer* what the server has
        said since then and tells whether that is all; both are asked again whenever more has come, in the proxy's thread.
        """
        self._do(lambda: self._arm(_Trap(request, answer, at, times)))

    # ---- in the thread

    def _do(self, order: Callable[[], T]) -> T:
        """Have *order* run by the thread, and return what it returned."""
        answer: Future[T] = Future()
        self._orders.append((order, answer))  # type: ignore[arg-type]
        self._ringer.send(b"!")
        return answer.result(_CALL_SECONDS)

    def _run(self) -> None:
        while self._open:
            self._watch()
            for key, events in self._selector.select(self._select_seconds()):
                if key.fileobj is self._bell:
                    self._obey()
                elif key.fileobj is self._listener:
                    self._accept(self._listener)
                elif key.data is not None and events & selectors.EVENT_READ:
                    self._receive(*key.data)
            for link in list(self._links):
                self._send(link)

    def _obey(self) -> None:
        self._bell.recv(4096)
        while self._orders:
            order, answer = self._orders.popleft()
            try:
                answer.set_result(order())
            except OSError as exc:  # a port that was taken meanwhile
                answer.set_exception(exc)

    def _watch(self) -> None:
        """Have the selector look for what each socket can do for us now."""
        now = time.monotonic()
        for link in self._links:
            for side in link.sides:
                events = 0
                if not side.ended and (
                    link.other(side).waiting < _ENOUGH or self._flow_to(side) is Flow.HOLD
                ):
                    events |= selectors.EVENT_READ
                if side.queue and side.queue[0][0] <= now:
                    events |= selectors.EVENT_WRITE
                self._interest(link, side, events)

    def _interest(self, link: _Link, side: _Side, events: int) -> None:
        if events == side.events:
            return
        if not events:
            self._selector.unregister(side.socket)
        elif not side.events:
            self._selector.register(side.socket, events, (link, side))
        else:
            self._selector.modify(side.socket, events, (link, side))
        side.events = events

    def _select_seconds(self) -> float | None:
        """Seconds until something that is delayed will be due, None when nothing is."""
        now = time.monotonic()
        dues = [side.queue[0][0] for link in self._links for side in link.sides if side.queue]
        later = [due - now for due in dues if now < due < _NEVER]
        return min(later, default=None)

    def _flow_to(self, source: _Side) -> Flow:
        """What becomes of bytes that come from *source*."""
        return self._flows[not source.to_server]

    def _accept(self, listener: socket.socket) -> None:
        try:
            client, _ = listener.accept()
        except OSError:
            return  # gone before we looked
        server = socket.socket()
        for end in (client, server):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server.connect_ex(self._target)  # its failure shows at the first read
        self.accepted += 1
        self._links.append(_Link(_Side(client, to_server=False), _Side(server, to_server=True)))

    def _receive(self, link: _Link, source: _Side) -> None:
        if source.ended:
            return  # in the same round, something else ended it
        try:
            data = source.socket.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            if self._flow_to(source) is Flow.PASS:
                self._cut(link)
                return
            data = b""  # what is lost or held does not even tell the other end of a reset
            self._let_go(source)
        source.ended = source.ended or not data
        if source is link.client:
            self._from_client(link, data)
        else:
            self._from_server(link, data)

    def _from_client(self, link: _Link, data: bytes) -> None:
        link.request = (link.request + data)[:_ENOUGH]
        trap = self._trap
        if trap is None or not data or not trap.request(link.request):
            self._forward(link, link.client, data)
            return
        trap.times -= 1
        if not trap.times:
            self._trap = None
        if trap.at is Moment.BEFORE:
            self.cuts += 1
            self._cut(link)
            return
        self._forward(link, link.client, data)
        if trap.at is Moment.ANSWERED:
            link.lost = trap.answer
        else:
            self.cuts += 1
            self._let_go(link.client)
            self._forward(link, link.client, b"")

    def _from_server(self, link: _Link, data: bytes) -> None:
        link.request = b""
        if link.lost is None:
            self._forward(link, link.server, data)
            return
        link.answer += data
        if not data or link.lost(link.answer):
            self.cuts += 1
            self._cut(link)

    def _forward(self, link: _Link, source: _Side, data: bytes) -> None:
        """Send *data*, or with none the end of the stream, on its way from *source*."""
        match self._flow_to(source):
            case Flow.PASS:
                link.other(source).put(time.monotonic() + self._delay, data)
            case Flow.HOLD:
                link.other(source).put(_NEVER, data)
            case Flow.SWALLOW:
                link.lossy = True

    def _send(self, link: _Link) -> None:
        now = time.monotonic()
        for side in link.sides:
            try:
                side.send_due(now)
            except BlockingIOError:
                continue
            except OSError:
                # Its reset is news for the other end only where news get through.
                if self._flow_to(side) is Flow.PASS:
                    self._cut(link)
                    return
                self._let_go(side)
        if link.over:
            self._cut(link)

    def _cut(self, link: _Link) -> None:
        for side in link.sides:
            self._let_go(side)
        if link in self._links:
            self._links.remove(link)

    def _let_go(self, side: _Side) -> None:
        if side.events:
            self._selector.unregister(side.socket)
            side.events = 0
        side.reset()

    # ---- orders

    def _listen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)

    def _deaf(self) -> None:
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None

    def _set_flows(self, flow: Flow, to_server: bool, to_client: bool) -> None:
        if to_server:
            self._flows[True] = flow
        if to_client:
            self._flows[False] = flow

    def _arm(self, trap: _Trap) -> None:
        self._trap = trap

    def _retarget(self, host: str, port: int) -> None:
        self._target = (host, port)

    def _set_delay(self, seconds: float) -> None:
        self._delay = seconds

    def _cut_all(self) -> int:
        links = list(self._links)
        for link in links:
            self._cut(link)
        return len(links)

    def _heal(self) -> None:
        self._flows = {True: Flow.PASS, False: Flow.PASS}
        self._delay = 0.0
        self._trap = None
        if self._listener is None:
            self._listen()
        for link in list(self._links):
            if link.lossy:
                self._cut(link)
            for side in link.sides:
                side.queue = deque((0.0, data) for _, data in side.queue)

    def _shut(self) -> None:
        self._deaf()
        self._cut_all()
        self._open = False
