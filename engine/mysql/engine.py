"""The MySQL and MariaDB engine: plans against one target server and opens sessions on it."""

from collections.abc import Sequence
from typing import ClassVar

from engine.base import Capabilities, Engine, Job, Observation, PlanResult, SchemaFiles, Session, Target
from engine.errors import Refused
from engine.mysql.address import parse_address
from engine.mysql.changing.session import MysqlSession
from engine.mysql.examination import examine_server
from engine.mysql.flavour import flavour_of
from engine.mysql.link import Link
from engine.mysql.planning.desired import TableCache
from engine.mysql.planning.planner import plan_mysql
from engine.mysql.planning.pull import pull_mysql
from engine.mysql.spec import SYSTEM_SCHEMAS


class MysqlEngine(Engine):
    """Every call has connections of its own, so threads share nothing but what earlier plans found out."""

    name: ClassVar[str] = "Spirit"
    """What the wire has always called the engine of MySQL databases; clients compare it."""
    capabilities: ClassVar[Capabilities] = Capabilities(
        stop=True, cancel=True, defer_cutover=True, volume=True
    )

    def __init__(self, target: Target) -> None:
        """Refused: the DSN is not understood, or names a schema of the server's own."""
        self._target = target
        self._address = parse_address(target.dsn)
        if self._address.database.lower() in SYSTEM_SCHEMAS:
            raise Refused(
                f"the dsn names the database {self._address.database}, which belongs to the server itself: name your own"
            )
        self._workspace = parse_address(target.workspace) if target.workspace else None
        self._cached = TableCache()

    def ping(self) -> None:
        """TargetUnavailable, Refused: it cannot be reached, does not let us in, or is too old."""
        with Link(self._address) as link:
            flavour_of(link)

    def examine(self) -> Sequence[Observation]:
        """Version, privileges, the binary log, what can be seen of locks, sizes. TargetUnavailable, Refused as by `ping`."""
        with Link(self._address) as link:
            return tuple(examine_server(self._address, link, flavour_of(link), workspace=self._workspace))

    def pull(self) -> SchemaFiles:
        """The live schema as files: in one namespace named like the database, or, where the DSN names none, every schema."""
        return pull_mysql(self._address, self._target.database)

    def plan(self, files: SchemaFiles) -> PlanResult:
        """What it takes; tried in scratch schemas of the target or of its workspace, the target's own are only read."""
        return plan_mysql(self._address, files, workspace=self._workspace, cached=self._cached)

    def open(self, job: Job) -> Session:
        """Take the target for *job*. TargetHeld, TargetUnavailable, Fenced."""
        return MysqlSession(self._address, job)
