"""From rows to records: the one place where column names and field names meet."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from storage.records import Apply, Attempt, ControlRequest, Event, Lock, Plan, PlannedChange, Task
from storage.states import State, parse_state

Row = Mapping[str, Any]


def to_json(value: object) -> str:
    """Canonical JSON: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def changes_to_json(changes: Sequence[PlannedChange]) -> str:
    """A plan's changes, in their order."""
    return json.dumps([asdict(change) for change in changes], separators=(",", ":"))


def changes_from_json(text: str) -> tuple[PlannedChange, ...]:
    """What `changes_to_json` wrote."""
    return tuple(PlannedChange(**change) for change in json.loads(text))


def from_plan(plan: Plan) -> dict[str, Any]:
    """A plan's columns, all but the time it is made."""
    return {
        "plan_id": plan.plan_id,
        "database": plan.database,
        "database_type": plan.database_type,
        "environment": plan.environment,
        "deployment": plan.deployment,
        "repository": plan.repository,
        "pull_request": plan.pull_request,
        "engine": plan.engine,
        "schema_files": json.dumps({space: dict(files) for space, files in plan.schema_files.items()}),
        "changes": changes_to_json(plan.changes),
        "findings": json.dumps([dict(finding) for finding in plan.findings]),
        "original_schema": json.dumps({space: dict(files) for space, files in plan.original_schema.items()}),
        "fingerprints": json.dumps(dict(plan.fingerprints)),
    }


def to_plan(row: Row) -> Plan:
    """A row of `plans`."""
    return Plan(
        plan_id=row["plan_id"],
        database=row["database_name"],
        database_type=row["database_type"],
        environment=row["environment"],
        deployment=row["deployment"],
        repository=row["repository"],
        pull_request=row["pull_request"],
        engine=row["engine"],
        schema_files=json.loads(row["schema_files"]),
        changes=changes_from_json(row["changes"]),
        findings=tuple(json.loads(row["findings"])),
        original_schema=json.loads(row["original_schema"]),
        fingerprints=json.loads(row["fingerprints"]),
        created_at=row["created_at"],
    )


def to_apply(row: Row) -> Apply:
    """A row of `applies`."""
    # One that a newer program wrote is shown as running: visible, and blocking.
    state = parse_state(row["state"])
    return Apply(
        id=row["id"],
        apply_uid=row["apply_uid"],
        plan_id=row["plan_id"],
        database=row["database_name"],
        database_type=row["database_type"],
        environment=row["environment"],
        deployment=row["deployment"],
        repository=row["repository"],
        pull_request=row["pull_request"],
        caller=row["caller"],
        engine=row["engine"],
        options=json.loads(row["options"]),
        state=state,
        attempt=row["attempt"],
        max_attempts=row["max_attempts"],
        fence=row["fence"],
        leased=row["lease_token"] is not None,
        lease_owner=row["lease_owner"],
        next_attempt_at=row["claimable_at"] if state is State.FAILED_RETRYABLE else None,
        error=row["error"],
        external_id=row["external_id"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
    )


def to_task(row: Row) -> Task:
    """A row of `tasks`."""
    return Task(
        apply_id=row["apply_id"],
        seq=row["seq"],
        task_uid=row["task_uid"],
        namespace=row["namespace"],
        table=row["table_name"],
        ddl=row["ddl"],
        change_type=row["change_type"],
        strategy=row["strategy"],
        state=parse_state(row["state"]),
        attempt=row["attempt"],
        error=row["error"],
        rows_copied=row["rows_copied"],
        rows_total=row["rows_total"],
        eta_seconds=row["eta_seconds"],
        rows_per_second=row["rows_per_second"],
        detail=row["detail"],
        started_at=row["started_at"],
        completed_at=row["completed_at"],
    )


def to_request(row: Row) -> ControlRequest:
    """A row of `control_requests`."""
    return ControlRequest(
        id=row["id"],
        apply_id=row["apply_id"],
        kind=row["kind"],
        caller=row["caller"],
        state=row["state"],
        reason=row["reason"],
        affected=row["affected"],
        skipped=row["skipped"],
        created_at=row["created_at"],
        settled_at=row["settled_at"],
    )


def to_event(row: Row) -> Event:
    """A row of `apply_events` with its apply's uid."""
    return Event(
        id=row["id"],
        apply_uid=row["apply_uid"],
        task_id=row["task_seq"],
        level=row["level"],
        event_type=row["event_type"],
        message=row["message"],
        old_state=row["old_state"],
        new_state=row["new_state"],
        fence=row["fence"],
        created_at=row["created_at"],
    )


def to_attempt(row: Row) -> Attempt:
    """A row of `attempts`."""
    return Attempt(
        apply_id=row["apply_id"],
        fence=row["fence"],
        attempt=row["attempt"],
        owner=row["owner"],
        claimed_at=row["claimed_at"],
        ended_at=row["ended_at"],
        outcome=row["outcome"],
    )


def to_lock(row: Row) -> Lock:
    """A row of `locks`."""
    return Lock(
        database=row["database_name"],
        database_type=row["database_type"],
        owner=row["owner"],
        repository=row["repository"],
        pull_request=row["pull_request"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
