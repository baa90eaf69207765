"""One client's connection: whose turn it is, what has arrived, and bytes in and out, encrypted or not."""

import selectors
import socket
import ssl
from dataclasses import dataclass
from enum import Enum, auto

from server.requests import BODY_BYTES, HEAD_BYTES, Incoming

READ_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much and how long one client may take."""

    request_seconds: float = 10.0  # from a request's first byte to its last
    idle_seconds: float = 60.0  # without a request
    send_seconds: float = 30.0  # for a client to take its answer
    linger_seconds: float = 2.0  # for a refused client to notice
    head_bytes: int = HEAD_BYTES
    body_bytes: int = BODY_BYTES
    all_bytes: int = 64 * 1024 * 1024  # of incomplete requests, over all connections


class State(Enum):
    """What its owner waits for."""

    GREETING = auto()  # agreeing on keys, before the first request
    READING = auto()  # watched for bytes
    WORKING = auto()  # a worker's, or waiting for its turn
    WRITING = auto()  # the rest of an answer goes out as the client takes it
    LINGERING = auto()  # answered for good; reads on so that the answer is not lost in a reset


class Connection:
    """Always in the hands of one thread (see server/http.py)."""

    __slots__ = (
        *(
            "begun",
            "close_after",
            "counted",
            "deadline",
            "incoming",
            "peer",
            "rest",
            "sock",
            "state",
            "watched",
        ),
    )

    def __init__(
        self, sock: socket.socket, incoming: Incoming, peer: str, state: State, deadline: float
    ) -> None:
        self.sock = sock
        self.incoming = incoming
        self.peer = peer
        self.state = state
        self.deadline = deadline
        self.rest = memoryview(b"")
        self.close_after = False
        self.begun = False
        self.counted = 0  # bytes of `incoming` in the server's total
        self.watched = 0  # the events it is registered for with the selector

    def greet(self) -> int:
        """Go on agreeing on keys: what to wait for, or 0 when that is done. OSError: the client speaks something else."""
        if isinstance(self.sock, ssl.SSLSocket):
            try:
                self.sock.do_handshake()
            except ssl.SSLWantReadError:
                return selectors.EVENT_READ
            except ssl.SSLWantWriteError:
                return selectors.EVENT_WRITE
        return 0

    def receive(self) -> bytes | None:
        """What has arrived; None: nothing yet; empty: the client is gone."""
        try:
            data = self.sock.recv(READ_BYTES)
            # What is decrypted already wakes no selector.
            while isinstance(self.sock, ssl.SSLSocket) and (more := self.sock.pending()):
                data += self.sock.recv(more)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        return data

    def send(self, payload: bytes | memoryview) -> memoryview | None:
        """Send what the client takes at once; the rest, or None when the client is gone."""
        rest = memoryview(payload)
        try:
            while rest:
                rest = rest[self.sock.send(rest) :]
        except (BlockingIOError, ssl.SSLWantWriteError):
            return rest
        except OSError:
            return None
        return rest
