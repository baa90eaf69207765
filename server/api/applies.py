"""Asking for an apply: the gates a plan must pass, and the one transaction that makes it durable."""

import logging
from collections.abc import Mapping
from typing import Any

from server.api.answers import Answer, Failed, Invalid
from server.api.backends import NoBackend, engine_for, labels
from server.api.callers import caller_of
from server.api.plans import blocking_findings, unsafe_changes
from server.app import App
from server.bodies import LONGEST_ENVIRONMENT, LONGEST_NAME, Fields, decode
from server.changes import to_engine
from server.options import ApplyOptions, BadOption
from server.requests import Request
from server.texts import clean
from storage.errors import NotFound, TargetBusy
from storage.records import Apply, NewApply, Plan

log = logging.getLogger(__name__)


def apply(app: App, request: Request) -> Answer:
    """Make an apply of a plan; it runs in a worker, after the answer. Refusals are 200 with `accepted` false."""
    fields = decode(request.body)
    plan_id, environment = fields.text("plan_id"), fields.text("environment", LONGEST_ENVIRONMENT)
    if not plan_id:
        raise Invalid("plan_id is required")
    if not environment:
        raise Invalid("environment is required")
    options = _options(fields.names("options"))
    deployment, caller = fields.text("deployment"), fields.text("caller") or request.user
    key = _key(fields, request)
    try:
        plan = app.store.plan(plan_id)
    except NotFound as error:
        raise Failed(f"apply failed: plan not found: {plan_id}") from error
    new = NewApply(
        plan_id=plan_id,
        environment=environment,
        deployment=plan.deployment,
        caller=caller,
        options=options.texts(),
        idempotency_key=key or None,
        max_attempts=app.config.workers.max_attempts,
        warnings=_warnings(plan, options, caller_of(fields, request)),
    )
    status = "error"
    try:
        answer = _submit(app, plan, new, options, deployment)
        status = "success" if answer["accepted"] else "rejected"
    finally:
        where = labels(app, plan.database, plan.environment)
        app.metrics.applies.labels(**where, status=status).inc()
    return answer


def _submit(app: App, plan: Plan, new: NewApply, options: ApplyOptions, deployment: str) -> dict[str, Any]:
    if mismatch := _mismatch(plan, new.environment, deployment):
        return _refused(plan, mismatch)
    # What was accepted stays so, whatever the gates say by now.
    if before := app.store.made_before(new):
        return _accepted(before)
    if refusal := _refusal(app, plan, options):
        return _refused(plan, refusal)
    try:
        made = app.store.enqueue(new)
    except TargetBusy as error:
        return _refused(plan, str(error))
    log.info("%s: accepted (%s, %s/%s)", made.apply_uid, plan.plan_id, plan.database, plan.environment)
    app.wake()
    return _accepted(made)


def _accepted(made: Apply) -> dict[str, Any]:
    return {"accepted": True, "apply_id": made.apply_uid}


def _refused(plan: Plan, text: str) -> dict[str, Any]:
    log.info("%s: apply refused: %s", plan.plan_id, clean(text))
    return {"accepted": False, "error_code": "engine_error", "error_message": clean(text)}


def _key(fields: Fields, request: Request) -> str:
    """The idempotency key, in the body or in the header of that name."""
    in_body, in_header = fields.text("idempotency_key"), request.headers.get("idempotency-key", "")
    if len(in_header) > LONGEST_NAME:
        raise Invalid(f"the header Idempotency-Key must not be longer than {LONGEST_NAME} characters")
    if in_body and in_header and in_body != in_header:
        raise Invalid("idempotency_key and the header Idempotency-Key differ: send one of them")
    return in_body or in_header


def _options(given: Mapping[str, str]) -> ApplyOptions:
    try:
        return ApplyOptions.asked(given)
    except BadOption as error:
        raise Invalid(f"invalid request body: {error}") from error


def _mismatch(plan: Plan, environment: str, deployment: str) -> str:
    """Why the plan is not one for that place, or ""."""
    if environment != plan.environment:
        return f"the plan was made for environment {plan.environment}, not {environment}: plan again for {environment}"
    if deployment and deployment != plan.deployment:
        return f"the plan was made for deployment {plan.deployment}, not {deployment}: plan again"
    return ""


def _refusal(app: App, plan: Plan, options: ApplyOptions) -> str:
    """Why the plan must not run as asked, or ""."""
    if blocked := blocking_findings(plan):
        return "the plan cannot run: " + "; ".join(blocked)
    if unsafe := unsafe_changes(plan):
        refusal = _unsafe_refusal(app, plan, unsafe, options)
        if refusal:
            return refusal
    return _engine_refusal(app, plan, options)


def _unsafe_refusal(app: App, plan: Plan, unsafe: list[str], options: ApplyOptions) -> str:
    """An explicit "false" refuses. Clients of the original never say: they asked their user already, so a setting decides."""
    how = "look at the plan again and, if it is meant, "
    if options.allow_unsafe is False:
        return f"unsafe changes need allow_unsafe: {how}apply with --allow-unsafe: {'; '.join(unsafe)}"
    if options.allow_unsafe is True:
        return ""
    if app.config.unsafe_without_option(plan.deployment, plan.environment) == "refuse":
        return (
            f"unsafe changes need allow_unsafe in {plan.environment}, and this client did not send the option: {how}send "
            f'options.allow_unsafe "true" (schemabot apply --allow-unsafe): {"; ".join(unsafe)}'
        )
    return ""


def _warnings(plan: Plan, options: ApplyOptions, caller: str) -> list[str]:
    """What must stand in the log of an apply that may lose data."""
    unsafe = clean("; ".join(unsafe_changes(plan)))
    if not unsafe:
        return []
    if options.allow_unsafe:
        return [f"Unsafe changes allowed by {caller}: {unsafe}"]
    return [f"Unsafe changes run because {caller} did not send allow_unsafe: {unsafe}"]


def _engine_refusal(app: App, plan: Plan, options: ApplyOptions) -> str:
    try:
        engine = engine_for(app, plan.deployment, plan.environment, plan.database)
    except NoBackend as error:
        raise Failed(f"apply failed: tern client: {error}") from error
    if options.defer_cutover and not engine.capabilities.defer_cutover:
        return f"{engine.name} cannot defer the cutover: apply without defer_cutover"
    if options.defer_cutover:
        changes = [to_engine(stored) for stored in plan.changes]
        if why := engine.not_deferrable(changes, plan.fingerprints):
            return f"the cutover of this plan cannot be deferred: {why}: apply without defer_cutover (--defer-cutover)"
    if options.volume is not None and not engine.capabilities.volume:
        return f"{engine.name} cannot change the volume of a copy: apply without volume"
    return ""
