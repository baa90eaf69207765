"""The sweep: gives up on what can never go on by itself, and puts right what a clock that went back has delayed."""

import logging
from collections.abc import Iterator
from datetime import datetime

from storage.errors import StoreError, Unavailable
from storage.lifecycle.ledger import BEGUN, let_go, move_task, supersede, unfinished
from storage.lifecycle.queue import MAX_IDLE_SECONDS
from storage.lifecycle.statements import Row, Statements, Transactions
from storage.records import Expired
from storage.states import State

log = logging.getLogger(__name__)

PAGE = 100
CLOCK_SLACK_SECONDS = 1.0
"""The clock may go back so far without anybody noticing."""


class Sweep:
    """Part of the store: expiry. Several processes may run it at once: every row is guarded by its fence."""

    _database: Transactions

    def expire_retryable(self, max_idle_seconds: float = MAX_IDLE_SECONDS) -> list[Expired]:
        """End what has spent its budget or sat too long, row by row."""
        self._mend_due_times()
        expired = []
        for candidate in self._candidates(max_idle_seconds):
            try:
                found = self._expire(candidate, max_idle_seconds)
            except Unavailable:
                raise
            except StoreError:
                # One row that cannot be ended must not hide those after it.
                log.exception("apply %s could not be expired", candidate["id"])
                continue
            if found is not None:
                expired.append(found)
        return expired

    def _candidates(self, idle: float) -> Iterator[Row]:
        """Rows to look at, paged by key: what cannot be swept never stands in front of what can."""
        page = self._page(None, idle)
        while page:
            yield from page
            if len(page) < PAGE:
                return
            page = self._page((page[-1]["claimable_at"], page[-1]["id"]), idle)

    def _page(self, after: tuple[datetime, int] | None, idle: float) -> list[Row]:
        return self._database.read(lambda reader: reader.spent_page(after, idle, PAGE))

    def _expire(self, candidate: Row, idle: float) -> Expired | None:
        """End one, unless somebody was faster; that may have been an earlier run of this write, its answer lost."""

        def expire(transaction: Statements) -> Expired | None:
            apply = transaction.hold_spent(candidate["id"], candidate["fence"], idle)
            if apply is None:
                return None
            reason = _reason(apply, idle)
            _give_up(transaction, apply, reason)
            return Expired(apply_uid=apply["apply_uid"], attempt=apply["attempt"], reason=reason)

        return self._database.write(expire)

    def _mend_due_times(self) -> None:
        """A due time further ahead than it was ever set: the clock went back, and the wait would be as long as its step."""
        for row in self._database.read(lambda reader: reader.late(CLOCK_SLACK_SECONDS)):
            self._mend(row["id"], row["claimable_at"])

    def _mend(self, apply_id: int, seen: datetime) -> None:
        self._database.write(lambda transaction: transaction.mend(apply_id, seen))


def _reason(apply: Row, idle: float) -> str:
    if not apply["spent"]:
        return f"retrying for more than {idle / 3600:g} h"
    spent = f"{apply['attempt']} of {apply['max_attempts']} attempts without progress"
    return f"gave up after {spent}" + ("" if apply["lease_token"] is None else ": its driver died")


def _give_up(transaction: Statements, apply: Row, reason: str) -> None:
    """Retryable and begun tasks → failed (the first one at least), the others → cancelled; the engine's last error stays."""
    fence = apply["fence"] + 1
    remaining = unfinished(transaction.tasks(apply["id"]))
    guilty = {
        task["seq"] for task in remaining if task["state"] == "failed_retryable" or task["state"] in BEGUN
    }
    if not guilty and remaining:
        guilty = {remaining[0]["seq"]}
    for task in remaining:
        if task["seq"] in guilty:
            move_task(
                transaction, task, State.FAILED, fence=fence, error=task["error"] or apply["error"] or reason
            )
        else:
            move_task(transaction, task, State.CANCELLED, fence=fence)
    supersede(
        transaction, apply["id"], ("stop", "start", "cancel", "cutover"), "the schema change failed first"
    )
    transaction.end_attempt(apply["id"], apply["fence"], "expired")
    error = apply["error"] or reason
    message = reason if error == reason else f"{reason}; last error: {error}"
    let_go(transaction, apply, State.FAILED, fence=fence, error=error, message=message, level="error")
