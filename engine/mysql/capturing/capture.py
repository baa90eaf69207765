"""Where the keys of changed rows come from, and how far they are applied."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from engine.mysql.binlog.position import Position
from engine.mysql.link import Link
from engine.mysql.shadow.keys import Literals
from engine.mysql.shadow.table_identity import TableIdentity


class Capture(ABC):
    """One table's changed keys. The session's thread uses it; `sync` is for the others."""

    position: Position | None
    """Everything before it in the binary log is applied; None: the log is not what we read."""
    tables: Sequence[str] = ()
    """Tables that have to be locked for the cutover, besides the two."""
    identity: TableIdentity | None = None
    """Of the source, where the capture does not show by itself what becomes of it."""

    @abstractmethod
    def rotate(self, link: Link) -> None:
        """Begin with what has come, if what was begun before is through, or what is left of it cannot be applied just now."""

    @abstractmethod
    def merge(self, link: Link) -> bool:
        """Begin with all that was committed before now; False: not all of it could be had in a moment."""

    @abstractmethod
    def next_batch(self, limit: int) -> list[Literals]:
        """Some of what was begun; empty: it is through."""

    @abstractmethod
    def forget(self, link: Link, keys: Sequence[Literals]) -> None:
        """Inside the transaction that applies *keys*: note there that they are done."""

    @abstractmethod
    def applied(self, keys: Sequence[Literals]) -> None:
        """Committed: these are done."""

    @abstractmethod
    def defer(self, keys: Sequence[Literals]) -> None:
        """These cannot be applied now: the others first."""

    @abstractmethod
    def requeue(self, keys: Sequence[Literals]) -> None:
        """Have these applied, as if they had changed."""

    @abstractmethod
    def waiting(self, link: Link, keys: Sequence[Literals]) -> set[Literals] | None:
        """Which of *keys*, whose rows are held, have changes that are not applied; None: that was not to be had in a moment.

        They are as either table of the copy tells them.
        """

    @abstractmethod
    def mark(self, link: Link) -> None:
        """From now on `received` and `caught_up` mean: all that was committed before now is known, and applied."""

    @abstractmethod
    def received(self) -> bool:
        """Whether it is known; waits for a moment."""

    @abstractmethod
    def caught_up(self, link: Link) -> bool:
        """Whether it is applied."""

    @abstractmethod
    def sync(self, link: Link) -> bool:
        """Wait a few seconds until all that was committed before now is applied; whether it is. For any thread."""

    @abstractmethod
    def look(self, link: Link) -> None:
        """Right before writers are locked out: DriftFound when changes went past the capture. May take its time."""

    @abstractmethod
    def reach_end(self, link: Link, seconds: float) -> None:
        """While writers are locked out: have every change there is. Lost when that takes longer than *seconds*."""

    @abstractmethod
    def check_end(self, link: Link) -> None:
        """While writers are locked out and all is applied: DriftFound when a change may have gone past the capture."""

    @abstractmethod
    def nothing_came(self, link: Link, seconds: float) -> bool:
        """After `check_end`, when nobody can write any more, and the table cannot be opened: whether nothing has changed since.

        Lost: that was not to be known in so many *seconds*. DriftFound, TableChanged: it is another table now.
        """

    @abstractmethod
    def backlog(self, link: Link) -> int:
        """About how many keys wait."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is held in this process."""
