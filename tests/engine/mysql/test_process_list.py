"""What others run may have any bytes in it: who looks at the server's lists is not disturbed by that."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pymysql
import pytest
from pymysql.connections import Connection

from engine.base import Job
from engine.mysql.blockers import blockers, row_blockers
from engine.mysql.flavour import flavour_of
from engine.mysql.link import Link
from engine.mysql.open_transactions import Untold
from engine.mysql.ownership.ending import end, stuck
from engine.mysql.ownership.hold import Hold
from engine.mysql.ownership.watch import Watch
from engine.mysql.process_list import process_list
from engine.mysql.replication.followers import log_readers
from engine.mysql.trouble import Lost
from engine.mysql.visibility import visibility_gaps
from engine.mysql.waiting.snapshots import Snapshots, snapshots, still
from tests.engine.mysql.cutover.snapshots import SNAPSHOT
from tests.engine.mysql.planning.places import address_of, schema_with
from tests.servers.server import Server

CUT = ("SELECT SLEEP(60) /*" + "x" * 80 + "é" * 30 + "*/").encode()
BINARY = b"SELECT SLEEP(60), LENGTH(_binary'\xff\xfe\xc3 abc')"


@pytest.fixture
def other(server: Server) -> Iterator["Connection[Any]"]:
    """A connection of somebody else's."""
    with server.connect(autocommit=True) as connection:
        yield connection


@contextmanager
def busy(server: Server, other: "Connection[Any]", sql: bytes) -> Iterator[int]:
    """Inside, *other* runs *sql*; its id."""

    def run() -> None:
        with suppress(pymysql.MySQLError), other.cursor() as cursor:  # it is killed
            cursor.execute(sql)

    thread = threading.Thread(target=run)
    number = int(other.thread_id())  # type: ignore[no-untyped-call]
    with Link(address_of(server)) as link:
        thread.start()
        while not any(row[0] == number and row[7] for row in link.raw_rows("SHOW PROCESSLIST")):
            assert thread.is_alive()
        try:
            yield number
        finally:
            link.run(f"KILL QUERY {number}")
            thread.join()


def seen(link: Link) -> Snapshots:
    """A list that the server makes anew: nobody has asked it for a tenth of a second."""
    threading.Event().wait(0.11)
    return snapshots(link, ())


@pytest.mark.parametrize("sql", [CUT, BINARY], ids=["cut in a letter", "binary"])
def test_the_process_list_is_read_whatever_others_run(
    server: Server, other: "Connection[Any]", sql: bytes
) -> None:
    with Link(address_of(server)) as link, busy(server, other, sql) as number:
        found = {one.id: one for one in process_list(link)}
        assert found[number].user == server.user
        assert found[number].command == "Query"
        assert found[number].statement.startswith("SELECT SLEEP(60)")
        assert "User sleep" in found[number].state
        assert not stuck(link)
        assert log_readers(link) == []
        reasons = [one.what for one in visibility_gaps(link, flavour_of(link))]
        assert not any("PROCESS" in reason for reason in reasons)
        end(link, "QUERY", number)


@pytest.mark.parametrize(
    "text", ["/* by hand */ xa /* of x */\nPrepare", "PREPARE XA " * 50_000, "XA" * 200_000]
)
def test_what_may_be_preparing_is_found_at_once_in_a_statement_of_any_length(
    server: Server, other: "Connection[Any]", text: str
) -> None:
    sql = f"SELECT SLEEP(60), LENGTH('{text}')".encode()
    with Link(address_of(server)) as link, busy(server, other, sql) as number:
        began = time.thread_time()
        found = visibility_gaps(link, flavour_of(link))
        assert time.thread_time() - began < 1.0
        preparing = "there are prepared transactions (XA RECOVER)" in [one.what for one in found]
        assert preparing == ("prepare" in text.lower())
        end(link, "QUERY", number)


