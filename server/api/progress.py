"""How far an apply is, drawn from the store only (ST-5)."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from server.api.answers import Answer, Failed, Missing
from server.api.backends import NoBackend, check_known, environment_or_default
from server.app import App
from server.bodies import sparse, stamp
from server.options import ApplyOptions
from server.requests import Request
from server.texts import clean
from storage.errors import NotFound, Unavailable
from storage.records import Apply, Task
from storage.states import State

AT_WORK = frozenset({State.RUNNING, State.CUTTING_OVER})
SILENT_SECONDS = 10.0
"""Engines report several times a second, and work elsewhere is asked for every few seconds: one that says nothing for so
long waits for its target, or its daemon is gone."""


def of_database(app: App, request: Request) -> Answer:
    """The live apply of a database's environment, else the last one, else the state ""."""
    database = request.params["database"]
    environment = environment_or_default(app, database, request.query.get("environment", ""))
    apply = _by_query(app, request) if request.query.get("apply_id") else _newest(app, database, environment)
    if apply is not None:
        return progress_body(apply, _tasks(app, apply))
    try:
        check_known(app, app.targets.deployment(database), environment, database)
    except NoBackend as error:
        raise Missing(str(error), "deployment_not_found") from error
    return {"state": "", "engine": ""}


def of_apply(app: App, request: Request) -> Answer:
    """One apply by its id."""
    apply_uid = request.params["apply_id"]
    try:
        apply = app.store.apply(apply_uid)
    except NotFound as error:
        raise Missing(f"apply not found: {apply_uid}", "not_found") from error
    except Unavailable as error:
        raise Failed(f"failed to get apply: {error}", "storage_error") from error
    return progress_body(apply, _tasks(app, apply))


def progress_body(apply: Apply, tasks: list[Task]) -> dict[str, Any]:
    """The apply and its tables as the wire has them."""
    options = ApplyOptions.read(apply.options)
    return {
        "state": apply.state.value,
        "engine": apply.engine,
        "attempt": apply.attempt,
        "max_attempts": apply.max_attempts,
        **sparse(
            apply_id=apply.apply_uid,
            plan_id=apply.plan_id,
            external_id=apply.external_id,
            database=apply.database,
            database_type=apply.database_type,
            environment=apply.environment,
            caller=clean(apply.caller),
            pull_request=_pull_request(apply),
            started_at=stamp(apply.started_at),
            completed_at=stamp(apply.finished_at),
            tables=[_table_body(task) for task in tasks],
            error_code=error_code(apply),
            error_message=clean(apply.error),
            summary=_summary(apply, tasks),
            volume=options.volume,
            options=_shown(options),
            metadata=_metadata(apply),
            next_attempt_at=stamp(apply.next_attempt_at),
        ),
    }


def _shown(options: ApplyOptions) -> dict[str, str]:
    """As the original: a refusal of unsafe changes is no option worth showing, the volume has a field of its own."""
    return {name: text for name, text in options.texts().items() if (name, text) != ("allow_unsafe", "false")}


def _by_query(app: App, request: Request) -> Apply:
    apply_uid = request.query["apply_id"]
    try:
        return app.store.apply(apply_uid)
    except NotFound as error:
        text = f'failed to resolve apply_id: apply "{apply_uid}" not found'
        raise Failed(text, "storage_error") from error
    except Unavailable as error:
        raise Failed(f"failed to resolve apply_id: {error}", "storage_error") from error


def _newest(app: App, database: str, environment: str) -> Apply | None:
    try:
        active = app.store.active_apply(database, environment)
        return active or app.store.latest_apply(database, environment)
    except Unavailable as error:
        raise Failed(f"failed to look up active apply: {error}", "storage_error") from error


def _tasks(app: App, apply: Apply) -> list[Task]:
    try:
        tasks = app.store.tasks(apply.id)
        busy = any(task.state in AT_WORK for task in tasks)
        silent = busy and app.store.silence(apply.id) >= SILENT_SECONDS
    except Unavailable as error:
        raise Failed(f"failed to read tasks: {error}", "storage_error") from error
    return [_as_it_is_now(task, apply.updated_at if silent else None) for task in tasks]


