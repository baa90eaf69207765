"""Who may use the API: bearer tokens, compared without telling by time how much of a guess was right."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from server.config import ROLES, Token
from server.requests import Request
from server.secrets import resolve


class Unauthorized(Exception):
    """The request carries no valid token."""


@dataclass(frozen=True, slots=True)
class User:
    """Who a request comes from: the token's name and role. Without tokens everybody is nobody, and may everything."""

    name: str = ""
    role: str = "admin"

    def may(self, role: str) -> bool:
        """Whether what needs *role* is allowed."""
        return ROLES.index(self.role) >= ROLES.index(role)


class Keyring:
    """The configured tokens; SecretError when one cannot be read."""

    def __init__(self, tokens: Iterable[Token]) -> None:
        self._users = [(User(token.name, token.role), _digest(resolve(token.secret))) for token in tokens]

    def __bool__(self) -> bool:
        return bool(self._users)

    def admit(self, request: Request) -> User:
        """Whose token *request* came with, or Unauthorized."""
        if not self._users:
            return User()
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        digest = _digest(given.strip())
        found = [user for user, known in self._users if hmac.compare_digest(known, digest)]
        if kind.lower() != "bearer" or not found:
            raise Unauthorized(
                "a valid token is needed: send 'Authorization: Bearer <token>' (SCHEMABOT_TOKEN)"
            )
        return found[0]


def _digest(text: str) -> bytes:
    # Of equal length whatever the token, so that the comparison tells nothing about it.
    return hashlib.sha256(text.encode("utf-8", errors="surrogateescape")).digest()
