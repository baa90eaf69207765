"""A TCP proxy that can cut, swallow and lose: the network between two daemons. One request per connection."""

import contextlib
import socket
import threading
from enum import Enum


class Weather(Enum):
    """What the network does to new connections and to those that are open."""

    FAIR = "fair"
    CUT = "cut"  # closed at once
    HOLE = "hole"  # open, and silent


class WireProxy:
    """Listens on a port of its own and forwards to `target` (a port of this machine), as the weather is."""

    def __init__(self, target: int = 0) -> None:
        self.target = target
        self.requests: list[str] = []
        """First lines of what was let through, in order."""
        self._weather = Weather.FAIR
        self._lose = ""
        self._to_lose = 0
        self._lost = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def become(self, weather: Weather) -> None:
        """From now on; what is open is cut."""
        with self._lock:
            self._weather = weather
            found, self._open = self._open, set()
        for connection in found:
            _end(connection)

    def lose_answers_to(self, start: str, times: int = 1_000) -> threading.Event:
        """Let requests whose first line starts so through, but not their answers; set when one was lost."""
        self._lost, self._to_lose = threading.Event(), times
        self._lose = start
        return self._lost

    def sent(self, start: str) -> int:
        """How many requests that start so were let through."""
        return sum(line.startswith(start) for line in self.requests)

    def close(self) -> None:
        """End everything."""
        _end(self._listener)
        self._acceptor.join(10)
        self.become(Weather.CUT)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self._keep(client):
                continue
            thread = threading.Thread(target=self._serve, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _keep(self, connection: socket.socket) -> bool:
        with self._lock:
            if self._weather is not Weather.CUT:
                self._open.add(connection)
                return True
        _end(connection)
        return False

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            head = client.recv(65536)
            if head and self._weather is Weather.HOLE:
                while client.recv(65536):
                    pass
            elif head:
                self._forward(client, head)
        _end(client)

    def _forward(self, client: socket.socket, head: bytes) -> None:
        line = head.partition(b"\r\n")[0].decode()
        with socket.create_connection(("127.0.0.1", self.target), timeout=30) as far:
            if not self._keep(far):
                return
            self.requests.append(line)
            far.sendall(head)
            back = threading.Thread(target=self._answer, args=(far, client, line))
            back.start()
            with contextlib.suppress(OSError):
                while more := client.recv(65536):
                    far.sendall(more)
            back.join(60)

    def _answer(self, far: socket.socket, client: socket.socket, line: str) -> None:
        lose = bool(self._lose) and line.startswith(self._lose) and self._to_lose > 0
        self._to_lose -= lose
        with contextlib.suppress(OSError):
            while data := far.recv(65536):
                if not lose:
                    client.sendall(data)
        if lose:
            self._lost.set()
        _end(client)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
