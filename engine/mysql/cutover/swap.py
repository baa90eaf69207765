"""The instant of a cutover: lock, apply the rest, exchange the names. All of it, or the tables stay as they are.

MySQL renames in the session that holds the locks. MariaDB refuses that (1192), so there a second connection queues the RENAME
while the first still holds the locks: what waits to rename goes before what waits to write. A sentry, an empty table under the
name that the replaced one will get, makes that RENAME fail harmlessly should the first connection break in between; it is
dropped only once the RENAME is seen waiting for the live table. The helpers' names sort after the live table's, as a RENAME takes
its locks in the order of names: had it to wait for a helper first, writes that queued on the live table would slip into the old.

Should our process be stopped while it holds the locks, the server ends the connection after a second of silence
(`engine.mysql.silence`): that is one that breaks in between, as above.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from engine import faults
from engine.errors import EngineError, Refused
from engine.mysql.link import Link
from engine.mysql.ownership.hold import Hold
from engine.mysql.ownership.watch import WAITS_FOR_TABLE, Watch
from engine.mysql.quoting import quote_table
from engine.mysql.silence import AWAKE_SECONDS, TABLE_SECONDS, ended_when_silent, let_be_silent, show_life
from engine.mysql.trouble import Lost, ServerRefused, Trouble, Waited
from engine.mysql.waiting.running import INTERRUPTED, Running

LOCK_SECONDS = 1.0
"""How long the application may have to wait, for all of it."""
POLL_SECONDS = 0.002
SENTRY = "SchemaBot: keeps the place of a table that is about to be replaced"
EXISTS_ALREADY = 1050


class Rest(Protocol):
    """A copy that is in step but for the last moment."""

    def final_apply(self, link: Link, seconds: float) -> None:
        """On the link that holds the locks: apply the rest. Waited, Lost: not done in so many *seconds*."""


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


class OutOfTime(Waited):
    """The application has waited long enough: the locks were let go, nothing has changed."""

    def __init__(self, text: str) -> None:
        super().__init__(text, 0)


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
        self.locked_seconds = 0.0
        """How long the last try held or waited for the locks."""

    def attempt(self) -> None:
        """Lock, apply the rest, rename, unlock."""
        try:
            if self._hold.flavour.renames_under_lock:
                self._by_one_session()
            else:
                self._by_two_sessions()
        finally:
            # The last changes are applied with settings of their own.
            with suppress(Lost):
                self._hold.settle_link()

    # -- MySQL --------------------------------------------------------------------------------------------------

    def _by_one_session(self) -> None:
        with self._locked(()):
            self._apply_the_rest()
            faults.reached("before_rename")
            self._link.run("RENAME TABLE " + ", ".join(pair.renames for pair in self._pairs))
            faults.reached("after_rename")

    # -- MariaDB ------------------------------------------------------------------------------------------------

    def _by_two_sessions(self) -> None:
        (pair,) = self._pairs
        with self._sentries(), self._renamer() as other:
            self._swap_through(other, pair)

    @contextmanager
    def _renamer(self) -> Iterator[Link]:
        """The connection that renames. After a failure the server is through with it: it shows a moment in which a table has
        no name, and a RENAME of which nobody hears would meet the next try.
        """
        with self._hold.further_link() as other:
            try:
                yield other
            except EngineError:
                self._hold.end_link(other)
                raise

    @contextmanager
    def _sentries(self) -> Iterator[None]:
        """Have them; after a failure they are gone."""
        self._put_sentries()
        try:
            yield
        except BaseException:
            with suppress(EngineError):
                self.remove_sentries()
            raise

    def _swap_through(self, other: Link, pair: Pair) -> None:
        with ExitStack() as stack:
            with self._locked([(pair.schema, pair.old)]):
                try:
                    self._apply_the_rest()
                    running = stack.enter_context(Running(other, f"RENAME TABLE {pair.renames}"))
                    faults.reached("rename_queued")
                    self._see_waiting(other, running)
                    self._see_nobody_before(other, pair)
                    faults.reached("before_rename")
                    self._link.run(f"DROP TABLE {quote_table(pair.schema, pair.old)}")
                    faults.reached("sentry_dropped")
                except BaseException:
                    self._watch.kill_query(other.id)
                    raise
            self._outcome(running)
        faults.reached("after_rename")

    def _outcome(self, running: Running) -> None:
        """A RENAME that was ended while it waited, or that the sentry stopped, changed nothing."""
        try:
            running.outcome()
        except (Trouble, ServerRefused) as error:
            if error.code in (INTERRUPTED, EXISTS_ALREADY):
                raise OutOfTime(str(error)) from error
            raise

    def _see_waiting(self, other: Link, running: Running) -> None:
        """The RENAME waits for the live table, which is the first that it locks."""
        while self._watch.state_of(other.id) != WAITS_FOR_TABLE:
            if running.over(POLL_SECONDS):
                self._outcome(running)
                raise OutOfTime("the RENAME did not wait for the locked table")
            self._check_time()

    def _see_nobody_before(self, renamer: Link, pair: Pair) -> None:
        """What came to change the table before our RENAME runs before it, on the table that goes: a TRUNCATE would be undone."""
        if statement := self._watch.definition_waiting_for(pair.source, renamer.id):
            raise OutOfTime(f"somebody else waits to change {pair.source} ({statement[:100]})")

    def _put_sentries(self) -> None:
        self.remove_sentries()
        for pair in self._pairs:
            name = quote_table(pair.schema, pair.old)
            try:
                self._link.run(
                    f"CREATE TABLE {name} (one TINYINT PRIMARY KEY) ENGINE = InnoDB COMMENT '{SENTRY}'"
                )
            except ServerRefused as error:
                if error.code == EXISTS_ALREADY:
                    raise Refused(
                        f"the table {pair.old} is in the way and not of this apply; remove it, then plan again"
                    ) from error
                raise
        faults.reached("sentries")

    def remove_sentries(self) -> None:
        """Drop what an earlier try left, and nothing else that has such a name."""
        for pair in self._pairs:
            remove_sentry(self._link, pair.schema, pair.old)

    # -- both ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _locked(self, more: Sequence[tuple[str, str]]) -> Iterator[None]:
        """Inside, everything is locked for writing. Waited when that takes too long."""
        began = time.monotonic()
        self._deadline = began + LOCK_SECONDS
        names = [(pair.schema, name) for pair in self._pairs for name in pair.locked] + list(more)
        tables = ", ".join(f"{quote_table(schema, name)} WRITE" for schema, name in names)
        with ended_when_silent(self._link, TABLE_SECONDS):
            try:
                self._lock_by(self._link, tables)
                faults.reached("locked")
                yield
            finally:
                self._unlock(self._link)
                self.locked_seconds = time.monotonic() - began

    def _lock_by(self, link: Link, tables: str) -> None:
        try:
            with Running(link, f"LOCK TABLES {tables}") as running:
                if not self._over_in_time(running):
                    running.outcome(lambda: self._watch.kill_query(link.id))
                    link.run("UNLOCK TABLES")
                    raise OutOfTime("the locks were not to be had in time")
                running.outcome()
        except Trouble as error:
            if error.code != INTERRUPTED:
                raise
            raise OutOfTime(str(error)) from error
        self._holders.append(link)

    def _over_in_time(self, running: Running) -> bool:
        while not running.over(max(0.0, min(AWAKE_SECONDS, self._deadline - time.monotonic()))):
            if time.monotonic() >= self._deadline:
                return False
            self._show_life()
        return True

    def _unlock(self, link: Link) -> None:
        """A connection that is lost has let go by itself."""
        self._holders = [holder for holder in self._holders if holder is not link]
        with suppress(Lost):
            link.run("UNLOCK TABLES")
            let_be_silent(link)

    def _apply_the_rest(self) -> None:
        for pair in self._pairs:
            self._check_time()
            pair.rest.final_apply(self._link, self._deadline - time.monotonic())
        self._check_time()
        faults.reached("applied")

    def _check_time(self) -> None:
        """While the locks are held: OutOfTime when it was long enough, Lost when one is not held any more."""
        if time.monotonic() > self._deadline:
            raise OutOfTime("the last changes took longer than the application may wait")
        self._show_life()

    def _show_life(self) -> None:
        for link in self._holders:
            show_life(link)


def remove_sentry(link: Link, schema: str, name: str) -> None:
    """Drop the table *name* if it is a sentry of ours."""
    comment = link.value(
        "SELECT table_comment FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
        schema,
        name,
    )
    if comment == SENTRY:
        link.run(f"DROP TABLE IF EXISTS {quote_table(schema, name)}")
