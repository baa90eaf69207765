"""Whose target it is (OW-5): a fence on the target, named locks, and every connection of an owner on record.

A new owner raises the fence, ends its predecessor's connections and waits until the server has undone what they were at, and only
then takes the named locks and goes on. So a predecessor that wakes up late finds its connections gone, and a connection
that it opens afterwards does nothing, as every transaction of ours begins with the guard.

A recorded connection is known by a lock of its own, named by a random token: the server tells which connection holds it
now. A connection's number alone would not do, as a server that restarted gives the old numbers to strangers.
"""

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from engine import faults
from engine.base import Job
from engine.errors import EngineError, Fenced, Refused, TargetHeld, TargetUnavailable
from engine.mysql.address import Address
from engine.mysql.flavour import Flavour, flavour_of
from engine.mysql.link import ANSWER_SECONDS, SETTINGS, Link
from engine.mysql.quoting import quote_table
from engine.mysql.spec import OWN_PREFIX
from engine.mysql.trouble import ServerRefused, Waited

OWNER_TABLE = f"{OWN_PREFIX}owner"
CONNECTION_TABLE = f"{OWN_PREFIX}connection"
COPY_TABLE = f"{OWN_PREFIX}copy"

HELD_SECONDS = 60.0
"""An owner that showed no life for so long may be dispossessed by another apply."""
GONE_SECONDS = 20
"""How long an ended connection may take to undo what it was at."""
LOCK_SECONDS = 5
"""How long to wait for a named lock, whose holder was not to be ended."""
TAKES = 5
"""A predecessor that leaves just now takes our tables along: then from the beginning."""

NO_SUCH_TABLE = 1146
NO_SUCH_CONNECTION = 1094
NOT_OURS = 1095


@dataclass(frozen=True, slots=True)
class Recorded:
    """A connection of an earlier owner."""

    token: str
    owner: str


class Gone(Fenced):
    """Fenced, because our row is not there any more."""


