"""Reads a server's binary log in a thread of its own and tells a sink the keys of changed rows."""

import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from engine.mysql.address import Address
from engine.mysql.binlog.dump import Dump, joined_packets, refusal, wanted_bytes
from engine.mysql.binlog.position import Position, check_position
from engine.mysql.binlog.transactions import Transactions
from engine.mysql.binlog.watched import Sink, Watched, as_logged
from engine.mysql.flavour import flavour_of
from engine.mysql.link import Link
from engine.mysql.trouble import Lost

_HOLD_SECONDS = 0.02  # how often a full sink is asked again


class KeyReader:
    """Reads from *start* until it is closed or fails; it does not connect anew: its owner decides what a failure means.

    A context manager; `position`, `wait_until`, `check` and `close` may be called from any thread but the reader's own.
    """

    def __init__(self, address: Address, watched: Sequence[Watched], start: Position, sink: Sink) -> None:
        """Begin to read. PositionGone and PositionRewound come from here when *start* cannot be; so do the link's errors."""
        with Link(address) as link:
            flavour = flavour_of(link)
            check_position(link, flavour, start)
            watched = [as_logged(link, flavour, one) for one in watched]
        self._sink = sink
        self._transactions = Transactions(watched, sink, start, hold_back=self._hold_back)
        self._dump = Dump(address, start)
        self._position = start
        self._error: BaseException | None = None
        self._stopping = threading.Event()
        self._moved = threading.Condition()
        self._awaited: list[Position] = []
        self._thread = threading.Thread(target=self._run, name="binlog")
        self._thread.start()

    @property
    def position(self) -> Position:
        """Everything before it has been delivered."""
        return self._position

    def wait_until(self, position: Position, timeout: float) -> bool:
        """Wait until all changes before *position* have been delivered; False when they were not within *timeout* seconds.

        Raises what ended the reading unless they have.
        """
        deadline = time.monotonic() + timeout
        with self._moved:
            self._awaited.append(position)
            try:
                while not self._position.reaches(position):
                    self.check()
                    left = deadline - time.monotonic()
                    if left <= 0:
                        return False
                    self._moved.wait(left)
            finally:
                self._awaited.remove(position)
        return True

    def check(self) -> None:
        """Raise what ended the reading, if something did."""
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Stop reading; when it returns, the sink is called no more. Raises nothing."""
        self._stopping.set()
        self._dump.stop()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        try:
            self._read()
        except BaseException as error:  # noqa: BLE001  # it comes out where the owner looks
            if not self._stopping.is_set():
                self._error = error
        finally:
            self._dump.close()
            with self._moved:
                self._moved.notify_all()

    def _read(self) -> None:
        rest, wanted = b"", 1
        while not self._stopping.is_set():
            self._hold_back()
            rest += self._dump.read(wanted - len(rest))
            rest = self._digest(rest)
            self._deliver()
            wanted = max(wanted_bytes(rest), len(rest) + 1)

    def _hold_back(self) -> None:
        """Wait while the sink is full. Lost: the reading has been ended meanwhile."""
        while self._sink.full():
            if self._stopping.wait(_HOLD_SECONDS):
                raise Lost("the reading of the binary log was ended", 0)

    def _digest(self, data: bytes) -> bytes:
        """Read what is whole in *data*; what is left of it."""
        data = data[self._transactions.packets(data) :]
        while len(data) >= wanted_bytes(data):
            if error := refusal(data):
                raise error
            event, size = joined_packets(data)
            self._transactions.events(event)
            data = data[size:]
            data = data[self._transactions.packets(data) :]
        return data

    def _deliver(self) -> None:
        self._transactions.flush()
        position = self._transactions.position
        if position is not self._position:
            with self._moved:
                self._position = position
                if any(position.reaches(one) for one in self._awaited):
                    self._moved.notify_all()
