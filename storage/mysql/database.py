"""Transactions on the server: committed once, run again when undone, and resolved when the answer to COMMIT was lost."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from storage.lifecycle.statements import Guard, Result, Statements, Transactions
from storage.mysql.address import Address
from storage.mysql.applies import ApplyStatements
from storage.mysql.people import PeopleStatements
from storage.mysql.sessions import PROBE, UPGRADE, OnConnect, Session, Sessions, for_heartbeats
from storage.mysql.transaction import CommitUnknown, Link, Transaction
from storage.mysql.trouble import OF_DRIVER, Lost, Undone, Unreachable
from storage.mysql.upgrades import converge, known_upgrades
from storage.mysql.work import WorkStatements


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryLimits:
    """How often and for how long a transaction is tried; longer while it is not known whether it was committed."""

    tries: int
    lost_tries: int
    seconds: float
    unknown_seconds: float


WORK = RetryLimits(tries=8, lost_tries=3, seconds=20.0, unknown_seconds=20.0)
BEAT = RetryLimits(tries=3, lost_tries=2, seconds=5.0, unknown_seconds=5.0)
LOOK = RetryLimits(tries=3, lost_tries=2, seconds=10.0, unknown_seconds=10.0)
GLANCE = RetryLimits(tries=2, lost_tries=2, seconds=1.0, unknown_seconds=1.0)


class MysqlStatements(ApplyStatements, WorkStatements, PeopleStatements):
    """All statements of a transaction."""


class Database(Transactions):
    """The store's tables on the server."""

    def __init__(
        self,
        address: Address,
        resolve: Callable[[str], str],
        *,
        guard: Guard = "full",
        on_connect: OnConnect | None = None,
    ) -> None:
        self._place = address
        self._guard: Guard = guard
        self._sessions = Sessions(address, resolve, on_connect)
        self._heart = self._sessions.shared(for_heartbeats(address))
        self._probe = self._sessions.shared(PROBE)
        self._reconnects = RateLimiter(burst=3, per_second=2.5)
        self._heart_reconnects = RateLimiter(burst=2, per_second=0.5)

    def write(self, work: Callable[[Statements], Result]) -> Result:
        """Run *work* on the thread's own connection."""
        return self._insist(self._sessions.mine(), work, WORK, self._reconnects)

    def probe(self, work: Callable[[Statements], Result]) -> Result:
        """Run *work* on a connection for whoever asks how the server is, and will not wait for long."""
        return self._insist(self._probe, work, GLANCE, self._reconnects)

    def beat(self, work: Callable[[Statements], Result]) -> Result:
        """Run *work* on the heartbeat's connection."""
        return self._insist(self._heart, work, BEAT, self._heart_reconnects)

    def read(self, work: Callable[[Statements], Result]) -> Result:
        """Run *work* on the thread's own connection, each statement by itself."""
        session = self._sessions.mine()
        for last in (False, True):
            try:
                with session.turn() as link:
                    return self._look(session, link, work)
            except Unreachable:
                raise
            except Lost:
                if last:
                    raise
                self._reconnects.wait(LOOK.seconds)
        raise AssertionError("unreachable")

    def upgrade(self) -> None:
        """Converge the tables. Raises SchemaTooNew, Corrupt, Unavailable."""
        self._sessions.check_open()
        session = Session(self._sessions, UPGRADE)
        try:
            with session.turn() as link:
                converge(Transaction(link, self._place), known_upgrades(), str(self._place.database))
        finally:
            session.close()

    def close(self) -> None:
        """Close everything; later calls raise Unavailable."""
        self._sessions.close()

    # -- one transaction ----------------------------------------------------------------------------------------------

    def _insist(
        self,
        session: Session,
        work: Callable[[Statements], Result],
        limits: RetryLimits,
        reconnects: "RateLimiter",
    ) -> Result:
        """Run the transaction until it is committed for certain, or the limits are reached.

        What was undone or lost before COMMIT left nothing behind. What was lost at COMMIT runs again as `repeated`: it
        begins by locking the row that the lost transaction would have locked, so it sees how that one ended.
        """
        began, tries, lost, repeated = time.monotonic(), 0, 0, False
        while True:
            try:
                return self._transact(session, work, repeated=repeated)
            except Undone:
                tries += 1
                if tries >= limits.tries or time.monotonic() - began > limits.seconds:
                    raise
                time.sleep(random.uniform(0.001, 0.01 * 2 ** min(tries, 6)))  # noqa: S311 - jitter
            except Lost as exc:
                lost += 1
                repeated = repeated or isinstance(exc, CommitUnknown)
                limit = limits.unknown_seconds if repeated else limits.seconds
                hopeless = not repeated and (lost >= limits.lost_tries or isinstance(exc, Unreachable))
                if hopeless or time.monotonic() - began > limit:
                    raise
                reconnects.wait(limit)

    def _transact(self, session: Session, work: Callable[[Statements], Result], *, repeated: bool) -> Result:
        with session.turn() as link:
            statements = MysqlStatements(link, self._place, self._guard)
            statements.repeated = repeated
            try:
                statements.later("START TRANSACTION")
                result = work(statements)
                statements.commit()
                return result
            except Lost:
                session.drop()
                raise
            except Exception:
                self._roll_back(session, link)
                raise
            except BaseException:  # perhaps in the middle of an answer
                session.drop()
                raise

    def _roll_back(self, session: Session, link: Link) -> None:
        try:
            link.query("ROLLBACK")
        except OF_DRIVER:
            session.drop()

    def _look(self, session: Session, link: Link, work: Callable[[Statements], Result]) -> Result:
        try:
            return work(MysqlStatements(link, self._place, self._guard))
        except Lost:
            session.drop()
            raise


class RateLimiter:
    """A limit on how often a process connects anew: a server in trouble is not made to shake hands all day."""

    def __init__(self, *, burst: int, per_second: float) -> None:
        self._burst = float(burst)
        self._per_second = per_second
        self._left = float(burst)
        self._seen = time.monotonic()

    def wait(self, limit: float) -> None:
        """Wait for a turn, no longer than the limit."""
        time.sleep(min(limit, self._book()))

    def _book(self) -> float:
        """Take a turn; how long until it comes. A lost update between threads makes it a little more generous."""
        now = time.monotonic()
        self._left = min(self._burst, self._left + (now - self._seen) * self._per_second) - 1.0
        self._seen = now
        return max(0.0, -self._left / self._per_second) + random.uniform(0.0, 0.05)  # noqa: S311 - jitter
