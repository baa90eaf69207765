"""The routes: one table of verb, pattern and function, and one table from errors to statuses."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

from server.api import (
    applies,
    controls,
    databases,
    health,
    journal,
    locks,
    page,
    plans,
    progress,
    settings,
    status,
    webhook,
)
from server.api.answers import Answer
from server.app import App
from server.bodies import JSON_TYPE, encode
from server.lanes import Pace
from server.openapi.document import document
from server.requests import Request, Response

log = logging.getLogger(__name__)

Function = Callable[[App, Request], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """`{name}` in the pattern is one segment, found in `request.params`; *failing* begins the text of an error."""

    method: str
    pattern: str
    function: Function
    gives: str = ""  # the shape of its answer (server/openapi/shapes.py); "" is no part of the documented API
    failing: str = ""
    takes: str = ""  # the shape of its body
    query: tuple[str, ...] = ()
    role: str = ""  # what a token must allow; else by the method
    pace: Pace = Pace.QUICK

    @property
    def needs(self) -> str:
        """The role a token must have."""
        return self.role or ("read" if self.method == "GET" else "write")


def _document(_app: App, _request: Request) -> Answer:
    """The OpenAPI document of this server."""
    return Response(body=_document_bytes(), content_type=JSON_TYPE)


@cache
def _document_bytes() -> bytes:
    return encode(document(ROUTES, OPEN, version("schemabot")))


OPEN = frozenset({"/livez", "/health", "/openapi.json", "/webhook", "/", "/page/{file}"})
"""Answered without a token; `/metrics` too, while only this machine can reach the server."""

ROUTES = (
    Route("GET", "/", page.index),
    Route("GET", "/page/{file}", page.file),
    Route("GET", "/openapi.json", _document),
    Route("GET", "/livez", health.livez, "Ok", pace=Pace.AT_ONCE),
    Route("GET", "/health", health.health, "Ok"),
    Route("GET", "/tern-health/{deployment}/{environment}", health.tern_health, "TernHealth"),
    Route("GET", "/metrics", health.metrics, "text"),
    Route("GET", "/api/databases", databases.databases, "Databases", query=("type", "name")),
    Route(
        "GET",
        "/api/databases/{database}/environments",
        databases.environments,
        "Environments",
        query=("deployment",),
    ),
    Route(
        "GET",
        "/api/pull/{database}",
        databases.pull,
        "Pulled",
        "pull failed",
        query=("environment", "deployment"),
        pace=Pace.SLOW,
    ),
    Route(
        "POST",
        "/api/pull",
        databases.pull_tables,
        "PulledTables",
        "pull failed",
        "PullRequest",
        role="read",
        pace=Pace.SLOW,
    ),
    Route(
        "POST",
        "/api/plan",
        plans.plan,
        "Plan",
        "plan failed",
        "PlanRequest",
        role="read",
        pace=Pace.SLOW,
    ),
    Route("GET", "/api/plan/{plan_id}", plans.of_id, "Plan", "failed to get plan"),
    Route("POST", "/api/apply", applies.apply, "Applied", "apply failed", "ApplyRequest"),
    Route(
        "GET",
        "/api/progress/{database}",
        progress.of_database,
        "Progress",
        "progress failed",
        query=("environment", "apply_id"),
    ),
    Route("GET", "/api/progress/apply/{apply_id}", progress.of_apply, "Progress", "failed to get apply"),
    Route(
        "GET",
        "/api/history/{database}",
        journal.history,
        "History",
        "failed to get applies",
        query=("environment",),
    ),
    Route("GET", "/api/attempts/{apply_id}", journal.attempts, "Attempts", "failed to get attempts"),
    Route(
        "GET",
        "/api/status",
        status.status,
        "Status",
        "failed to get recent applies",
        query=("limit", "environment", "deployment", "state", "failed", "active", "last"),
    ),
    Route("GET", "/api/logs", journal.logs, "Logs", "failed to get logs", query=("apply_id", "limit")),
    Route(
        "GET",
        "/api/logs/{database}",
        journal.logs_of_database,
        "Logs",
        "failed to get logs",
        query=("environment", "apply_id", "limit"),
    ),
    Route("POST", "/api/stop", controls.stop, "Stopped", "stop failed", "Command"),
    Route("POST", "/api/start", controls.start, "Started", "start failed", "Command"),
    Route("POST", "/api/cancel", controls.cancel, "Cancelled", "cancel failed", "Command"),
    Route("POST", "/api/cutover", controls.cutover, "Accepted", "cutover failed", "Command"),
    Route("POST", "/api/release", controls.release, "Accepted", "release failed", "Command"),
    Route("POST", "/api/volume", controls.volume, "VolumeSet", "volume failed", "VolumeCommand"),
    Route("POST", "/api/revert", controls.revert, "Accepted", "revert failed", "Command"),
    Route("POST", "/api/skip-revert", controls.skip_revert, "Accepted", "skip-revert failed", "Command"),
    Route(
        "POST",
        "/api/rollback/plan",
        plans.rollback_plan,
        "Plan",
        "rollback plan failed",
        "RollbackRequest",
        role="read",
        pace=Pace.SLOW,
    ),
    Route("POST", "/api/locks/acquire", locks.acquire, "OneLock", "internal error", "LockRequest"),
    Route("DELETE", "/api/locks", locks.release, "Released", "internal error", "ReleaseRequest"),
    Route("GET", "/api/locks", locks.locks, "Locks", "internal error"),
    Route("GET", "/api/locks/{database}/{dbtype}", locks.lock, "OneLock", "internal error"),
    Route("GET", "/api/settings", settings.settings, "Settings", "list settings failed"),
    Route(
        "POST",
        "/api/settings",
        settings.set_setting,
        "Setting",
        "set setting failed",
        "SettingRequest",
        role="admin",
    ),
    Route("GET", "/api/settings/{key}", settings.setting, "Setting", "get setting failed"),
    Route("GET", "/api/settings/{scope}/{name}", settings.scoped_setting, "Setting", "get setting failed"),
    Route("POST", "/webhook", webhook.webhook, "Accepted", takes="Delivery"),
)


class Router:
    """Finds the pattern a path fits; a pattern's fixed segments are compared, its `{names}` taken."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self._patterns: dict[int, dict[tuple[str, ...], dict[str, Route]]] = {}
        for route in routes:
            parts = tuple(route.pattern[1:].split("/"))
            self._patterns.setdefault(len(parts), {}).setdefault(parts, {})[route.method] = route

    def find(self, segments: tuple[str, ...]) -> tuple[str, Mapping[str, Route], dict[str, str]]:
        """The pattern, its routes by method and the path's parameters; no routes when nothing fits."""
        for parts, routes in self._patterns.get(len(segments), {}).items():
            params = _match(parts, segments)
            if params is not None:
                return "/" + "/".join(parts), routes, params
        return "", {}, {}


def _match(parts: tuple[str, ...], segments: tuple[str, ...]) -> dict[str, str] | None:
    params = {}
    for part, segment in zip(parts, segments, strict=True):
        if part.startswith("{"):
            if not segment or "\0" in segment:
                return None
            params[part[1:-1]] = segment
        elif part != segment:
            return None
    return params
