"""The property: from one schema to another and back, planned and applied as the server does it, and what must hold."""

import re
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pymysql
import pytest

from engine.base import Change, Finding, Job, PlanResult, Progress, Severity, Signal, Standing
from engine.errors import BadFiles, DriftFound, EngineError, Refused
from engine.mysql.changing.session import MysqlSession
from engine.mysql.planning import how
from engine.mysql.planning.desired import TableCache
from engine.mysql.trouble import ServerRefused
from tests.engine.driving import Caller, drive
from tests.evolution.ground import Contents, Ground, ground
from tests.evolution.native import run_natively
from tests.evolution.pair import Kept, Pair
from tests.evolution.refusals import kind_of
from tests.evolution.values import alike, without_now
from tests.evolution.wrong import Wrong, signature_of
from tests.servers.server import Server

LONGEST_SECONDS = 60.0
ADVICE = ("invisible_index_before_drop",)
"""Linters that make a plan unsafe for what may come after it."""
Files = str | dict[str, str]


def travel(server: Server, pair: Pair, tally: Counter[str]) -> None:
    """There and back, counting in *tally* what was met. Wrong: something does not hold."""
    try:
        _travel(server, pair, tally)
    except (pymysql.MySQLError, EngineError, Wrong):
        if server.own is not None and server.pid is None:
            said = re.findall(
                r"Query \(\w+\): (.*)", (server.own.folder / "server.log").read_text(errors="replace")
            )
            server.revive()
            raise Wrong("the server died", f"at\n{said[-1:]}") from None
        raise


def _travel(server: Server, pair: Pair, tally: Counter[str]) -> None:
    with ground(server) as real, ground(server) as twin, _small_tables(count=not pair.online):
        try:
            for place in (real, twin):
                place.fill(pair.before, pair.rows)
        except Refused as refused:
            tally[f"first schemas that the server does not take: {signature_of(str(refused))}"] += 1
            return
        tally["pairs"] += 1
        _Journey(real, twin, tally).there_and_back(pair)


@dataclass
class _Journey:
    """The schema that is changed, and its twin, which the server changes alone."""

    real: Ground
    twin: Ground
    tally: Counter[str]
    cached: TableCache = field(default_factory=TableCache)
    comparable: bool = True  # the twin went along so far

    def there_and_back(self, pair: Pair) -> None:
        """Wrong: something does not hold."""
        first = self.real.texts()
        plan = self._arrive(pair.file, pair.kept)
        if plan is None:
            return
        self.tally["arrived"] += 1
        if self._arrive(dict(plan.original["shop"]), [(new, old) for old, new in pair.kept]) is None:
            return
        self.tally["and back"] += 1
        last = self.real.texts()
        if first != last:
            raise Wrong("another table came back", _difference(first, last))

    def _arrive(self, files: Files, kept: Sequence[Kept]) -> PlanResult | None:
        """The plan, carried out; None if it was refused, as it may be."""
        plan = self._plan(files)
        if plan is None:
            return None
        before = self.real.contents()
        if not self._applied(plan):
            self._plan(files)
            return None
        again = self._plan(files)
        if again is None or again.changes:
            said = again.changes[0].ddl if again else "it is refused"
            raise Wrong("a second plan is not empty", said)
        after = self.real.contents()
        if self.comparable:
            self._compare(plan.changes, after)
        for (old, column), (new, now) in kept:
            was, found = before[old].values(column), after[new].values(now)
            if not alike(was, found) and not _told(plan, old, new):
                raise Wrong("values changed untold", f"{old}.{column} → {new}.{now}\n{was} → {found}")
        return plan

    def _plan(self, files: Files) -> PlanResult | None:
        try:
            with _no_crash("planning"):
                plan = self.real.plan(files, self.cached)
        except BadFiles as bad:
            self._refused(bad, takes=isinstance(files, dict) or self._server_takes(files))
            return None
        except Refused as refused:
            self._refused(refused, takes=True)
            return None
        self.tally["plans"] += 1
        if plan.blocked:
            self.tally["plans blocked, as the rows do not fit"] += 1
        return None if plan.blocked else plan

    def _refused(self, refused: EngineError, *, takes: bool) -> None:
        kind = kind_of(str(refused)) if takes else "the server does not take the files either"
        if not kind:
            raise Wrong("refused for an unknown reason", str(refused))
        self.tally[f"plans refused: {kind}"] += 1

    def _server_takes(self, file: str) -> bool:
        """Whether it makes these tables natively."""
        with ground(self.real.server) as empty:
            try:
                empty.fill([one for one in file.split(";\n") if one], ())
            except Refused:
                return False
        return True

    def _applied(self, plan: PlanResult) -> bool:
        """False: it was refused, as the plan had told."""
        job = Job(apply_uid="apply_a", fence=1, owner="host:1:test:1", namespaces=("shop",))
        with _no_crash("applying"), MysqlSession(self.real.address, job) as session:
            refused = self._carried_out(session, plan)
            if refused is not None and session.discard(_caller()) is not Signal.GO:
                raise Wrong("not cleaned up", str(refused))
        if left := self.real.left_behind():
            raise Wrong("left behind", ", ".join(left))
        if refused is not None:
            self.tally["applies refused as told"] += 1
        return refused is None

    def _carried_out(self, session: MysqlSession, plan: PlanResult) -> EngineError | None:
        """What it was refused with, which was told."""
        session.check_fits(plan.changes, plan.fingerprints)
        for change in plan.changes:
            self.tally[f"changes, {change.strategy.value}"] += 1
            try:
                if session.standing(change) is not Standing.FITS:
                    raise Wrong("done before it began", change.ddl)
                if drive(session, change, _caller()) is not Signal.GO:
                    raise Wrong("not carried out", change.ddl)
            except (Refused, DriftFound) as error:
                if not _may_fail(plan, change):
                    raise Wrong("an apply was refused untold", f"{error}\n{change.ddl}") from error
                return error
        return None

    def _compare(self, changes: Sequence[Change], ours: Mapping[str, Contents]) -> None:
        """With what the server makes of its twin, as long as that can go along."""
        for change in changes:
            try:
                run_natively(self.twin, change)
            except ServerRefused as refused:
                if change.unsafe:
                    self.comparable = False
                    return
                raise Wrong("natively refused", f"{refused}\n{change.ddl}") from refused
        for table, native in self.twin.contents().items():
            here, there = (without_now(found.rows) for found in (ours[table], native))
            if here != there:
                raise Wrong("other rows than natively", f"{table}\nnatively: {there}\nours: {here}")


