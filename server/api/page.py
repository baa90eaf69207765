"""The web page: a few static files of our own. It draws itself from the JSON API, as any other client."""

from functools import cache
from importlib import resources

from server.api.answers import Answer, Missing
from server.app import App
from server.requests import Request, Response

TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""Nothing from elsewhere, nothing inline, in nobody's frame."""


def index(_app: App, _request: Request) -> Answer:
    """The page itself. Holds no data, so it needs no token; what it asks the API does."""
    return _file("index.html")


def file(_app: App, request: Request) -> Answer:
    """A script, style sheet or picture of the page."""
    return _file(request.params["file"])


def _file(name: str) -> Response:
    found = _files().get(name)
    if found is None:
        raise Missing(f"the page has no file {name!r}")
    return found


@cache
def _files() -> dict[str, Response]:
    folder = resources.files("server").joinpath("page")
    return {entry.name: _response(entry.name, entry.read_bytes()) for entry in folder.iterdir()}


def _response(name: str, body: bytes) -> Response:
    headers = {
        "Content-Security-Policy": POLICY,
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-cache",
    }
    return Response(body=body, content_type=TYPES[name.rpartition(".")[2]], headers=headers)
