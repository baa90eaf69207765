"""The cutover of several tables on MariaDB, by one RENAME: all of them, or none.

A RENAME takes its locks one after the other, in the order of names. Were all tables let go at once, it would have to come to
the second table before the writes that wait there. So each table is locked by a connection of its own and let go in that order,
each only once the RENAME is seen in its queue. They are locked for READ: writers wait just the same, and whether something waits
to rename shows in a read that is not willing to wait: it gets in, unless the RENAME is queued there before it.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack

from engine import faults
from engine.mysql.cutover.swap import LOCK_SECONDS, POLL_SECONDS, OutOfTime, Pair, Swap
from engine.mysql.link import Link
from engine.mysql.ownership.watch import WAITS_FOR_TABLE, Watch
from engine.mysql.quoting import quote_table
from engine.mysql.silence import TABLE_SECONDS, ended_when_silent
from engine.mysql.trouble import Waited
from engine.mysql.waiting.running import Running

APPLY_SECONDS = 0.75
"""So long the last changes of one table may take."""


def swap_of(watch: Watch, pairs: Sequence[Pair]) -> Swap:
    """The way that exchanges *pairs* on this server."""
    if len(pairs) == 1 or watch.hold.flavour.renames_under_lock:
        return Swap(watch, pairs)
    return GroupSwap(watch, pairs)


class GroupSwap(Swap):
    """One try at exchanging several tables of MariaDB."""

    def __init__(self, watch: Watch, pairs: Sequence[Pair]) -> None:
        # As the server orders its locks: by the bytes of schema and table.
        super().__init__(watch, sorted(pairs, key=lambda pair: (pair.schema.encode(), pair.source.encode())))

    def _by_two_sessions(self) -> None:
        with ExitStack() as stack:
            further = [stack.enter_context(self._hold.further_link()) for _ in self._pairs[1:]]
            stack.enter_context(self._sentries())
            renamer = stack.enter_context(self._renamer())
            self._exchange([self._link, *further], renamer)

    def _exchange(self, links: Sequence[Link], renamer: Link) -> None:
        began = time.monotonic()
        self._deadline = began + LOCK_SECONDS
        with ExitStack() as stack:
            with ExitStack() as silence:
                for link in links:
                    silence.enter_context(ended_when_silent(link, TABLE_SECONDS))
                try:
                    running = self._queue(links, renamer, stack)
                    self._let_go(links, renamer, running)
                except BaseException:
                    # It has renamed nothing yet: that begins when it has all its locks.
                    self._watch.kill_query(renamer.id)
                    raise
                finally:
                    for link in links:
                        self._unlock(link)
                    self.locked_seconds = time.monotonic() - began
            self._outcome(running)
        faults.reached("after_rename")

    def _queue(self, links: Sequence[Link], renamer: Link, stack: ExitStack) -> Running:
        """The RENAME, under way until the *stack* is left."""
        self._lock_and_apply(links)
        rename = "RENAME TABLE " + ", ".join(pair.renames for pair in self._pairs)
        running = stack.enter_context(Running(renamer, rename))
        faults.reached("rename_queued")
        return running

    def _let_go(self, links: Sequence[Link], renamer: Link, running: Running) -> None:
        for link, pair in zip(links, self._pairs, strict=True):
            self._see_queued(running, renamer, pair)
            self._see_nobody_before(renamer, pair)
            faults.reached("before_rename")
            link.run(f"DROP TABLE {quote_table(pair.schema, pair.old)}")
            faults.reached("sentry_dropped")
            self._unlock(link)

    def _lock_and_apply(self, links: Sequence[Link]) -> None:
        for link, pair in zip(links, self._pairs, strict=True):
            live, *helpers = (quote_table(pair.schema, name) for name in (*pair.locked, pair.old))
            self._lock_by(link, f"{live} READ, " + ", ".join(f"{name} WRITE" for name in helpers))
        faults.reached("locked")
        for link, pair in zip(links, self._pairs, strict=True):
            self._check_time()
            # Not so long that the other connections seem silent.
            pair.rest.final_apply(link, min(self._deadline - time.monotonic(), APPLY_SECONDS))
        self._check_time()
        faults.reached("applied")

    def _see_queued(self, running: Running, renamer: Link, pair: Pair) -> None:
        """The RENAME waits for this table; it has those before it."""
        while not (self._watch.state_of(renamer.id) == WAITS_FOR_TABLE and self._is_queued_at(pair)):
            if running.over(POLL_SECONDS):
                self._outcome(running)
                raise OutOfTime("the RENAME did not wait for the locked tables")
            self._check_time()

    def _is_queued_at(self, pair: Pair) -> bool:
        read = f"SET STATEMENT lock_wait_timeout = 0 FOR SELECT 1 FROM {quote_table(pair.schema, pair.source)} LIMIT 0"
        try:
            self._watch.ask(lambda link: link.rows(read))
        except Waited:
            return True
        return False
