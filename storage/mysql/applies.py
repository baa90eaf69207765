"""The statements about applies."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from storage.lifecycle.statements import Guard, Row, Statements
from storage.mysql.clock import microseconds
from storage.mysql.transaction import Link, Transaction
from storage.mysql.trouble import Duplicate
from storage.records import Claim, Sought
from storage.states import State

GUARDS = {
    "full": """
        UPDATE applies
           SET heartbeat_at = UTC_TIMESTAMP(6), claimable_at = UTC_TIMESTAMP(6) + INTERVAL %(lease)s MICROSECOND,
               due_in = %(lease)s
         WHERE id = %(id)s AND fence = %(fence)s AND lease_token = %(token)s
        """,
    # The two guards below are wrong. Fault tests switch them on to show that they would notice (the power rule).
    "state": """
        UPDATE applies
           SET heartbeat_at = UTC_TIMESTAMP(6), claimable_at = UTC_TIMESTAMP(6) + INTERVAL %(lease)s MICROSECOND,
               due_in = %(lease)s
         WHERE id = %(id)s AND state IN ('pending', 'running', 'waiting_for_cutover', 'cutting_over')
           AND %(fence)s IS NOT NULL AND %(token)s IS NOT NULL
        """,
    "id": """
        UPDATE applies
           SET heartbeat_at = UTC_TIMESTAMP(6), claimable_at = UTC_TIMESTAMP(6) + INTERVAL %(lease)s MICROSECOND,
               due_in = %(lease)s
         WHERE id = %(id)s AND %(fence)s IS NOT NULL AND %(token)s IS NOT NULL
        """,
}
FIRST = datetime(1000, 1, 1)  # noqa: DTZ001 - a bound for the server, which has no time zones
"""Before every time there is."""
TAKEN = frozenset({"applies_uid", "applies_key", "applies_one_live"})
"""The unique keys that an enqueue may meet."""


_IS_SOUGHT = """
    (%(environment)s = '' OR environment = %(environment)s)
    AND (%(deployment)s = '' OR deployment = %(deployment)s)
    AND (%(within)s IS NULL OR updated_at >= UTC_TIMESTAMP(6) - INTERVAL %(within)s MICROSECOND)
    AND (FIND_IN_SET(state, %(states)s) OR %(running)s AND NOT FIND_IN_SET(state, %(others)s))
    """


class ApplyStatements(Transaction, Statements):
    """Applies: found, handed out, driven, swept. To hold a row is to lock it."""

    def __init__(self, link: Link, place: object, guard: Guard = "full") -> None:
        super().__init__(link, place)
        self._guard = GUARDS[guard]

    # -- looking --------------------------------------------------------------------------------------------------

    def apply(self, apply_id: int) -> Row:
        return self.rows("SELECT * FROM applies WHERE id = %(id)s", id=apply_id)[0]

    def find_apply(self, apply_uid: str) -> Row | None:
        return self.one("SELECT * FROM applies WHERE apply_uid = %(uid)s", uid=apply_uid)

    def silence(self, apply_id: int) -> float:
        sql = "SELECT TIMESTAMPDIFF(MICROSECOND, updated_at, UTC_TIMESTAMP(6)) / 1e6 AS silence FROM applies WHERE id = %(id)s"
        return float(self.rows(sql, id=apply_id)[0]["silence"])

    def hold_apply(self, apply_uid: str) -> Row | None:
        return self.one("SELECT * FROM applies WHERE apply_uid = %(uid)s FOR UPDATE", uid=apply_uid)

    def apply_of_key(self, idempotency_key: str) -> Row | None:
        return self.one("SELECT * FROM applies WHERE idempotency_key = %(key)s", key=idempotency_key)

    def live_apply(self, database: str, environment: str, database_type: str) -> Row | None:
        return self.one(
            """
            SELECT * FROM applies
             WHERE database_name = %(database)s AND environment = %(environment)s AND database_type = %(database_type)s
               AND live = 1
            """,
            database=database,
            environment=environment,
            database_type=database_type,
        )

    def active_apply(self, database: str, environment: str) -> Row | None:
        return self.one(
            """
            SELECT * FROM applies
             WHERE database_name = %(database)s AND environment = %(environment)s AND live = 1
             ORDER BY id DESC
             LIMIT 1
            """,
            database=database,
            environment=environment,
        )

    def latest_apply(self, database: str, environment: str) -> Row | None:
        return self.one(
            """
            SELECT * FROM applies WHERE database_name = %(database)s AND environment = %(environment)s
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
             WHERE database_name = %(database)s AND (%(environment)s IS NULL OR environment = %(environment)s)
             ORDER BY id DESC
             LIMIT %(limit)s
            """,
            database=database,
            environment=environment,
            limit=limit,
        )

    def recent(self, limit: int) -> list[Row]:
        return self.rows(
            """
            SELECT * FROM applies FORCE INDEX (applies_recent)
             ORDER BY shown_at DESC, id DESC
             LIMIT %(limit)s
            """,
            limit=limit,
        )

    def recent_sought(self, limit: int, sought: Sought) -> list[Row]:
        return self.rows(
            f"""
            SELECT * FROM applies FORCE INDEX (applies_recent)
             WHERE {_IS_SOUGHT}
             ORDER BY shown_at DESC, id DESC
             LIMIT %(limit)s
            """,  # noqa: S608 - words of ours
            limit=limit,
            **_sought(sought),
        )

    def live_sought(self, limit: int, sought: Sought) -> list[Row]:
        return self.rows(
            f"""
            SELECT * FROM applies FORCE INDEX (applies_one_live)
             WHERE live = 1
               AND {_IS_SOUGHT}
             ORDER BY shown_at DESC, id DESC
             LIMIT %(limit)s
            """,  # noqa: S608 - words of ours
            limit=limit,
            **_sought(sought),
        )

    def counts(self) -> list[Row]:
        return self.rows(
            """
            SELECT state, count(*) AS applies
              FROM applies FORCE INDEX (applies_one_live)
             WHERE live = 1
             GROUP BY state
             ORDER BY state
            """
        )

    # -- in and out -----------------------------------------------------------------------------------------------

    def insert_apply(self, columns: Mapping[str, Any]) -> Row | None:
        try:
            made = self.insert(
                """
                INSERT INTO applies(apply_uid, plan_id, idempotency_key, request_hash, database_name, database_type,
                                    environment, deployment, repository, pull_request, caller, engine, options, state,
                                    claimable_at, due_in, max_attempts, created_at, updated_at)
                VALUES (%(uid)s, %(plan_id)s, %(key)s, %(request_hash)s, %(database)s, %(database_type)s,
                        %(environment)s, %(deployment)s, %(repository)s, %(pull_request)s, %(caller)s, %(engine)s,
                        %(options)s, 'pending', UTC_TIMESTAMP(6), 0, %(max_attempts)s, UTC_TIMESTAMP(6),
                        UTC_TIMESTAMP(6))
                """,
                **columns,
            )
        except Duplicate as exc:
            if exc.key in TAKEN:
                return None
            raise
        return self.apply(made)

    def first_due(self, idle: float) -> Row | None:
        # The index must serve the order: a sort would lock every due row, and the others would find the queue empty.
        # One column: the driver decodes the description of each one, which costs it more than the row itself.
        due = self.one(
            """
            SELECT JSON_OBJECT('id', id, 'apply_uid', apply_uid, 'state', state, 'attempt', attempt,
                               'max_attempts', max_attempts, 'fence', fence, 'lease_token', lease_token,
                               'lease_owner', lease_owner, 'due_in', due_in,
                               'waited', TIMESTAMPDIFF(MICROSECOND, claimable_at, UTC_TIMESTAMP(6)) / 1e6) AS due
              FROM applies FORCE INDEX (applies_claim)
             WHERE claimable_at <= UTC_TIMESTAMP(6) AND NOT exhausted
               AND (retrying_since IS NULL OR retrying_since > UTC_TIMESTAMP(6) - INTERVAL %(idle)s MICROSECOND)
             ORDER BY claimable_at, id
             LIMIT 1
               FOR UPDATE SKIP LOCKED
            """,
            idle=microseconds(idle),
        )
        return None if due is None else json.loads(due["due"])

    def next_wait(self, idle: float) -> float | None:
        found = self.one(
            """
            SELECT TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), claimable_at) AS ahead
              FROM applies FORCE INDEX (applies_claim)
             WHERE claimable_at IS NOT NULL AND NOT exhausted
               AND (retrying_since IS NULL OR retrying_since > UTC_TIMESTAMP(6) - INTERVAL %(idle)s MICROSECOND)
             ORDER BY claimable_at, id
             LIMIT 1
            """,
            idle=microseconds(idle),
        )
        return None if found is None else found["ahead"] / 1_000_000

    def take(self, claim: Claim, *, retry: bool) -> None:
        # Columns that are named are written, logged and checked, changed or not.
        waits_no_more = "state = 'pending', retrying_since = NULL," if retry else ""
        self.later(
            f"""
            UPDATE applies
               SET {waits_no_more} attempt = %(attempt)s, fence = %(fence)s, lease_token = %(token)s, lease_owner = %(owner)s,
                   heartbeat_at = UTC_TIMESTAMP(6), updated_at = UTC_TIMESTAMP(6),
                   claimable_at = UTC_TIMESTAMP(6) + INTERVAL %(lease)s MICROSECOND, due_in = %(lease)s
             WHERE id = %(apply)s
            """,  # noqa: S608 - words of ours
            apply=claim.apply_id,
            attempt=claim.attempt,
            fence=claim.fence,
            token=claim.token,
            owner=claim.owner,
            lease=microseconds(claim.lease_seconds),
        )

    def renew(self, claim: Claim) -> bool:
        changed = self.run(
            self._guard,
            id=claim.apply_id,
            fence=claim.fence,
            token=claim.token,
            lease=microseconds(claim.lease_seconds),
        )
        return changed == 1

    def release_leases(self) -> int:
        return self.run(
            """
            UPDATE applies SET claimable_at = UTC_TIMESTAMP(6), due_in = -1
             WHERE claimable_at IS NOT NULL AND lease_token IS NOT NULL
            """
        )

    # -- driving --------------------------------------------------------------------------------------------------

    def show(self, apply_id: int, state: str, *, progress: bool) -> None:
        self.later(
            """
            UPDATE applies
               SET state = %(state)s, attempt = CASE WHEN %(progress)s THEN 0 ELSE attempt END,
                   started_at = COALESCE(started_at, UTC_TIMESTAMP(6)), updated_at = UTC_TIMESTAMP(6)
             WHERE id = %(apply)s
            """,
            apply=apply_id,
            state=state,
            progress=progress,
        )

    def touch(self, apply_id: int, *, progress: bool) -> None:
        self.later(
            """
            UPDATE applies SET attempt = CASE WHEN %(progress)s THEN 0 ELSE attempt END, updated_at = UTC_TIMESTAMP(6)
             WHERE id = %(apply)s
            """,
            apply=apply_id,
            progress=progress,
        )

    def attach(self, apply_id: int, external_id: str) -> None:
        self.later(
            """
            UPDATE applies SET external_id = %(external_id)s, updated_at = UTC_TIMESTAMP(6) WHERE id = %(apply)s
            """,
            apply=apply_id,
            external_id=external_id,
        )

    def set_options(self, apply_id: int, options: str) -> None:
        self.run(
            "UPDATE applies SET options = %(options)s, updated_at = UTC_TIMESTAMP(6) WHERE id = %(apply)s",
            apply=apply_id,
            options=options,
        )

    def set_started(self, apply_id: int) -> None:
        self.later(
            "UPDATE applies SET started_at = UTC_TIMESTAMP(6) WHERE id = %(apply)s AND started_at IS NULL",
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
        self.later(
            """
            UPDATE applies
               SET state = %(new)s, fence = %(fence)s, lease_token = NULL, lease_owner = '',
                   claimable_at = UTC_TIMESTAMP(6) + INTERVAL %(delay)s MICROSECOND, due_in = COALESCE(%(delay)s, 0),
                   attempt = COALESCE(%(attempt)s, attempt), error = COALESCE(%(error)s, error),
                   retrying_since = CASE WHEN %(new)s = 'failed_retryable' THEN UTC_TIMESTAMP(6) END,
                   finished_at = CASE WHEN %(ended)s THEN UTC_TIMESTAMP(6) END,
                   updated_at = UTC_TIMESTAMP(6)
             WHERE id = %(apply)s
            """,
            apply=apply_id,
            new=state,
            fence=fence,
            delay=None if delay is None else microseconds(delay),
            attempt=attempt,
            error=error,
            ended=ended,
        )

    # -- the sweep --------------------------------------------------------------------------------------------------

    def spent_page(self, after: tuple[datetime, int] | None, idle: float, page: int) -> list[Row]:
        # A comparison of (claimable_at, id) as a pair would not be looked up in the index.
        due, last = after or (FIRST, -1)
        return self.rows(
            """
            SELECT id, fence, claimable_at
              FROM applies FORCE INDEX (applies_claim)
             WHERE claimable_at >= %(due)s AND (claimable_at > %(due)s OR id > %(last)s)
               AND ((exhausted AND claimable_at <= UTC_TIMESTAMP(6))
                    OR retrying_since <= UTC_TIMESTAMP(6) - INTERVAL %(idle)s MICROSECOND)
             ORDER BY claimable_at, id
             LIMIT %(page)s
            """,
            due=due,
            last=last,
            idle=microseconds(idle),
            page=page,
        )

    def hold_spent(self, apply_id: int, fence: int, idle: float) -> Row | None:
        return self.one(
            """
            SELECT applies.*, claimable_at <= UTC_TIMESTAMP(6) AND exhausted AS spent
              FROM applies
             WHERE id = %(id)s AND fence = %(fence)s AND claimable_at IS NOT NULL
               AND ((exhausted AND claimable_at <= UTC_TIMESTAMP(6))
                    OR retrying_since <= UTC_TIMESTAMP(6) - INTERVAL %(idle)s MICROSECOND)
               FOR UPDATE
            """,
            id=apply_id,
            fence=fence,
            idle=microseconds(idle),
        )

    def late(self, slack: float) -> list[Row]:
        return self.rows(
            """
            SELECT id, claimable_at
              FROM applies FORCE INDEX (applies_claim)
             WHERE claimable_at > UTC_TIMESTAMP(6)
               AND claimable_at > UTC_TIMESTAMP(6) + INTERVAL (due_in + %(slack)s) MICROSECOND
            """,
            slack=microseconds(slack),
        )

    def mend(self, apply_id: int, seen: datetime) -> None:
        self.run(
            """
            UPDATE applies SET claimable_at = UTC_TIMESTAMP(6) + INTERVAL due_in MICROSECOND
             WHERE id = %(id)s AND claimable_at = %(seen)s
            """,
            id=apply_id,
            seen=seen,
        )


def _sought(sought: Sought) -> dict[str, Any]:
    within = sought.within_seconds
    return {
        "environment": sought.environment,
        "deployment": sought.deployment,
        "within": None if within is None else microseconds(within),
        "states": ",".join(sorted(sought.states)),
        "running": State.RUNNING in sought.states,  # as one that a newer program wrote is shown
        "others": ",".join(sorted(set(State) - sought.states)),
    }
