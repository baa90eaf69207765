"""A reader that began amid a copy, and a caller that hears that it is waited for."""

from engine.base import Progress, Signal
from engine.mysql.link import Link
from tests.engine.driving import Caller
from tests.engine.striking import At

SNAPSHOT = (
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT",
)


class Told(Caller):
    """Ends a transaction when it has heard that it is waited for, some times."""

    def __init__(self, link: Link, times: int = 3) -> None:
        super().__init__()
        # The server's list is made anew only when nobody has asked for it for a tenth of a second.
        self.rests = True
        self.heard: list[str] = []
        self._link = link
        self._times = times

    def report(self, progress: Progress) -> Signal:
        if "began before the copy was complete" in progress.detail:
            self.heard.append(progress.detail)
            if len(self.heard) == self._times:
                self._link.run("COMMIT")
        return super().report(progress)


def amid_the_copy(reader: Link, *statements: str) -> At:
    """The reader runs them when the first rows are copied."""

    def read() -> None:
        for statement in statements:
            reader.run(statement)

    return At("after_commit:chunk", read)
