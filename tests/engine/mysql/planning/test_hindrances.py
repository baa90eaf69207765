"""What would stop a copy though its change is right, told by the plan."""

from collections.abc import Iterator

import pytest

from engine.base import Change, Strategy
from tests.engine.mysql.planning.rig import Ground, ground
from tests.engine.mysql.replication import receiving
from tests.servers.numbers import numbers
from tests.servers.server import Server

TABLE = "CREATE TABLE t (id INT PRIMARY KEY)"
WANTED = TABLE.replace("INT", "BIGINT")
UNTOLD = "can not be copied online: nothing would tell which of its rows change meanwhile: not the binary log"


@pytest.fixture
def here(server: Server) -> Iterator[Ground]:
    """With a table that is copied online."""
    many = f"INSERT INTO t SELECT i FROM {numbers(21_000)}"
    with ground(server, TABLE, many, "ANALYZE TABLE t") as found:
        yield found


def test_a_table_with_the_name_of_a_helper_blocks_a_copy_unless_it_may_be_ours(here: Ground) -> None:
    assert here.plan(WANTED).blocked == ()
    here.run("CREATE TABLE t__osc_o (a INT)")
    (blocked,) = here.plan(WANTED).blocked
    assert "t is copied, and t__osc_o is in the way of that: drop or rename it" in blocked
    here.run("CREATE TABLE _schemabot_copy (a INT)")
    assert here.plan(WANTED).blocked == ()


def logging(server: Server, here: Ground, format_: str) -> Change:
    """The planned change where new sessions log so."""
    with server.having(binlog_format=format_):
        plan = here.plan(WANTED)
    assert plan.blocked == ()
    return plan.changes[0]


def test_where_the_server_logs_by_statement_no_table_is_copied_online(server: Server, here: Ground) -> None:
    change = logging(server, here, "STATEMENT")
    assert change.strategy is Strategy.DIRECT
    (said,) = change.unsafe
    assert f"{UNTOLD} (binlog_format is STATEMENT)" in said
    assert "SET GLOBAL binlog_format = ROW" in said


def test_a_table_whose_key_is_not_in_minimal_row_images_is_captured_by_triggers(
    server: Server, here: Ground
) -> None:
    here.run(
        "ALTER TABLE t DROP PRIMARY KEY, ADD f DOUBLE NOT NULL DEFAULT 0, ADD PRIMARY KEY (f, id), ADD UNIQUE (id)"
    )
    wanted = (
        "CREATE TABLE t (id BIGINT NOT NULL, f DOUBLE NOT NULL DEFAULT 0, PRIMARY KEY (f, id), UNIQUE (id))"
    )
    with server.having(binlog_row_image="MINIMAL"):
        plan = here.plan(wanted)
    assert plan.blocked == ()
    assert plan.changes[0].strategy is Strategy.ONLINE
    assert "captured by three triggers" in plan.changes[0].lock
    assert (
        "(binlog_row_image is MINIMAL, which may leave out id, by which its rows are found)"
        in plan.changes[0].lock
    )
    assert "three triggers" not in here.plan(wanted).changes[0].lock


def test_on_a_replica_a_table_is_copied_online_only_if_the_log_tells_of_what_it_receives(
    server: Server, here: Ground
) -> None:
    """Triggers do not: replication fires none."""
    with receiving(here.link):
        plan = here.plan(WANTED)
        mixed = logging(server, here, "MIXED")
    assert plan.changes[0].strategy is (Strategy.DIRECT if here.mariadb else Strategy.ONLINE)
    assert ("does not log what it receives" in plan.changes[0].lock) == here.mariadb
    assert mixed.strategy is Strategy.DIRECT
    assert f"{UNTOLD} (binlog_format is MIXED" in mixed.lock
    word = "SLAVE" if here.mariadb else "REPLICA"
    still = f"the server is a replica that stands still (RESET {word} ALL if it is none any more)"
    assert f"and not triggers, as {still}, and replication fires none" in mixed.lock
