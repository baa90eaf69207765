"""Builds the indexes that the shadow was filled without, while the application's changes go on being applied to it."""

import threading
from contextlib import suppress

from engine.errors import EngineError
from engine.mysql.link import Link
from engine.mysql.ownership.hold import Hold
from engine.mysql.shadow.shape import FILLING, Shape
from engine.mysql.trouble import ServerRefused

NOT_ONLINE = (1845, 1846)


class IndexBuild:
    """One ALTER TABLE in a thread of its own; a context manager, at whose end the statement is over or ended."""

    def __init__(self, hold: Hold, shape: Shape, lines: tuple[str, ...]) -> None:
        self._hold = hold
        self._shape = shape
        self._adds = ", ".join(f"ADD {line}" for line in lines)
        self._link: Link | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="index-build")

    @property
    def finished(self) -> bool:
        """Whether it is done. Raises what it ended with."""
        if self._thread.is_alive():
            return False
        if self._error is not None:
            raise self._error
        return True

    def __enter__(self) -> "IndexBuild":
        self._link = self._hold.open_link(settings={**FILLING, "lock_wait_timeout": 60}, answer_seconds=None)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._link is not None
        if self._thread.is_alive():
            with suppress(EngineError), self._hold.further_link() as other:
                other.run(f"KILL QUERY {self._link.id}")
        self._thread.join()
        self._hold.close_link(self._link)

    def _run(self) -> None:
        try:
            self._build()
        except BaseException as error:  # noqa: BLE001 - carried over to the session's thread, which raises it
            self._error = error

    def _build(self) -> None:
        assert self._link is not None
        statement = f"ALTER TABLE {self._shape.shadow} {self._adds}"
        try:
            self._link.run(f"{statement}, ALGORITHM=INPLACE, LOCK=NONE")
        except ServerRefused as error:
            if error.code not in NOT_ONLINE:
                raise
            self._link.run(statement)
