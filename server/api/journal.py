"""What happened: history, attempts and logs, drawn from the store only (ST-5)."""

from typing import Any

from server.api.answers import Answer, Invalid, Missing
from server.api.progress import error_code
from server.app import App
from server.bodies import exact_stamp, sparse, stamp
from server.requests import Request
from server.texts import clean
from storage.errors import NotFound
from storage.records import Apply, Attempt, Event

LOGS = 50
MOST_LOGS = 10_000


def history(app: App, request: Request) -> Answer:
    """The applies of one database, newest first."""
    database = request.params["database"]
    applies = app.store.history(database, request.query.get("environment") or None)
    return {"database": database, "applies": [_history_body(apply) for apply in applies]}


def attempts(app: App, request: Request) -> Answer:
    """Who drove an apply, and how each time ended, oldest first."""
    apply = _apply(app, request.params["apply_id"])
    tries = app.store.attempts(apply.id)
    return {"apply_id": apply.apply_uid, "attempts": [_attempt_body(one) for one in tries]}


def logs(app: App, request: Request) -> Answer:
    """The newest events of an apply, in the order they happened."""
    apply_uid = request.query.get("apply_id", "")
    if not apply_uid:
        raise Invalid("apply_id is required")
    return _logs_body(app, _apply(app, apply_uid), _limit(request))


def logs_of_database(app: App, request: Request) -> Answer:
    """The newest events of an apply, or of an environment's newest apply."""
    apply_uid, environment = request.query.get("apply_id", ""), request.query.get("environment", "")
    if apply_uid:
        return _logs_body(app, _apply(app, apply_uid), _limit(request))
    if not environment:
        raise Invalid("environment or apply_id is required")
    apply = app.store.latest_apply(request.params["database"], environment)
    return {"logs": []} if apply is None else _logs_body(app, apply, _limit(request))


def caller_of(apply: Apply) -> str:
    """Who asked for it; a pull request, or the command line, when nobody said."""
    if apply.caller:
        return clean(apply.caller)
    if apply.pull_request:
        pull = apply.pull_request
        return f"{apply.repository}#{pull}" if apply.repository else f"PR {pull}"
    return "cli"


def _apply(app: App, apply_uid: str) -> Apply:
    try:
        return app.store.apply(apply_uid)
    except NotFound as error:
        raise Missing("apply not found") from error


def _limit(request: Request) -> int:
    text = request.query.get("limit", "")
    if not (text.isascii() and text.isdecimal()) or len(text) > 9 or int(text) == 0:
        return LOGS
    return min(int(text), MOST_LOGS)


def _logs_body(app: App, apply: Apply, limit: int) -> dict[str, Any]:
    return {
        "apply_id": apply.apply_uid,
        "logs": [_event_body(event) for event in app.store.events(apply.id, limit)],
    }


def _event_body(event: Event) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": event.id,
        "apply_id": event.apply_uid,
        "level": event.level,
        "event_type": event.event_type,
        "message": clean(event.message),
        "created_at": exact_stamp(event.created_at),
        **sparse(old_state=event.old_state, new_state=event.new_state),
    }
    if event.task_id is not None:
        body["task_id"] = event.task_id
    return body


def _attempt_body(one: Attempt) -> dict[str, Any]:
    return {
        "fence": one.fence,
        "attempt": one.attempt,
        "owner": one.owner,
        "claimed_at": exact_stamp(one.claimed_at),
        "outcome": one.outcome,
        **sparse(ended_at=stamp(one.ended_at)),
    }


def _history_body(apply: Apply) -> dict[str, Any]:
    return {
        "apply_id": apply.apply_uid,
        "caller": caller_of(apply),
        "engine": apply.engine.lower(),
        "environment": apply.environment,
        "state": apply.state.value,
        **sparse(
            completed_at=stamp(apply.finished_at),
            started_at=stamp(apply.started_at),
            created_at=stamp(apply.created_at),
            error=clean(apply.error),
            error_code=error_code(apply),
        ),
    }
