"""The replicas of a server, and connections to them, to ask each what it tells of its replication.

A replica is asked with the target's account at the address that it told the server; one that told none, at the addresses from
which the server's log is read. What answers there has to be a replica of this server, whatever its address says.
"""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

from engine.errors import EngineError
from engine.mysql.address import Address
from engine.mysql.flavour import Flavour
from engine.mysql.link import Link
from engine.mysql.open_transactions import Untold
from engine.mysql.replication.filters import ReplicaFilters
from engine.mysql.replication.followers import connected, log_readers

ANSWER_SECONDS = 3.0
SILENT_SECONDS = 60.0
"""So long one that could not be asked is not asked again, where each time would hold a change up."""
_ERROR_LENGTH = 400
"""MySQL's says where more is told at its end."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
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


SilentReplicas = dict[Replica, tuple[float, str]]
"""Until when (monotonic) who is not asked again, and why."""


Answer = list[Channel] | Unasked
"""What a replica tells of its replication from the server, at least of one channel, or that it does not."""


class Replicas:
    """For one thread, but for `hang_up`; each replica has a connection of its own, until the end of a `with` statement."""

    def __init__(self, address: Address, flavour: Flavour, silent: SilentReplicas | None = None) -> None:
        """*silent*, kept by the caller from one object of these to the next, spares asking in vain; None: each is asked anew."""
        self._address = replace(address, database="")
        self._flavour = flavour
        self._links: dict[Replica, Link] = {}
        self._silent = silent
        self._source_id = 0
        self._closed = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def listed(self, source: Link) -> list[Replica]:
        """Who replicates from the server just now, and where it may be asked; connections to others are closed. Unseen."""
        logs, self._source_id = map(int, source.row("SELECT @@GLOBAL.log_bin, @@GLOBAL.server_id") or (0, 0))
        found = self._found(source) if logs else []
        for gone in set(self._links) - set(found):
            self._drop(gone)
        return found

    def channels(self, replica: Replica) -> list[Channel]:
        """What it, one that is `listed`, tells of its replication from the server, at least of one channel. Unasked."""
        rows = self.ask(replica, lambda link: link.named(self._flavour.replica_status))
        found = [
            Channel.of(row)
            for row in rows
            if int(row.get("source_server_id", row.get("master_server_id", 0))) == self._source_id
        ]
        if not found:
            self._drop(replica)
            raise Unasked("what answers there does not replicate from this server")
        return found

    def answer(self, replica: Replica) -> Answer:
        """What `channels` gives or raises."""
        try:
            return self.channels(replica)
        except Unasked as error:
            return error

    def answers(self, source: Link) -> dict[Replica, Answer]:
        """Of each that is `listed`, all asked at once, within ANSWER_SECONDS. Unseen."""
        listed = self.listed(source)
        if not listed:
            return {}
        pool = ThreadPoolExecutor(len(listed), thread_name_prefix="replica")
        try:
            answers = {one: pool.submit(self.answer, one) for one in listed}
            done, _ = wait(answers.values(), timeout=ANSWER_SECONDS)
        finally:
            pool.shutdown(wait=False)
        return {
            one: answer.result() if answer in done else self._fell_silent(one)
            for one, answer in answers.items()
        }

    def ask(self, replica: Replica, question: Callable[[Link], T]) -> T:
        """What *question* makes of a connection to it. Unasked; Untold, when it does not tell just now."""
        until, why = (self._silent or {}).get(replica, (0.0, ""))
        if time.monotonic() < until:
            raise Unasked(why)
        try:
            return question(self._links.get(replica) or self._connected(replica))
        except Untold:
            raise
        except EngineError as error:
            self._drop(replica)
            raise self._noted(replica, str(error)) from error

    def hang_up(self) -> None:
        """Whoever waits for an answer waits no more, and nobody is asked any more; for any thread."""
        self._closed.set()
        for link in list(self._links.values()):
            link.hang_up()

    def close(self) -> None:
        """Close the connections, and those that are being made; raises nothing."""
        self._closed.set()
        for replica in list(self._links):
            self._drop(replica)

    # -- inside -------------------------------------------------------------------------------------------------

    def _found(self, source: Link) -> list[Replica]:
        found: dict[Replica, None] = {}
        for one in connected(source, self._flavour, but=self._address.user):
            hosts = [one.host] if one.host else sorted(set(log_readers(source)))
            port = one.port or self._address.port
            found[Replica(server_id=one.server_id, places=tuple((host, port) for host in hosts))] = None
        return list(found)

    def _connected(self, replica: Replica) -> Link:
        """A connection to it, kept open. EngineError, Unasked."""
        why = "it told no address (report_host), and none is seen"
        for host, port in replica.places:
            if self._closed.is_set():
                break
            try:
                link = Link(
                    replace(self._address, host=host, port=port, socket=""), answer_seconds=ANSWER_SECONDS
                )
            except EngineError as error:
                why = str(error)
                continue
            self._links[replica] = link
            server_id = int(link.value("SELECT @@GLOBAL.server_id"))
            if self._closed.is_set():
                self._drop(replica)
                break
            if replica.server_id in (None, server_id) and server_id != self._source_id:
                return link
            self._drop(replica)
            who = "the server itself" if server_id == self._source_id else "another server"
            why = f"{who} answers at {host}:{port}"
        raise self._noted(replica, why)

    def _fell_silent(self, replica: Replica) -> Unasked:
        link = self._links.get(replica)
        if link is not None:
            link.hang_up()
        return self._noted(replica, f"no answer in {ANSWER_SECONDS:.0f} s")

    def _noted(self, replica: Replica, why: str) -> Unasked:
        if self._silent is not None and not self._closed.is_set():
            self._silent[replica] = (time.monotonic() + SILENT_SECONDS, why)
        return Unasked(why)

    def _drop(self, replica: Replica) -> None:
        link = self._links.pop(replica, None)
        if link is not None:
            link.close()
