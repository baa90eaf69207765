"""The routes: one table of verb, pattern and function, and one table from errors to statuses."""

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from engine.errors import EngineError
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
    webhook,
)
from server.api.answers import Again, Answer, ApiError, Reply
from server.app import App
from server.bodies import JSON_TYPE, BadBody, encode
from server.browsers import refuse_foreign_pages
from server.config import is_loopback
from server.requests import Later, Request, Response, error_response
from server.texts import clean
from server.tokens import Keyring, Unauthorized, User
from storage.errors import Conflict, NotFound, NotOwner, Refused, StoreError, Unavailable

log = logging.getLogger(__name__)

Function = Callable[[App, Request], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """`{name}` in the pattern is one segment, found in `request.params`; *failing* begins the text of an error."""

    method: str
    pattern: str
    function: Function
    failing: str = ""
    role: str = ""  # what a token must allow; else by the method

    @property
    def needs(self) -> str:
        """The role a token must have."""
        return self.role or ("read" if self.method == "GET" else "write")


OPEN = frozenset({"/livez", "/health", "/", "/page/{file}"})
"""Answered without a token; `/metrics` too, while only this machine can reach the server."""

ROUTES = (
    Route("GET", "/", page.index),
    Route("GET", "/page/{file}", page.file),
    Route("GET", "/livez", health.livez),
    Route("GET", "/health", health.health),
    Route("GET", "/tern-health/{deployment}/{environment}", health.tern_health),
    Route("GET", "/metrics", health.metrics),
    Route("GET", "/api/databases", databases.databases),
    Route("GET", "/api/databases/{database}/environments", databases.environments),
    Route("GET", "/api/pull/{database}", databases.pull, "pull failed"),
    Route("POST", "/api/plan", plans.plan, "plan failed", "read"),
    Route("GET", "/api/plan/{plan_id}", plans.of_id, "failed to get plan"),
    Route("POST", "/api/apply", applies.apply, "apply failed"),
    Route("GET", "/api/progress/{database}", progress.of_database, "progress failed"),
    Route("GET", "/api/progress/apply/{apply_id}", progress.of_apply, "failed to get apply"),
    Route("GET", "/api/history/{database}", journal.history, "failed to get applies"),
    Route("GET", "/api/attempts/{apply_id}", journal.attempts, "failed to get attempts"),
    Route("GET", "/api/status", journal.status, "failed to get recent applies"),
    Route("GET", "/api/logs", journal.logs, "failed to get logs"),
    Route("GET", "/api/logs/{database}", journal.logs_of_database, "failed to get logs"),
    Route("POST", "/api/stop", controls.stop, "stop failed"),
    Route("POST", "/api/start", controls.start, "start failed"),
    Route("POST", "/api/cancel", controls.cancel, "cancel failed"),
    Route("POST", "/api/cutover", controls.cutover, "cutover failed"),
    Route("POST", "/api/volume", controls.volume, "volume failed"),
    Route("POST", "/api/revert", controls.revert, "revert failed"),
    Route("POST", "/api/skip-revert", controls.skip_revert, "skip-revert failed"),
    Route("POST", "/api/rollback/plan", plans.rollback_plan, "rollback plan failed", "read"),
    Route("POST", "/api/locks/acquire", locks.acquire, "internal error"),
    Route("DELETE", "/api/locks", locks.release, "internal error"),
    Route("GET", "/api/locks", locks.locks, "internal error"),
    Route("GET", "/api/locks/{database}/{dbtype}", locks.lock, "internal error"),
    Route("GET", "/api/settings", settings.settings, "list settings failed"),
    Route("POST", "/api/settings", settings.set_setting, "set setting failed", "admin"),
    Route("GET", "/api/settings/{key}", settings.setting, "get setting failed"),
    Route("GET", "/api/settings/{scope}/{name}", settings.scoped_setting, "get setting failed"),
    Route("POST", "/webhook", webhook.webhook),
)

FAILURES: tuple[tuple[type[Exception], int, str], ...] = (
    # error, status, error_code; the first that fits
    (Unavailable, 503, "storage_error"),
    (NotFound, 404, "not_found"),
    (Refused, 400, ""),
    (NotOwner, 403, ""),
    (Conflict, 409, ""),
    (StoreError, 500, "storage_error"),
    (EngineError, 500, ""),
)


def make_handler(app: App) -> Callable[[Request], Response | Later]:
    """What the HTTP server calls for every request. SecretError when a configured token cannot be read."""
    return _Handler(app)


class _Handler:
    def __init__(self, app: App) -> None:
        self._app = app
        self._router = Router(ROUTES)
        self._keyring = Keyring(app.config.server.tokens)
        self._open = OPEN | ({"/metrics"} if is_loopback(app.config.server.listen_host) else set())

    def __call__(self, request: Request) -> Response | Later:
        began = time.monotonic()
        pattern, routes, params = self._router.find(request.segments)
        route = routes.get("GET" if request.method == "HEAD" else request.method)
        try:
            user = User() if pattern in self._open else self._admit(request)
        except Unauthorized as error:
            refusal = error_response(401, str(error), headers={"WWW-Authenticate": "Bearer"})
            return self._counted(request, route, began, refusal)
        except ApiError as error:
            return self._counted(request, route, began, error_response(error.status, str(error)))
        if route is None:
            return self._counted(request, None, began, _no_route(routes))
        known = replace(request, params=params, user=user.name, role=user.role)
        if not user.may(route.needs):
            return self._counted(known, route, began, _not_for(user, route))
        return self._answer(known, route, began, lambda: route.function(self._app, known))

    def _admit(self, request: Request) -> User:
        """Whose request it is. Unauthorized; Forbidden for other people's web pages."""
        config = self._app.config.server
        if not self._keyring:
            refuse_foreign_pages(request, config.listen_host, "https" if config.tls_certificate else "http")
        return self._keyring.admit(request)

    def _answer(
        self, request: Request, route: Route, began: float, call: Callable[[], Answer]
    ) -> Response | Later:
        try:
            answer = call()
        except ApiError as error:
            response = error_response(error.status, clean(str(error)), error.code)
        except BadBody as error:
            response = error_response(400, clean(f"invalid request body: {error}"))
        except (StoreError, EngineError) as error:
            response = self._failure(route, error)
        except Exception:  # a bug costs this request only (AV-3)
            number = secrets.token_hex(4)
            log.exception("bug while answering %s %s (request %s)", route.method, route.pattern, number)
            text = f"internal error; the server's log has the details under request {number}"
            response = error_response(500, text)
        else:
            if isinstance(answer, Again):
                return Later(answer.seconds, lambda: self._answer(request, route, began, answer.then))
            response = _response(answer)
        return self._counted(request, route, began, response)

    def _failure(self, route: Route, error: Exception) -> Response:
        status, code = next((status, code) for kind, status, code in FAILURES if isinstance(error, kind))
        if isinstance(error, StoreError) and status >= 500:
            self._app.metrics.store_errors.inc()
            log.warning("%s: the store does not answer: %s", route.pattern, clean(str(error)))
        text = f"{route.failing}: {error}" if route.failing and status >= 500 else str(error)
        return error_response(status, clean(text), code, {"Retry-After": "1"} if status == 503 else {})

    def _counted(self, request: Request, route: Route | None, began: float, response: Response) -> Response:
        # Only names of our own become labels: anybody can send any method and path.
        pattern, method = (route.pattern, request.method) if route else ("unmatched", "any")
        seconds = time.monotonic() - began
        status = str(response.status)
        self._app.metrics.http_seconds.labels(method=method, route=pattern, status=status).observe(seconds)
        log.debug("%s %s: %s in %.1f ms", method, pattern, status, seconds * 1000)
        if response.status in (401, 403) or (route and route.method != "GET"):
            # Who changed something, or was kept out. What the change was stands in the lines of its apply.
            who = f"token {request.user}" if request.user else "nobody known"
            log.info("audit: %s %s by %s from %s: %s", method, pattern, who, request.peer, status)
        return response


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


def _not_for(user: User, route: Route) -> Response:
    needed = f"{route.method} {route.pattern} needs the role {route.needs}"
    return error_response(403, f"{needed}, the token {user.name} has {user.role}: use another token")


def _no_route(routes: Mapping[str, Route]) -> Response:
    if not routes:
        return Response(status=404, body=b"404 page not found\n")
    allowed = sorted({*routes, *({"HEAD"} if "GET" in routes else set())})
    return Response(status=405, body=b"Method Not Allowed\n", headers={"Allow": ", ".join(allowed)})


def _response(answer: Mapping[str, object] | Reply | Response) -> Response:
    if isinstance(answer, Response):
        return answer
    status, body = (answer.status, answer.body) if isinstance(answer, Reply) else (200, answer)
    return Response(status=status, body=encode(body), content_type=JSON_TYPE)
