"""Somebody who answers in a server's place and asks for the password."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_GREETING = (
    b"\x0a8.4.0\0" + struct.pack("<I", 1) + b"abcdefgh\0" + struct.pack("<H", 0xFFFF & ~0x0820) + b"\x2d\x02\0"
    + struct.pack("<H", 8) + bytes([21]) + bytes(10) + b"ijklmnopqrst\0" + b"mysql_native_password\0"
)  # fmt: skip
IN_CLEAR = {"mysql_clear_password": b"\0", "dialog": b"\x04Password: "}
"""The plugins by which a client sends its password as it is, each with what a server says beside its name."""


OTHER_PROTOCOLS = {
    "X protocol": b"\x05\0\0\0\x0b\x08\x05\x1a\0",
    "empty packet": bytes(4),
    "cut short": b"\2\0\0\0\x0aa",
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n",
}
"""What else says hello at a port that somebody took for a server's."""


@contextmanager
def greeter(greeting: bytes) -> Iterator[int]:
    """The port at which the first client is told *greeting* and nothing else; it must come."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            with listening.accept()[0] as client:
                client.sendall(greeting)

        peer = threading.Thread(target=greet)
        peer.start()
        yield listening.getsockname()[1]
        peer.join()


@dataclass(kw_only=True)
class Impostor:
    """Where it listens, and what it was told when it had asked; complete when its block has ended."""

    port: int
    heard: list[bytes] = field(default_factory=list)


@contextmanager
def impostor(plugin: str) -> Iterator[Impostor]:
    """Wants *plugin* of the first client, without TLS; the client must come, and hang up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        made = Impostor(port=listening.getsockname()[1])

        def answer() -> None:
            client, _ = listening.accept()
            with client:
                client.sendall(_packet(0, _GREETING))
                client.recv(4096)
                client.sendall(_packet(2, b"\xfe" + plugin.encode() + b"\0" + IN_CLEAR[plugin]))
                made.heard.append(client.recv(4096))

        peer = threading.Thread(target=answer)
        peer.start()
        yield made
        peer.join()


def _packet(number: int, body: bytes) -> bytes:
    return struct.pack("<I", len(body))[:3] + bytes([number]) + body
