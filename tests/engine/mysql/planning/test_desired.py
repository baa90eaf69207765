"""What has to be made in a scratch schema to know what the files say, and what need not be."""

import pytest

from engine.errors import BadFiles
from engine.mysql.catalog import read_tables
from engine.mysql.planning.desired import TableCache
from engine.mysql.planning.pull import tables_files
from tests.engine.mysql.planning.rig import Ground, ground
from tests.servers.server import Server

TABLES = [
    "CREATE TABLE p (id BIGINT NOT NULL PRIMARY KEY) COMMENT='it''s\\n'",
    "CREATE TABLE c (id BIGINT NOT NULL PRIMARY KEY, p BIGINT, FOREIGN KEY (p) REFERENCES p (id), CHECK (p > 1))",
]


def test_of_cached_tables_those_go_first_that_were_not_used_for_longest(server: Server) -> None:
    with ground(server, *(f"CREATE TABLE {name} (id INT PRIMARY KEY)" for name in "abc")) as target:
        a, b, c = read_tables(target.link, target.schema).values()
    cached = TableCache(most=2 * len(a.text))
    cached.put("a", (a,))
    cached.put("b", (b,))
    assert cached.get("a") == (a,)
    cached.put("a", (a,))
    cached.put("c", (c,))
    assert [cached.get(key) for key in "abc"] == [(a,), None, (c,)]


def created(target: Ground) -> int:
    """How many tables the server has made since it runs."""
    row = target.link.row("SHOW GLOBAL STATUS LIKE 'Com_create_table'")
    assert row is not None
    return int(row[1])


def test_what_a_file_says_in_the_words_of_the_server_is_not_made_again(server: Server) -> None:
    with ground(server, *TABLES) as target:
        files = tables_files(read_tables(target.link, target.schema))
        before = created(target)
        assert target.plan(files).changes == ()
        assert created(target) == before


def test_what_a_file_says_otherwise_is_made_once(server: Server) -> None:
    with ground(server, *TABLES) as target:
        files = tables_files(read_tables(target.link, target.schema))
        files["p.sql"] = files["p.sql"].replace("bigint", "BIGINT")
        before = created(target)
        assert target.plan(files).changes == ()
        assert created(target) == before + 1
        assert target.plan(files).changes == ()
        assert created(target) == before + 1


def test_an_index_behind_the_words_of_the_server_is_not_overlooked(server: Server) -> None:
    with ground(server, *TABLES) as target:
        files = tables_files(read_tables(target.link, target.schema))
        files["p.sql"] += "CREATE INDEX more ON p (id);\n"
        (change,) = target.plan(files).changes
        assert "ADD KEY `more`" in change.ddl


def test_a_default_out_of_a_sequence_is_tried_with_one(mariadb: Server) -> None:
    table = "CREATE TABLE t (id INT PRIMARY KEY DEFAULT nextval(numbers), n {0}{1});"
    with ground(mariadb, "CREATE SEQUENCE numbers", table.format("INT", "")) as here:
        (change,) = here.settle(table.format("BIGINT", ", m INT DEFAULT nextval(numbers)")).changes
        assert f"nextval(`{here.schema}`.`numbers`)" in change.ddl
        assert here.plan(here.plan("").original["shop"]).changes == ()
        with pytest.raises(BadFiles, match=r"others' doesn't exist .*CREATE SEQUENCE is left to you"):
            here.plan("CREATE TABLE t (id INT PRIMARY KEY DEFAULT nextval(others));")
