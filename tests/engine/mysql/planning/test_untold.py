"""Characters and bytes that a server does not tell, or tells in its own way, in the definition of a table."""

import pytest

from engine.errors import BadFiles, Refused
from tests.engine.mysql.planning.rig import ground
from tests.servers.server import Server


@pytest.mark.parametrize(
    ("text", "of"),
    [
        ("CREATE TABLE t (e ENUM('😀', 'x'));", ""),
        ("CREATE TABLE t (e ENUM('😀', 'x'), v VARCHAR(9), CHECK (v <> '😀'));", ""),
        ("CREATE TABLE t (v VARCHAR(9) DEFAULT 'a😀');", "mariadb"),
        ("CREATE TABLE t (`😀` INT);", "mysql"),
    ],
)
def test_characters_that_the_server_does_not_tell_are_refused(server: Server, text: str, of: str) -> None:
    if server.is_one(of):
        with ground(server) as here, pytest.raises(BadFiles, match=r"U\+1F600.*could not be verified"):
            here.plan(text)


FAR = {
    "check": "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9), CONSTRAINT far CHECK (v <> '😀'), n {0});",
    "generated": "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9), g VARCHAR(20) AS (CONCAT(v, '😀')) STORED, n {0});",
    "expression": "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9) DEFAULT (CONCAT('😀', 'a')), n {0});",
    "partition": (
        "CREATE TABLE t (id INT, v VARCHAR(9), n {0}) PARTITION BY LIST COLUMNS (v) (PARTITION a VALUES IN ('😀'));"
    ),
}


@pytest.mark.parametrize("text", FAR.values(), ids=FAR)
def test_characters_that_the_server_tells_in_its_way_are_kept(server: Server, text: str) -> None:
    with ground(server, text.format("INT")) as here:
        assert here.plan(text.format("INT")).changes == ()
        assert here.plan(here.plan(text.format("INT")).original["shop"]).changes == ()
        here.settle(text.format("BIGINT").replace("VARCHAR(9)", "VARCHAR(8)"))
        here.run("DROP TABLE t")
        here.settle(text.format("INT"))


def test_a_definition_that_is_not_all_told_is_never_written_again(server: Server) -> None:
    told = "CREATE TABLE {0} (id INT PRIMARY KEY, e ENUM('{1}', 'x'), s SET('{1}', 'x'), d VARCHAR(9) DEFAULT '{1}', n INT);"
    with ground(server, told.format("t", "😀"), told.format("u", "?")) as here:
        there = here.plan({"t.sql": told.format("t", "?"), "u.sql": told.format("u", "?")}).original["shop"]
        assert here.plan(there).changes == ()
        for column in ("e", "s", *(["d"] if here.mariadb else [])):
            again = {file: _wider(text, column) for file, text in there.items()}
            with pytest.raises(Refused, match=f"t: {column} has characters beyond U"):
                here.plan(again)
            (change,) = here.plan({**again, "t.sql": there["t.sql"]}).changes  # a ? that is one
            assert change.table == "u"
        here.settle({file: _wider(text, "n") for file, text in there.items()})
        here.run("INSERT INTO t (id, e) VALUES (1, 1)")
        assert here.link.row("SELECT e, d FROM t") == ("😀", "😀")


def test_members_that_are_told_alike_are_said_to_be(server: Server) -> None:
    with ground(server, "CREATE TABLE t (id INT PRIMARY KEY, e ENUM('😀', '?'), n INT)") as here:
        text = here.plan("").original["shop"]["t.sql"]
        assert here.plan(text).changes == ()
        with pytest.raises(BadFiles, match=r"duplicated value .* an ALTER TABLE of your own"):
            here.plan(_wider(text, "n"))


def _wider(text: str, column: str) -> str:
    """A table's text with another type of one column."""
    return "\n".join(
        line.replace("'x')", "'x','y')").replace("(9)", "(10)").replace(" int", " bigint")
        if line.strip().startswith(f"`{column}`")
        else line
        for line in text.split("\n")
    )


def test_such_characters_do_no_harm_in_comments(server: Server) -> None:
    with ground(server) as here:
        assert here.plan("-- 😀\nCREATE TABLE t (v INT COMMENT 'fine 😀') COMMENT='😀';").changes


def test_a_default_of_bytes_that_are_no_text_is_read_and_kept(server: Server) -> None:
    table = "CREATE TABLE t (id INT PRIMARY KEY, v VARBINARY({0}) DEFAULT x'ff00', b BINARY(2) DEFAULT x'fe27', n {1});"
    with ground(server, table.format(4, "INT"), "INSERT INTO t (id) VALUES (1)") as here:
        files = here.plan(table.format(4, "INT"))
        assert files.changes == here.plan(files.original["shop"]).changes == ()
        here.settle(table.format(5, "BIGINT"))
        here.run("INSERT INTO t (id) VALUES (2)")
        assert set(here.link.rows("SELECT v, b FROM t")) == {(b"\xff\x00", b"\xfe'")}


def test_a_definition_in_another_character_set_is_read_and_kept(mysql: Server) -> None:
    table = (
        "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR({0}) DEFAULT (CONCAT(_latin1 0xe4, 'b')), "
        "CONSTRAINT k CHECK (v <> _latin1 0xe4), CONSTRAINT l CHECK (v <> _latin1'é'));"
    )
    with ground(mysql, table.format(9)) as here:
        files = here.plan(table.format(9))
        assert files.changes == here.plan(files.original["shop"]).changes == ()
        here.settle(table.format(300))
        here.run("INSERT INTO t (id) VALUES (1)")
        assert here.link.row("SELECT v FROM t") == ("äb",)
        with pytest.raises(Refused, match="Check constraint 'k'"):
            here.run("INSERT INTO t VALUES (2, 'ä')")
