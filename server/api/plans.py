"""Plans: what it takes to make a live schema the desired one, reviewed before anything runs."""

import hashlib
import json
import logging
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from engine.base import Finding, PlanResult, SchemaFiles, Severity
from engine.errors import EngineError
from server.api.answers import Answer, Failed, Invalid, Missing
from server.api.backends import NoBackend, engine_for, kind_of, labels
from server.app import App
from server.bodies import LONGEST_ENVIRONMENT, LONGEST_TYPE, Fields, decode, sparse
from server.changes import to_stored
from server.config import DATABASE_TYPES
from server.requests import Request
from storage.errors import NotFound
from storage.records import Plan, PlannedChange
from storage.states import State

log = logging.getLogger(__name__)

_TOLD = re.compile(r"renamed (?:back )?from:")
"""What files back tell of a rename, also those that an older version kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a plan is asked for."""

    database: str
    environment: str
    deployment: str
    files: SchemaFiles
    repository: str = ""
    pull_request: int | None = None


def plan(app: App, request: Request) -> Answer:
    """Plan the files of the request. Asks the engine; the plan is kept and may be applied by its id."""
    fields = decode(request.body)
    wanted, back_too = _wanted(app, fields), fields.flag("way_back")
    for namespace, files in wanted.files.items():
        if not files:
            log.warning("plan of %s: namespace %r has no files: every table goes", wanted.database, namespace)
    made, unmanaged = make_plan(app, wanted, "plan failed")
    return {**plan_body(made, unmanaged), **({"way_back": made.original_schema} if back_too else {})}


def of_id(app: App, request: Request) -> Answer:
    """A plan that was made before, as it was shown; drawn from the store only (ST-5)."""
    plan_id = request.params["plan_id"]
    try:
        made = app.store.plan(plan_id)
    except NotFound as error:
        raise Missing(f"plan not found: {plan_id}", "not_found") from error
    return {**plan_body(made, ()), **_where(made)}


def rollback_plan(app: App, request: Request) -> Answer:
    """Plan the way back to the schema before an apply. Asks the engine."""
    fields = decode(request.body)
    apply_uid, environment = fields.text("apply_id"), fields.text("environment", LONGEST_ENVIRONMENT)
    if not apply_uid:
        raise Invalid("apply_id is required")
    try:
        apply = app.store.apply(apply_uid)
    except NotFound as error:
        raise Missing(f"apply not found: {apply_uid}") from error
    if environment and environment != apply.environment:
        raise Invalid(f"{apply_uid} belongs to {apply.database}/{apply.environment}, not to {environment}")
    if not any(task.state is State.COMPLETED for task in app.store.tasks(apply.id)):
        raise Failed("rollback plan failed: no completed schema change found to rollback")
    before = app.store.plan(apply.plan_id)
    if untold := _untold_renames(before):
        raise Failed(
            f"rollback plan failed: the way back of its renames was not kept, and their values would be lost ({untold}): give "
            'the old names back by files of yours (beside each: "-- renamed from: " and the name of today), and plan those'
        )
    wanted = Wanted(
        database=apply.database,
        environment=apply.environment,
        deployment=apply.deployment,
        # A database that was empty has no files: every namespace of the plan becomes empty again.
        files=before.original_schema or {namespace: {} for namespace in before.schema_files},
        repository=apply.repository,
        pull_request=apply.pull_request,
    )
    counted = app.metrics.control_operations
    where = {"operation": "rollback_plan", **labels(app, apply.database, apply.environment)}
    try:
        made, unmanaged = make_plan(app, wanted, "rollback plan failed")
    except Failed:
        counted.labels(**where, status="error").inc()
        raise
    counted.labels(**where, status="success").inc()
    return {**plan_body(made, unmanaged), **_where(made)}


def _untold_renames(before: Plan) -> str:
    """Renames of a plan whose files back do not tell of all: an older version's, or that of a remote side which keeps none."""
    renames = [str(found["message"]) for found in before.findings if "rename detected" in found["message"]]
    files = [text for texts in before.original_schema.values() for text in texts.values()]
    return "; ".join(renames) if sum(len(_TOLD.findall(text)) for text in files) < len(renames) else ""


def _where(plan: Plan) -> dict[str, str]:
    return {
        "database": plan.database,
        "database_type": plan.database_type,
        "environment": plan.environment,
    }


def make_plan(app: App, wanted: Wanted, failing: str) -> tuple[Plan, tuple[str, ...]]:
    """The plan, kept in the store, and what it leaves alone. Raises Failed, its text beginning with *failing*.

    The same question asked of the same live schema gives the same plan id.
    """
    with _measured(app, wanted):
        try:
            engine = engine_for(app, wanted.deployment, wanted.environment, wanted.database)
            result = engine.plan(wanted.files)
            kind = kind_of(app, wanted.deployment, engine)
        except NoBackend as error:
            raise Failed(f"{failing}: tern client: {error}") from error
        except EngineError as error:
            raise Failed(f"{failing}: {error}") from error
        made = _record(wanted, kind, engine.name, result)
        app.store.save_plan(made)
    log.info(
        "%s: planned %d changes of %s/%s", made.plan_id, len(made.changes), made.database, made.environment
    )
    return made, result.unmanaged