def _may_fail(plan: PlanResult, change: Change) -> bool:
    """Whether the plan told that the rows may refuse it."""
    return _unchecked(plan, change.table) or any(
        finding.severity is Severity.ERROR and finding.linter not in ADVICE
        for finding in _findings(plan, change.table)
    )


def _unchecked(plan: PlanResult, table: str) -> bool:
    """Whether the plan told that nobody knows what becomes of some of its values."""
    return any("not checked" in finding.message for finding in _findings(plan, table))


def _told(plan: PlanResult, *tables: str) -> bool:
    """Whether it is unsafe for one of the tables."""
    return any(finding.severity is Severity.ERROR for finding in _findings(plan, *tables))


def _findings(plan: PlanResult, *tables: str) -> Iterator[Finding]:
    return (finding for finding in plan.findings if finding.table in tables)


def _difference(first: dict[str, str], last: dict[str, str]) -> str:
    names = sorted(name for name in {*first, *last} if first.get(name) != last.get(name))
    return "\n".join(f"{name}\nfirst:\n{first.get(name)}\nlast:\n{last.get(name)}" for name in names)


def _caller() -> Caller:
    """It goes on, but not for ever."""
    until = time.monotonic() + LONGEST_SECONDS

    def in_time(progress: Progress) -> None:
        if time.monotonic() > until:
            raise Wrong("an apply does not end", f"{progress.detail}\n{progress.change.ddl}")

    found = Caller()
    found.rests = True
    found.on_report = in_time
    return found


@contextmanager
def _no_crash(what: str) -> Iterator[None]:
    """Inside, only what an engine may say of files and changes goes through; all else is wrong."""
    try:
        yield
    except (Refused, BadFiles, Wrong):
        raise
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        raise Wrong(f"{what} broke", f"{type(error).__name__} in {where.name}: {error}") from error


@contextmanager
def _small_tables(*, count: bool) -> Iterator[None]:
    """Whether small tables are changed by the server in one statement, or online like big ones."""
    with pytest.MonkeyPatch.context() as patch:
        if not count:
            patch.setattr(how, "DIRECT_ROWS", -1)
        yield
