"""What handlers give back, and the refusals they raise."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from server.requests import Response


@dataclass(frozen=True, slots=True)
class Reply:
    """A JSON answer with a status of its own."""

    status: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Again:
    """Not settled yet: ask *then* again after *seconds*; no thread waits meanwhile."""

    seconds: float
    then: Callable[[], "Answer"]


Answer = Mapping[str, Any] | Reply | Response | Again
"""A mapping is answered with 200."""


class ApiError(Exception):
    """The request is answered with `status`, this text and `code`."""

    status = 500

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class Invalid(ApiError):
    """The request is wrong: change it."""

    status = 400


class Missing(ApiError):
    """There is no such thing."""

    status = 404


class Forbidden(ApiError):
    """The thing belongs to somebody else."""

    status = 403


class Failed(ApiError):
    """The request was fine; doing it failed."""
