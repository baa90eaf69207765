"""A server whose names know no case: DSN, namespaces and foreign keys may spell a schema otherwise than it does."""

from collections.abc import Iterator

import pytest

from engine.base import Signal
from engine.errors import BadFiles, Refused
from engine.mysql.planning.desired import TableCache
from engine.mysql.planning.planner import plan_mysql
from tests.engine.driving import Caller, drive
from tests.engine.mysql.changing.plans import Shop
from tests.servers.flavours import MARIADB
from tests.servers.private import PrivateServer
from tests.servers.server import Server, server_of

PARENT = "CREATE TABLE par (id INT PRIMARY KEY)"
CHILD = "CREATE TABLE chi (id INT PRIMARY KEY, p INT, CONSTRAINT f FOREIGN KEY (p) REFERENCES par (id))"


@pytest.fixture(scope="module")
def without_case(mariadb: Server) -> Iterator[Server]:
    """A MariaDB of its own: the setting is one for the whole life of a server."""
    with PrivateServer(MARIADB, options=("--lower-case-table-names=1",)) as own:
        yield server_of(own)


@pytest.mark.parametrize(("namespace", "schema"), [("Shop", ""), ("Web", "web"), ("Web", "WEB")])
def test_a_foreign_key_stays_however_its_schema_is_spelled(
    without_case: Server, namespace: str, schema: str
) -> None:
    shop = Shop(without_case, PARENT, CHILD, prefix="Shop_")
    schema = schema or shop.database.lower()
    parent, child = f"CREATE TABLE {schema}.par (id INT PRIMARY KEY)", CHILD.replace("par", f"{schema}.par")
    files = {namespace: {"a.sql": f"{parent};{child.replace('p INT', 'p INT, q INT')};"}}
    (change,) = plan_mysql(shop.address, files, cached=TableCache()).changes
    assert change.ddl == "ALTER TABLE `chi` ADD COLUMN `q` int(11) DEFAULT NULL;"
    with shop.session() as session:
        assert drive(session, change, Caller()) is Signal.GO
    assert plan_mysql(shop.address, files, cached=TableCache()).changes == ()


def test_a_parent_that_is_in_no_schema_of_the_plan_is_found_however_that_is_spelled(
    without_case: Server,
) -> None:
    there = Shop(without_case, PARENT, prefix="There_")
    shop = Shop(without_case, CHILD.replace("par", f"{there.database}.par"))
    for spelled in (there.database, there.database.upper()):
        files = {"shop": {"a.sql": f"{CHILD.replace('par', f'{spelled}.par')};"}}
        assert plan_mysql(shop.address, files, cached=TableCache()).changes == ()


def test_plans_are_tried_out_on_no_server_that_tells_names_apart_otherwise(
    without_case: Server, mariadb: Server
) -> None:
    files = {"shop": {"a.sql": PARENT}}
    for target, workspace in (without_case, mariadb), (mariadb, without_case):
        with pytest.raises(Refused, match="must have the same lower_case_table_names"):
            plan_mysql(Shop(target, PARENT).address, files, workspace=Shop(workspace).address)


def test_two_namespaces_that_are_one_schema_there_are_refused(without_case: Server) -> None:
    shop = Shop(without_case, PARENT)
    files = {name: {"a.sql": f"{PARENT};"} for name in (shop.database, shop.database.upper())}
    with pytest.raises(BadFiles, match="are one schema on this server"):
        plan_mysql(shop.address, files, cached=TableCache())
