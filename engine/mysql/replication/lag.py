"""How far the replicas of a server are behind it, asked of the replicas themselves while rows are copied.

A thread of its own asks, as a replica that does not answer must not hold up the copy's own work.
"""

import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from engine.errors import EngineError
from engine.mysql.address import Address
from engine.mysql.flavour import Flavour
from engine.mysql.link import Link
from engine.mysql.replication.followers import Unseen
from engine.mysql.replication.replicas import (
    ANSWER_SECONDS,
    Answer,
    Channel,
    Replica,
    Replicas,
    SilentReplicas,
    Unasked,
)

LOOK_SECONDS = 2.0
LAG_SECONDS = 5.0
"""A replica that is further behind holds the copy up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LagStatus:
    """What a look at all replicas gave, in words for people; an empty one stands for nothing of that kind."""

    wait: str = ""
    """Why nothing should be written that can wait."""
    doubt: str = ""
    """Why it is not known whether a replica is behind: be gentle."""


def lag_status(
    answers: Iterable[tuple[Replica, Answer]], answered_before: Collection[Replica] = ()
) -> LagStatus:
    """What these answers come to; those behind the first that is to be waited for do not count."""
    doubt = ""
    for replica, answer in answers:
        if isinstance(answer, Unasked):
            wait = (
                f"the replica {replica} cannot be asked any more: {answer}"
                if replica in answered_before
                else ""
            )
            doubt = f"gently, as nobody knows how far the replica {replica} is behind: {answer}"
        else:
            wait = _behind(replica, answer)
        if wait:
            return LagStatus(wait=f"waiting: {wait}")
    return LagStatus(doubt=doubt)


def unseen_status(error: Unseen) -> LagStatus:
    """What it comes to that nobody knows who replicates."""
    return LagStatus(doubt=f"gently, as {error}")


class LagMonitor:
    """Looks every few seconds until it is closed; `status` may be read by any thread."""

    def __init__(self, address: Address, flavour: Flavour, silent: SilentReplicas) -> None:
        """The first look spares those that are *silent*."""
        self._address = replace(address, database="")
        self._silent = dict(silent)
        self._replicas = Replicas(address, flavour, self._silent)
        self._status = LagStatus(wait="waiting: looking for replicas")
        self.looked = threading.Event()
        """Whether there was a first look, well or not."""
        self._error: BaseException | None = None
        self._source: Link | None = None
        self._answered: set[Replica] = set()
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
        if (source := self._source) is not None:
            source.hang_up()
        self._replicas.hang_up()
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
                self._silent.clear()
                self.looked.set()
                self._stopping.wait(LOOK_SECONDS)
        except BaseException as error:  # noqa: BLE001  # it comes out where the owner looks
            self._error = error
        finally:
            self.looked.set()
            self._replicas.close()
            self._drop_source()

    def _look(self) -> LagStatus:
        if self._source is None:
            self._source = Link(self._address, answer_seconds=ANSWER_SECONDS)
        source = self._source
        try:
            listed = self._replicas.listed(source)
        except Unseen as error:
            return unseen_status(error)
        self._answered &= set(listed)
        return lag_status(((one, self._answer(one)) for one in listed), self._answered)

    def _answer(self, replica: Replica) -> Answer:
        answer = self._replicas.answer(replica)
        if not isinstance(answer, Unasked):
            self._answered.add(replica)
        return answer

    def _drop_source(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.close()


def _behind(replica: Replica, channels: Sequence[Channel]) -> str:
    """Why to wait for a replica that answered; empty: nothing."""
    for channel in channels:
        if channel.lag is None:
            error = f": {channel.error}" if channel.error else ""
            return f"the replica {replica} does not apply what it gets just now{error}"
    lag = max(channel.lag or 0.0 for channel in channels)
    if lag > LAG_SECONDS:
        return f"the replica {replica} is {lag:.0f} s behind, more than {LAG_SECONDS:.0f} s"
    return ""
