"""What the planning tests share: a target file with a schema and rows, a plan, and the simplest way to run it."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw

from engine.base import Change, Finding, PlanResult, SchemaFiles, Severity, Signal, Standing
from engine.sqlite.catalog import Catalog, read_catalog
from engine.sqlite.planning.planner import plan_sqlite
from engine.sqlite.planning.scratch import run_step
from engine.sqlite.spec import Step
from engine.sqlite.target import connect
from tests.engine.sqlite.plans import Caller, drive, open_session

Row = tuple[object, ...]


def files(text: str) -> SchemaFiles:
    return {"default": {"schema.sql": text}}


@contextmanager
def database(folder: Path, *texts: str) -> Iterator[apsw.Connection]:
    with closing(connect(str(folder / "target.db"))) as connection:
        with connection:
            for text in texts:
                connection.execute(text)
        yield connection


def plan(connection: apsw.Connection, text: str) -> PlanResult:
    return plan_sqlite(connection, files(text))


def by_the_engine(connection: apsw.Connection, result: PlanResult) -> None:
    """Run the plan as the server does: one session, one change after the other."""
    with open_session(Path(connection.filename), may_make=not result.fingerprints) as session:
        session.check_fits(result.changes, result.fingerprints)
        for change in result.changes:
            assert session.standing(change) is Standing.FITS
            assert drive(session, change, Caller()) is Signal.GO
            assert session.standing(change) is Standing.DONE


def step_of(change: Change) -> Step:
    """The step as a worker reads it: from JSON."""
    return Step.from_json(json.loads(json.dumps(dict(change.spec))))


def run(connection: apsw.Connection, result: PlanResult) -> None:
    """Run all changes the simple way; each finds what it was planned for and leaves what it promised."""
    for change in result.changes:
        step = step_of(change)
        assert read_catalog(connection).fingerprint(step.source) == step.before
        run_step(connection, step)
        assert read_catalog(connection).fingerprint(step.table) == step.after


def fresh(text: str) -> Catalog:
    """The catalogue of an empty database into which *text* was loaded."""
    connection = apsw.Connection(":memory:")
    connection.execute(text)
    return read_catalog(connection)


def assert_reached(connection: apsw.Connection, text: str) -> None:
    """The live schema is what a fresh load gives, and a new plan finds nothing to do."""
    assert read_catalog(connection).fingerprints() == fresh(text).fingerprints()
    assert plan(connection, text).changes == ()


def migrate(connection: apsw.Connection, text: str) -> PlanResult:
    """Plan, run, and prove the goal reached."""
    result = plan(connection, text)
    run(connection, result)
    assert_reached(connection, text)
    return result


def rows(connection: apsw.Connection, sql: str) -> list[Row]:
    return [tuple(row) for row in connection.execute(sql)]


def found(result: PlanResult, severity: Severity) -> list[Finding]:
    return [finding for finding in result.findings if finding.severity is severity]


def messages(result: PlanResult, severity: Severity) -> list[str]:
    return [finding.message for finding in found(result, severity)]
