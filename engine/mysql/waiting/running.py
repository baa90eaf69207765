"""Statements under way on a connection, in a thread of their own, so that they can be watched and ended."""

import threading
import time
from collections.abc import Callable

from engine.mysql.link import Link
from engine.mysql.ownership.watch import Watch
from engine.mysql.process_list import Process
from engine.mysql.trouble import INTERRUPTED, Trouble

END_SECONDS = 0.5
"""So long what is killed may take to end before it is killed again."""
LOOK_SECONDS = 1.0
UNHEARD_SECONDS = 5.0
"""So long the answer may be on its way when the server is through with a statement; then the network has forgotten us."""


class Running:
    """Begins at once. The connection is the thread's until `over`; a context manager that leaves no thread behind."""

    def __init__(self, link: Link, work: str | Callable[[Link], object], watch: Watch) -> None:
        """*link*: of the hold of *watch*; *work*: one statement, or what runs more than one on the connection."""
        self._link = link
        self._work = work
        self._watch = watch
        self._looked_at = time.monotonic()
        self._idle_since: float | None = None
        self._error: BaseException | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"statement-{link.id}")
        self._thread.start()

    def over(self, seconds: float) -> bool:
        """Whether it is over, waiting for so long at most."""
        return self._over.wait(seconds)

    @property
    def finished(self) -> bool:
        """Whether it is over. Raises what it raised. Now and then it is looked at, too. TargetUnavailable."""
        if not self._over.is_set() and time.monotonic() - self._looked_at >= LOOK_SECONDS:
            self.look()
        if not self._over.is_set():
            return False
        self.outcome()
        return True

    def look(self) -> Process | None:
        """What the server says it is at. None: its answer will never come, it is over by that, with Lost. TargetUnavailable.

        So it is where the server has not got the connection any more, or has long been through with the statement.
        """
        self._looked_at = time.monotonic()
        found = self._watch.process_of(self._link)
        if found is None or self._unheard(found):
            self._link.hang_up()
            return None
        return found

    def end(self) -> None:
        """Kill it, again and again: a kill that falls between two statements ends neither. TargetUnavailable."""
        self._watch.kill_query(self._link)
        while not self.over(END_SECONDS):
            if self.look() is not None:
                self._watch.kill_query(self._link)
        self._absorb()

    def outcome(self) -> None:
        """Wait for the end and raise what it raised."""
        self._over.wait()
        if self._error is not None:
            raise self._error

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        """If it is still under way, something was raised: this connection is of no more use, and whoever comes next ends it."""
        if not self._over.is_set():
            self._link.hang_up()
        self._thread.join()

    def _unheard(self, found: Process) -> bool:
        if not found.idle:
            self._idle_since = None
            return False
        if self._idle_since is None:
            self._idle_since = self._looked_at
        return self._looked_at - self._idle_since >= UNHEARD_SECONDS

    def _absorb(self) -> None:
        """A kill that came a moment too late strikes the next statement: let it be one that does nothing."""
        try:
            self._link.run("DO 0")
        except Trouble as error:
            if error.code != INTERRUPTED:
                self._error = self._error or error

    def _run(self) -> None:
        try:
            with self._link.without_limit():
                if isinstance(self._work, str):
                    self._link.run(self._work)
                else:
                    self._work(self._link)
        except BaseException as error:  # noqa: BLE001 - carried over to the session's thread, which raises it
            self._error = error
        finally:
            self._over.set()
