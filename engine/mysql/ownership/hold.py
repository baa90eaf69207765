"""Whose target it is (OW-5): a fence on the target, named locks, and every connection of an owner on record.

A new owner raises the fence, ends its predecessor's connections and waits until the server has undone what they were at, and only
then takes the named locks and goes on. So a predecessor that wakes up late finds its connections gone, and a connection
that it opens afterwards does nothing, as every transaction of ours begins with the guard.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import datetime

from engine import faults
from engine.base import Job
from engine.errors import EngineError, HeldUp, Refused, TargetUnavailable
from engine.mysql.address import Address
from engine.mysql.blockers import blockers, lock_of_the_server
from engine.mysql.flavour import Flavour, flavour_of, identity_of
from engine.mysql.link import SETTINGS, Link
from engine.mysql.ownership.guests import Guests
from engine.mysql.ownership.locks import NamedLocks, holder_of, mark
from engine.mysql.ownership.records import Gone, Recorded, Records
from engine.mysql.replication.replicas import Replicas, SilentReplicas
from engine.mysql.replication.rules import read_rules
from engine.mysql.rights import OWN, rights_of
from engine.mysql.silence import IN_TRANSACTION, ROW_SECONDS, ended_when_silent
from engine.mysql.trouble import NO_SUCH_TABLE, Tolerated, Trouble, Waited

HELD_UP_SECONDS = 5.0
"""So soon it is looked again whether the server may be written to."""
PARENT_SETTINGS: Mapping[str, object] = {"innodb_lock_wait_timeout": 1}
"""While an ALTER waits for a writer of its table's child, MariaDB keeps everybody from the table already."""
TAKES = 5
"""A predecessor that leaves just now takes our tables along: then from the beginning."""


