"""The latest applies of every database, drawn from the store only (ST-5)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.api.answers import Answer, Invalid
from server.api.journal import caller_of
from server.app import App
from server.bodies import sparse, stamp
from server.options import ApplyOptions
from server.requests import Request
from server.texts import clean
from storage.records import Apply, Sought
from storage.states import AT_REST, TERMINAL, State

USUAL = 20
MOST = 1000
ACTIVE = frozenset(State) - TERMINAL - AT_REST
"""As clients of the original count: a stopped change is not active, though it may be started again."""
FAILED = frozenset({State.FAILED, State.FAILED_RETRYABLE})
TRUE, FALSE = ("1", "t", "true"), ("", "0", "f", "false")
UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ns|us|µs|ms|s|m|h)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What of the list is asked for."""

    limit: int
    sought: Sought
    failures_only: bool
    state: str
    last: str


def status(app: App, request: Request) -> Answer:
    """The latest applies of every database, or those that the query asks for."""
    asked = _question(request.query)
    found = app.store.recent(asked.limit + 1, asked.sought)
    applies = found[: asked.limit]
    return {
        "active_count": sum(apply.state in ACTIVE for apply in applies),
        "limit": asked.limit,
        "max_limit": MOST,
        **sparse(
            has_more=len(found) > asked.limit,
            failures_only=asked.failures_only,
            state=asked.state,
            last=asked.last,
        ),
        "applies": [_body(apply) for apply in applies],
    }


def _question(query: Mapping[str, str]) -> Question:
    failures_only, active = _flag(query, "failed"), _flag(query, "active")
    state, last = query.get("state", "").strip().lower(), query.get("last", "")
    states = _states(state) if state else frozenset(State)
    sought = Sought(
        environment=query.get("environment", ""),
        deployment=query.get("deployment", ""),
        states=states & (FAILED if failures_only else states) & (ACTIVE if active else states),
        within_seconds=_seconds(last) if last else None,
    )
    return Question(
        limit=_limit(query.get("limit", "")),
        sought=sought,
        failures_only=failures_only,
        state=state,
        last=last,
    )


def _limit(text: str) -> int:
    if not text:
        return USUAL
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and int(text) > 0):
        raise Invalid("limit must be a positive integer")
    return min(int(text), MOST)


def _flag(query: Mapping[str, str], name: str) -> bool:
    text = query.get(name, "").lower()
    if text not in TRUE + FALSE:
        raise Invalid(f"{name} must be a boolean")
    return text in TRUE


def _states(text: str) -> frozenset[State]:
    try:
        return frozenset({State(text)})
    except ValueError as error:
        raise Invalid(f"state must be one of {', '.join(sorted(State))}") from error


def _seconds(text: str) -> float:
    """A duration as Go writes it: `24h0m0s`, `90m`, `1.5h`."""
    if not text or _PART.sub("", text):
        raise Invalid("last must be a duration such as 24h or 90m")
    seconds = sum(float(number) * UNITS[unit] for number, unit in _PART.findall(text))
    if not seconds > 0:
        raise Invalid("last must be a duration above 0")
    return seconds


def _body(apply: Apply) -> dict[str, Any]:
    return {
        "apply_id": apply.apply_uid,
        "database": apply.database,
        "environment": apply.environment,
        "state": apply.state.value,
        "engine": apply.engine.lower(),
        "caller": caller_of(apply),
        "updated_at": stamp(apply.updated_at),
        "attempt": apply.attempt,
        "max_attempts": apply.max_attempts,
        **sparse(
            deployment=apply.deployment,
            external_id=apply.external_id,
            error_message=clean(apply.error),
            started_at=stamp(apply.started_at),
            completed_at=stamp(apply.finished_at),
            next_attempt_at=stamp(apply.next_attempt_at),
            volume=ApplyOptions.read(apply.options).volume,
        ),
    }
