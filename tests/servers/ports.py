"""Loopback ports for servers that stop and start again on the same one."""

import os
import random
import socket

# Below the range from which the kernel takes the ports of outgoing connections: while the server is down no
# client can be given its port, not even one that is just trying to reach it and would then meet itself.
_FIRST, _LAST = 20000, 32000
_SHARE = 1000
"""Each process of a test run chooses among as many ports of its own: another might take one between the choice and its use."""
_given: set[int] = set()


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on at this moment, and that was not given before in this process."""
    chance = random.SystemRandom()
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = _FIRST + worker * _SHARE % (_LAST - _FIRST)
    for _ in range(200):
        port = chance.randrange(first, first + _SHARE)
        if port in _given and len(_given) < _SHARE // 2:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            _given.add(port)
            return port
    raise OSError(f"no free port between {first} and {first + _SHARE}")
