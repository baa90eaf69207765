"""Is it alive, is it ready, what does it count."""

import logging

from server.api.answers import Answer, Missing
from server.api.backends import NoBackend, check_known
from server.app import App
from server.metrics import CONTENT_TYPE
from server.requests import Request, Response, error_response
from storage.errors import StoreError

log = logging.getLogger(__name__)


def livez(_app: App, _request: Request) -> Answer:
    """The process answers: that is all."""
    return {"status": "ok"}


def health(app: App, _request: Request) -> Answer:
    """The store can be read and written."""
    return _ping(app, "database unavailable") or {"status": "ok"}


def tern_health(app: App, request: Request) -> Answer:
    """The server has a back end for the target; the target itself is not asked."""
    deployment, environment = request.params["deployment"], request.params["environment"]
    try:
        check_known(app, deployment, environment, deployment)
    except NoBackend as error:
        raise Missing(str(error)) from error
    ready = {"deployment": deployment, "environment": environment, "status": "ok"}
    return _ping(app, "tern unavailable") or ready


def metrics(app: App, _request: Request) -> Answer:
    """Prometheus' text format."""
    return Response(body=app.metrics.exposition(), content_type=CONTENT_TYPE)


def _ping(app: App, text: str) -> Response | None:
    try:
        app.store.ping()
    except StoreError as error:
        app.metrics.store_errors.inc()
        log.warning("not ready: %s", error)
        return error_response(503, text)
    return None
