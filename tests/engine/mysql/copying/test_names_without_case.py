"""A server whose names know no case (lower_case_table_names=1), reached by a dsn that spells the database otherwise."""

from collections.abc import Iterator

import pytest

from engine.errors import DriftFound
from engine.mysql.address import parse_address
from engine.mysql.capture_sources import capture_sources_of
from engine.mysql.flavour import flavour_of
from engine.mysql.link import Link
from engine.mysql.problems import whats
from engine.mysql.rights import rights_of
from tests.engine.mysql.capturing.rig import emptied, foreign_key, unread
from tests.engine.mysql.copying.application import TABLE, fill
from tests.engine.mysql.copying.rig import Rig, Watcher, prepare
from tests.servers.flavours import MARIADB
from tests.servers.private import PrivateServer
from tests.servers.server import Server, server_of

FILTERS = ("--binlog-ignore-db=quiet", "--binlog-ignore-db=Loud")
"""MariaDB leaves no schema out by a name in capitals, as it has none of such a name."""


@pytest.fixture
def without_case(mariadb: Server) -> Iterator[Server]:
    """A MariaDB of its own: the setting is one for the whole life of a server."""
    with PrivateServer(MARIADB, options=("--lower-case-table-names=1", *FILTERS)) as own:
        yield server_of(own)


@pytest.fixture
def rig(without_case: Server) -> Rig:
    with without_case.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE Shop CHARACTER SET utf8mb4")
    found = Rig(server=without_case, schema="Shop", source="t", clauses=["ADD extra INT NOT NULL DEFAULT 7"])
    found.run(TABLE, fill(1_000))
    return found


def test_what_triggers_do_not_tell_is_seen_however_the_database_is_spelled(rig: Rig) -> None:
    with unread(rig, "PROCESS"):
        step = rig.step()
        with rig.copying(step) as copy:
            prepare(copy, Watcher())
            with pytest.raises(DriftFound, match="was truncated or rebuilt"), rig.locked(copy, *emptied(rig)):
                pass
            copy.discard(Watcher())
        with rig.copying(rig.step()) as copy:
            prepare(copy, Watcher())
            with (
                pytest.raises(DriftFound, match="got a foreign key to it"),
                rig.locked(copy, *foreign_key(rig)),
            ):
                pass


def test_changes_are_heard_however_the_database_is_spelled(rig: Rig) -> None:
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        rig.run("UPDATE t SET pad = 'late' WHERE id < 50", "DELETE FROM t WHERE id = 60")
        with rig.locked(copy) as link:
            assert rig.assert_same(link) == 999


def test_a_schema_that_the_log_leaves_out_is_told_however_the_database_is_spelled(
    without_case: Server,
) -> None:
    def events() -> int:
        return len(link.rows("SHOW BINLOG EVENTS"))

    with Link(parse_address(without_case.url("", query="ssl_mode=disabled"))) as link:
        flavour = flavour_of(link)
        sources = capture_sources_of(link, flavour, rights_of(link, flavour), "Quiet")
        assert whats(sources.log_problems(["Loud", "QUIET"])) == "binlog_ignore_db leaves out quiet"
        for schema, logged in ("Quiet", False), ("Loud", True):
            link.run(f"CREATE DATABASE {schema}")
            link.run(f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)")
            before = events()
            link.run(f"INSERT INTO {schema}.t VALUES (1)")
            assert (events() > before) is logged
