"""The statements about what people ask for: plans, commands, reservations of databases, settings."""

from collections.abc import Mapping
from typing import Any

from storage.lifecycle.statements import Row, Statements
from storage.sqlite.transaction import Transaction


class PeopleStatements(Transaction, Statements):
    """Plans, commands, locks, settings. A write transaction has the file to itself: to hold is to look."""

    # -- plans --------------------------------------------------------------------------------------------------------

    def insert_plan(self, columns: Mapping[str, Any]) -> None:
        self.run(
            """
            INSERT INTO plans(plan_id, database_name, database_type, environment, deployment, repository, pull_request,
                              engine, schema_files, changes, findings, original_schema, fingerprints, created_at)
            VALUES (:plan_id, :database, :database_type, :environment, :deployment, :repository, :pull_request,
                    :engine, :schema_files, :changes, :findings, :original_schema, :fingerprints,
                    (SELECT now FROM clock))
            ON CONFLICT(plan_id) DO NOTHING
            """,
            **columns,
        )

    def plan(self, plan_id: str) -> Row | None:
        return self.one("SELECT * FROM plans WHERE plan_id = :plan_id", plan_id=plan_id)

    # -- commands -------------------------------------------------------------------------------------------------------

    def insert_request(self, apply_id: int, kind: str, caller: str) -> int:
        made = self.rows(
            """
            INSERT INTO control_requests(apply_id, kind, caller, state, created_at)
            VALUES (:apply, :kind, :caller, 'pending', (SELECT now FROM clock))
            RETURNING id
            """,
            apply=apply_id,
            kind=kind,
            caller=caller,
        )
        return int(made[0]["id"])

    def control_request(self, request_id: int) -> Row | None:
        return self.one("SELECT * FROM control_requests WHERE id = :id", id=request_id)

    def open_requests(self, apply_id: int) -> list[Row]:
        return self.rows(
            "SELECT * FROM control_requests WHERE apply_id = :apply AND state = 'pending' ORDER BY id",
            apply=apply_id,
        )

    def settle_request(self, request_id: int, state: str, reason: str, affected: int, skipped: int) -> None:
        self.run(
            """
            UPDATE control_requests
               SET state = :state, reason = :reason, affected = :affected, skipped = :skipped,
                   settled_at = (SELECT now FROM clock)
             WHERE id = :id AND state = 'pending'
            """,
            id=request_id,
            state=state,
            reason=reason,
            affected=affected,
            skipped=skipped,
        )

    def count_request(self, request_id: int, affected: int, skipped: int) -> None:
        self.run(
            "UPDATE control_requests SET affected = :affected, skipped = :skipped WHERE id = :id",
            id=request_id,
            affected=affected,
            skipped=skipped,
        )

    # -- locks ----------------------------------------------------------------------------------------------------------

    def insert_lock(self, columns: Mapping[str, Any]) -> None:
        self.run(
            """
            INSERT INTO locks(database_name, database_type, owner, repository, pull_request, created_at, updated_at)
            VALUES (:database, :database_type, :owner, :repository, :pull_request,
                    (SELECT now FROM clock), (SELECT now FROM clock))
            ON CONFLICT(database_name, database_type) DO NOTHING
            """,
            **columns,
        )

    def lock(self, database: str, database_type: str) -> Row | None:
        return self.one(
            "SELECT * FROM locks WHERE database_name = :database AND database_type = :database_type",
            database=database,
            database_type=database_type,
        )

    def hold_lock(self, database: str, database_type: str) -> Row | None:
        return self.lock(database, database_type)

    def delete_lock(self, database: str, database_type: str) -> None:
        self.run(
            "DELETE FROM locks WHERE database_name = :database AND database_type = :database_type",
            database=database,
            database_type=database_type,
        )

    def locks(self) -> list[Row]:
        return self.rows("SELECT * FROM locks ORDER BY created_at DESC, database_name, database_type")

    # -- settings -------------------------------------------------------------------------------------------------------

    def settings(self) -> list[Row]:
        return self.rows("SELECT key AS name, value FROM settings ORDER BY key")

    def setting(self, name: str) -> Row | None:
        return self.one("SELECT value FROM settings WHERE key = :name", name=name)

    def put_setting(self, name: str, value: str) -> None:
        self.run(
            """
            INSERT INTO settings(key, value) VALUES (:name, :value)
            ON CONFLICT(key) DO UPDATE SET value = excluded.value
            """,
            name=name,
            value=value,
        )
