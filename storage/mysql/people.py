"""The statements about what people ask for: plans, commands, reservations of databases, settings."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from storage.lifecycle.statements import Row, Statements
from storage.mysql.transaction import Transaction
from storage.mysql.trouble import Duplicate


class PeopleStatements(Transaction, Statements):
    """Plans, commands, locks, settings. To hold a row is to lock it."""

    # -- plans --------------------------------------------------------------------------------------------------------

    def insert_plan(self, columns: Mapping[str, Any]) -> None:
        with suppress(Duplicate):
            self.insert(
                """
                INSERT INTO plans(plan_id, database_name, database_type, environment, deployment, repository, pull_request,
                                  engine, schema_files, changes, findings, original_schema, fingerprints, created_at)
                VALUES (%(plan_id)s, %(database)s, %(database_type)s, %(environment)s, %(deployment)s, %(repository)s,
                        %(pull_request)s, %(engine)s, %(schema_files)s, %(changes)s, %(findings)s, %(original_schema)s,
                        %(fingerprints)s, UTC_TIMESTAMP(6))
                """,
                **columns,
            )

    def plan(self, plan_id: str) -> Row | None:
        return self.one("SELECT * FROM plans WHERE plan_id = %(plan_id)s", plan_id=plan_id)

    # -- commands -------------------------------------------------------------------------------------------------------

    def insert_request(self, apply_id: int, kind: str, caller: str) -> int:
        return self.insert(
            """
            INSERT INTO control_requests(apply_id, kind, caller, state, created_at)
            VALUES (%(apply)s, %(kind)s, %(caller)s, 'pending', UTC_TIMESTAMP(6))
            """,
            apply=apply_id,
            kind=kind,
            caller=caller,
        )

    def control_request(self, request_id: int) -> Row | None:
        return self.one("SELECT * FROM control_requests WHERE id = %(id)s", id=request_id)

    def open_requests(self, apply_id: int) -> list[Row]:
        return self.rows(
            "SELECT * FROM control_requests WHERE apply_id = %(apply)s AND is_open = 1 ORDER BY id",
            apply=apply_id,
        )

    def settle_request(self, request_id: int, state: str, reason: str, affected: int, skipped: int) -> None:
        self.later(
            """
            UPDATE control_requests
               SET state = %(state)s, reason = %(reason)s, affected = %(affected)s, skipped = %(skipped)s,
                   settled_at = UTC_TIMESTAMP(6)
             WHERE id = %(id)s AND state = 'pending'
            """,
            id=request_id,
            state=state,
            reason=reason,
            affected=affected,
            skipped=skipped,
        )

    def count_request(self, request_id: int, affected: int, skipped: int) -> None:
        self.later(
            "UPDATE control_requests SET affected = %(affected)s, skipped = %(skipped)s WHERE id = %(id)s",
            id=request_id,
            affected=affected,
            skipped=skipped,
        )

    # -- locks ----------------------------------------------------------------------------------------------------------

    def insert_lock(self, columns: Mapping[str, Any]) -> None:
        with suppress(Duplicate):
            self.insert(
                """
                INSERT INTO locks(database_name, database_type, owner, repository, pull_request, created_at, updated_at)
                VALUES (%(database)s, %(database_type)s, %(owner)s, %(repository)s, %(pull_request)s,
                        UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))
                """,
                **columns,
            )

    def lock(self, database: str, database_type: str) -> Row | None:
        return self.one(
            "SELECT * FROM locks WHERE database_name = %(database)s AND database_type = %(database_type)s",
            database=database,
            database_type=database_type,
        )

    def hold_lock(self, database: str, database_type: str) -> Row | None:
        return self.one(
            """
            SELECT * FROM locks WHERE database_name = %(database)s AND database_type = %(database_type)s FOR UPDATE
            """,
            database=database,
            database_type=database_type,
        )

    def delete_lock(self, database: str, database_type: str) -> None:
        self.run(
            "DELETE FROM locks WHERE database_name = %(database)s AND database_type = %(database_type)s",
            database=database,
            database_type=database_type,
        )

    def locks(self) -> list[Row]:
        return self.rows("SELECT * FROM locks ORDER BY created_at DESC, database_name, database_type")

    # -- settings -------------------------------------------------------------------------------------------------------

    def settings(self) -> list[Row]:
        return self.rows("SELECT name, value FROM settings ORDER BY name")

    def setting(self, name: str) -> Row | None:
        return self.one("SELECT value FROM settings WHERE name = %(name)s", name=name)

    def put_setting(self, name: str, value: str) -> None:
        self.run(
            """
            INSERT INTO settings(name, value) VALUES (%(name)s, %(value)s)
            ON DUPLICATE KEY UPDATE value = %(value)s
            """,
            name=name,
            value=value,
        )
