"""The lease: the guard every driver's write begins with (OW-2), its renewal, and letting go without an end."""

from collections.abc import Callable, Iterable
from itertools import islice

from storage.errors import LeaseLost, Refused
from storage.lifecycle.ledger import let_go, live_state
from storage.lifecycle.statements import Result, Row, Statements, Transactions
from storage.records import Claim
from storage.states import State

BEATS_AT_ONCE = 50
"""Leases renewed in one transaction: one commit for many, yet never long."""


class Leases:
    """Part of the store: a driver's right to write."""

    _database: Transactions

    def _guarded(self, claim: Claim, work: Callable[[Statements], Result]) -> Result:
        """Run a driver's write, if it is the owner's. Raises LeaseLost."""

        def guarded(transaction: Statements) -> Result:
            if not transaction.renew(claim):
                raise _lost(claim)
            return work(transaction)

        return self._database.write(guarded)

    def _ended(self, claim: Claim, outcome: str, work: Callable[[Statements, Row], None]) -> None:
        """Run a driver's last write, and note how its ownership ended. Raises LeaseLost.

        When it is not the owner because an earlier run of this very write came through, that is no loss.
        """

        def ended(transaction: Statements) -> None:
            if not transaction.renew(claim):
                if transaction.repeated and _outcome(transaction, claim) == outcome:
                    return
                raise _lost(claim)
            work(transaction, transaction.apply(claim.apply_id))
            transaction.end_attempt(claim.apply_id, claim.fence, outcome)

        self._database.write(ended)

    def heartbeat(self, claims: Iterable[Claim]) -> frozenset[str]:
        """Renew every lease; the tokens of those proven lost."""
        lost: set[str] = set()
        # In one order everywhere: two beats can never wait for each other.
        remaining = iter(sorted(claims, key=lambda claim: claim.apply_id))
        while batch := list(islice(remaining, BEATS_AT_ONCE)):
            lost |= self._database.beat(_renewal(batch))
        return frozenset(lost)

    def hand_back(self, claim: Claim, *, fence: int = 0) -> None:
        """Due at once, the attempt that the claim spent given back, the fence raised to *fence* where it is lower."""

        def hand_back(transaction: Statements, apply: Row) -> None:
            # Progress since the claim has set the attempt to 0: then there is nothing to give back.
            spent = transaction.attempt_of(claim)
            attempt = max(0, apply["attempt"] - (spent["bumped"] if spent else 0))
            raised = max(apply["fence"], fence)
            let_go(transaction, apply, State(apply["state"]), fence=raised, delay=0.0, attempt=attempt)

        self._ended(claim, "handed_back", hand_back)

    def release_orphans(self) -> int:
        """Every lease ends now, for a process that knows itself alone; their next claims count them as died drivers."""
        return self._database.write(lambda transaction: transaction.release_leases())

    def park(self, claim: Claim, delay: float) -> None:
        """Let go of a change that waits for its cutover. Being in step with its table again is progress: attempt 0."""

        def park(transaction: Statements, apply: Row) -> None:
            if live_state(transaction, claim.apply_id) is not State.WAITING_FOR_CUTOVER:
                raise Refused(
                    f"{claim.apply_uid} is {apply['state']}: only a change waiting for its cutover is parked"
                )
            wait = 0.0 if transaction.open_requests(claim.apply_id) else delay
            let_go(transaction, apply, State.WAITING_FOR_CUTOVER, fence=apply["fence"], delay=wait, attempt=0)

        self._ended(claim, "parked", park)


def _renewal(batch: list[Claim]) -> Callable[[Statements], set[str]]:
    def renew(transaction: Statements) -> set[str]:
        return {claim.token for claim in batch if not transaction.renew(claim)}

    return renew


def _outcome(transaction: Statements, claim: Claim) -> str:
    attempt = transaction.attempt_of(claim)
    return attempt["outcome"] if attempt else ""


def _lost(claim: Claim) -> LeaseLost:
    return LeaseLost(f"{claim.apply_uid}: fence {claim.fence} of {claim.owner} is not the owner's any more")
