"""The statements about the work of an apply: its tasks, who drove it, and the log people read."""

from collections.abc import Mapping, Sequence
from typing import Any

from storage.lifecycle.statements import Row, Statements
from storage.mysql.transaction import Transaction
from storage.records import Claim, TaskProgress


class WorkStatements(Transaction, Statements):
    """Tasks, attempts, events."""

    # -- tasks ------------------------------------------------------------------------------------------------------

    def insert_tasks(self, tasks: Sequence[Mapping[str, Any]]) -> None:
        for task in tasks:
            self.later(
                """
                INSERT INTO tasks(apply_id, seq, task_uid, namespace, table_name, ddl, change_type, strategy, state)
                VALUES (%(apply)s, %(seq)s, %(uid)s, %(namespace)s, %(table_name)s, %(ddl)s, %(change_type)s,
                        %(strategy)s, 'pending')
                """,
                **task,
            )

    def tasks(self, apply_id: int) -> list[Row]:
        return self.rows("SELECT * FROM tasks WHERE apply_id = %(apply)s ORDER BY seq", apply=apply_id)

    def move_task(
        self,
        apply_id: int,
        seq: int,
        state: str,
        *,
        fence: int,
        error: str | None,
        retried: bool,
        begun: bool,
        ended: bool,
    ) -> None:
        self.later(
            """
            UPDATE tasks
               SET state = %(new)s, fence = %(fence)s, error = COALESCE(%(error)s, error), attempt = attempt + %(retried)s,
                   started_at = CASE WHEN %(begun)s THEN COALESCE(started_at, UTC_TIMESTAMP(6)) ELSE started_at END,
                   completed_at = CASE WHEN %(ended)s THEN UTC_TIMESTAMP(6) END
             WHERE apply_id = %(apply)s AND seq = %(seq)s
            """,
            apply=apply_id,
            seq=seq,
            new=state,
            fence=fence,
            error=error,
            retried=retried,
            begun=begun,
            ended=ended,
        )

    def retry_tasks(self, apply_id: int, fence: int) -> None:
        self.later(
            """
            UPDATE tasks SET state = 'pending', attempt = attempt + 1, fence = %(fence)s
             WHERE apply_id = %(apply)s AND state = 'failed_retryable'
            """,
            apply=apply_id,
            fence=fence,
        )

    def record_progress(self, apply_id: int, fence: int, progress: TaskProgress) -> None:
        self.later(
            """
            UPDATE tasks
               SET rows_copied = %(copied)s, rows_total = %(total)s, eta_seconds = %(eta)s, rows_per_second = %(pace)s,
                   detail = %(detail)s, fence = %(fence)s
             WHERE apply_id = %(apply)s AND seq = %(seq)s
            """,
            apply=apply_id,
            seq=progress.seq,
            copied=progress.rows_copied,
            total=progress.rows_total,
            eta=progress.eta_seconds,
            pace=progress.rows_per_second,
            detail=progress.detail,
            fence=fence,
        )

    # -- attempts -----------------------------------------------------------------------------------------------------

    def insert_attempt(self, claim: Claim, *, bumped: bool) -> None:
        self.later(
            """
            INSERT INTO attempts(apply_id, fence, attempt, bumped, lease_token, owner, claimed_at)
            VALUES (%(apply)s, %(fence)s, %(attempt)s, %(bumped)s, %(token)s, %(owner)s, UTC_TIMESTAMP(6))
            """,
            apply=claim.apply_id,
            fence=claim.fence,
            attempt=claim.attempt,
            bumped=bumped,
            token=claim.token,
            owner=claim.owner,
        )

    def end_attempt(self, apply_id: int, fence: int, outcome: str) -> None:
        self.later(
            """
            UPDATE attempts SET ended_at = UTC_TIMESTAMP(6), outcome = %(outcome)s
             WHERE apply_id = %(apply)s AND fence = %(fence)s AND ended_at IS NULL
            """,
            apply=apply_id,
            fence=fence,
            outcome=outcome,
        )

    def attempt_of(self, claim: Claim) -> Row | None:
        # The apply first: a run of ours that was given up for lost holds it from its beginning to its end.
        self.later("SELECT id FROM applies WHERE id = %(apply)s FOR UPDATE", apply=claim.apply_id)
        return self.one("SELECT * FROM attempts WHERE lease_token = %(token)s FOR UPDATE", token=claim.token)

    def attempts(self, apply_id: int) -> list[Row]:
        return self.rows("SELECT * FROM attempts WHERE apply_id = %(apply)s ORDER BY fence", apply=apply_id)

    # -- events -------------------------------------------------------------------------------------------------------

    def insert_event(self, columns: Mapping[str, Any]) -> None:
        self.later(
            """
            INSERT INTO apply_events(apply_id, task_seq, fence, level, event_type, message, old_state, new_state,
                                     created_at)
            VALUES (%(apply)s, %(seq)s, %(fence)s, %(level)s, %(event_type)s, %(message)s, %(old)s, %(new)s, UTC_TIMESTAMP(6))
            """,
            **columns,
        )

    def events(self, apply_id: int, limit: int) -> list[Row]:
        return self.rows(
            """
            SELECT apply_events.*, applies.apply_uid
              FROM apply_events JOIN applies ON applies.id = apply_events.apply_id
             WHERE apply_events.apply_id = %(apply)s
             ORDER BY apply_events.id DESC
             LIMIT %(limit)s
            """,
            apply=apply_id,
            limit=limit,
        )
