"""What a connection does about an end that fell silent: a machine without power, a firewall that has forgotten it."""

import socket


def hears_soon_of_a_silent_end(connection: socket.socket) -> bool:
    """Whether the kernel finds it out within two minutes, whatever it is waiting for."""
    idle, again, times = (
        connection.getsockopt(socket.IPPROTO_TCP, option)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    )
    sent = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    asks = connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    return bool(asks) and idle + again * times <= 120 and 0 < sent <= 120_000
