"""One statement under way on the connection that changes tables, in a thread of its own, so that it can be watched and ended."""

import threading
from collections.abc import Callable

from engine.mysql.link import Link
from engine.mysql.trouble import Trouble

INTERRUPTED = 1317


class Running:
    """Begins at once. The connection is the thread's until `over`; a context manager that leaves no thread behind."""

    def __init__(self, link: Link, sql: str) -> None:
        self._link = link
        self._sql = sql
        self._error: BaseException | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"statement-{link.id}")
        self._thread.start()

    def over(self, seconds: float) -> bool:
        """Whether it is over, waiting for so long at most."""
        return self._over.wait(seconds)

    def outcome(self, kill: Callable[[], None] | None = None) -> None:
        """Wait for the end and raise what it raised; *kill* is called first."""
        if kill is not None:
            kill()
        self._over.wait()
        if kill is not None:
            self._absorb()
        if self._error is not None:
            raise self._error

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        """If it is still under way, something was raised: this connection is of no more use, and whoever comes next ends it."""
        if not self._over.is_set():
            self._link.hang_up()
        self._thread.join()

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
                self._link.run(self._sql)
        except BaseException as error:  # noqa: BLE001 - carried over to the session's thread, which raises it
            self._error = error
        finally:
            self._over.set()
