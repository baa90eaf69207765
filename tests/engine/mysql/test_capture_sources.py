"""A binary log that does not tell which rows change: doctor and plan say it as the copy does, and what would help."""

from collections.abc import Iterator

import pytest

from engine.base import Job, Signal, Target, Verdict
from engine.mysql.address import Address
from engine.mysql.capture_sources import CaptureSources, capture_sources_of
from engine.mysql.engine import MysqlEngine
from engine.mysql.flavour import flavour_of
from engine.mysql.link import Link
from engine.mysql.problems import whats
from engine.mysql.rights import rights_of
from tests.engine.driving import Caller, drive
from tests.engine.mysql.planning.places import account, address_of, dsn
from tests.servers.flavours import FLAVOURS
from tests.servers.numbers import numbers
from tests.servers.private import PrivateServer
from tests.servers.server import Server, server_of

GRANTED = (
    "ALL ON secret.*",
    r"ALL ON `\_schemabot\_%`.*",
    "REPLICATION SLAVE, REPLICATION CLIENT, PROCESS ON *.*",
)
TABLE = "CREATE TABLE orders (id INT NOT NULL PRIMARY KEY, quantity INT NOT NULL)"
WIDE = TABLE.replace("quantity INT", "quantity BIGINT")
MANY = f"INSERT INTO orders SELECT i, 1 FROM {numbers(21_000)}"
SEEING = "GRANT REPLICATION CLIENT ON *.* TO '{}'@'%'"
LEFT_OUT = "binlog_ignore_db leaves out secret"


def sources_at(address: Address) -> CaptureSources:
    with Link(address) as link:
        flavour = flavour_of(link)
        return capture_sources_of(link, flavour, rights_of(link, flavour), "")


def test_nothing_is_said_of_a_server_that_logs_by_row(server: Server) -> None:
    assert sources_at(address_of(server)).log_problems(["shop"]) == ()


def test_a_format_other_than_row_is_told(server: Server) -> None:
    with server.having(binlog_format="MIXED"):
        (said,) = sources_at(address_of(server)).log_problems(["shop"])
    assert said.what == "binlog_format is MIXED"


def test_a_server_that_keeps_no_log_is_told(server: Server) -> None:
    with PrivateServer(FLAVOURS[server.flavour], options=["--skip-log-bin"]) as silent:
        found = server_of(silent)
        sources = sources_at(address_of(found))
        if server.flavour == "mysql":
            with account(found) as unseeing:
                helps(found, unseeing, f"or {SEEING.format(unseeing.user)}")
    assert [said.what for said in sources.log_problems(["shop"])] == ["log_bin is OFF"]
    assert sources.no_triggers is None


def test_who_may_not_see_whether_the_server_is_a_replica_is_told_all_that_triggers_take(
    mysql: Server,
) -> None:
    """MariaDB tells everybody."""
    with mysql.having(log_bin_trust_function_creators=0), account(mysql) as unseeing:
        seeing = SEEING.format(unseeing.user)
        helps(mysql, unseeing, f"or {seeing} and SET GLOBAL log_bin_trust_function_creators = 1")


def helps(server: Server, unseeing: Address, remedy: str) -> None:
    obstacle = sources_at(unseeing).no_triggers
    assert obstacle is not None
    assert obstacle.remedy == remedy
    with Link(address_of(server)) as link:
        for statement in remedy.removeprefix("or ").split(" and "):
            link.run(statement)
    assert sources_at(unseeing).no_triggers is None


@pytest.mark.parametrize(
    ("do_db", "ignore_db", "home", "said"),
    [
        ("", "", "shop", ""),
        ("shop", "", "shop", ""),
        ("shop", "", "audit", "binlog_do_db leaves out audit"),
        ("crm", "crm", "audit", "binlog_do_db leaves out audit, shop"),
        ("", "crm", "shop", ""),
        ("", "crm,shop", "", "binlog_ignore_db leaves out shop"),
    ],
)
def test_the_log_has_to_tell_of_the_schema_and_of_our_own_tables(
    do_db: str, ignore_db: str, home: str, said: str
) -> None:
    sources = CaptureSources(
        of_log=(),
        unread=(),
        do_db=frozenset(filter(None, do_db.split(","))),
        ignore_db=frozenset(filter(None, ignore_db.split(","))),
        home=home,
        no_triggers=None,
    )
    assert whats(sources.log_problems(["shop"])) == said


@pytest.mark.parametrize(
    ("do_db", "ignore_db", "said"),
    [
        ("shop", "", ""),
        ("Shop", "", "binlog_do_db leaves out shop"),
        ("", "shop", "binlog_ignore_db leaves out shop"),
    ],
)
def test_where_names_know_no_case_the_log_is_of_the_schema_in_lower_case(
    do_db: str, ignore_db: str, said: str
) -> None:
    sources = CaptureSources(
        of_log=(),
        unread=(),
        do_db=frozenset(filter(None, [do_db])),
        ignore_db=frozenset(filter(None, [ignore_db])),
        home="Shop",
        no_triggers=None,
        any_case=True,
    )
    assert whats(sources.log_problems(["Shop"])) == said


@pytest.fixture
def choosy(server: Server) -> Iterator[tuple[Server, Address]]:
    """A server whose log leaves out a schema, and a user who may read the log and is not trusted with triggers."""
    with PrivateServer(FLAVOURS[server.flavour], options=["--binlog-ignore-db=secret"]) as own:
        found = server_of(own)
        with found.connect(autocommit=True) as connection, connection.cursor() as cursor:
            for statement in (
                "CREATE DATABASE secret",
                "USE secret",
                TABLE,
                MANY,
            ):
                cursor.execute(statement)
            cursor.execute("ANALYZE TABLE orders")
        more = ["SLAVE MONITOR ON *.*"] if found.flavour == "mariadb" else []
        with account(found, *GRANTED, *more, schema="secret") as address:
            yield found, address


def test_a_schema_that_the_log_leaves_out_is_told_by_doctor_and_plan_as_the_copy_meets_it(
    choosy: tuple[Server, Address],
) -> None:
    found, address = choosy
    engine = MysqlEngine(Target(kind="mysql", database="secret", environment="test", dsn=dsn(address)))
    files = {"secret": {"orders.sql": f"{WIDE};\n"}}

    (seen,) = [seen for seen in engine.examine() if seen.subject == "binary log"]
    (blocked,) = engine.plan(files).blocked
    assert (seen.verdict, LEFT_OUT in seen.text) == (Verdict.BAD, True)
    assert LEFT_OUT in blocked
    assert seen.remedy in blocked

    with Link(address_of(found)) as link:
        link.run("SET GLOBAL log_bin_trust_function_creators = 1")
    (seen,) = [seen for seen in engine.examine() if seen.subject == "binary log"]
    plan = engine.plan(files)
    (change,) = plan.changes
    assert (seen.verdict, LEFT_OUT in seen.text) == (Verdict.DOUBTFUL, True)
    assert plan.blocked == ()
    assert "captured by three triggers" in change.lock
    assert "whoever drops or renames the account" in change.lock
    assert LEFT_OUT in change.lock

    control = Caller()
    with engine.open(Job(apply_uid="apply_a", fence=1, owner="test", namespaces=("secret",))) as session:
        assert drive(session, change, control) is Signal.GO
    assert any(f"captured by triggers: {LEFT_OUT}" in report.detail for report in control.reports)
