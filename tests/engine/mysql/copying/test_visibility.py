"""Orders of events in which other tools lost rows: each made certain, on a real server."""

import threading
import time

import pymysql
import pytest

from engine.base import Progress, Signal
from engine.errors import EngineError
from tests.engine.mysql.copying.rig import Rig, Watcher, commits_stall, make_rig, prepare
from tests.engine.striking import At
from tests.servers.numbers import numbers
from tests.servers.server import Server

TABLE = """
CREATE TABLE t (id INT NOT NULL PRIMARY KEY, u INT NULL, v VARCHAR(40) NOT NULL, UNIQUE KEY u (u));;
INSERT INTO t VALUES (10, 1, 'a'), (20, 2, 'b'), (30, 3, 'c'), (40, 4, 'd'), (50, 5, 'e')
"""
CHANGE = ["MODIFY v VARCHAR(60) NOT NULL"]


def through(rig: Rig, *late: str, watcher: Watcher | None = None) -> None:
    """The whole copy, with *late* statements when all is compared; then compare."""
    with rig.copying(rig.step()) as copy:
        prepare(copy, watcher or Watcher())
        rig.run(*late)
        with rig.locked(copy) as link:
            rig.assert_same(link)
        assert copy.checkpoint.repairs == 0


BETWEEN = {
    "the boundary, behind it, before the first": (
        "UPDATE t SET v = 'edge' WHERE id = 50", "INSERT INTO t VALUES (51, 6, 'b')", "INSERT INTO t VALUES (-5, 7, 'before')",
    ),
    "delete and insert again": ("DELETE FROM t WHERE id = 20", "INSERT INTO t VALUES (20, 2, 'again')"),
    "a chain of keys": (
        "UPDATE t SET id = 60 WHERE id = 50", "UPDATE t SET id = 50 WHERE id = 40", "UPDATE t SET id = 40 WHERE id = 30",
    ),
    "a key that was just deleted": ("DELETE FROM t WHERE id = 10", "UPDATE t SET id = 10 WHERE id = 20"),
    "a unique swap": (
        "UPDATE t SET u = NULL WHERE id = 10", "UPDATE t SET u = 1 WHERE id = 50", "UPDATE t SET u = 5 WHERE id = 10",
    ),
    "a rotation": (
        "UPDATE t SET u = NULL WHERE id = 10", "UPDATE t SET u = 1 WHERE id = 20", "UPDATE t SET u = 99 WHERE id = 30",
        "UPDATE t SET u = 2 WHERE id = 30", "UPDATE t SET u = 3 WHERE id = 10",
    ),
    "insert, replace, on duplicate key": (
        "REPLACE INTO t VALUES (70, 1, 'from 10')", "INSERT INTO t VALUES (20, 9, 'x') ON DUPLICATE KEY UPDATE v = 'odku'",
        "INSERT IGNORE INTO t VALUES (30, 9, 'ignored')",
    ),
    "one row again and again": tuple(f"UPDATE t SET v = 'v{n}' WHERE id = 30" for n in range(200)),
    "a join": ("UPDATE t JOIN t AS o ON o.id = t.id + 10 SET t.v = CONCAT(o.v, '+'), o.v = 'joined'",),
    "everything goes": ("DELETE FROM t",),
}  # fmt: skip


@pytest.mark.parametrize("when", ["after_commit:chunk", "begun:chunk", "late"])
@pytest.mark.parametrize("what", BETWEEN)
def test_whatever_comes_around_a_chunk_is_in_the_copy(server: Server, what: str, when: str) -> None:
    rig = make_rig(server, TABLE, CHANGE)
    if when == "late":
        through(rig, *BETWEEN[what])
    else:
        with At(when, lambda: rig.run(*BETWEEN[what])):
            through(rig)


def test_a_delete_while_a_chunk_is_not_committed_is_not_undone(server: Server) -> None:
    """The row was read and is deleted before the chunk is there (B1, resurrected rows under READ COMMITTED)."""
    rig = make_rig(server, TABLE, CHANGE)
    deleter = threading.Thread(target=lambda: rig.run("DELETE FROM t WHERE id IN (10, 50)"))
    with At("before_commit:chunk", deleter.start):
        through(rig)
    deleter.join()
    assert rig.value("SELECT COUNT(*) FROM t") == 3


def test_rows_that_are_not_committed_when_the_copy_begins_are_in_it(server: Server) -> None:
    rig = make_rig(server, TABLE, CHANGE)
    connection = server.connect(database=rig.schema, autocommit=False)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (99, 99, 'open'), (-1, 98, 'open')")
        cursor.execute("UPDATE t SET v = 'open' WHERE id = 20")
    met: list[str] = []

    def commit_when_waited_for(progress: Progress) -> Signal | None:
        if "waiting for the first or the last row" in progress.detail and not met:
            met.append(progress.detail)
            connection.commit()
        return None

    through(rig, watcher=Watcher(commit_when_waited_for))
    assert met
    assert rig.value("SELECT COUNT(*) FROM t WHERE v = 'open'") == 3
    connection.close()


