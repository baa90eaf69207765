"""How far the replicas of a server are behind it, asked of the replicas themselves while rows are copied.

A thread of its own asks, as a replica that does not answer must not hold up the copy's own work. A replica is asked with the
target's account at the address that it told the server; one that told none, at the addresses from which the server's log is read.
What answers there has to be a replica of this server, whatever its address says.
"""

import threading
from dataclasses import dataclass, replace

from engine.errors import EngineError
from engine.mysql.address import Address
from engine.mysql.flavour import Flavour
from engine.mysql.followers import Unseen, connected, log_readers
from engine.mysql.link import Link

LOOK_SECONDS = 2.0
LAG_SECONDS = 5.0
"""A replica that is further behind holds the copy up."""
ANSWER_SECONDS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LagStatus:
    """What a look at all replicas gave, in words for people; an empty one stands for nothing of that kind."""

    wait: str = ""
    """Why nothing should be written that can wait."""
    doubt: str = ""
    """Why it is not known whether a replica is behind: be gentle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A replica as its source knows it."""

    server_id: int | None  # None: the source does not tell
    places: tuple[tuple[str, int], ...]  # host and port: where it may be asked, best first

    def __str__(self) -> str:
        if len(self.places) == 1:
            return "{}:{}".format(*self.places[0])
        return f"with server_id {self.server_id}"


class Unasked(Exception):
    """A replica did not say how far it is behind; the text says why."""


class LagMonitor:
    """Looks every few seconds until it is closed; `status` may be read by any thread."""

    def __init__(self, address: Address, flavour: Flavour) -> None:
        self._address = replace(address, database="")
        self._flavour = flavour
        self._status = LagStatus(wait="waiting: looking for replicas")
        self.looked = threading.Event()
        """Whether there was a first look, well or not."""
        self._error: BaseException | None = None
        self._source: Link | None = None
        self._links: dict[Listed, Link] = {}
        self._asked: set[Listed] = set()  # those that have answered
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="replicas")
        self._thread.start()

    @property
    def status(self) -> LagStatus:
        """What the last look gave. Raises what ended the looking."""
        if self._error is not None:
            raise self._error
        return self._status

    def close(self) -> None:
        """Ask no more; raises nothing."""
        self._stopping.set()
        for link in (self._source, *list(self._links.values())):
            if link is not None:
                link.hang_up()
        self._thread.join()

    # -- in the thread ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    self._status = self._look()
                except EngineError as error:  # of the source: if it lasts, the copy meets it, too
                    self._status = replace(self._status, wait=f"waiting: looking for replicas: {error}")
                    self._drop_source()
                self.looked.set()
                self._stopping.wait(LOOK_SECONDS)
        except BaseException as error:  # noqa: BLE001  # it comes out where the owner looks
            self._error = error
        finally:
            self.looked.set()
            for listed in list(self._links):
                self._drop(listed)
            self._drop_source()

    def _look(self) -> LagStatus:
        if self._source is None:
            self._source = Link(self._address, answer_seconds=ANSWER_SECONDS)
        source = self._source
        try:
            listed = self._listed(source)
        except Unseen as error:
            return LagStatus(doubt=f"gently, as {error}")
        for gone in set(self._links) - set(listed):
            self._drop(gone)
        self._asked &= set(listed)
        doubt = ""
        for one in listed:
            try:
                wait = self._judged(one, self._lag(source, one))
            except Unasked as error:
                wait = f"the replica {one} cannot be asked any more: {error}" if one in self._asked else ""
                doubt = f"gently, as nobody knows how far the replica {one} is behind: {error}"
            if wait:
                return LagStatus(wait=f"waiting: {wait}")
        return LagStatus(doubt=doubt)

    def _judged(self, listed: Listed, lag: float | None) -> str:
        """Why to wait for a replica that answered."""
        self._asked.add(listed)
        if lag is None:
            return f"the replica {listed} does not apply what it gets just now"
        if lag > LAG_SECONDS:
            return f"the replica {listed} is {lag:.0f} s behind, more than {LAG_SECONDS:.0f} s"
        return ""

    # -- the source ---------------------------------------------------------------------------------------------

    def _listed(self, source: Link) -> list[Listed]:
        """Who replicates from the server just now, and where it may be asked. Unseen."""
        if not source.value("SELECT @@GLOBAL.log_bin"):
            return []
        found: dict[Listed, None] = {}
        for one in connected(source, self._flavour, but=self._address.user):
            hosts = [one.host] if one.host else sorted(set(log_readers(source)))
            port = one.port or self._address.port
            found[Listed(server_id=one.server_id, places=tuple((host, port) for host in hosts))] = None
        return list(found)

    # -- a replica ----------------------------------------------------------------------------------------------

    def _lag(self, source: Link, listed: Listed) -> float | None:
        """Seconds; None: it stands still. Unasked."""
        ours = int(source.value("SELECT @@GLOBAL.server_id"))
        try:
            link = self._links.get(listed) or self._found(listed)
            lags = self._lags(link, ours)
        except EngineError as error:
            self._drop(listed)
            raise Unasked(str(error)) from error
        if not lags:
            self._drop(listed)
            raise Unasked("what answers there does not replicate from this server")
        known = [lag for lag in lags if lag is not None]
        return max(known) if len(known) == len(lags) else None

    def _found(self, listed: Listed) -> Link:
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

    def _lags(self, link: Link, source_id: int) -> list[float | None]:
        """Of each channel from the server of that id."""
        return [
            _behind(row.get("seconds_behind_source", row.get("seconds_behind_master")), row["sql_delay"])
            for row in link.named(self._flavour.replica_status)
            if int(row.get("source_server_id", row.get("master_server_id", 0))) == source_id
        ]

    def _drop(self, listed: Listed) -> None:
        link = self._links.pop(listed, None)
        if link is not None:
            link.close()

    def _drop_source(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.close()


def _behind(seconds: object, delay: object) -> float | None:
    """What a replica tells, less what it is meant to stay behind."""
    return None if seconds is None else max(0.0, float(str(seconds)) - float(str(delay or 0)))
