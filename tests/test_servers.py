"""The servers for tests are real, come back with their data, and leave nothing behind."""

import time
from pathlib import Path

import pymysql
import pytest

from tests.servers.server import Server


def _rows(server: Server, statement: str, database: str | None = None) -> list[tuple[object, ...]]:
    with server.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def test_a_server_answers_and_says_what_it_is(server: Server) -> None:
    ((version,),) = _rows(server, "SELECT VERSION()")

    assert str(version).startswith(server.version)
    assert ("MariaDB" in str(version)) == (server.flavour == "mariadb")


def test_a_server_has_what_production_has(server: Server) -> None:
    ((log, form, schema),) = _rows(
        server, "SELECT @@global.log_bin, @@global.binlog_format, @@global.performance_schema"
    )

    assert (log, form, schema) == (1, "ROW", 1)


def test_what_was_committed_is_there_after_kill_9(own_server: Server) -> None:
    database = own_server.fresh_database()
    with own_server.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept (id INT PRIMARY KEY)")
        cursor.execute("INSERT INTO kept VALUES (1)")
        connection.commit()
        cursor.execute("INSERT INTO kept VALUES (2)")
        before = own_server.pid

        own_server.kill()

    assert own_server.pid is None
    with pytest.raises(pymysql.OperationalError):
        own_server.connect()
    own_server.start()
    assert own_server.pid not in (None, before)
    assert _rows(own_server, "SELECT id FROM kept", database) == [(1,)]
