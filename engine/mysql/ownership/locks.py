"""Named locks of the server: those that keep a second owner out of a schema, and the one by which each connection is known.

A recorded connection is known by a lock of its own, named by a random token: the server tells which connection holds it
now. A connection's number alone would not do, as a server that restarted gives the old numbers to strangers.
"""

import hashlib
import secrets
from collections.abc import Iterable, Sequence

from engine.errors import Refused, TargetHeld, TargetUnavailable
from engine.mysql.address import Address
from engine.mysql.flavour import Flavour
from engine.mysql.link import Link
from engine.mysql.ownership.ending import end
from engine.mysql.ownership.records import Recorded
from engine.mysql.trouble import ServerRefused

GONE_SECONDS = 20
"""How long an ended connection may take to undo what it was at."""
LOCK_SECONDS = 5
"""How long to wait for a named lock, whose holder was not to be ended."""

NOT_OURS = 1095


class NamedLocks:
    """The locks on *schemas*, and the ending of connections; all on one link."""

    def __init__(self, link: Link, flavour: Flavour, address: Address, schemas: Sequence[str]) -> None:
        self._link = link
        self._flavour = flavour
        self._address = address
        self._names = [_schema_lock(schema) for schema in schemas]

    def lock(self) -> None:
        """Take the schemas' locks. TargetHeld: somebody has one."""
        for name in self._names:
            if self._link.value("SELECT GET_LOCK(%s, %s)", name, LOCK_SECONDS) != 1:
                holder = self._link.value("SELECT IS_USED_LOCK(%s)", name)
                raise TargetHeld(
                    f"{self._address}: another SchemaBot is changing these schemas (connection {holder}); "
                    "wait for it or end it"
                )

    def unlock(self) -> None:
        """Give the schemas' locks back."""
        for name in self._names:
            self._link.value("SELECT RELEASE_LOCK(%s)", name)

    def end(self, connections: Iterable[Recorded]) -> None:
        """End these connections, then wait until the server is through with each; those of a dead server are gone already.

        TargetUnavailable: one is still undoing what it was at. Refused: one is of another user, and we may not end it.
        """
        found = list(connections)
        for one in found:
            self._kill(one)
        for one in found:
            name = _token_lock(one.token)
            if self._link.value("SELECT GET_LOCK(%s, %s)", name, GONE_SECONDS) != 1:
                raise TargetUnavailable(
                    f"{self._address}: a connection of {one.owner} was ended and is still undoing what it was at"
                )
            self._link.value("SELECT RELEASE_LOCK(%s)", name)

    def _kill(self, one: Recorded) -> None:
        holder = holder_of(self._link, one.token)
        if holder is None:
            return
        try:
            end(self._link, "CONNECTION", holder)
        except ServerRefused as error:
            if error.code == NOT_OURS:
                grant = "CONNECTION ADMIN" if self._flavour.mariadb else "CONNECTION_ADMIN"
                raise Refused(
                    f"{self._address}: connection {holder} of {one.owner}, who had the target before, belongs to another "
                    f"user; end it, or GRANT {grant} ON *.* to the user of this dsn"
                ) from error
            raise


def mark(link: Link) -> str:
    """Give a connection its token: it alone holds the lock of that name, as long as it lives."""
    token = secrets.token_hex(16)
    if link.value("SELECT GET_LOCK(%s, 0)", _token_lock(token)) != 1:
        raise TargetUnavailable("the server gives no named locks (GET_LOCK), by which owners know each other")
    return token


def holder_of(link: Link, token: str) -> int | None:
    """The number of the connection with that token, as *link* is told; None: it is no more."""
    found = link.value("SELECT IS_USED_LOCK(%s)", _token_lock(token))
    return None if found is None else int(found)


def _token_lock(token: str) -> str:
    return f"schemabot connection {token}"


def _schema_lock(schema: str) -> str:
    """At most 64 characters, whatever the schema is called; the server compares names of locks without case."""
    return f"schemabot {hashlib.sha256(schema.encode()).hexdigest()[:40]}"
