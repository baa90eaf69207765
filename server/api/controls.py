"""Commands about a running apply: recorded in the store first, done by whoever drives it (CO-4)."""

import logging
import time
from functools import partial
from typing import Any

from engine.base import DEFAULT_VOLUME, VOLUMES
from server.api.answers import Again, Answer, Failed, Invalid, Missing
from server.api.backends import NoBackend, check_known, engine_for, environment_or_default, labels
from server.api.callers import caller_of
from server.app import App
from server.bodies import LONGEST_ENVIRONMENT, decode, sparse
from server.options import ApplyOptions
from server.requests import Request
from server.texts import clean
from storage.errors import NotFound, Refused
from storage.records import Apply, ControlRequest
from storage.states import TERMINAL, State

log = logging.getLogger(__name__)

STOP_SECONDS = 10.0
"""How long an answer to `stop` waits for the driver; the command stays recorded whatever the answer says."""
LOOK_SECONDS = 0.05


def stop(app: App, request: Request) -> Answer:
    """Stop: answered once the store says stopped (CO-1). No thread waits for it."""
    apply, caller = _addressed(app, request, "stop", "no active schema change")
    counts = {"stopped_count": 0, "skipped_count": 0}
    if over := _over(app, apply):
        return _counted(app, apply, "stop", over, counts)
    if refusal := _cannot(app, apply, "stop", "it cannot pause; cancel it instead"):
        return _counted(app, apply, "stop", {"accepted": False, "error_message": refusal}, counts)
    try:
        asked = _record(app, apply, "stop", caller)
    except Refused as error:
        return _counted(app, apply, "stop", _over(app, _now(app, apply)) or _refused(error), counts)
    return _stopped(app, apply, asked.id, time.monotonic() + STOP_SECONDS)


def cancel(app: App, request: Request) -> Answer:
    """Cancel: recorded and acknowledged; the driver cleans up, then the apply is cancelled."""
    apply, caller = _addressed(app, request, "cancel", "no active schema change")
    counts = {"cancelled_count": 0, "skipped_count": 0}
    if apply.state is State.CANCELLED:
        return _counted(app, apply, "cancel", _already(app, apply), counts)
    if refusal := _cannot(app, apply, "cancel", "it cannot be cancelled; wait for its end"):
        return _counted(app, apply, "cancel", {"accepted": False, "error_message": refusal}, counts)
    try:
        asked = _record(app, apply, "cancel", caller)
    except Refused as error:
        return _counted(app, apply, "cancel", _refused(error), counts)
    counts = {"cancelled_count": asked.affected, "skipped_count": asked.skipped}
    return _counted(app, apply, "cancel", {"accepted": True}, counts)


def start(app: App, request: Request) -> Answer:
    """Start a stopped apply again: due at once, with a fresh budget of attempts."""
    apply, caller = _addressed(app, request, "start", "no stopped schema change to resume")
    counts = {"skipped_count": 0, "started_count": 0}
    try:
        asked = _record(app, apply, "start", caller)
    except Refused as error:
        refused = {**_refused(error), "error_code": "engine_error"}
        return _counted(app, apply, "start", refused, counts)
    counts = {"skipped_count": asked.skipped, "started_count": asked.affected}
    return _counted(app, apply, "start", {"accepted": True}, counts)


def cutover(app: App, request: Request) -> Answer:
    """Let a change that waits for it become live."""
    apply, caller = _addressed(app, request, "cutover", "no active schema change")
    try:
        _record(app, apply, "cutover", caller)
    except Refused as error:
        return _counted(app, apply, "cutover", _refused(error), {})
    return _counted(app, apply, "cutover", {"accepted": True}, {})


def volume(app: App, request: Request) -> Answer:
    """Change how hard the copy presses on its target: kept in the options, read by the driver within a second."""
    wanted = decode(request.body).integer("volume") or 0
    apply, caller = _addressed(app, request, "volume", "no active schema change")
    if wanted not in VOLUMES:
        raise Invalid(f"volume must be between {VOLUMES[0]} and {VOLUMES[-1]}")
    before = ApplyOptions.read(apply.options).volume or DEFAULT_VOLUME
    if _lacks(app, apply, "volume"):
        raise _unsupported(app, apply, "volume", "volume not supported")
    try:
        app.store.set_option(apply.apply_uid, "volume", str(wanted), caller)
    except Refused as error:
        return _counted(
            app, apply, "volume", _refused(error), {"previous_volume": before, "new_volume": before}
        )
    log.info("%s: volume %d → %d, asked by %s", apply.apply_uid, before, wanted, caller)
    return _counted(
        app, apply, "volume", {"accepted": True}, {"previous_volume": before, "new_volume": wanted}
    )


def revert(app: App, request: Request) -> Answer:
    """Undo a finished change inside its revert window: no engine of this build has one."""
    apply, _ = _addressed(app, request, "revert", "no active schema change")
    raise _unsupported(app, apply, "revert", "revert failed: revert not supported")


def skip_revert(app: App, request: Request) -> Answer:
    """End a revert window early: no engine of this build has one."""
    apply, _ = _addressed(app, request, "skip-revert", "no active schema change")
    raise _unsupported(app, apply, "skip-revert", "skip revert failed: skip revert not supported")