class Hold:
    """The hold of one job on one target server.

    `link` is the connection that holds the named locks: DDL, LOCK TABLES and the cutover run there and nowhere else, by
    one thread at a time. Once it is lost the hold is over: `Lost` flies out, and the next owner looks at the tables.
    """

    def __init__(self, address: Address, job: Job, *, settings: Mapping[str, object] | None = None) -> None:
        """Connect and look; nothing is written before `take`. *settings* are those of the DDL connection."""
        self.address = address
        self.job = job
        self.home = home_of(address, job)
        """The schema that our own tables are in."""
        self.taken = False
        self._replicas_checked = False
        self.silent_replicas: SilentReplicas = {}
        self._tokens: dict[Link, str] = {}
        self._settings = dict(settings or {})
        self._records = Records(address, job, self.home)
        schemas = self._schemas = schemas_of(address, job)
        self.link = Link(address, settings=settings, schema=self.home)
        try:
            self.flavour: Flavour = flavour_of(self.link)
            if self.flavour.mariadb:
                self._settings |= PARENT_SETTINGS
                self.link.set(PARENT_SETTINGS)
            self._server = identity_of(self.link, self.flavour)
            self._tokens[self.link] = mark(self.link)
        except BaseException:
            self.link.close()
            raise
        self._locks = NamedLocks(self.link, self.flavour, address, schemas)
        self._guests = Guests(address, job, self.home, schemas)

    # -- taking and letting go ----------------------------------------------------------------------------------

    def take(self) -> None:
        """Become the owner: raise the fence of our apply, or dispossess another that shows no life.

        Fenced: a newer owner of the same apply was here; FenceAhead: and shows no life. TargetHeld: another apply is alive here.
        """
        try:
            self.job.still_ours()
            self._check_rights()
            self._guests.look(self.link)
            self._replicas_checked = False
            if not self._records.begun(self.link):  # else who cannot go on could not clean up either
                self.check_replicas()
            self._take()
        except EngineError:
            self._strike_off()
            raise
        except BaseException:
            self._strike_off()
            self._vacate()
            raise

    def _check_rights(self) -> None:
        """Refused when we could make our own tables but not work with them, or not remove them again.

        HeldUp when our apply has begun here: what it made stays until somebody gives the rights back.
        """
        rights = rights_of(self.link, self.flavour)
        if grants := [grant for schema in self._schemas if (grant := rights.grant(OWN, schema))]:
            text = f"{self.address}: this user has too few rights for a change: {'; '.join(grants)}"
            raise HeldUp(text, HELD_UP_SECONDS) if self._records.begun(self.link) else Refused(text)

    def check_replicas(self) -> None:
        """Refused when the rules of a replica are against any change. Once for each `take`."""
        if self._replicas_checked:
            return
        with self.replicas() as replicas:
            rules = read_rules(self.link, replicas)
        for why in rules.against_change(self.home, {self.home, *self._schemas}):
            raise Refused(why)
        self._replicas_checked = True

    def replicas(self) -> Replicas:
        """To ask the target's replicas; whoever could not be asked is spared for a while by all of these."""
        return Replicas(self.address, self.flavour, self.silent_replicas)

    def _take(self) -> None:
        token = self._tokens[self.link]
        for _ in range(TAKES):
            try:
                with suppress(Gone), Tolerated(NO_SUCH_TABLE):
                    with self._defining():
                        self._records.make(self.link)
                    self._records.fill(self.link)
                    # On record before anything is locked: whoever comes next can end us wherever we stop.
                    self._records.put(self.link, token)
                    with self._transaction(self.link, "take"):
                        predecessors = self._records.raise_fence(self.link, token)
                    self._end(predecessors)
                    self._locks.lock()
                    self._guests.look(self.link)
                    with self.transaction(self.link, "settle"):
                        self._records.forget(self.link, predecessors)
                    with self._defining():
                        self._guests.put(self.link)
                    self.taken = True
                    return
            except Waited:
                self.check_server_lock()
                self._end(self._records.superseded(self.link))
        raise TargetUnavailable(f"{self.address}: our tables there come and go; other owners are at it")

    @contextmanager
    def _defining(self) -> Iterator[None]:
        """For tables of our own, which nobody else locks. HeldUp when somebody keeps everybody from making any."""
        try:
            yield
        except Waited as error:
            self.check_server_lock()
            raise HeldUp(
                f"{self.address}: waiting for a lock of all definitions (a backup): {error}", HELD_UP_SECONDS
            ) from error

    def _end(self, predecessors: list[Recorded]) -> None:
        self._locks.end(predecessors)
        faults.reached("predecessors_ended")

    def _strike_off(self) -> None:
        """We did not become the owner."""
        self._records.strike_off(self.link, self._tokens[self.link])

    def _vacate(self) -> None:
        """The apply is not ours to do: take the tables along if nobody has them, as we may have made them."""
        with suppress(EngineError):
            if self._records.unowned(self.link):
                self._records.drop(self.link)

    def release(self) -> bool:
        """Remove our tables from the target if no apply has anything left there; whether they are gone."""
        if not self.taken:
            return True
        with self.transaction(self.link, "release"):
            if self._records.left(self.link):
                return False
        self._guests.remove(self.link)
        # The locks first: without the record nobody could end a connection that holds them.
        self._locks.unlock()
        self.taken = False
        faults.reached("unlocked")
        self._records.drop(self.link)
        faults.reached("released")
        return True

    def server_lock(self) -> str:
        """Who keeps everybody from writing on the server, as a backup does, in words; empty: nobody. For the thread of `link`.

        Where the server does not tell, a write that changes nothing shows it.
        """
        found = blockers(self.link, (), self.connections)
        return "" if not found.sure and self._records.writable(self.link) else lock_of_the_server(found)

    def check_server_lock(self) -> None:
        """After a wait in vain: HeldUp when somebody keeps everybody from writing on the server. For the thread of `link`."""
        if who := self.server_lock():
            raise HeldUp(f"{self.address}: waiting for {who}", HELD_UP_SECONDS)

    def settle_link(self) -> None:
        """Give `link` back the settings it began with."""
        self.link.set({**SETTINGS, **self._settings})

    def close(self) -> None:
        """Let go of the connection, and with it of the named locks; the fence stays. Nothing is raised."""
        self.link.close()

    @property
    def connections(self) -> set[int]:
        """The ids of our connections."""
        return {link.id for link in list(self._tokens)}  # other threads open connections

    def number_of(self, link: Link, asking: Link) -> int | None:
        """The server's number of *link*, one of ours, as *asking* is told; None: the server has not got it any more.

        A number that was given once is a stranger's when the server has restarted.
        """
        return holder_of(asking, self._tokens[link])

    # -- further connections ------------------------------------------------------------------------------------

    def open_link(self, settings: Mapping[str, object] | None = None) -> Link:
        """A further connection, on record before it is handed out: a successor ends it. Fenced when there is one already.

        Trouble when the address leads to another server than that of `link` by now (a fail-over): what is copied there is
        not there where it is written down.
        """
        link = Link(self.address, settings=settings, schema=self.home)
        try:
            self._check_server(link)
            if self.flavour.mariadb:
                link.set({IN_TRANSACTION: ROW_SECONDS})
            token = mark(link)
            # Before the guard, so that whoever holds its lock can be ended.
            self._records.put(link, token)
        except BaseException:
            link.close()
            raise
        self._tokens[link] = token
        try:
            with self.transaction(link, "open_link"):
                pass
        except BaseException:
            self.close_link(link)
            raise
        return link

    def close_link(self, link: Link) -> None:
        """Close a connection that `open_link` gave; nothing is raised."""
        self._records.strike_off(link, self._tokens.pop(link, ""))
        link.close()

    def end_link(self, link: Link) -> None:
        """End a connection that `open_link` gave, and wait until the server is through with whatever it was at.

        TargetUnavailable: it is not in a while. For the thread of `self.link`; `close_link` is due all the same.
        """
        token = self._tokens[link]
        self._locks.end([Recorded(token, self.job.owner)])
        self._records.strike_off(self.link, token)

    @contextmanager
    def further_link(self) -> Iterator[Link]:
        """A further connection, with the settings of `link`, for the time of a `with` statement."""
        link = self.open_link(self._settings)
        try:
            yield link
        finally:
            self.close_link(link)

    def check_address(self) -> None:
        """Trouble when the address leads to another server than that of `link`: what is done on it reaches nobody."""
        with Link(self.address) as link:
            self._check_server(link)

    def _check_server(self, link: Link) -> None:
        found = identity_of(link, self.flavour)
        if found != self._server:
            raise Trouble(f"{self.address} leads to another server now ({found}, not {self._server})", 0)

    # -- transactions -------------------------------------------------------------------------------------------

    @contextmanager
    def transaction(self, link: Link, name: str) -> Iterator[None]:
        """One guarded transaction on *link*, `name` being that of its fault points.

        Fenced when the target is no longer ours: nothing was written then. While it is open no successor gets further than
        raising the fence. What is raised inside rolls it back, if the connection still stands: on a connection that
        `open_link` gave, the server ends it when it hears nothing for ROW_SECONDS.
        """
        with self._mortal(link), self._transaction(link, name):
            self._records.guard(link)
            faults.reached(f"begun:{name}")
            yield

    def beat(self, link: Link) -> None:
        """Show life through any connection of ours; waits for nobody. Fenced when a successor has struck us off."""
        self._records.beat(link, self._tokens[self.link])

    def beat_of(self, link: Link) -> datetime | None:
        """When that was, as the server of *link* has it, which may be a replica; None: it has not got it."""
        return self._records.beat_of(link, self._tokens[self.link])

    def _mortal(self, link: Link) -> AbstractContextManager[None]:
        """What locks rows of a live table does not outlive our silence; `link` locks rows of our own tables only."""
        if self.flavour.mariadb or link is self.link:
            return nullcontext()  # MariaDB has been told already
        return ended_when_silent(link, ROW_SECONDS)

    @contextmanager
    def _transaction(self, link: Link, name: str) -> Iterator[None]:
        link.run("START TRANSACTION")
        try:
            yield
            faults.reached(f"before_commit:{name}")
            link.run("COMMIT")
        except BaseException:
            with suppress(EngineError):
                link.run("ROLLBACK")
            raise
        faults.reached(f"after_commit:{name}")


def home_of(address: Address, job: Job) -> str:
    """The schema of our own tables: the dsn's database, else the first schema of the apply. Refused when there is neither."""
    if address.database:
        return address.database
    if not job.namespaces:
        raise Refused(f"{address}: neither the dsn nor the change names a schema")
    return min(job.namespaces)


def schemas_of(address: Address, job: Job) -> tuple[str, ...]:
    """Every schema that the apply may touch, sorted. One namespace is the dsn's database, whatever it is called."""
    if address.database and len(job.namespaces) < 2:
        return (address.database,)
    return tuple(sorted({home_of(address, job), *job.namespaces}))
