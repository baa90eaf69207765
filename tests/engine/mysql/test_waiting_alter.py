"""Somebody waits to alter a table of another schema: MySQL locks every table for a look at InnoDB's dictionary, and tells
nothing then.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest

from engine.base import Strategy
from engine.mysql.flavour import flavour_of
from engine.mysql.link import Link
from engine.mysql.shadow.table_identity import numbers_of
from tests.engine.mysql.capturing.rig import unread
from tests.engine.mysql.copying.rig import Watcher, make_rig, prepare
from tests.engine.mysql.planning.places import address_of
from tests.engine.mysql.planning.rig import ground
from tests.servers.numbers import numbers
from tests.servers.server import Server
from tests.waiting import until

TABLE = "CREATE TABLE t (id INT PRIMARY KEY, v INT)"
WANTED = TABLE.replace("v INT", "v BIGINT")


@contextmanager
def waiting_alter(server: Server) -> Iterator[None]:
    """Inside, an ALTER TABLE waits for the end of a transaction that has read the table."""
    address = address_of(server, server.fresh_database())
    with Link(address) as reader, Link(address, settings={"lock_wait_timeout": 60}) as alter:
        reader.run("CREATE TABLE x (a INT PRIMARY KEY)")
        reader.run("BEGIN")
        reader.rows("SELECT * FROM x")
        waits = threading.Thread(target=alter.run, args=("ALTER TABLE x ADD b INT",))
        waits.start()
        state = f"SELECT STATE FROM information_schema.PROCESSLIST WHERE ID = {alter.id}"
        try:
            until(
                "the ALTER waits",
                lambda: str(reader.value(state)).startswith("Waiting for table metadata lock"),
            )
            yield
        finally:
            reader.run("ROLLBACK")
            waits.join()


def test_a_plan_is_made(server: Server) -> None:
    many = f"INSERT INTO t SELECT i, i FROM {numbers(21_000)}"
    with (
        ground(server, TABLE, many, "ANALYZE TABLE t") as here,
        waiting_alter(server),
    ):
        plan = here.plan(WANTED)
    assert plan.blocked == ()
    assert [change.strategy for change in plan.changes] == [Strategy.ONLINE]


@pytest.mark.parametrize("triggers", [False, True], ids=["log", "triggers"])
def test_a_copy_comes_to_its_cutover_and_sees_a_truncate_all_the_same(server: Server, triggers: bool) -> None:
    rig = make_rig(server, f"{TABLE};; INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)", ["MODIFY v BIGINT"])
    with (
        unread(rig, "PROCESS") if triggers else nullcontext(),
        waiting_alter(server),
        rig.copying(rig.step()) as copy,
    ):
        prepare(copy, Watcher())
        with rig.locked(copy) as link:
            assert copy.nothing_came(link, 1.0)
            rig.assert_same(link)
        rig.run("SET sql_log_bin = 0", "TRUNCATE TABLE t", "INSERT INTO t VALUES (1, 1), (3, 3)")
        with pytest.raises(Exception, match="t was truncated or rebuilt"), rig.locked(copy):
            pass


def test_a_table_that_shares_its_tablespace_is_not_known_meanwhile(mysql: Server) -> None:
    with Link(address_of(mysql, mysql.fresh_database())) as link:
        link.run(f"{TABLE} TABLESPACE innodb_system")
        schema, flavour = str(link.value("SELECT DATABASE()")), flavour_of(link)
        (before,) = numbers_of(link, flavour, schema, "t")
        with waiting_alter(mysql):
            assert numbers_of(link, flavour, schema, "t") == ()
        link.run("TRUNCATE TABLE t")
        (after,) = numbers_of(link, flavour, schema, "t")
    assert before != after
