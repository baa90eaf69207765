"""The cutover on MariaDB, of one table or of several: all of them, or none, and no write stays behind in a table that goes.

MariaDB renames no table in a session that holds LOCK TABLES (1192). So a second connection renames while the others let go, and
who gets a table then is the server's choice: mostly the RENAME, as its lock goes before those of writes. But definitions that
came earlier go before it, with a small `max_write_lock_count` writes do, too, and it comes to a second table later than to the
first. So the order is only made likely here, and nothing is renamed unless it was kept:

- A RENAME takes an exclusive lock on each of its names, one after the other, in the order of names. It begins to rename when it
  has them all.
- The last of those names that is in use is one of ours: the gate, under which the last table will be kept. (A helper's name
  sorts after its table's: `engine.mysql.names`.) A connection of its own keeps it locked, over an empty table, the sentry.
- Once the RENAME has the lock of the last shadow, whose name sorts after all live tables', too, it has theirs. That shows in a
  look at the shadow that does not wait: it is refused only while somebody *has* the exclusive lock, and nobody else wants it.
- Whoever writes to a table, or defines it anew, has a lock on it until the change is committed and in the server's log, or noted
  by the triggers. So now all can be read that came to a table after the last look at it under LOCK TABLES, and nothing more can
  come while the RENAME waits at the gate. If there is nothing, the sentry is dropped and the RENAME goes on; else it is ended.
- Until then the sentry is in its way, whichever connection breaks, falls silent or is ended: it fails, and renames nothing. And
  if it is the RENAME that is ended, then nothing is renamed, whatever was read.
- With all names a RENAME still gives them back, and begins anew, where somebody locks the whole server or takes a backup just
  then (FLUSH TABLES WITH READ LOCK, BACKUP STAGE). So before the sentry is dropped, a read of the last shadow is made to wait
  behind the RENAME. If the names are given back, that read gets the shadow in the same instant, before the RENAME can ask for
  it again, keeps it in a transaction, and the RENAME is ended. If all goes well, the shadow is gone when the read has its turn.

The order is likely as each table is locked for writing, so that nobody else is in the midst of it, by a connection of its own,
and let go only once the RENAME has those before it and waits.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from engine import faults
from engine.errors import EngineError, Refused
from engine.mysql.catalog import exists, told_of
from engine.mysql.cutover.swap import Pair, Swap
from engine.mysql.link import Link
from engine.mysql.ownership.watch import WAITS_FOR_TABLE, Watch
from engine.mysql.quoting import quote_table
from engine.mysql.silence import IN_TRANSACTION
from engine.mysql.trouble import INTERRUPTED, NO_SUCH_TABLE, ServerRefused, Trouble, Waited
from engine.mysql.waiting.running import Running
from engine.mysql.waiting.table_locks import OutOfTime

APPLY_SECONDS = 0.75
"""So long the last changes of one table may take."""
POLL_SECONDS = 0.002
OVER_SECONDS = 0.1
"""So soon after it has let go a RENAME that failed has said so."""
RENAMER_SETTINGS = {"lock_wait_timeout": 1, "innodb_lock_wait_timeout": 1}
"""With all names it still waits for transactions without a connection: prepared ones, those undone after a server was killed."""
READER_SETTINGS = {"lock_wait_timeout": 60, IN_TRANSACTION: 10}
"""Longer than a RENAME without an owner waits for its three kinds of locks."""
SENTRY = "SchemaBot: keeps the place of a table that is about to be replaced"
EXISTS_ALREADY = 1050


def swap_of(watch: Watch, pairs: Sequence[Pair]) -> Swap:
    """The way that exchanges *pairs* on this server."""
    return Swap(watch, pairs) if watch.hold.flavour.renames_under_lock else GatedSwap(watch, pairs)


class GatedSwap(Swap):
    """One try at exchanging the tables of *pairs*."""

    def __init__(self, watch: Watch, pairs: Sequence[Pair]) -> None:
        folded = watch.hold.flavour.folded

        def place(schema: str, name: str) -> tuple[bytes, bytes]:
            """By which the server orders its locks."""
            return (folded(schema).encode(), folded(name).encode())

        super().__init__(watch, sorted(pairs, key=lambda pair: place(pair.schema, pair.source)))
        self._gate = max(((pair.schema, pair.old) for pair in pairs), key=lambda name: place(*name))
        self._shadow = max(((pair.schema, pair.shadow) for pair in pairs), key=lambda name: place(*name))

    def _exchange(self) -> None:
        with ExitStack() as late, ExitStack() as stack:
            reader = late.enter_context(self._hold.further_link())
            keeper, *further = (
                stack.enter_context(self._hold.further_link()) for _ in range(len(self._pairs))
            )
            links = [self._link, *further]
            renamer = stack.enter_context(self._renamer())
            with self._under_locks([keeper, *links]):
                self._lock_and_apply(keeper, links)
                running = stack.enter_context(Running(renamer, self._rename, self._watch))
                faults.reached("rename_queued")
                self._let_go(links, renamer, running)
                self._see_nothing_came()
                # Whatever is raised, it is let go only after the renamer is ended.
                reading = late.enter_context(self._read(reader))
                self._see_waiting(reader, running)
                faults.reached("before_rename")
                keeper.run(f"DROP TABLE {quote_table(*self._gate)}")
                faults.reached("sentry_dropped")
            self._see_kept(reading, running)
            self._outcome(running)
        faults.reached("after_rename")

    @contextmanager
    def _renamer(self) -> Iterator[Link]:
        """The connection that renames. After a failure the server is through with it: it shows a moment in which a table has
        no name, and a RENAME of which nobody hears would meet the next try. Only then the sentry is removed.
        """
        with self._hold.further_link() as renamer:
            renamer.set(RENAMER_SETTINGS)
            self._put_sentry()
            try:
                yield renamer
            except EngineError:
                self._hold.end_link(renamer)
                with suppress(EngineError):
                    remove_sentry(self._link, *self._gate)
                raise

    def _put_sentry(self) -> None:
        """Have it. Refused when tables of others have the names that the replaced ones will get."""
        for pair in self._pairs:
            remove_sentry(self._link, pair.schema, pair.old)  # of an earlier try
            if exists(self._link, "TABLE", pair.schema, pair.old):
                raise Refused(
                    f"the table {pair.old} is in the way and not of this apply; remove it, then plan again"
                )
        self._link.run(
            f"CREATE TABLE {quote_table(*self._gate)} (one TINYINT PRIMARY KEY) ENGINE = InnoDB COMMENT '{SENTRY}'"
        )
        faults.reached("sentries")

    def _lock_and_apply(self, keeper: Link, links: Sequence[Link]) -> None:
        self._lock(keeper, [self._gate])
        for link, pair in zip(links, self._pairs, strict=True):
            self._lock(link, [(pair.schema, name) for name in pair.locked])
        faults.reached("locked")
        for link, pair in zip(links, self._pairs, strict=True):
            self._check_time()
            # Not so long that the other connections seem silent.
            pair.rest.final_apply(link, min(self._deadline - time.monotonic(), APPLY_SECONDS))
        self._check_time()
        faults.reached("applied")

    def _let_go(self, links: Sequence[Link], renamer: Link, running: Running) -> None:
        """Of the live tables, one after the other; at the end the RENAME has them all."""
        for link, pair in zip(links, self._pairs, strict=True):
            self._see_waiting(renamer, running)
            self._see_nobody_before(renamer, pair)
            self._unlock(link)
            faults.reached("let_go")
            self._see_taken((pair.schema, pair.source), running)
        self._see_taken(self._shadow, running)

    def _see_nobody_before(self, renamer: Link, pair: Pair) -> None:
        """What came to change the table before our RENAME runs before it: this try would be in vain."""
        if statement := self._watch.definition_waiting_for(pair.schema, pair.source, renamer.id):
            raise OutOfTime(f"somebody else waits to change {pair.source} ({statement[:100]})")

    def _see_taken(self, name: tuple[str, str], running: Running) -> None:
        look = f"SET STATEMENT lock_wait_timeout = 0 FOR SHOW CREATE TABLE {quote_table(*name)}"

        def taken(link: Link) -> bool:
            try:
                link.rows(look)
            except Waited:
                return True
            return False

        self._see(lambda: self._watch.ask(taken), running)

    def _see(self, reached: Callable[[], bool], running: Running) -> None:
        """The RENAME comes so far."""
        while not reached():
            if running.over(POLL_SECONDS):
                self._outcome(running)
                raise OutOfTime("the RENAME did not wait for the locked tables")
            self._check_time()

    def _see_nothing_came(self) -> None:
        for pair in self._pairs:
            self._check_time()
            if not pair.rest.nothing_came(self._link, self._deadline - time.monotonic()):
                raise OutOfTime(f"somebody got at {pair.source} before the RENAME")

    def _read(self, reader: Link) -> Running:
        """A read of the shadow that waits for the RENAME, and would keep the shadow from it if it gave it back."""
        reader.set(READER_SETTINGS)
        reader.run("START TRANSACTION")
        return Running(reader, f"SELECT 1 FROM {quote_table(*self._shadow)} LIMIT 0", self._watch)

    def _see_waiting(self, link: Link, running: Running) -> None:
        self._see(lambda: self._watch.state_of(link) == WAITS_FOR_TABLE, running)

    def _see_kept(self, reading: Running, running: Running) -> None:
        """The RENAME has gone on with the locks that it had, and the shadow is no more."""
        try:
            reading.outcome()
        except ServerRefused as error:
            if error.code != NO_SUCH_TABLE:
                raise
        else:
            if running.over(OVER_SECONDS):
                self._outcome(running)
            raise OutOfTime(
                "the RENAME gave its locks back: somebody locks the whole server, or takes a backup"
            )

    def _outcome(self, running: Running) -> None:
        """A RENAME that was ended while it waited, or that the sentry stopped, changed nothing."""
        try:
            running.outcome()
        except (Trouble, ServerRefused) as error:
            if error.code in (INTERRUPTED, EXISTS_ALREADY):
                raise OutOfTime(str(error)) from error
            raise


def remove_sentry(link: Link, schema: str, name: str) -> None:
    """Drop the table *name* if it is a sentry of ours."""
    if told_of(link, schema, name, "TABLE_COMMENT") == SENTRY:
        link.run(f"DROP TABLE IF EXISTS {quote_table(schema, name)}")
