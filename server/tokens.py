"""Who may use the API: bearer tokens, compared without telling by time how much of a guess was right."""

import hashlib
import hmac
from collections.abc import Iterable

from server.config import Token
from server.requests import Request
from server.secrets import resolve


class Unauthorized(Exception):
    """The request carries no valid token."""


class Keyring:
    """The configured tokens; SecretError when one cannot be read."""

    def __init__(self, tokens: Iterable[Token]) -> None:
        self._digests = [(token.name, _digest(resolve(token.secret))) for token in tokens]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def admit(self, request: Request) -> str:
        """The name of the token *request* came with ("" when none is needed), or Unauthorized."""
        if not self._digests:
            return ""
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        digest = _digest(given.strip())
        found = [name for name, known in self._digests if hmac.compare_digest(known, digest)]
        if kind.lower() != "bearer" or not found:
            raise Unauthorized(
                "a valid token is needed: send 'Authorization: Bearer <token>' (SCHEMABOT_TOKEN)"
            )
        return found[0]


def _digest(text: str) -> bytes:
    # Of equal length whatever the token, so that the comparison tells nothing about it.
    return hashlib.sha256(text.encode("utf-8", errors="surrogateescape")).digest()
