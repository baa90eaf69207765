"""One connection for write transactions: turns in order, and those that wait at the same time share a commit.

A commit waits for the disk, and a thread that waits for anything waits for a core, too. So the thread whose turn it is, the
leader, also runs what waits behind it, all in one transaction, and nobody is answered before that is committed. When
anything in it goes wrong, all of it is undone and each work is run by itself: whatever anybody is told is true of a
transaction of its own.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import apsw

from storage.errors import Unavailable

Result = TypeVar("Result")
Work = Callable[[apsw.Connection], Any]


class BusyHandler:
    """A connection's busy handler: short random sleeps until a deadline.

    SQLite's own handler sleeps up to 100 ms between looks and starves some waiters for seconds.
    """

    def __init__(self) -> None:
        self.deadline = 0.0

    def __call__(self, _tries: int) -> bool:
        if time.monotonic() >= self.deadline:
            return False
        time.sleep(random.uniform(0.0001, 0.002))  # noqa: S311 - jitter
        return True


class Turn:
    """One thread's work, from when it begins to wait until its outcome is known."""

    def __init__(self, work: Work, seconds: float) -> None:
        self.work = work
        self.deadline = time.monotonic() + seconds
        self.leads = False
        self.over = False
        self._result: Any = None
        self._error: Exception | None = None
        self._called = threading.Lock()
        self._called.acquire()

    def wait(self, seconds: float = -1) -> bool:
        """Until its thread is called, to lead or because it is over; False when that took longer than the limit, if any."""
        return self._called.acquire(timeout=seconds)

    def call(self) -> None:
        """Let its thread go on."""
        self._called.release()

    def end(self, result: Any = None, error: Exception | None = None) -> None:
        """Its outcome is known; let its thread go on."""
        self._result, self._error, self.over = result, error, True
        self.call()

    def outcome(self) -> Any:
        """What its work gave or raised."""
        if self._error is not None:
            raise self._error
        return self._result


class Writer:
    """One connection for write transactions, used by one thread at a time."""

    def __init__(self, connect: Callable[[BusyHandler], apsw.Connection], busy_seconds: float) -> None:
        self._connect = connect
        self._busy_seconds = busy_seconds
        self._busy_handler = BusyHandler()
        self._connection: apsw.Connection | None = None
        self._in_use = threading.Lock()  # the connection
        self._lock = threading.Lock()  # the two below; held for a moment only
        self._waiting: deque[Turn] = deque()  # a leader that was called and has not begun stands in front
        self._led = False

    def run(self, work: Callable[[apsw.Connection], Result], busy_seconds: float | None = None) -> Result:
        """BEGIN IMMEDIATE, *work*, COMMIT; ROLLBACK when it raises. Waits for its turn no longer than the limit in all.

        *work* may be undone and run again, and share its transaction with others.
        """
        limit = self._busy_seconds if busy_seconds is None else busy_seconds
        turn = Turn(work, limit)
        try:
            self._join(turn)
            if not turn.wait(limit):
                if self._withdraw(turn):
                    raise Unavailable(f"the store is busy: no turn to write within {limit:g} s")
                turn.wait()  # somebody has begun it
            if turn.leads:
                self._lead()
        except BaseException:
            self._withdraw(turn)
            raise
        result: Result = turn.outcome()
        return result

    def close(self) -> None:
        """Close the connection once the running transaction is over."""
        with self._in_use:
            if self._connection is not None:
                self._connection.close(True)
                self._connection = None

    # -- turns ----------------------------------------------------------------------------------------------------

    def _join(self, turn: Turn) -> None:
        with self._lock:
            self._waiting.append(turn)
            if not self._led:
                self._call_next()

    def _call_next(self) -> None:
        """Somebody leads from now on, if anybody waits. The lock is held."""
        self._led = bool(self._waiting)
        if self._led:
            self._waiting[0].leads = True
            self._waiting[0].call()

    def _withdraw(self, turn: Turn) -> bool:
        """Wait no longer. False: it was begun, or is over."""
        with self._lock:
            if turn not in self._waiting:
                return False
            self._waiting.remove(turn)
            if turn.leads:
                self._call_next()
            return True

    def _lead(self) -> None:
        """Run what waits, this thread's own turn first, and let the next one lead."""
        turns: list[Turn] = []
        try:
            with self._lock:
                while self._waiting:
                    turns.append(self._waiting.popleft())
            with self._in_use:
                self._run(turns)
        finally:
            with self._lock:
                self._call_next()
            for turn in turns:
                if not turn.over:
                    turn.end(error=Unavailable("interrupted while it was written to the store"))

    # -- transactions -------------------------------------------------------------------------------------------------

    def _run(self, turns: Sequence[Turn]) -> None:
        """All in one transaction. When that is undone, whosever fault it was, each in its own, the least patient first."""
        try:
            with self._transaction(min(turn.deadline for turn in turns)) as connection:
                results = [turn.work(connection) for turn in turns]
        except Exception as error:  # noqa: BLE001 - carried over to its thread, which raises it
            if len(turns) == 1:
                turns[0].end(error=error)
                return
        else:
            for turn, result in zip(turns, results, strict=True):
                turn.end(result)
            return
        for turn in sorted(turns, key=lambda turn: turn.deadline):
            self._run([turn])

    @contextmanager
    def _transaction(self, deadline: float) -> Iterator[apsw.Connection]:
        self._busy_handler.deadline = deadline
        if self._connection is None:
            self._connection = self._connect(self._busy_handler)
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            self._roll_back(connection)
            raise

    def _roll_back(self, connection: apsw.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except apsw.Error:
            # Closing rolls back, too; the next transaction opens the file afresh.
            self._connection = None
            connection.close(True)
