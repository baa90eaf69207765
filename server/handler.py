"""What happens to a request: who may send it, which route it takes, and the one table from errors to statuses."""

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from engine.errors import EngineError
from server.api.answers import Again, Answer, ApiError, Reply
from server.app import App
from server.bodies import JSON_TYPE, BadBody, encode
from server.browsers import refuse_foreign_pages
from server.config import is_loopback
from server.lanes import Pace
from server.requests import Later, Request, Response, error_response
from server.routes import OPEN, ROUTES, Route, Router
from server.texts import clean
from server.tokens import Keyring, Unauthorized, User
from storage.errors import Conflict, NotFound, NotOwner, Refused, StoreError, Unavailable

log = logging.getLogger(__name__)

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


class ApiHandler:
    """What the HTTP server calls for every request. SecretError when a configured token cannot be read."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._router = Router(ROUTES)
        self._keyring = Keyring(app.config.server.tokens)
        self._open = OPEN | ({"/metrics"} if is_loopback(app.config.server.listen_host) else set())

    def pace(self, request: Request) -> Pace:
        """What its answer will wait for."""
        _, routes, _ = self._router.find(request.segments)
        route = _of_method(routes, request)
        return route.pace if route else Pace.QUICK

    def __call__(self, request: Request) -> Response | Later:
        """The answer."""
        began = time.monotonic()
        pattern, routes, params = self._router.find(request.segments)
        route = _of_method(routes, request)
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
        if response.status in (401, 403) or (route and route.needs != "read"):
            # Who changed something, or was kept out. What the change was stands in the lines of its apply.
            who = f"token {request.user}" if request.user else "nobody known"
            log.info("audit: %s %s by %s from %s: %s", method, pattern, who, request.peer, status)
        return response


def _of_method(routes: Mapping[str, Route], request: Request) -> Route | None:
    return routes.get("GET" if request.method == "HEAD" else request.method)


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
