"""A server that logs by statement: our own sessions log by row if they may; what cannot be is refused before it is begun."""

from collections.abc import Iterator

import pytest

from engine.base import Signal, Target, Verdict
from engine.errors import Refused
from engine.mysql.engine import MysqlEngine
from engine.mysql.spec import Algorithm
from tests.engine.driving import drive
from tests.engine.mysql.changing.orders import caller, filled, widened
from tests.engine.mysql.changing.plans import Shop
from tests.engine.mysql.planning.places import dsn
from tests.servers.server import Server

GRANTED = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, REFERENCES, TRIGGER, LOCK TABLES, REPLICATION SLAVE, "
    "REPLICATION CLIENT, PROCESS"
)


@pytest.fixture
def shop(server: Server) -> Iterator[Shop]:
    found = filled(Shop(server), "orders", rows=300)
    with server.having(binlog_format="STATEMENT"):
        yield found


def engine(shop: Shop) -> MysqlEngine:
    return MysqlEngine(
        Target(kind="mysql", database=shop.database, environment="test", dsn=dsn(shop.address))
    )


def test_statements_run_where_all_sessions_log_by_statement(shop: Shop) -> None:
    change = shop.statements("orders", ("ALTER TABLE {t} ADD INDEX by_note (note)", Algorithm.INPLACE))
    with shop.session() as session:
        assert drive(session, change, caller()) is Signal.GO
    assert shop.left_behind() == []


def test_a_plan_is_refused_where_our_sessions_could_write_nothing(shop: Shop) -> None:
    (name,) = shop.rows("SHOW CREATE TABLE orders")[0][1:]
    files = {shop.database: {"orders.sql": name.replace("`note`", "`note` varchar(40), `more`", 1)}}
    with (
        shop.of_user(f"{GRANTED} ON *.*") as ours,
        pytest.raises(Refused, match="SET GLOBAL binlog_format = ROW"),
    ):
        engine(ours).plan(files)
    assert engine(shop).plan(files).changes


def test_an_online_copy_is_refused_and_leaves_nothing(shop: Shop) -> None:
    change = widened(shop)
    with (
        shop.session() as session,
        pytest.raises(Refused, match=r"SET GLOBAL binlog_format = ROW.*; then plan again"),
    ):
        drive(session, change, caller())
    assert shop.left_behind() == []


def test_whoever_asks_beforehand_is_told(shop: Shop) -> None:
    (seen,) = [seen for seen in engine(shop).examine() if seen.subject == "binary log"]
    assert (seen.verdict, "binlog_format is STATEMENT" in seen.text) == (Verdict.BAD, True)
    assert "SET GLOBAL binlog_format = ROW" in seen.remedy
