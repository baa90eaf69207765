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
    key = request.params["key"]
    try:
        return {"key": key, "value": app.store.setting(key)}
    except NotFound as error:
        raise Missing("setting not found") from error


def set_setting(app: App, request: Request) -> Answer:
    """Insert or replace one."""
    fields = decode(request.body)
    key, value = fields.text("key"), fields.text("value")
    if not key:
        raise Invalid("key is required")
    app.store.set_setting(key, value)
    return {"key": key, "value": value}