def _as_it_is_now(task: Task, silent_since: datetime | None) -> Task:
    """Without what was only true when it was written: what a task at rest was doing, the pace of one that is not heard of."""
    if task.state not in AT_WORK:
        return replace(task, detail="")
    if silent_since is None:
        return task
    detail = "; ".join(filter(None, (task.detail, f"nothing heard since {silent_since:%H:%M:%S} UTC")))
    return replace(task, detail=detail, eta_seconds=None, rows_per_second=None)


def _pull_request(apply: Apply) -> str:
    if apply.repository and apply.pull_request:
        return f"https://github.com/{apply.repository}/pull/{apply.pull_request}"
    return ""


def error_code(apply: Apply) -> str:
    """What a client may do about the error of an apply: wait for its retry, or nothing."""
    if not apply.error:
        return ""
    codes = {State.FAILED: "engine_error", State.FAILED_RETRYABLE: "engine_error_retryable"}
    return codes.get(apply.state, "")


def _metadata(apply: Apply) -> dict[str, str]:
    """What the original's clients print beside the state."""
    if apply.state is not State.FAILED_RETRYABLE:
        return {}
    due = stamp(apply.next_attempt_at)
    return {"status_detail": f"{_next_retry(apply)} is due" + (f" at {due}" if due else "")}


def _next_retry(apply: Apply) -> str:
    return f"retry {min(apply.attempt + 1, apply.max_attempts)} of {apply.max_attempts}"


def _summary(apply: Apply, tasks: list[Task]) -> str:
    """One line for people, or ""."""
    if apply.state is State.FAILED_RETRYABLE:
        return f"{_next_retry(apply)} is due"
    if apply.state is State.WAITING_FOR_CUTOVER:
        return "ready: waiting for the cutover command"
    done = sum(task.state is State.COMPLETED for task in tasks)
    parts = [f"{done} of {len(tasks)} changes done"] if len(tasks) > 1 else []
    parts += [
        f"{task.table}: {clean(task.detail)}" for task in tasks if task.state is State.RUNNING and task.detail
    ]
    return "; ".join(parts)


def _table_body(task: Task) -> dict[str, Any]:
    return {
        "table_name": task.table,
        "ddl": task.ddl,
        "status": task.state.value,
        "rows_copied": task.rows_copied,
        "rows_total": task.rows_total,
        "percent_complete": percent(task),
        **sparse(
            keyspace=task.namespace,
            change_type=task.change_type,
            eta_seconds=task.eta_seconds if _copying(task) else None,
            is_instant=task.strategy == "instant",
            progress_detail=copy_text(task),
            task_id=task.task_uid,
            started_at=stamp(task.started_at),
            completed_at=stamp(task.completed_at),
            strategy=task.strategy,
            rows_per_second=task.rows_per_second if _copying(task) else None,
            detail=clean(task.detail),
            attempt=task.attempt,
            error_message=clean(task.error),
        ),
    }


def percent(task: Task) -> int:
    """Whole percents; 100 means done, so a copy that is not over never says so."""
    if task.state in (State.COMPLETED, State.REVERT_WINDOW):
        return 100
    if task.rows_total <= 0:
        return 0
    most = 100 if task.state in (State.WAITING_FOR_CUTOVER, State.CUTTING_OVER) else 99
    return max(0, min(most, task.rows_copied * 100 // task.rows_total))


def _copying(task: Task) -> bool:
    return task.state is State.RUNNING and 0 <= task.rows_copied < task.rows_total


def copy_text(task: Task) -> str:
    """The line the original's clients parse: `rows/total pct% copyRows ETA 1m2s`; "" when nothing is copied."""
    if not _copying(task):
        return ""
    share = task.rows_copied * 100 / task.rows_total
    eta = f" ETA {_duration(task.eta_seconds)}" if task.eta_seconds else ""
    return f"{task.rows_copied}/{task.rows_total} {share:.1f}% copyRows{eta}"


def _duration(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
