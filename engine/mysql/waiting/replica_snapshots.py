"""Who reads on a replica as of a moment at which it had not all of a copy: `waiting.snapshots` tells of the target itself.

Such a reader, a backup mostly, would find rows missing there once the exchange of the tables has come to the replica. A replica
has all of the copy when it has what was written after it: a sign of life of our own connection.
"""

import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from datetime import datetime

from engine.base import Control, Signal
from engine.mysql.link import Link
from engine.mysql.open_transactions import Untold
from engine.mysql.ownership.hold import Hold
from engine.mysql.ownership.records import CONNECTION_TABLE
from engine.mysql.replication.followers import Unseen
from engine.mysql.replication.replicas import Channel, Replica, Unasked
from engine.mysql.trouble import Waited
from engine.mysql.waiting.lock_retry import Say
from engine.mysql.waiting.snapshots import Snapshots, outlast, snapshots, still

PASS_SECONDS = 15.0
"""A replica that says that it is less behind, and has not got our sign of life for so long, does not get it at all."""
NO_SIGN = "our own tables do not get there"


class ReplicaSnapshots:
    """Outlasts them once, after the copies were complete; for the session's thread."""

    def __init__(self, hold: Hold) -> None:
        self._hold = hold
        self._replicas = hold.replicas()
        self._place: datetime | None = None
        self._placed_at = 0.0

    def outlast(self, tables: Collection[tuple[str, str]], control: Control, say: Say) -> Signal:
        """Wait until none of them is left where one of *tables*, schema and live table, gets to.

        A replica that does not tell, or stands still, is told of and not waited for.
        """
        signal = Signal.GO
        with suppress(Unseen), self._replicas:
            for replica, answer in self._replicas.answers(self._hold.link).items():
                if isinstance(answer, Unasked):
                    signal = say(_unknown(replica, answer))
                elif not any(_gets(answer, *table) for table in tables):
                    continue
                elif not _gets(answer, self._hold.home, CONNECTION_TABLE):
                    signal = say(_unknown(replica, Unasked(NO_SIGN)))
                else:
                    signal = self._outlast(replica, control, say)
                if signal is not Signal.GO:
                    break
        return signal

    def _outlast(self, replica: Replica, control: Control, say: Say) -> Signal:
        older: Snapshots | None = None

        def held() -> str:
            nonlocal older
            try:
                if older is None:
                    if not self._has_all(replica):
                        return f"waiting for the replica {replica} to get all of the copy"
                    older = self._replicas.ask(replica, _snapshots)
                found = still(older, self._replicas.ask(replica, _snapshots))
            except (Untold, Waited) as error:
                return f"waiting: {error}"
            return found and f"waiting on the replica {replica}: {found}"

        try:
            return outlast(held, control, say)
        except Unasked as error:
            return say(_unknown(replica, error))

    def _has_all(self, replica: Replica) -> bool:
        """Whether it has what was written after the copies were complete. Unasked: it does not tell, or will not have it soon."""
        hold = self._hold
        if self._place is None:
            hold.beat(hold.link)
            self._place, self._placed_at = hold.beat_of(hold.link), time.monotonic()
        found = self._replicas.ask(replica, hold.beat_of)
        if found is not None and self._place is not None and found >= self._place:
            return True
        for channel in self._replicas.channels(replica):
            if channel.lag is None or channel.delay:
                raise Unasked("it does not apply just now what it gets, or is meant to be behind")
            if channel.lag < PASS_SECONDS < time.monotonic() - self._placed_at:
                raise Unasked(NO_SIGN)
        return False


def _gets(channels: Iterable[Channel], schema: str, table: str) -> bool:
    return any(channel.filters.keeps(schema, table) for channel in channels)


def _unknown(replica: Replica, why: Unasked) -> str:
    return f"nobody knows whether a backup reads on the replica {replica}: {why}"


def _snapshots(link: Link) -> Snapshots:
    return snapshots(link, ())
