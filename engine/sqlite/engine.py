"""The SQLite engine: plans against one database file and opens sessions on it."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import ClassVar

from engine.base import (
    Capabilities,
    Change,
    Engine,
    Job,
    Observation,
    PlanResult,
    SchemaFiles,
    Session,
    Target,
)
from engine.sqlite.changing.session import SqliteSession
from engine.sqlite.examination import examine_file, new_file
from engine.sqlite.planning.planner import plan_sqlite
from engine.sqlite.pull import pull_files
from engine.sqlite.spec import Step
from engine.sqlite.target import connect, file_of, translated


class SqliteEngine(Engine):
    """Every call has a connection of its own, so threads share nothing."""

    name: ClassVar[str] = "SQLite"
    capabilities: ClassVar[Capabilities] = Capabilities(stop=True, cancel=True, defer_cutover=True)

    def __init__(self, target: Target) -> None:
        self._target = target

    def ping(self) -> None:
        """TargetUnavailable, Refused: the file cannot be read, or is no database."""
        with closing(connect(self._target.dsn, read_only=True)), translated(self._target.database):
            pass

    def examine(self) -> Sequence[Observation]:
        """The file, its folder, the journal mode, the room on its disk. TargetUnavailable, Refused as by `ping`."""
        with (
            closing(connect(self._target.dsn, read_only=True)) as connection,
            translated(self._target.database),
        ):
            return examine_file(connection, file_of(self._target.dsn))

    def pull(self) -> SchemaFiles:
        """The live schema as files, in one namespace named like the database."""
        with (
            closing(connect(self._target.dsn, read_only=True)) as connection,
            translated(self._target.database),
        ):
            return pull_files(connection, self._target.database)

    def plan(self, files: SchemaFiles) -> PlanResult:
        """What it takes; reads the target only."""
        with (
            closing(connect(self._target.dsn, read_only=True)) as connection,
            translated(self._target.database),
        ):
            result = plan_sqlite(connection, files)
        new = new_file(file_of(self._target.dsn))
        return replace(result, findings=(*new, *result.findings))

    def not_deferrable(self, changes: Sequence[Change], fingerprints: Mapping[str, str]) -> str:
        """A change that begins from what another one leaves cannot be looked at, nor copied, before that one is live."""
        for change in changes:
            step = Step.from_json(change.spec)
            if step.before != fingerprints.get(step.source):
                return f"the change of {change.table} begins from what another change of the plan leaves"
        return ""

    def open(self, job: Job) -> Session:
        """Take the target for *job*. TargetHeld, TargetUnavailable, Fenced."""
        return SqliteSession(self._target, job)
