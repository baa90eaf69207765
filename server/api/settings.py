"""Settings: names and values kept in the store."""

from server.api.answers import Answer, Invalid, Missing
from server.app import App
from server.bodies import decode
from server.requests import Request
from storage.errors import NotFound


def settings(app: App, _request: Request) -> Answer:
    """All of them, by key."""
    return {"settings": [{"key": key, "value": value} for key, value in app.store.settings().items()]}


def setting(app: App, request: Request) -> Answer:
    """One of them."""
    return _setting(app, request.params["key"])


def scoped_setting(app: App, request: Request) -> Answer:
    """One whose name has a slash, like `require_review:owner/repo`: the original's client does not escape it."""
    return _setting(app, f"{request.params['scope']}/{request.params['name']}")


def _setting(app: App, key: str) -> Answer:
    try:
        return {"key": key, "value": app.store.setting(key)}
    except NotFound as error:
        raise Missing("setting not found") from error


def set_setting(app: App, request: Request) -> Answer:
    """Insert or replace one."""
    fields = decode(request.body)
    key, value = fields.text("key"), fields.passage("value")
    if not key:
        raise Invalid("key is required")
    app.store.set_setting(key, value)
    return {"key": key, "value": value}
