"""A server whose names know no case (lower_case_table_names=1), reached by a dsn that spells the database otherwise."""

from collections.abc import Iterator

import pytest

from tests.engine.mysql.copying.application import TABLE, fill
from tests.engine.mysql.copying.rig import Rig, Watcher, prepare
from tests.servers.flavours import MARIADB
from tests.servers.private import PrivateServer
from tests.servers.server import Server, server_of


@pytest.fixture
def without_case(mariadb: Server) -> Iterator[Server]:
    """A MariaDB of its own: the setting is one for the whole life of a server."""
    with PrivateServer(MARIADB, options=("--lower-case-table-names=1",)) as own:
        yield server_of(own)


def test_changes_are_heard_however_the_database_is_spelled(without_case: Server) -> None:
    with without_case.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE Shop CHARACTER SET utf8mb4")
    rig = Rig(server=without_case, schema="Shop", source="t", clauses=["ADD extra INT NOT NULL DEFAULT 7"])
    rig.run(TABLE, fill(1_000))
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        rig.run("UPDATE t SET pad = 'late' WHERE id < 50", "DELETE FROM t WHERE id = 60")
        with rig.locked(copy) as link:
            assert rig.assert_same(link) == 999
