"""Loopback ports for servers that stop and start again on the same one."""

import random
import socket

# Below the range from which the kernel takes the ports of outgoing connections: while the server is down no
# client can be given its port, not even one that is just trying to reach it and would then meet itself.
_FIRST, _LAST = 20000, 32000


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on at this moment."""
    chance = random.SystemRandom()
    for _ in range(200):
        port = chance.randint(_FIRST, _LAST)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port between {_FIRST} and {_LAST}")
