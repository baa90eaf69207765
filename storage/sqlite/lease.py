"""The lease: the guard every driver's write begins with (OW-2), its renewal, and letting go without an end."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

from storage.errors import LeaseLost, Refused
from storage.records import Claim
from storage.sqlite.database import Database, Row, Transaction
from storage.sqlite.ledger import end_attempt, let_go, live_state, open_requests
from storage.sqlite.rows import milliseconds
from storage.states import State

BEATS_AT_ONCE = 50
"""Leases renewed in one transaction: one fsync for many, yet never long."""

GUARDS = {
    "full": """
        UPDATE applies
           SET heartbeat_at = (SELECT now FROM clock), claimable_at = (SELECT now FROM clock) + :lease, due_in = :lease
         WHERE id = :id AND fence = :fence AND lease_token = :token
        RETURNING *
        """,
    # The two guards below are wrong. Fault tests switch them on to show that they would notice (the power rule).
    "state": """
        UPDATE applies
           SET heartbeat_at = (SELECT now FROM clock), claimable_at = (SELECT now FROM clock) + :lease, due_in = :lease
         WHERE id = :id AND state IN ('pending', 'running', 'waiting_for_cutover', 'cutting_over')
           AND :fence IS NOT NULL AND :token IS NOT NULL
        RETURNING *
        """,
    "id": """
        UPDATE applies
           SET heartbeat_at = (SELECT now FROM clock), claimable_at = (SELECT now FROM clock) + :lease, due_in = :lease
         WHERE id = :id AND :fence IS NOT NULL AND :token IS NOT NULL
        RETURNING *
        """,
}


def guard(transaction: Transaction, sql: str, claim: Claim) -> Row | None:
    """Renew the lease and return the apply's row, or None when the claim is not its owner's any more.

    No time is compared: an expired lease that nobody took revives, one that was taken has another fence. So no clock can
    make it wrong.
    """
    return transaction.one(
        sql, id=claim.apply_id, fence=claim.fence, token=claim.token, lease=milliseconds(claim.lease_seconds)
    )


class Leases:
    """Part of the store: a driver's right to write."""

    _database: Database
    _guard: str  # one of GUARDS' statements

    @contextmanager
    def _guarded(self, claim: Claim) -> Iterator[tuple[Transaction, Row]]:
        """A driver's write transaction, and the apply's row in it. Raises LeaseLost."""
        with self._database.write() as transaction:
            apply = guard(transaction, self._guard, claim)
            if apply is None:
                raise LeaseLost(
                    f"{claim.apply_uid}: fence {claim.fence} of {claim.owner} is not the owner's any more"
                )
            yield transaction, apply

    def heartbeat(self, claims: Iterable[Claim]) -> frozenset[str]:
        """Renew every lease; the tokens of those proven lost."""
        lost: set[str] = set()
        remaining = iter(claims)
        while batch := list(islice(remaining, BEATS_AT_ONCE)):
            with self._database.beat() as transaction:
                gone = {claim.token for claim in batch if guard(transaction, self._guard, claim) is None}
            lost |= gone
        return frozenset(lost)

    def hand_back(self, claim: Claim) -> None:
        """Due at once, the attempt that the claim spent given back."""
        with self._guarded(claim) as (transaction, apply):
            # Progress since the claim has set the attempt to 0: then there is nothing to give back.
            spent = transaction.one(
                "SELECT bumped FROM attempts WHERE apply_id = :apply AND fence = :fence",
                apply=claim.apply_id,
                fence=claim.fence,
            )
            attempt = max(0, apply["attempt"] - (spent["bumped"] if spent else 0))
            end_attempt(transaction, claim.apply_id, claim.fence, "handed_back")
            let_go(transaction, apply, State(apply["state"]), fence=apply["fence"], delay=0, attempt=attempt)

    def release_orphans(self) -> int:
        """Every lease ends now, for a process that knows itself alone; their next claims count them as died drivers."""
        with self._database.write() as transaction:
            return transaction.run(
                """
                UPDATE applies SET claimable_at = (SELECT now FROM clock), due_in = 0
                 WHERE claimable_at IS NOT NULL AND lease_token IS NOT NULL
                """
            )

    def park(self, claim: Claim, delay: float) -> None:
        """Let go of a change that waits for its cutover. Being in step with its table again is progress: attempt 0."""
        with self._guarded(claim) as (transaction, apply):
            if live_state(transaction, claim.apply_id) is not State.WAITING_FOR_CUTOVER:
                raise Refused(
                    f"{claim.apply_uid} is {apply['state']}: only a change waiting for its cutover is parked"
                )
            wait = 0 if open_requests(transaction, claim.apply_id) else milliseconds(delay)
            end_attempt(transaction, claim.apply_id, claim.fence, "parked")
            let_go(transaction, apply, State.WAITING_FOR_CUTOVER, fence=apply["fence"], delay=wait, attempt=0)
