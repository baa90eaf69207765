"""Our tables on a target: which apply has it now, and the connections of whoever had or has it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from math import inf

from engine.base import Job
from engine.errors import EngineError, FenceAhead, Fenced, TargetHeld
from engine.mysql.address import Address
from engine.mysql.catalog import exists
from engine.mysql.link import Link
from engine.mysql.quoting import quote_table
from engine.mysql.spec import OWN_PREFIX
from engine.mysql.trouble import NO_PRIVILEGE, NO_SUCH_PLACE, NO_SUCH_TABLE, Tolerated, Waited

OWNER_TABLE = f"{OWN_PREFIX}owner"
CONNECTION_TABLE = f"{OWN_PREFIX}connection"
COPY_TABLE = f"{OWN_PREFIX}copy"

HELD_SECONDS = 60.0
"""An owner that showed no life for so long may be dispossessed by another apply, or another store's claim of the same."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A connection of an earlier owner."""

    token: str
    owner: str


class Gone(Fenced):
    """Fenced, because our row is not there any more."""


class Records:
    """What one job reads and writes in them; each call on a link of the caller's, in a transaction of the caller's if any."""

    def __init__(self, address: Address, job: Job, home: str) -> None:
        self._address = address
        self._job = job
        self._home = home
        self._owner = quote_table(home, OWNER_TABLE)
        self._connection = quote_table(home, CONNECTION_TABLE)
        self._copy = quote_table(home, COPY_TABLE)
        self._nothing = quote_table(home, f"{OWN_PREFIX}nothing")  # never there

    # -- the tables ---------------------------------------------------------------------------------------------

    def make(self, link: Link) -> None:
        """Have the tables of owner and connections. Waited: somebody keeps everybody from making tables.

        What is there is not made: that would wait for a backup, too.
        """
        if not exists(link, "TABLE", self._home, OWNER_TABLE):
            link.run(
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
        if not exists(link, "TABLE", self._home, CONNECTION_TABLE):
            link.run(
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

    def fill(self, link: Link) -> None:
        """Have the owner's row: one that is there can be locked, so that two that come at once go one after the other."""
        link.run(f"INSERT IGNORE INTO {self._owner} (one, apply_uid, fence, owner) VALUES (1, '', 0, '')")

    def writable(self, link: Link) -> bool:
        """Whether anybody may write on the server: tried by what changes nothing and waits for no lock but one of the server."""
        try:
            with Tolerated(NO_SUCH_TABLE):
                link.run(f"UPDATE {self._owner} SET fence = fence WHERE FALSE")
                return True
            link.run(f"DROP TABLE IF EXISTS {self._nothing}")
        except Waited:
            return False
        return True

    def left(self, link: Link) -> int:
        """How many tables any apply still has work or helpers of here."""
        with Tolerated(NO_SUCH_TABLE):
            return int(link.value(f"SELECT COUNT(*) FROM {self._copy}"))
        return 0

    def begun(self, link: Link) -> bool:
        """Whether our apply has the target, or has something left there; where we may not read them, whether any has."""
        uid = self._job.apply_uid
        with Tolerated(NO_SUCH_TABLE):
            with Tolerated(*NO_PRIVILEGE):
                if link.value(f"SELECT COUNT(*) FROM {self._owner} WHERE apply_uid = %s", uid):
                    return True
                return bool(link.value(f"SELECT COUNT(*) FROM {self._copy} WHERE apply_uid = %s", uid))
            return exists(link, "TABLE", self._home, OWNER_TABLE)
        return False

    def unowned(self, link: Link) -> bool:
        """Whether no apply has the target and none has anything left there."""
        return bool(link.value(f"SELECT apply_uid = '' FROM {self._owner}")) and not self.left(link)

    def drop(self, link: Link) -> None:
        """Drop all of our tables."""
        link.run(f"DROP TABLE IF EXISTS {self._copy}, {self._connection}, {self._owner}")

    # -- the owner ----------------------------------------------------------------------------------------------

    def raise_fence(self, link: Link, token: str) -> list[Recorded]:
        """Become the owner, *token* being that of our connection; the connections that were there before.

        Fenced: a newer owner of the same apply was here; FenceAhead: and shows no life. TargetHeld: another apply is alive here.
        Gone: the tables are not there.
        """
        row = link.row(f"SELECT apply_uid, fence, owner FROM {self._owner} WHERE one = 1 FOR UPDATE")
        if row is None:
            raise Gone(f"{self._address}: the owner before left at this moment")
        # Who was stopped on the way may come when its successor has finished, cleaned up and left, and no newer fence is
        # there to tell. With the row in hand no successor can come before we are seen.
        self._job.still_ours()
        if row[0]:
            self._check(link, str(row[0]), int(row[1]), str(row[2]))
        job = self._job
        link.run(
            f"UPDATE {self._owner} SET apply_uid = %s, fence = %s, owner = %s WHERE one = 1",
            job.apply_uid,
            job.fence,
            job.owner[:255],
        )
        # A still newer owner of our apply, who waits for us here, is no predecessor.
        rows = link.rows(
            f"""
            SELECT token, owner FROM {self._connection}
             WHERE token <> %s AND NOT (apply_uid = %s AND fence > %s) FOR UPDATE
            """,
            token,
            job.apply_uid,
            job.fence,
        )
        return [Recorded(str(found), str(owner)) for found, owner in rows]

    def _check(self, link: Link, apply_uid: str, fence: int, owner: str) -> None:
        if apply_uid == self._job.apply_uid:
            if fence > self._job.fence:
                text = f"{self._address}: fence {self._job.fence} is older than {fence}, with which {owner} took over"
                alive = self._silent(link, apply_uid, fence) < HELD_SECONDS
                raise Fenced(text) if alive else FenceAhead(text, fence)
            return
        silent = self._silent(link, apply_uid, 0)
        if silent < HELD_SECONDS and not self._job.is_over(apply_uid):
            raise TargetHeld(
                f"{self._address}: the apply {apply_uid} ({owner}) is changing this database (last sign of life "
                f"{max(silent, 0.0):.0f} s ago); wait for it or cancel it"
            )

    def _silent(self, link: Link, apply_uid: str, fence: int) -> float:
        """For how long no owner of that apply with that fence or a higher one has shown life, in seconds."""
        found = link.value(
            f"""
            SELECT TIMESTAMPDIFF(MICROSECOND, MAX(beat_at), UTC_TIMESTAMP(6)) / 1000000
              FROM {self._connection} WHERE apply_uid = %s AND fence >= %s
            """,
            apply_uid,
            fence,
        )
        return inf if found is None else float(found)

    def guard(self, link: Link) -> None:
        """Inside a transaction: Fenced unless the target is ours; it stays so until the transaction ends.

        A shared lock, so that transactions of ours do not wait for each other, and a successor waits for them.
        """
        with self._while_there():
            ours = link.value(
                f"SELECT 1 FROM {self._owner} WHERE one = 1 AND apply_uid = %s AND fence = %s LOCK IN SHARE MODE",
                self._job.apply_uid,
                self._job.fence,
            )
        if ours is None:
            raise Gone(
                f"{self._address}: a newer owner took this database; fence {self._job.fence} writes nothing"
            )

    @contextmanager
    def _while_there(self) -> Iterator[None]:
        with Tolerated(NO_SUCH_TABLE):
            yield
            return
        raise Gone(f"{self._address}: a newer owner took this database, finished and left")

    # -- connections --------------------------------------------------------------------------------------------

    def put(self, link: Link, token: str) -> None:
        """Write *link*, a connection of ours, down. Gone: our tables are not there any more."""
        with self._while_there():
            link.run(
                f"""
                REPLACE INTO {self._connection} (token, apply_uid, fence, owner, connection_id, beat_at)
                VALUES (%s, %s, %s, %s, %s, UTC_TIMESTAMP(6))
                """,
                token,
                self._job.apply_uid,
                self._job.fence,
                self._job.owner[:255],
                link.id,
            )

    def beat(self, link: Link, token: str) -> None:
        """Show that the connection of *token* lives. Fenced when a successor has struck it off."""
        with Tolerated(NO_SUCH_TABLE):
            if link.run(f"UPDATE {self._connection} SET beat_at = UTC_TIMESTAMP(6) WHERE token = %s", token):
                return
        raise Fenced(f"{self._address}: a newer owner took this database")

    def beat_of(self, link: Link, token: str) -> datetime | None:
        """When the connection of *token* showed life, by the target's clock; None: that is not there."""
        with Tolerated(*NO_SUCH_PLACE):
            found: datetime | None = link.value(
                f"SELECT beat_at FROM {self._connection} WHERE token = %s", token
            )
            return found
        return None

    def superseded(self, link: Link) -> list[Recorded]:
        """Connections, in whatever transaction they stopped, of earlier owners of our apply, and of applies without life."""
        with Tolerated(NO_SUCH_TABLE):
            rows = link.rows(
                f"""
                SELECT token, owner FROM {self._connection} AS c
                 WHERE (apply_uid = %s AND fence < %s)
                    OR (apply_uid <> %s AND NOT EXISTS (
                        SELECT 1 FROM {self._connection} AS o
                         WHERE o.apply_uid = c.apply_uid AND o.beat_at > UTC_TIMESTAMP(6) - INTERVAL %s SECOND))
                """,
                self._job.apply_uid,
                self._job.fence,
                self._job.apply_uid,
                HELD_SECONDS,
            )
            return [Recorded(str(token), str(owner)) for token, owner in rows]
        return []  # whoever was there has just left, and taken our tables along

    def forget(self, link: Link, connections: Iterable[Recorded]) -> None:
        """These are no more."""
        for one in connections:
            link.run(f"DELETE FROM {self._connection} WHERE token = %s", one.token)

    def strike_off(self, link: Link, token: str) -> None:
        """A connection of ours is no more to anybody; nothing is raised."""
        with suppress(EngineError):
            link.run(f"DELETE FROM {self._connection} WHERE token = %s", token)
