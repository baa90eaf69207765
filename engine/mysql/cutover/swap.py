"""The instant of a cutover: lock, apply the rest, exchange the names. All of it, or the tables stay as they are.

MySQL renames in the session that holds the locks, which is here. MariaDB refuses that (1192): `engine.mysql.cutover.gated_swap`.

Should our process be stopped while it holds the locks, the server ends the connection after a second of silence
(`engine.mysql.silence`): that is one that breaks in between, which changes nothing.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from engine import faults
from engine.mysql.link import Link
from engine.mysql.ownership.hold import Hold
from engine.mysql.ownership.watch import Watch
from engine.mysql.quoting import quote_table
from engine.mysql.silence import TABLE_SECONDS, ended_when_silent, let_be_silent, show_life
from engine.mysql.trouble import Lost
from engine.mysql.waiting.table_locks import OutOfTime, lock_tables

LOCK_SECONDS = 1.0
"""How long the application may have to wait, for all of it."""


class Rest(Protocol):
    """A copy that is in step but for the last moment."""

    def final_apply(self, link: Link, seconds: float) -> None:
        """On the link that holds the locks: apply the rest. Waited, Lost: not done in so many *seconds*."""

    def nothing_came(self, link: Link, seconds: float) -> bool:
        """Once nobody can write any more, nor open the table: whether nothing has changed in it since `final_apply`.

        Lost: that was not to be known in so many *seconds*. Refused: it was changed in a way that makes the copy void.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A live table and what takes its place."""

    schema: str
    source: str
    table: str  # the name afterwards
    shadow: str
    old: str
    extra: tuple[str, ...]  # more tables that are locked, for the last changes
    rest: Rest

    @property
    def locked(self) -> tuple[str, ...]:
        """What is locked, the live table first."""
        return (self.source, self.shadow, *self.extra)

    @property
    def renames(self) -> str:
        """Both names at once."""
        names = (self.source, self.old, self.shadow, self.table)
        source, old, shadow, table = (quote_table(self.schema, name) for name in names)
        return f"{source} TO {old}, {shadow} TO {table}"


class Swap:
    """One try at exchanging all of *pairs*. Waited: nothing has changed, try again. Lost: look at the tables."""

    def __init__(self, watch: Watch, pairs: Sequence[Pair]) -> None:
        self._watch = watch
        self._hold: Hold = watch.hold
        self._link = watch.hold.link
        self._pairs = pairs
        self._deadline = 0.0
        self._holders: list[Link] = []
        """The connections that hold locks just now."""

    def attempt(self) -> None:
        """Lock, apply the rest, rename, unlock."""
        try:
            self._exchange()
        finally:
            # The last changes are applied with settings of their own.
            with suppress(Lost):
                self._hold.settle_link()

    def _exchange(self) -> None:
        names = [(pair.schema, name) for pair in self._pairs for name in pair.locked]
        with self._under_locks([self._link]):
            self._lock(self._link, names)
            faults.reached("locked")
            self._apply_the_rest()
            faults.reached("before_rename")
            with self._link.without_limit():  # a table of many partitions has many files to rename
                self._link.run(self._rename)
            faults.reached("after_rename")

    @property
    def _rename(self) -> str:
        """All names, or none."""
        return "RENAME TABLE " + ", ".join(pair.renames for pair in self._pairs)

    def _apply_the_rest(self) -> None:
        for pair in self._pairs:
            self._check_time()
            pair.rest.final_apply(self._link, self._deadline - time.monotonic())
        self._check_time()
        faults.reached("applied")

    # -- locks --------------------------------------------------------------------------------------------------

    @contextmanager
    def _under_locks(self, links: Sequence[Link]) -> Iterator[None]:
        """Inside, *links* lock, for so long as the application may have to wait; at the end they have let go."""
        self._deadline = time.monotonic() + LOCK_SECONDS
        with ExitStack() as silence:
            for link in links:
                silence.enter_context(ended_when_silent(link, TABLE_SECONDS))
            try:
                yield
            finally:
                for link in links:
                    self._unlock(link)

    def _lock(self, link: Link, names: Sequence[tuple[str, str]]) -> None:
        """Lock tables, given with their schemas, for writing. Waited when that takes too long."""
        tables = ", ".join(f"{quote_table(schema, name)} WRITE" for schema, name in names)
        lock_tables(self._watch, link, tables, self._deadline, self._show_life)
        self._holders.append(link)

    def _unlock(self, link: Link) -> None:
        """A connection that is lost has let go by itself."""
        self._holders = [holder for holder in self._holders if holder is not link]
        with suppress(Lost):
            link.run("UNLOCK TABLES")
            let_be_silent(link)

    def _check_time(self) -> None:
        """While the locks are held: OutOfTime when it was long enough, Lost when one is not held any more."""
        if time.monotonic() > self._deadline:
            raise OutOfTime("the last changes took longer than the application may wait")
        self._show_life()

    def _show_life(self) -> None:
        for link in self._holders:
            show_life(link)
