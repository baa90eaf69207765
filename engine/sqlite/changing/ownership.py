"""Whose target it is (OW-5): one row on the target itself, which every write transaction of ours starts by updating.

A paused predecessor's next transaction matches no row and is refused, DDL and cutover included, because it is the
same transaction. Only SQLite's clock is read.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import apsw

from engine import faults
from engine.base import Job
from engine.errors import FenceAhead, Fenced, TargetHeld
from engine.sqlite.target import OpenFile, engine_error, translated

CHECKPOINT_PAGES = 400
"""The log is written back in so small portions, by us: at 1000 pages a writer's own commit would have to do it."""
HELD_SECONDS = 60.0
"""An owner that wrote nothing for so long may be dispossessed by another apply, or another store's claim of the same."""


class Hold:
    """The hold of one job on one target through one connection; used by one thread."""

    def __init__(self, connection: apsw.Connection, job: Job, where: str, file: OpenFile) -> None:
        self.connection = connection
        self._file = file
        self.job = job
        self.where = where
        self.taken = False
        self.wal = connection.execute("PRAGMA journal_mode").get == "wal"
        self._log_pages = 0
        if self.wal:
            connection.set_wal_hook(self._note_log)
        self._released_at = 0.0
        self.last_work = self.last_hold = 0.0
        """How long the last transaction took to its commit, and how long it held the write lock, in seconds."""

    # -- taking and letting go ----------------------------------------------------------------------------------

    def take(self) -> None:
        """Become the owner: raises the fence of our apply, or dispossesses another that shows no life.

        Fenced: a newer owner of the same apply was here; FenceAhead: and shows no life. TargetHeld: another apply is alive here.
        """
        with self._transaction("take"):
            # Who waited for the lock, or was stopped, may come when its successor has finished, cleaned up and left, and
            # nothing here tells of a newer fence. With the lock in hand no successor can come before we are seen.
            self.job.still_ours()
            self._make_tables()
            row = self._owner()
            if row is not None:
                self._check(*row)
            self.connection.execute(
                """
                INSERT INTO _schemabot_owner (one, apply_uid, fence, owner, beat_at)
                VALUES (1, ?, ?, ?, unixepoch('subsec'))
                ON CONFLICT (one) DO UPDATE
                   SET apply_uid = excluded.apply_uid, fence = excluded.fence,
                       owner = excluded.owner, beat_at = excluded.beat_at
                """,
                (self.job.apply_uid, self.job.fence, self.job.owner),
            )
        self.taken = True

    def release(self) -> bool:
        """Remove our tables from the target if no apply has anything left there; whether they are gone."""
        if not self.taken:
            return True
        with self.transaction("release"):
            left = self.connection.execute("SELECT count(*) FROM _schemabot_copy").get
            if left:
                return False
            self.connection.execute("DROP TABLE _schemabot_copy")
            self.connection.execute("DROP TABLE _schemabot_owner")
        self.taken = False
        return True

    def _make_tables(self) -> None:
        self.connection.execute(
            """
            CREATE TABLE IF NOT EXISTS _schemabot_owner (
                one INTEGER PRIMARY KEY CHECK (one = 1),
                apply_uid TEXT NOT NULL,
                fence INTEGER NOT NULL,
                owner TEXT NOT NULL,
                beat_at REAL NOT NULL
            )
            """
        )
        self.connection.execute(
            """
            CREATE TABLE IF NOT EXISTS _schemabot_copy (
                apply_uid TEXT NOT NULL,
                source TEXT NOT NULL,
                shadow TEXT NOT NULL,
                phase TEXT NOT NULL,
                rows_copied INTEGER NOT NULL,
                rows_total INTEGER NOT NULL,
                spec TEXT NOT NULL,
                PRIMARY KEY (apply_uid, source)
            )
            """
        )

    def _owner(self) -> tuple[str, int, str, float] | None:
        row = self.connection.execute(
            "SELECT apply_uid, fence, owner, unixepoch('subsec') - beat_at FROM _schemabot_owner"
        ).get
        return None if row is None else (str(row[0]), int(row[1]), str(row[2]), float(row[3]))

    def _check(self, apply_uid: str, fence: int, owner: str, silent: float) -> None:
        if apply_uid == self.job.apply_uid:
            if fence > self.job.fence:
                text = f"{self.where}: fence {self.job.fence} is older than {fence}, with which {owner} took over"
                raise Fenced(text) if silent < HELD_SECONDS else FenceAhead(text, fence)
        elif silent < HELD_SECONDS and not self.job.is_over(apply_uid):
            raise TargetHeld(
                f"{self.where}: the apply {apply_uid} ({owner}) is changing this database (last sign of life "
                f"{max(silent, 0.0):.0f} s ago); wait for it or cancel it"
            )

    def still_to_rest(self, seconds: float) -> float:
        """What is left of a rest of *seconds* since the write lock was let go."""
        return max(0.0, seconds - (time.monotonic() - self._released_at))

    # -- transactions ---------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self, name: str) -> Iterator[None]:
        """One guarded write transaction. Fenced when the target is no longer ours: nothing was written then."""
        with self._transaction(name):
            self._guard()
            faults.reached(f"begun:{name}")
            yield

    @contextmanager
    def reading(self) -> Iterator[None]:
        """One consistent view of the target, without its write lock."""
        try:
            self.connection.execute("BEGIN")
            try:
                self._file.check()
                yield
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("COMMIT")
        except apsw.Error as error:
            raise engine_error(error, self.where) from error

    def _guard(self) -> None:
        try:
            self.connection.execute(
                """
                UPDATE _schemabot_owner SET beat_at = unixepoch('subsec') WHERE apply_uid = ? AND fence = ?
                """,
                (self.job.apply_uid, self.job.fence),
            )
        except apsw.SQLError as error:
            if self.connection.table_exists("main", "_schemabot_owner"):
                raise
            raise Fenced(f"{self.where}: a newer owner took this database, finished and left") from error
        if self.connection.changes() != 1:
            raise Fenced(
                f"{self.where}: a newer owner took this database; fence {self.job.fence} writes nothing"
            )

    @contextmanager
    def _transaction(self, name: str) -> Iterator[None]:
        try:
            self._file.check()
            self.connection.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            yield
            faults.reached(f"before_commit:{name}")
            self._file.check()  # what is done must be done to what is there
            self.last_work = time.monotonic() - began
            self.connection.execute("COMMIT")
            self._released_at = time.monotonic()
            self.last_hold = self._released_at - began
        except apsw.Error as error:
            raise engine_error(error, self.where) from error
        finally:
            self._roll_back()
        faults.reached(f"after_commit:{name}")
        with translated(self.where):
            self._write_back()

    def _note_log(self, _: apsw.Connection, database: str, pages: int) -> int:
        if database == "main":
            self._log_pages = pages
        return apsw.SQLITE_OK

    def _write_back(self) -> None:
        """Move the log into the database outside of any transaction, where it holds up nobody."""
        if self._log_pages < CHECKPOINT_PAGES:
            return
        self._log_pages = 0
        with suppress(apsw.BusyError):  # somebody else is at it
            self.connection.wal_checkpoint("main", apsw.SQLITE_CHECKPOINT_PASSIVE)

    def _roll_back(self) -> None:
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")
            # A schema read inside the transaction (after writing to sqlite_schema) would outlive it otherwise.
            self.connection.execute("PRAGMA writable_schema = RESET")
