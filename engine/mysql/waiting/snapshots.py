"""Who reads as of a moment at which a copy was not complete: once it is live, rows would be missing there, without any error.

The rows of a copy belong to the transactions that copied them, so a snapshot that is older does not see them: a
`mysqldump --single-transaction` that began amid the copy and comes to the table after the cutover finds it nearly empty.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass

from engine.base import Control, Signal
from engine.mysql.blockers import Blocker, Blockers, blocker_of
from engine.mysql.link import Link
from engine.mysql.open_transactions import Transaction, Untold, open_transactions
from engine.mysql.ownership.hold import Hold
from engine.mysql.process_list import process_list
from engine.mysql.trouble import NO_PRIVILEGE, Tolerated
from engine.mysql.waiting.lock_retry import LOOK_SECONDS, Say

_OF_REPLICATION = "system user"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A transaction that reads as of one moment."""

    transaction: Transaction
    blocker: Blocker


Snapshots = Mapping[int, Snapshot]
"""By connection."""


def snapshots(link: Link, ours: Collection[int]) -> Snapshots:
    """The transactions of others that read as of one moment, or may yet. Empty where the account may not see any (PROCESS).

    Not what reads by a SELECT of its own, which has the locks of all its tables already, nor with READ COMMITTED, where each
    statement reads as of its own begin. Untold.
    """
    with Tolerated(*NO_PRIVILEGE):
        found = open_transactions(link)
        known = {
            one.id: one for one in process_list(link) if one.id not in ours and one.user != _OF_REPLICATION
        }
        return {
            one.connection: Snapshot(
                transaction=one,
                blocker=blocker_of(one.connection, process.user, process.command, one.seconds),
            )
            for one in found
            if one.one_moment and (process := known.get(one.connection)) is not None
        }
    return {}


def still(older: Snapshots, now: Snapshots) -> str:
    """Those of *older* that are there *now* and waited for, in words; empty: none is."""
    left = [
        now[connection].blocker
        for connection, one in older.items()
        if connection in now and _same(one.transaction, now[connection].transaction)
    ]
    if not left:
        return ""
    names = Blockers(found=tuple(sorted(left, key=lambda one: -one.seconds)), sure=True).names
    return f"the transaction of {names}, which began before the copy was complete and would find rows missing in it"


def _same(older: Transaction, now: Transaction) -> bool:
    """Whether two of one connection are the same transaction: the server may tell of another begin each time, but of none after
    *older* was seen; once its clock went back, the begin may be yet to come, but is the same.
    """
    return now.begun <= older.seen or now.begun == older.begun


def outlast(held: Callable[[], str], control: Control, say: Say) -> Signal:
    """Wait, and *say* it, for as long as somebody is *held* to be waited for, in words."""
    while detail := held():
        signal = say(detail)
        if signal is not Signal.GO:
            return signal
        control.pause(LOOK_SECONDS)
    return Signal.GO


class TargetSnapshots:
    """Those on the target itself; for the session's thread. Who begins once the copies are complete sees all rows."""

    def __init__(self, hold: Hold) -> None:
        self._hold = hold
        self._older: Snapshots | None = None  # None: it was not looked yet, or the server did not tell

    def note(self) -> None:
        """The copies are complete: whoever reads as of an earlier moment is there now."""
        self._older = None
        with suppress(Untold):  # then it is looked before the cutover
            self._older = self._now()

    def outlast(self, control: Control, say: Say) -> Signal:
        """Wait until nobody is left who was there when the copies were complete, or, if that was not noted, is there now."""
        return outlast(self._held, control, say)

    def _held(self) -> str:
        """Who is waited for, or why that is not known; empty: nobody is."""
        try:
            if self._older is None:
                self._older = self._now()
            found = still(self._older, self._now())
        except Untold as error:
            return f"waiting: {error}"
        return found and f"waiting for {found}"

    def _now(self) -> Snapshots:
        return snapshots(self._hold.link, self._hold.connections)
