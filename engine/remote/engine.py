"""The remote engine: a database that another SchemaBot changes for us."""

from typing import ClassVar

from engine.base import Capabilities, Engine, Job, PlanResult, SchemaFiles, Session, Target
from engine.errors import Refused
from engine.remote import wire
from engine.remote.peer import Peer
from engine.remote.session import RemoteSession


class RemoteEngine(Engine):
    """Plans and drives through the HTTP API at `target.dsn`. What the engine there cannot do, it says when asked."""

    name: ClassVar[str] = "Remote"
    capabilities: ClassVar[Capabilities] = Capabilities(
        stop=True, cancel=True, defer_cutover=True, whole_plan=True, volume=True
    )

    def __init__(self, target: Target) -> None:
        self._peer = Peer(target)

    def kind(self) -> str | None:
        """The type of the database there."""
        return self._peer.kind()

    def ping(self) -> None:
        """TargetUnavailable, Refused: the other SchemaBot does not answer, or does not let us in."""
        self._peer.ping()

    def pull(self) -> SchemaFiles:
        """The live schema there."""
        return self._peer.pull()

    def plan(self, files: SchemaFiles) -> PlanResult:
        """The plan made there.

        A side that does not tell the way back has the live schema read after the plan: it finds by itself what differs by then.
        """
        body = self._peer.plan(files)
        return wire.to_plan(body, wire.to_files(body, "way_back") or self._peer.pull())

    def open(self, job: Job) -> Session:
        """Nothing is taken here: the apply there holds the target, and its key is the apply's id here."""
        if job.handover is None:
            raise Refused("a plan for another SchemaBot is handed over whole")
        return RemoteSession(self._peer, job, job.handover)
