"""The replicas of a server, and connections to them, to ask each what it tells of its replication.

A replica is asked with the target's account at the address that it told the server; one that told none, at the addresses from
which the server's log is read. What answers there has to be a replica of this server, whatever its address says.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

from engine.errors import EngineError
from engine.mysql.address import Address
from engine.mysql.flavour import Flavour
from engine.mysql.followers import Unseen, connected, log_readers
from engine.mysql.link import Link
from engine.mysql.open_transactions import Untold
from engine.mysql.replica_filters import ReplicaFilters

ANSWER_SECONDS = 3.0
_ERROR_LENGTH = 400
"""MySQL's says where more is told at its end."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A replica as its source knows it."""

    server_id: int | None  # None: the source does not tell
    places: tuple[tuple[str, int], ...]  # host and port: where it may be asked, best first

    def __str__(self) -> str:
        if len(self.places) == 1:
            return "{}:{}".format(*self.places[0])
        return f"with server_id {self.server_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """What a replica tells of its replication from one source."""

    lag: float | None  # seconds, less the delay; None: it stands still
    delay: float  # seconds that it is meant to stay behind
    error: str  # what it stopped at, in a line; empty: nothing
    filters: ReplicaFilters

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """A row of the status, its columns in lower case."""
        error = str(row["last_sql_error"] or row["last_io_error"] or "").strip()
        behind = row.get("seconds_behind_source", row.get("seconds_behind_master"))
        delay = float(row["sql_delay"] or 0)
        return cls(
            lag=None if behind is None else max(0.0, float(behind) - delay),
            delay=delay,
            error=error.split("\n", 1)[0][:_ERROR_LENGTH],
            filters=ReplicaFilters.of(row),
        )


class Unasked(Exception):
    """A replica does not tell; the text says why."""


class Replicas:
    """For one thread, but for `hang_up`."""

    def __init__(self, address: Address, flavour: Flavour) -> None:
        self._address = replace(address, database="")
        self._flavour = flavour
        self._links: dict[Listed, Link] = {}

    def listed(self, source: Link) -> list[Listed]:
        """Who replicates from the server just now, and where it may be asked; connections to others are closed. Unseen."""
        found = self._found(source) if source.value("SELECT @@GLOBAL.log_bin") else []
        for gone in set(self._links) - set(found):
            self._drop(gone)
        return found

    def channels(self, source: Link, listed: Listed) -> list[Channel]:
        """What it tells of its replication from the server, at least of one channel. Unasked."""
        ours = int(source.value("SELECT @@GLOBAL.server_id"))
        rows = self.ask(listed, lambda link: link.named(self._flavour.replica_status))
        found = [
            Channel.of(row)
            for row in rows
            if int(row.get("source_server_id", row.get("master_server_id", 0))) == ours
        ]
        if not found:
            self._drop(listed)
            raise Unasked("what answers there does not replicate from this server")
        return found

    def ask(self, listed: Listed, question: Callable[[Link], T]) -> T:
        """What *question* makes of a connection to it. Unasked; Untold, when it does not tell just now."""
        try:
            return question(self._links.get(listed) or self._connected(listed))
        except Untold:
            raise
        except EngineError as error:
            self._drop(listed)
            raise Unasked(str(error)) from error

    def hang_up(self) -> None:
        """Whoever waits for an answer waits no more; for any thread."""
        for link in list(self._links.values()):
            link.hang_up()

    def close(self) -> None:
        """Close the connections; raises nothing."""
        for listed in list(self._links):
            self._drop(listed)

    # -- inside -------------------------------------------------------------------------------------------------

    def _found(self, source: Link) -> list[Listed]:
        found: dict[Listed, None] = {}
        for one in connected(source, self._flavour, but=self._address.user):
            hosts = [one.host] if one.host else sorted(set(log_readers(source)))
            port = one.port or self._address.port
            found[Listed(server_id=one.server_id, places=tuple((host, port) for host in hosts))] = None
        return list(found)

    def _connected(self, listed: Listed) -> Link:
        """A connection to it, kept open. EngineError, Unasked."""
        why = "it told no address (report_host), and none is seen"
        for host, port in listed.places:
            try:
                link = Link(
                    replace(self._address, host=host, port=port, socket=""), answer_seconds=ANSWER_SECONDS
                )
            except EngineError as error:
                why = str(error)
                continue
            self._links[listed] = link
            if listed.server_id in (None, int(link.value("SELECT @@GLOBAL.server_id"))):
                return link
            self._drop(listed)
            why = f"another server answers at {host}:{port}"
        raise Unasked(why)

    def _drop(self, listed: Listed) -> None:
        link = self._links.pop(listed, None)
        if link is not None:
            link.close()


def filters_of_replicas(source: Link, address: Address, flavour: Flavour) -> list[tuple[str, ReplicaFilters]]:
    """What each replica that tells leaves out, with who it is. After ANSWER_SECONDS no further one is asked."""
    replicas = Replicas(address, flavour)
    deadline = time.monotonic() + ANSWER_SECONDS
    found: list[tuple[str, ReplicaFilters]] = []
    try:
        for one in replicas.listed(source):
            if time.monotonic() > deadline:
                break
            try:
                found += [(str(one), channel.filters) for channel in replicas.channels(source, one)]
            except Unasked:
                continue
    except Unseen:
        pass
    finally:
        replicas.close()
    return found
