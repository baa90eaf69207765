"""Who asks: what the client says about its user, and the token it came with."""

from server.bodies import Fields
from server.requests import Request
from server.texts import clean

LONGEST_CALLER = 200


def caller_of(fields: Fields, request: Request) -> str:
    """For events: the caller as told, with the name of the token, which nobody can make up; `api` when neither is known."""
    told = clean(fields.text("caller"), LONGEST_CALLER)
    if told and request.user:
        return f"{told} (token {request.user})"
    return told or request.user or "api"
