"""The other side of a connection, byte by byte: what well-behaved clients' libraries would not let us send."""

import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Self

LIMIT_SECONDS = 30.0
"""Longer than anything may take on a busy machine; a test that waits so long has failed."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Peer:
    """One raw connection."""

    def __init__(self, address: tuple[str, int], *, receive_buffer: int = 0) -> None:
        self.sock = socket.socket()
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(LIMIT_SECONDS)
        try:
            self.sock.connect(address)
        except OSError:
            self.sock.close()
            raise
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def ask(self, path: str = "/", body: bytes | None = None, *extra: str, method: str = "") -> None:
        lines = [f"{method or ('GET' if body is None else 'POST')} {path} HTTP/1.1", "Host: test", *extra]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))

    def answer(self, *, head: bool = False) -> Answer:
        """The next response."""
        top = self._until(b"\r\n\r\n")
        first, *lines = top.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = 0 if head else int(headers.get("content-length", "0"))
        while len(self._unread) < length:
            self._more()
        body, self._unread = self._unread[:length], self._unread[length:]
        return Answer(int(first.split(" ")[1]), headers, body)

    def closed(self) -> bool:
        """Whether the server ends the connection, with nothing more said."""
        try:
            while True:
                data = self.sock.recv(65536)
                if not data:
                    return self._unread == b""
                self._unread += data
        except ConnectionError:
            return self._unread == b""
        except TimeoutError:
            return False

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._unread:
            self._more()
        found, _, self._unread = self._unread.partition(mark)
        return found

    def _more(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionResetError(f"the server closed after {self._unread[:200]!r}")
        self._unread += data
