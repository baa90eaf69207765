"""Threads that work off the chunks of a walk, each with a connection of its own; they rest, shrink and grow as they are told."""

import threading
import time
from collections.abc import Callable

from engine.mysql.copying.chunker import Chunk, Chunker
from engine.mysql.copying.volume import ThrottleSettings
from engine.mysql.link import Link
from engine.mysql.trouble import OF_LOCKS, Lost, Waited

IDLE_SECONDS = 0.05
GIVE_UP_SECONDS = 120.0
"""So long a chunk may be in vain before the apply is tried again later; for rows that somebody holds it waits without an end."""
PATIENT_SECONDS = 10.0
"""After so long it is tried once a second only."""
RECONNECTS = 3

Work = Callable[[Link, Chunk], tuple[int, float]]
"""Does a chunk; how many rows it had, and for how many seconds the server worked at them. Waited: half of it is tried next."""


class WorkerPool:
    """A context manager: inside, the threads run. `rows` counts; `finished` or `check` tell how it goes."""

    def __init__(
        self,
        name: str,
        chunker: Chunker,
        work: Work,
        opened: Callable[[], Link],
        closed: Callable[[Link], None],
        threads: int,
    ) -> None:
        self._chunker = chunker
        self._work = work
        self._opened = opened
        self._closed = closed
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        self._threads = [
            threading.Thread(target=self._run, args=(place,), name=f"{name}-{place}")
            for place in range(threads)
        ]
        self.rows = 0
        self.settings = ThrottleSettings(threads=threads, chunk_seconds=chunker.sizer.chunk_seconds, rest=0.0)
        self.held = False
        """While true no new chunk is begun."""
        self._waiting: dict[int, float] = {}

    @property
    def finished(self) -> bool:
        """Whether all chunks are done. Raises what ended a thread."""
        over = not any(thread.is_alive() for thread in self._threads)
        self.check()  # after the look: what ended a thread is noted before it is over
        return over

    def check(self) -> None:
        """Raises what ended a thread."""
        if self._error is not None:
            raise self._error

    @property
    def waiting_since(self) -> float | None:
        """Since when a chunk has met locks of others; None: none does."""
        with self._lock:
            return min(self._waiting.values(), default=None)

    def set(self, settings: ThrottleSettings) -> None:
        """Work like this from now on."""
        self.settings = settings
        self._chunker.sizer.chunk_seconds = settings.chunk_seconds

    def __enter__(self) -> "WorkerPool":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, place: int) -> None:
        try:
            self._work_off(place)
        except BaseException as error:  # noqa: BLE001 - carried over to the session's thread, which raises it
            with self._lock:
                self._error = self._error or error
            self._stop.set()

    def _work_off(self, place: int) -> None:
        connection = _Connection(self._opened, self._closed)
        try:
            while not self._stop.is_set() and not self._chunker.exhausted:
                if self.held or place >= self.settings.threads:
                    self._stop.wait(IDLE_SECONDS)
                    continue
                chunk = self._next(connection, -1 - place)
                if chunk is not None:
                    self._do(connection, chunk)
        finally:
            connection.close()

    def _next(self, connection: "_Connection", number: int) -> Chunk | None:
        """The next chunk; None: there is none, or it is to stop. *number*: by which it is known that this waits."""
        began = time.monotonic()
        while not self._stop.is_set():
            try:
                link = connection.link
                chunk = self._chunker.next(link)
            except Waited as error:
                self._wait(error, number, began)
            except Lost as error:  # a connection that was silent for a moment may have been ended
                connection.broke(error)
            else:
                self._waits_no_more(number)
                return chunk
        return None

    def _do(self, connection: "_Connection", chunk: Chunk) -> None:
        """Do *chunk*, in parts where others hold its rows."""
        parts = [chunk]
        began = time.monotonic()
        while parts and not self._stop.is_set():
            part = parts.pop()
            try:
                rows, seconds = self._work(connection.link, part)
            except Waited as error:
                halves = self._halves(connection, part)
                parts += reversed(halves)
                if error.code in OF_LOCKS or len(halves) == 1:
                    self._wait(error, chunk.number, began)
                elif time.monotonic() - began > GIVE_UP_SECONDS:
                    raise
                continue
            except Lost as error:
                connection.broke(error)
                parts.append(part)
                continue
            connection.breaks = 0
            self._note(part, rows, seconds)
        self._waits_no_more(chunk.number)
        if not parts:
            self._chunker.done(chunk)

    def _halves(self, connection: "_Connection", part: Chunk) -> list[Chunk]:
        """As it is where the table that it is cut by cannot be read just now, either."""
        try:
            return self._chunker.halves(connection.link, part)
        except (Waited, Lost):
            return [part]

    def _wait(self, error: Waited, number: int, began: float) -> None:
        """Rest after one more try in vain. Raises *error* when that was not of locks, and for too long."""
        waited = time.monotonic() - began
        if error.code in OF_LOCKS:
            with self._lock:
                self._waiting.setdefault(number, began)
        elif waited > GIVE_UP_SECONDS:
            raise error
        self._stop.wait(IDLE_SECONDS if waited < PATIENT_SECONDS else 1.0)

    def _waits_no_more(self, number: int) -> None:
        with self._lock:
            self._waiting.pop(number, None)

    def _note(self, part: Chunk, rows: int, seconds: float) -> None:
        self._chunker.note(part, rows, seconds)
        with self._lock:
            self.rows += rows
        if self.settings.rest:
            self._stop.wait(seconds * self.settings.rest)


class _Connection:
    """One thread's, made when it is needed, anew when it broke."""

    def __init__(self, opened: Callable[[], Link], closed: Callable[[Link], None]) -> None:
        self._opened = opened
        self._closed = closed
        self._link: Link | None = None
        self.breaks = 0
        """So often it broke one after the other."""

    @property
    def link(self) -> Link:
        self._link = self._link or self._opened()
        return self._link

    def broke(self, error: Lost) -> None:
        """Have another made. Raises *error* when one after the other breaks."""
        self.close()
        self.breaks += 1
        if self.breaks > RECONNECTS:
            raise error

    def close(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            self._closed(link)
