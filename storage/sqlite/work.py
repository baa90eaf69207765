"""The statements about the work of an apply: its tasks, who drove it, and the log people read."""

from collections.abc import Mapping, Sequence
from typing import Any

from storage.lifecycle.statements import Row, Statements
from storage.records import Claim, TaskProgress
from storage.sqlite.transaction import Transaction


class WorkStatements(Transaction, Statements):
    """Tasks, attempts, events."""

    # -- tasks ------------------------------------------------------------------------------------------------------

    def insert_tasks(self, tasks: Sequence[Mapping[str, Any]]) -> None:
        for task in tasks:
            self.run(
                """
                INSERT INTO tasks(apply_id, seq, task_uid, namespace, table_name, ddl, change_type, strategy, state)
                VALUES (:apply, :seq, :uid, :namespace, :table_name, :ddl, :change_type, :strategy, 'pending')
                """,
                **task,
            )

    def tasks(self, apply_id: int) -> list[Row]:
        return self.rows("SELECT * FROM tasks WHERE apply_id = :apply ORDER BY seq", apply=apply_id)

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
        self.run(
            """
            UPDATE tasks
               SET state = :new, fence = :fence, error = COALESCE(:error, error), attempt = attempt + :retried,
                   started_at = CASE WHEN :begun THEN COALESCE(started_at, (SELECT now FROM clock)) ELSE started_at END,
                   completed_at = CASE WHEN :ended THEN (SELECT now FROM clock) END
             WHERE apply_id = :apply AND seq = :seq
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
        self.run(
            """
            UPDATE tasks SET state = 'pending', attempt = attempt + 1, fence = :fence
             WHERE apply_id = :apply AND state = 'failed_retryable'
            """,
            apply=apply_id,
            fence=fence,
        )

    def record_progress(self, apply_id: int, fence: int, progress: TaskProgress) -> None:
        self.run(
            """
            UPDATE tasks
               SET rows_copied = :copied, rows_total = :total, eta_seconds = :eta, rows_per_second = :pace,
                   detail = :detail, fence = :fence
             WHERE apply_id = :apply AND seq = :seq
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
        self.run(
            """
            INSERT INTO attempts(apply_id, fence, attempt, bumped, lease_token, owner, claimed_at)
            VALUES (:apply, :fence, :attempt, :bumped, :token, :owner, (SELECT now FROM clock))
            """,
            apply=claim.apply_id,
            fence=claim.fence,
            attempt=claim.attempt,
            bumped=bumped,
            token=claim.token,
            owner=claim.owner,
        )

    def end_attempt(self, apply_id: int, fence: int, outcome: str) -> None:
        self.run(
            """
            UPDATE attempts SET ended_at = (SELECT now FROM clock), outcome = :outcome
             WHERE apply_id = :apply AND fence = :fence AND ended_at IS NULL
            """,
            apply=apply_id,
            fence=fence,
            outcome=outcome,
        )

    def attempt_of(self, claim: Claim) -> Row | None:
        return self.one("SELECT * FROM attempts WHERE lease_token = :token", token=claim.token)

    def attempts(self, apply_id: int) -> list[Row]:
        return self.rows("SELECT * FROM attempts WHERE apply_id = :apply ORDER BY fence", apply=apply_id)

    # -- events -------------------------------------------------------------------------------------------------------

    def insert_event(self, columns: Mapping[str, Any]) -> None:
        self.run(
            """
            INSERT INTO apply_events(apply_id, task_seq, fence, level, event_type, message, old_state, new_state,
                                     created_at)
            VALUES (:apply, :seq, :fence, :level, :event_type, :message, :old, :new, (SELECT now FROM clock))
            """,
            **columns,
        )

    def events(self, apply_id: int, limit: int) -> list[Row]:
        return self.rows(
            """
            SELECT apply_events.*, applies.apply_uid
              FROM apply_events JOIN applies ON applies.id = apply_events.apply_id
             WHERE apply_events.apply_id = :apply
             ORDER BY apply_events.id DESC
             LIMIT :limit
            """,
            apply=apply_id,
            limit=limit,
        )
