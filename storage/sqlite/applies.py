"""The statements about applies."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import apsw

from storage.lifecycle.statements import Guard, Row, Statements
from storage.records import Claim, Sought
from storage.sqlite.clock import from_moment, milliseconds
from storage.sqlite.transaction import Transaction
from storage.states import State

GUARDS = {
    "full": """
        UPDATE applies
           SET heartbeat_at = (SELECT now FROM clock), claimable_at = (SELECT now FROM clock) + :lease, due_in = :lease
         WHERE id = :id AND fence = :fence AND lease_token = :token
        """,
    # The two guards below are wrong. Fault tests switch them on to show that they would notice (the power rule).
    "state": """
        UPDATE applies
           SET heartbeat_at = (SELECT now FROM clock), claimable_at = (SELECT now FROM clock) + :lease, due_in = :lease
         WHERE id = :id AND state IN ('pending', 'running', 'waiting_for_cutover', 'cutting_over')
           AND :fence IS NOT NULL AND :token IS NOT NULL
        """,
    "id": """
        UPDATE applies
           SET heartbeat_at = (SELECT now FROM clock), claimable_at = (SELECT now FROM clock) + :lease, due_in = :lease
         WHERE id = :id AND :fence IS NOT NULL AND :token IS NOT NULL
        """,
}


_IS_SOUGHT = """
    (:environment = '' OR environment = :environment)
    AND (:deployment = '' OR deployment = :deployment)
    AND (:within IS NULL OR updated_at >= (SELECT now FROM clock) - :within)
    AND (state IN (SELECT value FROM json_each(:states))
         OR :running AND state NOT IN (SELECT value FROM json_each(:others)))
    """


class ApplyStatements(Transaction, Statements):
    """Applies: found, handed out, driven, swept. A write transaction has the file to itself: to hold is to look."""

    def __init__(self, connection: apsw.Connection, guard: Guard = "full") -> None:
        super().__init__(connection)
        self._guard = GUARDS[guard]

    # -- looking --------------------------------------------------------------------------------------------------

    def apply(self, apply_id: int) -> Row:
        return self.rows("SELECT * FROM applies WHERE id = :id", id=apply_id)[0]

    def find_apply(self, apply_uid: str) -> Row | None:
        return self.one("SELECT * FROM applies WHERE apply_uid = :uid", uid=apply_uid)

    def silence(self, apply_id: int) -> float:
        sql = "SELECT (SELECT now FROM clock) - updated_at AS silence FROM applies WHERE id = :id"
        return float(self.rows(sql, id=apply_id)[0]["silence"]) / 1000

    def hold_apply(self, apply_uid: str) -> Row | None:
        return self.find_apply(apply_uid)

    def apply_of_key(self, idempotency_key: str) -> Row | None:
        return self.one("SELECT * FROM applies WHERE idempotency_key = :key", key=idempotency_key)

    def live_apply(self, database: str, environment: str, database_type: str) -> Row | None:
        return self.one(
            """
            SELECT * FROM applies
             WHERE database_name = :database AND environment = :environment AND database_type = :database_type
               AND finished_at IS NULL
            """,
            database=database,
            environment=environment,
            database_type=database_type,
        )

    def active_apply(self, database: str, environment: str) -> Row | None:
        # The plus keeps SQLite from walking the whole history by id: the index of live applies holds one or none.
        return self.one(
            """
            SELECT * FROM applies
             WHERE database_name = :database AND environment = :environment AND finished_at IS NULL
             ORDER BY +id DESC
             LIMIT 1
            """,
            database=database,
            environment=environment,
        )

    def latest_apply(self, database: str, environment: str) -> Row | None:
        return self.one(
            """
            SELECT * FROM applies WHERE database_name = :database AND environment = :environment
             ORDER BY id DESC
             LIMIT 1
            """,
            database=database,
            environment=environment,
        )

    def history(self, database: str, environment: str | None, limit: int) -> list[Row]:
        return self.rows(
            """
            SELECT * FROM applies
             WHERE database_name = :database AND (:environment IS NULL OR environment = :environment)
             ORDER BY id DESC
             LIMIT :limit
            """,
            database=database,
            environment=environment,
            limit=limit,
        )

    def recent(self, limit: int) -> list[Row]:
        return self.rows(
            "SELECT * FROM applies ORDER BY COALESCE(started_at, created_at) DESC, id DESC LIMIT :limit",
            limit=limit,
        )

    def recent_sought(self, limit: int, sought: Sought) -> list[Row]:
        return self.rows(
            f"""
            SELECT * FROM applies
             WHERE {_IS_SOUGHT}
             ORDER BY COALESCE(started_at, created_at) DESC, id DESC
             LIMIT :limit
            """,  # noqa: S608 - words of ours
            limit=limit,
            **_sought(sought),
        )

    def live_sought(self, limit: int, sought: Sought) -> list[Row]:
        # The plus, as above: the index of live applies, not the one of all by time.
        return self.rows(
            f"""
            SELECT * FROM applies
             WHERE finished_at IS NULL
               AND {_IS_SOUGHT}
             ORDER BY +COALESCE(started_at, created_at) DESC, id DESC
             LIMIT :limit
            """,  # noqa: S608 - words of ours
            limit=limit,
            **_sought(sought),
        )

    def counts(self) -> list[Row]:
        return self.rows(
            "SELECT state, count(*) AS applies FROM applies WHERE finished_at IS NULL GROUP BY state ORDER BY state"
        )

    # -- in and out -----------------------------------------------------------------------------------------------

    def insert_apply(self, columns: Mapping[str, Any]) -> Row | None:
        return self.one(
            """
            INSERT INTO applies(apply_uid, plan_id, idempotency_key, request_hash, database_name, database_type,
                                environment, deployment, repository, pull_request, caller, engine, options, state,
                                claimable_at, due_in, max_attempts, created_at, updated_at)
            VALUES (:uid, :plan_id, :key, :request_hash, :database, :database_type,
                    :environment, :deployment, :repository, :pull_request, :caller, :engine, :options, 'pending',
                    (SELECT now FROM clock), 0, :max_attempts, (SELECT now FROM clock), (SELECT now FROM clock))
            ON CONFLICT(database_name, environment, database_type) WHERE finished_at IS NULL DO NOTHING
            RETURNING *
            """,
            **columns,
        )

    def first_due(self, idle: float) -> Row | None:
        due = self.one(
            """
            SELECT *, (SELECT now FROM clock) - claimable_at AS waited
              FROM applies
             WHERE claimable_at <= (SELECT now FROM clock) AND NOT exhausted
               AND (retrying_since IS NULL OR retrying_since > (SELECT now FROM clock) - :idle)
             ORDER BY claimable_at, id
             LIMIT 1
            """,
            idle=milliseconds(idle),
        )
        return None if due is None else due | {"waited": due["waited"] / 1000}

    def next_wait(self, idle: float) -> float | None:
        found = self.one(
            """
            SELECT claimable_at - (SELECT now FROM clock) AS wait
              FROM applies
             WHERE claimable_at IS NOT NULL AND NOT exhausted
               AND (retrying_since IS NULL OR retrying_since > (SELECT now FROM clock) - :idle)
             ORDER BY claimable_at, id
             LIMIT 1
            """,
            idle=milliseconds(idle),
        )
        return None if found is None else found["wait"] / 1000

    def take(self, claim: Claim, *, retry: bool) -> None:
        waits_no_more = "state = 'pending', retrying_since = NULL," if retry else ""
        self.run(
            f"""
            UPDATE applies
               SET {waits_no_more} attempt = :attempt, fence = :fence, lease_token = :token, lease_owner = :owner,
                   heartbeat_at = (SELECT now FROM clock), updated_at = (SELECT now FROM clock),
                   claimable_at = (SELECT now FROM clock) + :lease, due_in = :lease
             WHERE id = :apply
            """,  # noqa: S608 - words of ours
            apply=claim.apply_id,
            attempt=claim.attempt,
            fence=claim.fence,
            token=claim.token,
            owner=claim.owner,
            lease=milliseconds(claim.lease_seconds),
        )

    def renew(self, claim: Claim) -> bool:
        changed = self.run(
            self._guard,
            id=claim.apply_id,
            fence=claim.fence,
            token=claim.token,
            lease=milliseconds(claim.lease_seconds),
        )
        return changed == 1

    def release_leases(self) -> int:
        return self.run(
            """
            UPDATE applies SET claimable_at = (SELECT now FROM clock), due_in = -1
             WHERE claimable_at IS NOT NULL AND lease_token IS NOT NULL
            """
        )

    # -- driving --------------------------------------------------------------------------------------------------

    def show(self, apply_id: int, state: str, *, progress: bool) -> None:
        self.run(
            """
            UPDATE applies
               SET state = :state, attempt = CASE WHEN :progress THEN 0 ELSE attempt END,
                   started_at = COALESCE(started_at, (SELECT now FROM clock)), updated_at = (SELECT now FROM clock)
             WHERE id = :apply
            """,
            apply=apply_id,
            state=state,
            progress=progress,
        )

    def touch(self, apply_id: int, *, progress: bool) -> None:
        self.run(
            """
            UPDATE applies SET attempt = CASE WHEN :progress THEN 0 ELSE attempt END, updated_at = (SELECT now FROM clock)
             WHERE id = :apply
            """,
            apply=apply_id,
            progress=progress,
        )

    def attach(self, apply_id: int, external_id: str) -> None:
        self.run(
            """
            UPDATE applies SET external_id = :external_id, updated_at = (SELECT now FROM clock) WHERE id = :apply
            """,
            apply=apply_id,
            external_id=external_id,
        )

    def set_options(self, apply_id: int, options: str) -> None:
        self.run(
            "UPDATE applies SET options = :options, updated_at = (SELECT now FROM clock) WHERE id = :apply",
            apply=apply_id,
            options=options,
        )

    def set_started(self, apply_id: int) -> None:
        self.run(
            "UPDATE applies SET started_at = (SELECT now FROM clock) WHERE id = :apply AND started_at IS NULL",
            apply=apply_id,
        )

    def let_go(
        self,
        apply_id: int,
        state: str,
        *,
        ended: bool,
        fence: int,
        delay: float | None,
        attempt: int | None,
        error: str | None,
    ) -> None:
        self.run(
            """
            UPDATE applies
               SET state = :new, fence = :fence, lease_token = NULL, lease_owner = '',
                   claimable_at = (SELECT now FROM clock) + :delay, due_in = COALESCE(:delay, 0),
                   attempt = COALESCE(:attempt, attempt), error = COALESCE(:error, error),
                   retrying_since = CASE WHEN :new = 'failed_retryable' THEN (SELECT now FROM clock) END,
                   finished_at = CASE WHEN :ended THEN (SELECT now FROM clock) END,
                   updated_at = (SELECT now FROM clock)
             WHERE id = :apply
            """,
            apply=apply_id,
            new=state,
            fence=fence,
            delay=None if delay is None else milliseconds(delay),
            attempt=attempt,
            error=error,
            ended=ended,
        )

    # -- the sweep --------------------------------------------------------------------------------------------------

    def spent_page(self, after: tuple[datetime, int] | None, idle: float, page: int) -> list[Row]:
        due, last = (from_moment(after[0]), after[1]) if after else (-1, -1)
        return self.rows(
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
            idle=milliseconds(idle),
            page=page,
        )

    def hold_spent(self, apply_id: int, fence: int, idle: float) -> Row | None:
        return self.one(
            """
            SELECT *, claimable_at <= (SELECT now FROM clock) AND exhausted AS spent
              FROM applies
             WHERE id = :id AND fence = :fence AND claimable_at IS NOT NULL
               AND ((exhausted AND claimable_at <= (SELECT now FROM clock))
                    OR retrying_since <= (SELECT now FROM clock) - :idle)
            """,
            id=apply_id,
            fence=fence,
            idle=milliseconds(idle),
        )

    def late(self, slack: float) -> list[Row]:
        return self.rows(
            """
            SELECT id, claimable_at FROM applies
             WHERE claimable_at IS NOT NULL AND claimable_at > (SELECT now FROM clock) + due_in + :slack
            """,
            slack=milliseconds(slack),
        )

    def mend(self, apply_id: int, seen: datetime) -> None:
        self.run(
            """
            UPDATE applies SET claimable_at = (SELECT now FROM clock) + due_in
             WHERE id = :id AND claimable_at = :seen
            """,
            id=apply_id,
            seen=from_moment(seen),
        )


def _sought(sought: Sought) -> dict[str, Any]:
    within = sought.within_seconds
    return {
        "environment": sought.environment,
        "deployment": sought.deployment,
        "within": None if within is None else milliseconds(within),
        "states": json.dumps(sorted(sought.states)),
        "running": State.RUNNING in sought.states,  # as one that a newer program wrote is shown
        "others": json.dumps(sorted(set(State) - sought.states)),
    }
