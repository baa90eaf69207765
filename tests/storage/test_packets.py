"""Statements of one transaction that go to the server together: fewer round trips, and no rule is weaker for it."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from pymysql.constants import CLIENT
from pymysql.cursors import DictCursor

from storage.errors import StoreError
from storage.mysql.store import MysqlStore
from storage.mysql.transaction import BETWEEN, PACKET, CommitUnknown, Transaction
from storage.mysql.trouble import Duplicate, Undone
from tests.servers.server import Server
from tests.storage.scene import claimed, queued


@pytest.fixture
def link(server: Server) -> Iterator[Any]:
    """A connection to a database with one table, of one row that is 1."""
    name = server.fresh_database()
    with closing(
        server.connect(
            database=name,
            autocommit=True,
            cursorclass=DictCursor,
            client_flag=CLIENT.FOUND_ROWS | CLIENT.MULTI_STATEMENTS,
        )
    ) as made:
        transaction = Transaction(made, "here")
        transaction.run("CREATE TABLE t(id INT NOT NULL PRIMARY KEY, text VARCHAR(3)) ENGINE=InnoDB")
        transaction.run("INSERT INTO t VALUES (1, 'old')")
        yield made
    server.drop_database(name)


def texts(link: Any) -> list[tuple[int, str]]:
    """What the table holds, as a fresh transaction on the same connection sees it."""
    link.query("ROLLBACK")
    return [(row["id"], row["text"]) for row in Transaction(link, "here").rows("SELECT * FROM t ORDER BY id")]


def test_what_waits_runs_in_order_before_the_next_statement_and_each_answer_is_its_own(link: Any) -> None:
    transaction = Transaction(link, "here")
    transaction.later("START TRANSACTION")
    transaction.later("INSERT INTO t VALUES (%(id)s, %(text)s)", id=2, text="a;'")
    transaction.later("SELECT * FROM t FOR UPDATE")
    assert transaction.run("UPDATE t SET text = 'new'") == 2
    transaction.later("INSERT INTO t VALUES (3, 'x')")
    assert [row["id"] for row in transaction.rows("SELECT id FROM t ORDER BY id")] == [1, 2, 3]
    transaction.commit()
    assert texts(link) == [(1, "new"), (2, "new"), (3, "x")]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_server_runs_nothing_after_a_statement_that_failed_not_even_commit(
    link: Any, number: int
) -> None:
    transaction = Transaction(link, "here")
    transaction.later("START TRANSACTION")
    transaction.run("UPDATE t SET text = 'new'")
    for turn in range(3):
        transaction.later(
            "UPDATE t SET text = %(text)s", text="much too long" if turn == number else str(turn)
        )
    with pytest.raises(StoreError, match="too long") as caught:
        transaction.commit()
    assert not isinstance(caught.value, CommitUnknown), "it is known: COMMIT was not reached"
    assert texts(link) == [(1, "old")]


def test_a_row_that_is_there_already_is_nobodys_answer_but_that_of_its_own_statement(link: Any) -> None:
    transaction = Transaction(link, "here")
    with pytest.raises(Duplicate):
        transaction.insert("INSERT INTO t VALUES (1, 'two')")
    transaction.later("INSERT INTO t VALUES (1, 'two')")
    with pytest.raises(StoreError, match="not waited for") as caught:
        transaction.insert("INSERT INTO t VALUES (2, 'x')")
    assert not isinstance(caught.value, Duplicate)


def test_a_row_locked_by_somebody_undoes_the_whole_packet(server: Server, link: Any) -> None:
    link.query("SET SESSION innodb_lock_wait_timeout = 1")
    with closing(server.connect(database=link.db.decode(), autocommit=False)) as other:
        other.cursor().execute("UPDATE t SET text = 'his' WHERE id = 1")
        transaction = Transaction(link, "here")
        transaction.later("START TRANSACTION")
        transaction.later("INSERT INTO t VALUES (2, 'x')")
        transaction.later("UPDATE t SET text = 'new' WHERE id = 1")
        with pytest.raises(Undone):
            transaction.commit()
        other.rollback()
    assert texts(link) == [(1, "old")]


def test_what_waits_never_outgrows_a_packet(link: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    query = link.query

    def watched(sql: str, unbuffered: bool = False) -> int:
        sent.append(len(sql))
        return int(query(sql, unbuffered))

    monkeypatch.setattr(link, "query", watched)
    transaction = Transaction(link, "here")
    for _ in range(5):
        transaction.later("SELECT length(%(text)s)", text="x" * (PACKET // 2 - 100))
    transaction.commit()
    assert len(sent) == 3
    assert max(sent) < PACKET * 1.1


def test_a_claim_is_two_round_trips_and_nothing_of_a_driver_goes_before_its_guard(server: Server) -> None:
    packets: list[list[str]] = []

    def watch(link: Any) -> None:
        query = link.query

        def watched(sql: Any, unbuffered: bool = False) -> Any:
            packets.append([statement.split(None, 1)[0] for statement in str(sql).split(BETWEEN)])
            return query(sql, unbuffered)

        link.query = watched

    name = server.fresh_database()
    address = server.url(name, query="ssl_mode=disabled").removeprefix("mysql://")
    with MysqlStore(address, _on_connect=watch) as store:
        store.upgrade()
        queued(store)
        packets.clear()
        claim = claimed(store)
        assert packets == [["START", "SELECT"], ["UPDATE", "INSERT", "COMMIT"]]
        packets.clear()
        store.complete(claim)
        assert packets[0] == ["START", "UPDATE"], "the guard is answered before anything else is sent (OW-2)"
        assert packets[-1][-1] == "COMMIT"
        assert len(packets) <= 6
    server.drop_database(name)
