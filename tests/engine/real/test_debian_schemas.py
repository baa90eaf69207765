"""Real schemas of Debian packages, through their real versions, with rows: nothing false, nothing missed, nothing lost."""

from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from engine.base import PlanResult, Severity
from engine.sqlite.affinity import affinity
from engine.sqlite.catalog import Relation, read_catalog
from engine.sqlite.planning.planner import plan_sqlite
from engine.sqlite.pull import pull_files
from engine.sqlite.quoting import quote_name, quote_names
from engine.sqlite.target import connect
from tests.engine.planning.rig import by_the_engine, found, fresh, rows, run
from tests.engine.real.debian import package
from tests.engine.real.histories import Version, mediawiki, powerdns, roundcube

HISTORIES: dict[str, tuple[str, Callable[[Path], list[Version]], int]] = {
    "roundcube": ("roundcube-core", roundcube, 20),
    "powerdns": ("pdns-backend-sqlite3", powerdns, 7),
    "mediawiki": ("mediawiki", mediawiki, 4),
}
ROWS = 3
Values = dict[str, dict[str, list[str]]]  # table → column → its values, sorted


@pytest.mark.parametrize("execute", [run, by_the_engine])
@pytest.mark.parametrize("project", HISTORIES)
def test_a_real_schema_steps_through_its_versions_and_loses_no_value(
    project: str, execute: Callable[[apsw.Connection, PlanResult], None], tmp_path: Path
) -> None:
    name, history, at_least = HISTORIES[project]
    versions = history(package(name))
    assert len(versions) >= at_least
    connection = connect(str(tmp_path / "target.db"))
    for version, files in versions:
        desired = {"default": files}
        result = plan_sqlite(connection, desired)
        if result.blocked:
            empty_as_the_authors_do(connection, result)
            result = plan_sqlite(connection, desired)
        assert not result.blocked, version
        before, kept = every_value(connection), kept_columns(connection, files)

        execute(connection, result)

        text = "\n".join(files[file] for file in sorted(files))
        assert read_catalog(connection).fingerprints() == fresh(text).fingerprints(), version
        assert plan_sqlite(connection, desired).changes == (), version
        assert plan_sqlite(connection, pull_files(connection, "default")).changes == (), version
        after = every_value(connection)
        for table, columns in kept.items():
            for column in columns:
                assert after[table][column] == before[table][column], (version, table, column)
        seed(connection)
    connection.close()


@pytest.mark.parametrize("project", HISTORIES)
def test_a_pulled_real_schema_plans_as_no_change(project: str, tmp_path: Path) -> None:
    name, history, _ = HISTORIES[project]
    for at, (_, files) in enumerate(history(package(name))[-2:]):
        connection = connect(str(tmp_path / f"{at}.db"))
        for file in sorted(files):
            connection.execute(files[file])
        result = plan_sqlite(connection, pull_files(connection, "anything"))
        assert (result.changes, result.findings) == ((), ())
        connection.close()


def test_a_packaged_bacula_catalogue_plans_as_no_change(tmp_path: Path) -> None:
    script = (
        package("bacula-director-sqlite3")
        / "usr/share/dbconfig-common/data/bacula-director-sqlite3/install/sqlite3"
    )
    connection = connect(str(tmp_path / "bacula.db"))
    connection.execute(script.read_text())
    assert len(read_catalog(connection).names()) > 20
    assert plan_sqlite(connection, pull_files(connection, "bacula")).changes == ()
    connection.close()


def empty_as_the_authors_do(connection: apsw.Connection, result: PlanResult) -> None:
    """New NOT NULL columns without a default: the authors' scripts throw such rows away or compute the values."""
    for finding in found(result, Severity.BLOCKED):
        assert finding.linter == "not_null"
        assert "is new, NOT NULL and without a default" in finding.message
        connection.execute(f"DELETE FROM {quote_name(finding.table)}")


def seed(connection: apsw.Connection) -> None:
    """Fill every table up to ROWS rows: each value another one, of the column's kind; numbers refer to each other."""
    for relation in read_catalog(connection):
        if relation.kind != "table":
            continue
        have = len(rows(connection, f"SELECT 1 FROM {quote_name(relation.name)}"))
        columns = [column.name for column in relation.columns if not column.generated]
        marks = ", ".join("?" for _ in columns)
        for number in range(have + 1, ROWS + 1):
            connection.execute(
                f"INSERT INTO {quote_name(relation.name)} ({quote_names(columns)}) VALUES ({marks})",
                [_value(relation, column, number) for column in columns],
            )


def _value(relation: Relation, name: str, number: int) -> object:
    column = relation.column(name)
    assert column is not None
    kind = affinity(column, strict=relation.strict)
    if kind in ("INTEGER", "REAL") or (kind == "NUMERIC" and "date" not in column.type.lower()):
        return number
    return f"{relation.name}.{name}; it's\n№ {number}"


def every_value(connection: apsw.Connection) -> Values:
    return {
        relation.name: {
            column.name: sorted(
                repr(value)
                for (value,) in rows(
                    connection, f"SELECT {quote_name(column.name)} FROM {quote_name(relation.name)}"
                )
            )
            for column in relation.columns
        }
        for relation in read_catalog(connection)
        if relation.kind == "table"
    }


def kept_columns(connection: apsw.Connection, files: dict[str, str]) -> dict[str, list[str]]:
    """Columns that are in both versions and whose values nothing converts."""
    wanted = fresh("\n".join(files[file] for file in sorted(files)))
    return {
        relation.name: [
            old.name
            for old in relation.columns
            if (new := after.column(old.name)) is not None and affinity(old) == affinity(new)
        ]
        for relation in read_catalog(connection)
        if relation.kind == "table" and (after := wanted.get(relation.name)) is not None
    }
