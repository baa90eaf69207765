"""Real schemas of Debian packages on both servers: nothing false is planned, nothing is missed, nothing is lost."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.mysql.catalog import read_tables
from engine.mysql.link import Link
from engine.mysql.planning.pull import tables_files
from engine.mysql.quoting import quote_name, quote_names
from engine.mysql.tables import Column, Table
from tests.engine.mysql.planning.places import schema_with
from tests.engine.mysql.planning.rig import Ground, ground
from tests.engine.real.debian import package
from tests.engine.real.mysql_schemas import cacti, kea, mediawiki, roundcube, roundcube_steps, zabbix
from tests.engine.real.scripts import run
from tests.servers.server import Server

PROJECTS: dict[str, tuple[str, Callable[[Path], list[str]], int]] = {
    "zabbix": ("zabbix-server-mysql", zabbix, 173),
    "cacti": ("cacti", cacti, 113),
    "mediawiki": ("mediawiki", mediawiki, 58),
    "roundcube": ("roundcube-core", roundcube, 17),
}
ROWS = 3
Values = dict[str, dict[str, list[str]]]  # table → column → its values, sorted


@pytest.mark.timeout(400)  # for a machine that does many other things
@pytest.mark.parametrize("project", PROJECTS)
def test_a_real_schema_plans_as_no_change_from_its_own_files_and_from_the_pulled_ones(
    server: Server, project: str
) -> None:
    name, read, tables = PROJECTS[project]
    script = read(package(name))
    with ground(server) as target:
        load(server, target.schema, script)
        live = read_tables(target.link, target.schema)
        assert len(live) == tables

        own = target.plan("".join(f"{statement};\n" for statement in script))
        pulled = target.plan(tables_files(live))

        assert (own.changes, own.findings) == ((), ())
        assert (pulled.changes, pulled.findings) == ((), ())
        assert pulled.original == {"shop": tables_files(live)}


def test_a_schema_that_grew_over_many_versions_plans_as_no_change_from_the_pulled_files(
    server: Server,
) -> None:
    with ground(server) as target:
        load(server, target.schema, kea(package("kea-admin")))
        live = read_tables(target.link, target.schema)
        assert len(live) >= 40
        pulled = target.plan(tables_files(live))
        assert (pulled.changes, pulled.findings) == ((), ())
        assert any(thing.startswith("trigger ") for thing in pulled.unmanaged)


@pytest.mark.timeout(400)  # some thirty plans, each with one more that has to be empty
@pytest.mark.parametrize("half", [0, 1])
def test_roundcube_steps_through_its_versions_and_loses_no_row(server: Server, half: int) -> None:
    steps = list(roundcube_steps(package("roundcube-core")))
    assert len(steps) >= 30
    middle = len(steps) // 2
    with schema_with(server) as (link, reference), ground(server) as target:
        for _, script in steps[: middle * half]:
            for schema in (reference, target.schema):
                load(server, schema, script)
        seed(target.link, target.schema)
        for version, script in steps[middle * half : middle * (half + 1) + half]:
            load(server, reference, script)
            wanted = read_tables(link, reference)
            step(target, version, tables_files(wanted))
            assert texts(target.link, target.schema) == {
                name: table.text for name, table in wanted.items()
            }, version


def step(target: Ground, version: str, files: dict[str, str]) -> None:
    """Bring the target, which has rows, to the version of *files*."""
    plan = target.plan(files)
    assert not plan.blocked, version
    before = values(target.link, target.schema)
    target.carry_out(plan)
    assert target.plan(files).changes == (), version
    after = values(target.link, target.schema)
    for table, columns in before.items():
        for column in set(columns) & set(after.get(table, {})):
            assert after[table][column] == columns[column], (version, table, column)
    seed(target.link, target.schema)


def load(server: Server, schema: str, script: list[str]) -> None:
    """Run a script as its authors do: in an old-fashioned sql_mode."""
    with server.connect(database=schema) as connection:
        run(connection, ["SET sql_mode = 'NO_ENGINE_SUBSTITUTION', foreign_key_checks = 0", *script])


def texts(link: Link, schema: str) -> dict[str, str]:
    return {name: table.text for name, table in read_tables(link, schema).items()}


def seed(link: Link, schema: str) -> None:
    """Fill every table up to ROWS rows: each value another one; numbers refer to each other."""
    link.run("SET foreign_key_checks = 0")
    for table in read_tables(link, schema).values():
        have = int(link.value(f"SELECT COUNT(*) FROM {quote_name(table.name)}"))
        columns = [column for column in table.columns if not column.generated]
        marks = ", ".join("%s" for _ in columns)
        for number in range(have + 1, ROWS + 1):
            link.run(
                f"INSERT INTO {quote_name(table.name)} ({quote_names(c.name for c in columns)}) VALUES ({marks})",
                *(value(table, column, number) for column in columns),
            )
    link.run("SET foreign_key_checks = 1")


def value(table: Table, column: Column, number: int) -> object:
    if "int" in column.data_type:
        return number
    if column.data_type == "datetime":
        return f"2020-01-0{number} 10:00:00"
    return f"k{number}" if column.name == "cache_key" else f"é{number}"  # some versions have it in ASCII


def values(link: Link, schema: str) -> Values:
    return {
        table.name: {
            column.name: sorted(
                str(found)
                for (found,) in link.rows(f"SELECT {quote_name(column.name)} FROM {quote_name(table.name)}")
            )
            for column in table.columns
        }
        for table in read_tables(link, schema).values()
    }
