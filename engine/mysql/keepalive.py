"""Has the kernel ask after the other end of a connection on which nothing is said, as during a statement that takes hours.

A firewall that forgets it, or a machine that lost its power, says no word of that; by the kernel's defaults it would be
noticed after two hours. What is heard of now and then is not forgotten in the first place.
"""

import socket
from contextlib import suppress

IDLE_SECONDS = 60
AGAIN_SECONDS = 10
TIMES = 6
LOST_SECONDS = IDLE_SECONDS + TIMES * AGAIN_SECONDS
"""So long after the last sign of the other end the connection counts as lost."""

_OPTIONS = {
    "TCP_KEEPIDLE": IDLE_SECONDS,
    "TCP_KEEPALIVE": IDLE_SECONDS,  # what macOS calls it
    "TCP_KEEPINTVL": AGAIN_SECONDS,
    "TCP_KEEPCNT": TIMES,
    "TCP_USER_TIMEOUT": LOST_SECONDS * 1000,  # the same for what was sent
}


def keep_alive(connection: socket.socket) -> None:
    """As far as the platform has the options; a Unix socket needs none of that."""
    if connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS.items():
        if (option := getattr(socket, name, None)) is not None:
            with suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, option, value)