def test_a_target_is_taken_over_and_watched_whatever_others_run(
    server: Server, other: "Connection[Any]"
) -> None:
    address = address_of(server, server.fresh_database())
    first, second = (Hold(address, Job(apply_uid="a", fence=n, owner=f"host:1:test:{n}")) for n in (1, 2))
    first.take()
    with busy(server, other, BINARY):
        second.take()
        with pytest.raises(Lost):
            first.link.value("SELECT 1")
        watch, gone = Watch(second), second.open_link()
        second.end_link(gone)
        found = watch.process_of(second.link)
        assert found is not None
        assert found.user == server.user
        assert watch.process_of(gone) is None
        second.close_link(gone)
        watch.close()
    assert second.release()
    second.close()
    first.close()


def test_a_prepared_transaction_may_have_any_name(server: Server) -> None:
    """Those of Java's transaction managers are bytes."""
    with Link(address_of(server)) as link, Link(address_of(server)) as other:
        for step in ("START", "END", "PREPARE"):
            other.run(f"XA {step} X'FFFEC3', X'C328'")
        try:
            assert [one.what for one in visibility_gaps(link, flavour_of(link))] == [
                "there are prepared transactions (XA RECOVER)"
            ]
        finally:
            other.run("XA ROLLBACK X'FFFEC3', X'C328'")


def test_an_answer_that_the_driver_does_not_understand_is_a_lost_connection(
    server: Server, other: "Connection[Any]"
) -> None:
    with Link(address_of(server)) as link:
        with busy(server, other, BINARY), pytest.raises(Lost, match="UnicodeDecodeError"):
            link.rows("SHOW PROCESSLIST")
        with pytest.raises(Lost):
            link.value("SELECT 1")


def test_a_snapshot_is_the_same_whatever_its_connection_runs(server: Server) -> None:
    """MySQL gives no list of transactions amid such a statement, and what tells of them then tells of another begin."""
    with (
        schema_with(server, "CREATE TABLE t (a INT PRIMARY KEY)") as (link, schema),
        server.connect(autocommit=True) as other,
        other.cursor() as cursor,
    ):
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        cursor.execute(f"SELECT * FROM {schema}.t")
        before = seen(link)
        with busy(server, other, BINARY) as number:
            amid = seen(link)
            assert snapshots(link, (number,)) == {}
            told = blockers(link, [(schema, "t")], ())
        after = seen(link)
    for older, now in ((before, amid), (amid, after)):
        assert still(older, now).startswith(f"the transaction of connection {number} of ")
    assert told.sure == (server.flavour == "mysql")


def test_a_snapshot_is_the_same_when_the_clock_of_its_server_goes_back(server: Server) -> None:
    """Or seems to: at the end of summer time."""
    with Link(address_of(server)) as link, Link(address_of(server)) as reader:
        for statement in SNAPSHOT:
            reader.run(statement)
        reader.rows("SELECT * FROM mysql.user")
        before = seen(link)
        link.run("SET timestamp = UNIX_TIMESTAMP() - 3600")
        amid, after = seen(link), seen(link)
    for older in (before, amid):
        assert f"connection {reader.id} of {server.user}, idle in a transaction for 0 s" in still(
            older, after
        )


def test_where_nobody_tells_of_transactions_it_is_not_taken_for_none(mysql: Server) -> None:
    consumer = "UPDATE performance_schema.setup_consumers SET enabled = '{}' WHERE name = 'events_transactions_current'"
    with Link(address_of(mysql)) as link, mysql.connect(autocommit=True) as other, other.cursor() as cursor:
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        cursor.execute("SELECT * FROM mysql.user")
        link.run(consumer.format("NO"))
        try:
            with busy(mysql, other, BINARY) as number:
                if mysql.is_one("mysql 9"):
                    with pytest.raises(Untold, match="GRANT SELECT ON performance_schema"):
                        seen(link)
                else:  # 8.4 lists them whatever they run
                    assert number in seen(link)
                assert not row_blockers(link, ()).sure
        finally:
            link.run(consumer.format("YES"))