def plan_body(plan: Plan, unmanaged: tuple[str, ...]) -> dict[str, Any]:
    """The plan as the wire has it; what is refused whatever the flags stands in `errors` too."""
    blocked = [str(found["message"]) for found in plan.findings if found["severity"] == Severity.BLOCKED]
    grouped: dict[str, list[dict[str, Any]]] = {}
    for change in plan.changes:
        grouped.setdefault(change.namespace, []).append(_change_body(change))
    # As the original: where nothing changes, nobody is told what could be better.
    shown = [f for f in plan.findings if plan.changes or f["severity"] == Severity.BLOCKED]
    return {
        "plan_id": plan.plan_id,
        "engine": plan.engine,
        "changes": [{"namespace": name, "table_changes": changes} for name, changes in grouped.items()],
        "lint_violations": [_finding_body(found) for found in shown],
        "errors": blocked,
        **sparse(unmanaged=list(unmanaged)),
    }


def unsafe_changes(plan: Plan) -> list[str]:
    """One sentence for each change that needs `allow_unsafe`."""
    return [
        f"{change.table}: {change.unsafe_reason or change.ddl}" for change in plan.changes if change.is_unsafe
    ]


def blocking_findings(plan: Plan) -> list[str]:
    """What forbids running the plan, whatever is allowed."""
    return [
        ": ".join(part for part in (str(found.get("table", "")), str(found["message"])) if part)
        for found in plan.findings
        if found["severity"] == Severity.BLOCKED
    ]


def _wanted(app: App, fields: Fields) -> Wanted:
    database, environment, kind = (
        fields.text("database"),
        fields.text("environment", LONGEST_ENVIRONMENT),
        fields.text("type", LONGEST_TYPE),
    )
    files = fields.files("schema_files")
    pull_request = fields.integer("pull_request")
    explicit, repository = fields.text("deployment"), fields.text("repository")
    if not database:
        raise Invalid("database is required")
    if not environment:
        raise Invalid("environment is required")
    if kind not in DATABASE_TYPES:
        raise Invalid("type must be mysql, vitess or sqlite")
    if not files:
        raise Invalid(
            "schema_files is required: must contain at least one namespace "
            '(JSON field for files is "files", not "sql_files")'
        )
    return Wanted(
        database=database,
        environment=environment,
        deployment=app.targets.deployment(database, explicit),
        files=files,
        repository=repository,
        pull_request=pull_request or None,
    )


def _record(wanted: Wanted, kind: str, engine: str, result: PlanResult) -> Plan:
    changes = [to_stored(change) for change in result.changes]
    findings = [_finding_record(found) for found in result.findings]
    identity = [
        [wanted.database, kind, wanted.environment, wanted.deployment, engine],
        [wanted.repository, wanted.pull_request],
        {namespace: dict(texts) for namespace, texts in wanted.files.items()},
        dict(result.fingerprints),
        [asdict(change) for change in changes],
        findings,
    ]
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return Plan(
        plan_id=f"plan-{digest[:16]}",
        database=wanted.database,
        database_type=kind,
        environment=wanted.environment,
        deployment=wanted.deployment,
        repository=wanted.repository,
        pull_request=wanted.pull_request,
        engine=engine,
        schema_files=wanted.files,
        changes=changes,
        findings=findings,
        original_schema=result.original,
        fingerprints=result.fingerprints,
    )


def _finding_record(found: Finding) -> dict[str, Any]:
    return {**asdict(found), "severity": found.severity.value}


def _finding_body(found: Mapping[str, Any]) -> dict[str, Any]:
    severity = str(found["severity"])
    return {
        "message": found["message"],
        # The original knows no `blocked`; an error makes its clients stop.
        "severity": Severity.ERROR.value if severity == Severity.BLOCKED else severity,
        "severity_detail": severity,
        **sparse(**{key: found.get(key) for key in ("table", "column", "linter", "file", "line")}),
    }


def _change_body(change: PlannedChange) -> dict[str, Any]:
    return {
        "table_name": change.table,
        "ddl": change.ddl,
        "change_type": change.change_type,
        **sparse(
            namespace=change.namespace,
            is_unsafe=change.is_unsafe,
            unsafe_reason=change.unsafe_reason,
            strategy=change.strategy,
            lock=change.lock,
        ),
    }


@contextmanager
def _measured(app: App, wanted: Wanted) -> Iterator[None]:
    where = labels(app, wanted.database, wanted.environment)
    began = time.monotonic()
    status = "error"
    try:
        yield
        status = "success"
    finally:
        app.metrics.plans.labels(**where, status=status).inc()
        app.metrics.plan_duration_seconds.labels(**where, status=status).observe(time.monotonic() - began)
