"""The sweep: gives up on what can never go on by itself, and puts right what a clock that went back has delayed."""

import logging
from collections.abc import Iterator

from storage.errors import StoreError, Unavailable
from storage.records import Expired
from storage.sqlite.database import Database, Row, Transaction
from storage.sqlite.ledger import (
    BEGUN,
    end_attempt,
    let_go,
    move_task,
    supersede,
    task_rows,
    unfinished,
)
from storage.sqlite.queue import MAX_IDLE_SECONDS
from storage.sqlite.rows import milliseconds
from storage.states import State

log = logging.getLogger(__name__)

PAGE = 100
CLOCK_SLACK_SECONDS = 1.0
"""The clock may go back so far without anybody noticing."""


class Sweep:
    """Part of the store: expiry. Several processes may run it at once: every row is guarded by its fence."""

    _database: Database

    def expire_retryable(self, max_idle_seconds: float = MAX_IDLE_SECONDS) -> list[Expired]:
        """End what has spent its budget or sat too long, row by row."""
        self._mend_due_times()
        idle = milliseconds(max_idle_seconds)
        expired = []
        for candidate in self._candidates(idle):
            try:
                found = self._expire(candidate, idle)
            except Unavailable:
                raise
            except StoreError:
                # One row that cannot be ended must not hide those after it.
                log.exception("apply %s could not be expired", candidate["id"])
                continue
            if found is not None:
                expired.append(found)
        return expired

    def _candidates(self, idle: int) -> Iterator[Row]:
        """Rows to look at, paged by key: what cannot be swept never stands in front of what can."""
        due, last = -1, -1
        while True:
            with self._database.read() as reader:
                page = reader.rows(
                    """
                    SELECT id, fence, claimable_at
                      FROM applies
                     WHERE claimable_at IS NOT NULL AND (claimable_at, id) > (:due, :last)
                       AND ((exhausted AND claimable_at <= (SELECT now FROM clock))
                            OR retrying_since <= (SELECT now FROM clock) - :idle)
                     ORDER BY claimable_at, id
                     LIMIT :page
                    """,
                    due=due,
                    last=last,
                    idle=idle,
                    page=PAGE,
                )
            yield from page
            if len(page) < PAGE:
                return
            due, last = page[-1]["claimable_at"], page[-1]["id"]

    def _expire(self, candidate: Row, idle: int) -> Expired | None:
        """End one, unless somebody was faster."""
        with self._database.write() as transaction:
            apply = transaction.one(
                """
                SELECT *, claimable_at <= (SELECT now FROM clock) AND exhausted AS spent
                  FROM applies
                 WHERE id = :id AND fence = :fence AND claimable_at IS NOT NULL
                   AND ((exhausted AND claimable_at <= (SELECT now FROM clock))
                        OR retrying_since <= (SELECT now FROM clock) - :idle)
                """,
                id=candidate["id"],
                fence=candidate["fence"],
                idle=idle,
            )
            if apply is None:
                return None
            reason = _reason(apply, idle)
            _give_up(transaction, apply, reason)
            return Expired(apply_uid=apply["apply_uid"], attempt=apply["attempt"], reason=reason)

    def _mend_due_times(self) -> None:
        """A due time further ahead than it was ever set: the clock went back, and the wait would be as long as its step."""
        with self._database.read() as reader:
            late = reader.rows(
                """
                SELECT id, claimable_at FROM applies
                 WHERE claimable_at IS NOT NULL AND claimable_at > (SELECT now FROM clock) + due_in + :slack
                """,
                slack=milliseconds(CLOCK_SLACK_SECONDS),
            )
        for row in late:
            with self._database.write() as transaction:
                transaction.run(
                    """
                    UPDATE applies SET claimable_at = (SELECT now FROM clock) + due_in
                     WHERE id = :id AND claimable_at = :seen
                    """,
                    id=row["id"],
                    seen=row["claimable_at"],
                )


def _reason(apply: Row, idle: int) -> str:
    if not apply["spent"]:
        return f"retrying for more than {idle / 3_600_000:g} h"
    spent = f"{apply['attempt']} of {apply['max_attempts']} attempts without progress"
    return f"gave up after {spent}" + ("" if apply["lease_token"] is None else ": its driver died")


def _give_up(transaction: Transaction, apply: Row, reason: str) -> None:
    """Retryable and begun tasks → failed (the first one at least), the others → cancelled; the engine's last error stays."""
    fence = apply["fence"] + 1
    remaining = unfinished(task_rows(transaction, apply["id"]))
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
    end_attempt(transaction, apply["id"], apply["fence"], "expired")
    error = apply["error"] or reason
    message = reason if error == reason else f"{reason}; last error: {error}"
    let_go(transaction, apply, State.FAILED, fence=fence, error=error, message=message, level="error")