def release(app: App, request: Request) -> Answer:
    """Go on with a rollout that paused after a failure: never here, an apply has one deployment."""
    apply, _ = _addressed(app, request, "release", "no active schema change")
    text = f"{apply.apply_uid} is no paused rollout; it is {apply.state.value}"
    return _counted(app, apply, "release", {"accepted": False, "error_message": text}, {})


# -- which apply ------------------------------------------------------------------------------------------------


def _addressed(app: App, request: Request, operation: str, none: str) -> tuple[Apply, str]:
    """The apply a command is about, and who commands."""
    fields = decode(request.body)
    database, given, apply_uid = (
        fields.text("database"),
        fields.text("environment", LONGEST_ENVIRONMENT),
        fields.text("apply_id"),
    )
    if not (database or apply_uid):
        raise Invalid("database is required")
    if apply_uid:
        # Later clients of the original name the apply only: what it changes stands in the store.
        apply = _named(app, apply_uid)
        _check_place(apply, database or apply.database, given)
    else:
        environment = environment_or_default(app, database, given)
        apply = _active(app, database, environment, f"{operation} failed: {none}")
    return apply, caller_of(fields, request)


def _named(app: App, apply_uid: str) -> Apply:
    try:
        return app.store.apply(apply_uid)
    except NotFound as error:
        raise Failed(f'resolve apply_id: apply "{apply_uid}" not found') from error


def _check_place(apply: Apply, database: str, environment: str) -> None:
    """A command must not reach another target than its sender had in mind."""
    if database != apply.database or (environment and environment != apply.environment):
        asked = f"{database}/{environment}" if environment else database
        raise Invalid(f"{apply.apply_uid} belongs to {apply.database}/{apply.environment}, not to {asked}")


def _active(app: App, database: str, environment: str, none: str) -> Apply:
    apply = app.store.active_apply(database, environment)
    if apply is None:
        try:
            check_known(app, app.targets.deployment(database), environment, database)
        except NoBackend as error:
            raise Missing(str(error)) from error
        raise Failed(none)
    return apply


# -- doing it ---------------------------------------------------------------------------------------------------


def _record(app: App, apply: Apply, kind: str, caller: str) -> ControlRequest:
    asked = app.store.request(apply.apply_uid, kind, caller)
    log.info("%s: %s asked by %s: %s", apply.apply_uid, kind, caller, asked.state)
    app.wake()
    return asked


def _stopped(app: App, apply: Apply, request_id: int, until: float) -> Answer:
    """The answer once the command is settled; until then, Again."""
    asked = app.store.control_request(request_id)
    counts = {"stopped_count": asked.affected, "skipped_count": asked.skipped}
    if asked.state == "done":
        return _counted(app, apply, "stop", {"accepted": True}, counts)
    if asked.state == "pending":
        if time.monotonic() < until:
            return Again(LOOK_SECONDS, partial(_stopped, app, apply, request_id, until))
        text = f"the stop is recorded, but not yet confirmed after {STOP_SECONDS:g} s; look at the progress"
        # `pending`: a no that is none, for another SchemaBot that passes its own stop on.
        waiting = {"accepted": False, "error_message": text, "pending": True}
        return _counted(app, apply, "stop", waiting, counts)
    # CO-3: the change was settled before the command reached it.
    settled = _over(app, _now(app, apply)) or {"accepted": False, "error_message": clean(asked.reason)}
    return _counted(app, apply, "stop", settled, counts)


def _now(app: App, apply: Apply) -> Apply:
    return app.store.apply(apply.apply_uid)


def _over(app: App, apply: Apply) -> dict[str, Any] | None:
    """The friendly answer to stopping what does not run any more, or None."""
    return _already(app, apply) if apply.state in TERMINAL or apply.state is State.STOPPED else None


def _already(app: App, apply: Apply) -> dict[str, Any]:
    tasks = app.store.tasks(apply.id)
    body: dict[str, Any] = {"accepted": True, "error_message": f"Schema change already {apply.state.value}"}
    return {**body, "skipped_count": len(tasks)}


def _cannot(app: App, apply: Apply, command: str, advice: str) -> str:
    """Why the engine cannot do the command (CO-2), or ""."""
    return f"{apply.engine} cannot {command} a schema change: {advice}" if _lacks(app, apply, command) else ""


def _lacks(app: App, apply: Apply, ability: str) -> bool:
    """Whether the engine is known not to have it; without a back end the driver finds out."""
    try:
        engine = engine_for(app, apply.deployment, apply.environment, apply.database)
    except NoBackend:
        return False
    can = {
        "stop": engine.capabilities.stop,
        "cancel": engine.capabilities.cancel,
        "volume": engine.capabilities.volume,
    }
    return not can[ability]


def _refused(error: Refused) -> dict[str, Any]:
    return {"accepted": False, "error_message": clean(str(error))}


def _unsupported(app: App, apply: Apply, operation: str, text: str) -> Failed:
    _count(app, apply, operation, "rejected")
    return Failed(f"{operation} failed: {text} for {apply.engine} engine")


def _counted(app: App, apply: Apply, operation: str, body: dict[str, Any], counts: dict[str, int]) -> Answer:
    """The body with its counts, noted in the metrics."""
    _count(app, apply, operation, "success" if body["accepted"] else "rejected")
    return {"accepted": body["accepted"], **counts, **sparse(**body)}


def _count(app: App, apply: Apply, operation: str, status: str) -> None:
    where = labels(app, apply.database, apply.environment)
    operation = operation.replace("-", "_")
    app.metrics.control_operations.labels(operation=operation, **where, status=status).inc()