def test_rows_of_a_prepared_transaction_wait_for_its_commit(server: Server) -> None:
    rig = make_rig(server, TABLE, CHANGE)
    connection = server.connect(database=rig.schema, autocommit=True)
    done = threading.Event()

    def prepare_xa() -> None:
        with connection.cursor() as cursor:
            for statement in (
                "XA START 'x'", "UPDATE t SET v = 'xa' WHERE id = 30", "INSERT INTO t VALUES (35, 35, 'xa')", "XA END 'x'",
                "XA PREPARE 'x'",
            ):  # fmt: skip
                cursor.execute(statement)

    def commit_when_waited_for(progress: Progress) -> Signal | None:
        if "waiting for the row id = 30" in progress.detail and not done.is_set():
            with connection.cursor() as cursor:
                cursor.execute("XA COMMIT 'x'")
            done.set()
        return None

    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        prepare_xa()
        rig.run("UPDATE t SET v = 'plain' WHERE id = 10")
        prepare(copy, Watcher(commit_when_waited_for))
        assert done.is_set()
        with rig.locked(copy) as link:
            rig.assert_same(link)
    connection.close()


def test_a_huge_transaction_is_applied(server: Server) -> None:
    rig = make_rig(server, f"{TABLE};;INSERT INTO t SELECT 99 + i, NULL, 'x' FROM {numbers(10_000)}", CHANGE)
    with At(
        "after_commit:chunk",
        lambda: rig.run("UPDATE t SET v = CONCAT(v, id)", "DELETE FROM t WHERE id % 3 = 0"),
    ):
        through(rig, "UPDATE t SET id = id + 100000 WHERE id > 5000")


def test_a_statement_that_is_logged_as_text_ends_the_copy(server: Server) -> None:
    rig = make_rig(server, TABLE, CHANGE)
    struck = threading.Event()

    def hook(progress: Progress) -> Signal | None:
        if progress.detail == "copying rows" and not struck.is_set():
            struck.set()
            connection = server.connect(database=rig.schema, autocommit=True)
            with connection.cursor() as cursor:
                cursor.execute("SET SESSION binlog_format = 'STATEMENT'")
                cursor.execute("UPDATE t SET v = 'text' WHERE id = 10")
            connection.close()
        return None

    with rig.copying(rig.step()) as copy, pytest.raises(EngineError, match=r"(?i)statement"):
        prepare(copy, Watcher(hook, volume=1))


def test_a_row_is_copied_although_its_commit_stalls_after_the_log(mariadb: Server) -> None:
    """Semi-sync without a replica, waiting after the log is written: the event is out seconds before the row is visible."""
    rig = make_rig(mariadb, TABLE, CHANGE)

    def stalled() -> None:
        connection = mariadb.connect(database=rig.schema, autocommit=True)
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO t VALUES (60, 60, 'stalled')")
        connection.close()

    writer = threading.Thread(target=stalled)
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        end = copy.stream.end()
        with commits_stall(mariadb, 1_500):
            writer.start()
            # Until the event is in the log, and its commit waits for a replica.
            while copy.stream.end() == end:
                copy.link.value("SELECT SLEEP(0.01)")
            assert writer.is_alive()
            prepare(copy, Watcher())
            writer.join()
            prepare(copy, Watcher())
            with rig.locked(copy) as link:
                rig.assert_same(link)
                assert link.value(f"SELECT COUNT(*) FROM {rig.shadow} WHERE id = 60") == 1


def test_a_row_that_its_owner_holds_keeps_nobody_waiting_for_the_comparison(server: Server) -> None:
    """A transaction holds a changed row and wants a doubtful one: held while we wait for the first, both wait for good."""
    rig = make_rig(server, TABLE, CHANGE)
    longest: list[float] = []
    stop = threading.Event()

    def entangle() -> None:
        connection = server.connect(database=rig.schema, autocommit=False)
        with connection.cursor() as cursor:
            turn = 0
            while not stop.is_set():
                turn += 1
                began = time.monotonic()
                try:
                    for key in (10, 30) if turn % 2 else (30, 10):
                        cursor.execute("UPDATE t SET v = %s WHERE id = %s", (f"turn {turn}", key))
                    connection.commit()
                except pymysql.err.OperationalError:
                    connection.rollback()
                longest.append(time.monotonic() - began)
        connection.close()

    writers = [threading.Thread(target=entangle) for _ in range(4)]
    for writer in writers:
        writer.start()
    try:
        with rig.copying(rig.step()) as copy:
            prepare(copy, Watcher())
            with rig.locked(copy) as link:
                rig.assert_same(link)
            assert copy.checkpoint.repairs == 0
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert max(longest) < 5