class Hold:
    """The hold of one job on one target server.

    `link` is the connection that holds the named locks: DDL, LOCK TABLES and the cutover run there and nowhere else, by
    one thread at a time. Once it is lost the hold is over: `Lost` flies out, and the next owner looks at the tables.
    """

    def __init__(self, address: Address, job: Job, *, settings: Mapping[str, object] | None = None) -> None:
        """Connect and look; nothing is written before `take`. *settings* are those of the DDL connection."""
        self.address = address
        self.job = job
        self.home = home_of(address, job)
        """The schema that our own tables are in."""
        self.taken = False
        self._locks = [_schema_lock(schema) for schema in schemas_of(address, job)]
        self._tokens: dict[int, str] = {}  # by the connection's id
        self._settings = dict(settings or {})
        self.link = Link(address, settings=settings, schema=self.home)
        try:
            self.flavour: Flavour = flavour_of(self.link)
            self._tokens[self.link.id] = _mark(self.link)
        except BaseException:
            self.link.close()
            raise
        self._owner = quote_table(self.home, OWNER_TABLE)
        self._connection = quote_table(self.home, CONNECTION_TABLE)

    # -- taking and letting go ----------------------------------------------------------------------------------

    def take(self) -> None:
        """Become the owner: raise the fence of our apply, or dispossess another that shows no life.

        Fenced: a newer owner of the same apply was here. TargetHeld: another apply is alive here.
        """
        try:
            self.job.still_ours()
            self._take()
        except EngineError:
            self._strike_off()
            raise
        except BaseException:
            self._strike_off()
            self._vacate()
            raise

    def _take(self) -> None:
        for _ in range(TAKES):
            try:
                self._make_tables()
                # On record before anything is locked: whoever comes next can end us wherever we stop.
                self._record(self.link, self._tokens[self.link.id])
                with self._transaction(self.link, "take"):
                    predecessors = self._raise_fence()
                self._end(predecessors)
                self._lock()
                with self.transaction(self.link, "settle"):
                    self._forget(predecessors)
            except ServerRefused as error:
                if error.code != NO_SUCH_TABLE:
                    raise
            except Gone:
                pass
            except Waited:
                self._end(self._superseded())
            else:
                self.taken = True
                return
        raise TargetUnavailable(f"{self.address}: our tables there come and go; other owners are at it")

    def release(self) -> bool:
        """Remove our tables from the target if no apply has anything left there; whether they are gone."""
        if not self.taken:
            return True
        with self.transaction(self.link, "release"):
            if self._left():
                return False
        # The locks first: without the record nobody could end a connection that holds them.
        self._unlock()
        self.taken = False
        faults.reached("unlocked")
        self._drop_tables()
        faults.reached("released")
        return True

    def settle_link(self) -> None:
        """Give `link` back the settings it began with."""
        self.link.set({**SETTINGS, **self._settings})

    def close(self) -> None:
        """Let go of the connection, and with it of the named locks; the fence stays. Nothing is raised."""
        self.link.close()

    @property
    def connections(self) -> set[int]:
        """The ids of our connections."""
        return set(self._tokens)

    # -- further connections ------------------------------------------------------------------------------------

    def open_link(
        self,
        *,
        settings: Mapping[str, object] | None = None,
        schema: str | None = None,
        answer_seconds: float | None = ANSWER_SECONDS,
    ) -> Link:
        """A further connection, on record before it is handed out: a successor ends it. Fenced when there is one already."""
        link = Link(
            self.address, settings=settings, schema=schema or self.home, answer_seconds=answer_seconds
        )
        try:
            self._tokens[link.id] = _mark(link)
            # Before the guard, so that whoever holds its lock can be ended.
            self._record(link, self._tokens[link.id])
            with self.transaction(link, "open_link"):
                pass
        except BaseException:
            self.close_link(link)
            raise
        return link

    def close_link(self, link: Link) -> None:
        """Close a connection that `open_link` gave; nothing is raised."""
        token = self._tokens.pop(link.id, "")
        with suppress(EngineError):
            link.run(f"DELETE FROM {self._connection} WHERE token = %s", token)
        link.close()

    @contextmanager
    def further_link(self) -> Iterator[Link]:
        """A further connection for the time of a `with` statement."""
        link = self.open_link()
        try:
            yield link
        finally:
            self.close_link(link)

    # -- transactions -------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self, link: Link, name: str) -> Iterator[None]:
        """One guarded transaction on *link*, `name` being that of its fault points.

        Fenced when the target is no longer ours: nothing was written then. While it is open no successor gets further than
        raising the fence. What is raised inside rolls it back, if the connection still stands.
        """
        with self._transaction(link, name):
            self.guard(link)
            faults.reached(f"begun:{name}")
            yield

    def guard(self, link: Link) -> None:
        """Inside a transaction: Fenced unless the target is ours; it stays so until the transaction ends.

        A shared lock, so that transactions of ours do not wait for each other, and a successor waits for them.
        """
        try:
            ours = link.value(
                f"SELECT 1 FROM {self._owner} WHERE one = 1 AND apply_uid = %s AND fence = %s LOCK IN SHARE MODE",
                self.job.apply_uid,
                self.job.fence,
            )
        except ServerRefused as error:
            if error.code != NO_SUCH_TABLE:
                raise
            raise Gone(f"{self.address}: a newer owner took this database, finished and left") from error
        if ours is None:
            raise Gone(
                f"{self.address}: a newer owner took this database; fence {self.job.fence} writes nothing"
            )

    def beat(self, link: Link) -> None:
        """Show life through any connection of ours; waits for nobody. Fenced when a successor has struck us off."""
        try:
            found = link.run(
                f"UPDATE {self._connection} SET beat_at = UTC_TIMESTAMP(6) WHERE token = %s",
                self._tokens[self.link.id],
            )
        except ServerRefused as error:
            if error.code != NO_SUCH_TABLE:
                raise
            found = 0
        if not found:
            raise Fenced(f"{self.address}: a newer owner took this database")

    @contextmanager
    def _transaction(self, link: Link, name: str) -> Iterator[None]:
        link.run("START TRANSACTION")
        try:
            yield
            faults.reached(f"before_commit:{name}")
            link.run("COMMIT")
        except BaseException:
            with suppress(EngineError):
                link.run("ROLLBACK")
            raise
        faults.reached(f"after_commit:{name}")

    # -- inside -------------------------------------------------------------------------------------------------

    def _make_tables(self) -> None:
        self.link.run(
            f"""
            CREATE TABLE IF NOT EXISTS {self._owner} (
                one TINYINT NOT NULL PRIMARY KEY,
                apply_uid VARCHAR(191) NOT NULL,
                fence BIGINT NOT NULL,
                owner VARCHAR(255) NOT NULL
            ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
              COMMENT 'SchemaBot: which apply is changing this database now'
            """
        )
        self.link.run(
            f"""
            CREATE TABLE IF NOT EXISTS {self._connection} (
                token CHAR(32) NOT NULL PRIMARY KEY,
                apply_uid VARCHAR(191) NOT NULL,
                fence BIGINT NOT NULL,
                owner VARCHAR(255) NOT NULL,
                connection_id BIGINT UNSIGNED NOT NULL,
                beat_at DATETIME(6) NOT NULL
            ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
              COMMENT 'SchemaBot: its connections, so that a new owner can end them'
            """
        )
        # A row that is there can be locked: two that come at once go one after the other.
        self.link.run(
            f"INSERT IGNORE INTO {self._owner} (one, apply_uid, fence, owner) VALUES (1, '', 0, '')"
        )

    def _raise_fence(self) -> list[Recorded]:
        """Become the owner in the table, on record with our connection; the connections that were there before."""
        row = self.link.row(f"SELECT apply_uid, fence, owner FROM {self._owner} WHERE one = 1 FOR UPDATE")
        if row is None:
            raise Gone(f"{self.address}: the owner before left at this moment")
        # Who was stopped on the way may come when its successor has finished, cleaned up and left, and no newer fence is
        # there to tell. With the row in hand no successor can come before we are seen.
        self.job.still_ours()
        if row[0]:
            self._check(str(row[0]), int(row[1]), str(row[2]))
        job = self.job
        self.link.run(
            f"UPDATE {self._owner} SET apply_uid = %s, fence = %s, owner = %s WHERE one = 1",
            job.apply_uid,
            job.fence,
            job.owner[:255],
        )
        # A still newer owner of our apply, who waits for us here, is no predecessor.
        rows = self.link.rows(
            f"""
            SELECT token, owner FROM {self._connection}
             WHERE token <> %s AND NOT (apply_uid = %s AND fence > %s) FOR UPDATE
            """,
            self._tokens[self.link.id],
            job.apply_uid,
            job.fence,
        )
        return [Recorded(str(found), str(owner)) for found, owner in rows]

    def _check(self, apply_uid: str, fence: int, owner: str) -> None:
        if apply_uid == self.job.apply_uid:
            if fence > self.job.fence:
                raise Fenced(
                    f"{self.address}: fence {self.job.fence} is older than {fence}, with which {owner} took over"
                )
            return
        silent = self.link.value(
            f"""
            SELECT TIMESTAMPDIFF(MICROSECOND, MAX(beat_at), UTC_TIMESTAMP(6)) / 1000000
              FROM {self._connection} WHERE apply_uid = %s
            """,
            apply_uid,
        )
        if silent is not None and silent < HELD_SECONDS:
            raise TargetHeld(
                f"{self.address}: the apply {apply_uid} ({owner}) is changing this database (last sign of life "
                f"{max(float(silent), 0.0):.0f} s ago); wait for it or cancel it"
            )

    def _record(self, link: Link, token: str) -> None:
        """Write a connection of ours down. Gone: our tables are not there any more."""
        try:
            self._put_on_record(link, token)
        except ServerRefused as error:
            if error.code != NO_SUCH_TABLE:
                raise
            raise Gone(f"{self.address}: a newer owner took this database, finished and left") from error

    def _put_on_record(self, link: Link, token: str) -> None:
        link.run(
            f"""
            REPLACE INTO {self._connection} (token, apply_uid, fence, owner, connection_id, beat_at)
            VALUES (%s, %s, %s, %s, %s, UTC_TIMESTAMP(6))
            """,
            token,
            self.job.apply_uid,
            self.job.fence,
            self.job.owner[:255],
            link.id,
        )

    def _strike_off(self) -> None:
        """We did not become the owner: our connection is no more to anybody."""
        with suppress(EngineError):
            self.link.run(f"DELETE FROM {self._connection} WHERE token = %s", self._tokens[self.link.id])

    def _vacate(self) -> None:
        """The apply is not ours to do: take the tables along if nobody has them, as we may have made them."""
        with suppress(EngineError):
            if self.link.value(f"SELECT apply_uid = '' FROM {self._owner}") and not self._left():
                self._drop_tables()

    def _drop_tables(self) -> None:
        names = (COPY_TABLE, CONNECTION_TABLE, OWNER_TABLE)
        self.link.run(f"DROP TABLE IF EXISTS {', '.join(quote_table(self.home, name) for name in names)}")

    def _superseded(self) -> list[Recorded]:
        """Connections, in whatever transaction they stopped, of earlier owners of our apply, and of applies without life."""
        rows = self.link.rows(
            f"""
            SELECT token, owner FROM {self._connection} AS c
             WHERE (apply_uid = %s AND fence < %s)
                OR (apply_uid <> %s AND NOT EXISTS (
                    SELECT 1 FROM {self._connection} AS o
                     WHERE o.apply_uid = c.apply_uid AND o.beat_at > UTC_TIMESTAMP(6) - INTERVAL %s SECOND))
            """,
            self.job.apply_uid,
            self.job.fence,
            self.job.apply_uid,
            HELD_SECONDS,
        )
        return [Recorded(str(token), str(owner)) for token, owner in rows]

    def _end(self, predecessors: Iterable[Recorded]) -> None:
        """End these connections, then wait until the server is through with each; those of a dead server are gone already."""
        found = list(predecessors)
        for one in found:
            self._kill(one)
        for one in found:
            name = _token_lock(one.token)
            if self.link.value("SELECT GET_LOCK(%s, %s)", name, GONE_SECONDS) != 1:
                raise TargetUnavailable(
                    f"{self.address}: a connection of {one.owner} was ended and is still undoing what it was at"
                )
            self.link.value("SELECT RELEASE_LOCK(%s)", name)
        faults.reached("predecessors_ended")

    def _kill(self, one: Recorded) -> None:
        holder = self.link.value("SELECT IS_USED_LOCK(%s)", _token_lock(one.token))
        if holder is None:
            return
        try:
            self.link.run(f"KILL CONNECTION {int(holder)}")
        except ServerRefused as error:
            if error.code == NOT_OURS:
                grant = "CONNECTION ADMIN" if self.flavour.mariadb else "CONNECTION_ADMIN"
                raise Refused(
                    f"{self.address}: connection {holder} of {one.owner}, who had the target before, belongs to another "
                    f"user; end it, or GRANT {grant} ON *.* to the user of this dsn"
                ) from error
            if error.code != NO_SUCH_CONNECTION:
                raise

    def _lock(self) -> None:
        for name in self._locks:
            if self.link.value("SELECT GET_LOCK(%s, %s)", name, LOCK_SECONDS) != 1:
                holder = self.link.value("SELECT IS_USED_LOCK(%s)", name)
                raise TargetHeld(
                    f"{self.address}: another SchemaBot is changing these schemas (connection {holder}); "
                    "wait for it or end it"
                )

    def _unlock(self) -> None:
        for name in self._locks:
            self.link.value("SELECT RELEASE_LOCK(%s)", name)

    def _forget(self, predecessors: Iterable[Recorded]) -> None:
        for one in predecessors:
            self.link.run(f"DELETE FROM {self._connection} WHERE token = %s", one.token)

    def _left(self) -> int:
        """How many tables any apply still has work or helpers of here."""
        try:
            return int(self.link.value(f"SELECT COUNT(*) FROM {quote_table(self.home, COPY_TABLE)}"))
        except ServerRefused as error:
            if error.code != NO_SUCH_TABLE:
                raise
            return 0


def home_of(address: Address, job: Job) -> str:
    """The schema of our own tables: the dsn's database, else the first schema of the apply. Refused when there is neither."""
    if address.database:
        return address.database
    if not job.namespaces:
        raise Refused(f"{address}: neither the dsn nor the change names a schema")
    return min(job.namespaces)


def schemas_of(address: Address, job: Job) -> tuple[str, ...]:
    """Every schema that the apply may touch, sorted. One namespace is the dsn's database, whatever it is called."""
    if address.database and len(job.namespaces) < 2:
        return (address.database,)
    return tuple(sorted({home_of(address, job), *job.namespaces}))


def _mark(link: Link) -> str:
    """Give a connection its token: it alone holds the lock of that name, as long as it lives."""
    token = secrets.token_hex(16)
    if link.value("SELECT GET_LOCK(%s, 0)", _token_lock(token)) != 1:
        raise TargetUnavailable("the server gives no named locks (GET_LOCK), by which owners know each other")
    return token


def _token_lock(token: str) -> str:
    return f"schemabot connection {token}"


def _schema_lock(schema: str) -> str:
    """At most 64 characters, whatever the schema is called; the server compares names of locks without case."""
    return f"schemabot {hashlib.sha256(schema.encode()).hexdigest()[:40]}"
