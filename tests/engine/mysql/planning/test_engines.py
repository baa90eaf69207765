"""Storage engines, and where else a table lies: what a plan says of leaving and reaching them."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine.base import Strategy
from engine.errors import Refused
from engine.mysql.catalog import read_tables
from engine.mysql.planning.lint import judge
from engine.mysql.planning.linters.case import Case
from engine.mysql.shown import create_text
from engine.mysql.trouble import ServerRefused
from tests.engine.mysql.planning.rig import big, ground
from tests.servers.server import Server


def test_an_engine_that_keeps_no_rows_is_unsafe(server: Server) -> None:
    with ground(server, "CREATE TABLE t (id INT PRIMARY KEY)") as here:
        (change,) = here.plan("CREATE TABLE t (id INT PRIMARY KEY) ENGINE=MEMORY;").changes
        assert any("rows are lost when the server stops" in reason for reason in change.unsafe)


@pytest.mark.parametrize(("now", "wanted"), [("InnoDB", "MERGE"), ("MyISAM", "MERGE"), ("MERGE", "InnoDB")])
def test_an_engine_that_shows_rows_of_another_place_is_unsafe_to_reach_and_to_leave(
    server: Server, now: str, wanted: str
) -> None:
    with ground(server, f"CREATE TABLE t (id INT NOT NULL, KEY (id)) ENGINE={now}") as here:
        (change,) = here.settle(f"CREATE TABLE t (id INT NOT NULL, KEY (id)) ENGINE={wanted};").changes
        assert any("MRG_MYISAM may show rows of another place" in reason for reason in change.unsafe)


def test_an_engine_that_hands_its_rows_over_is_safe_to_leave(server: Server) -> None:
    with ground(server, "CREATE TABLE t (id INT PRIMARY KEY) ENGINE=MEMORY") as here:
        assert here.plan("CREATE TABLE t (id INT PRIMARY KEY) ENGINE=InnoDB;").changes[0].unsafe == ()


def test_a_change_into_another_engine_or_back_is_not_instant(server: Server) -> None:
    with ground(
        server, "CREATE TABLE t (id INT PRIMARY KEY) ENGINE=MyISAM", "CREATE TABLE u (id INT PRIMARY KEY)"
    ) as here:
        files = "CREATE TABLE t (id INT PRIMARY KEY) ENGINE=InnoDB; CREATE TABLE u (id INT PRIMARY KEY) ENGINE=MyISAM;"
        assert {change.strategy for change in here.plan(files).changes} == {Strategy.DIRECT}


@pytest.mark.parametrize(
    "option",
    [
        "TABLESPACE innodb_system",
        "SECONDARY_ENGINE=rapid",
        """SECONDARY_ENGINE_ATTRIBUTE='{"a": "b"}'""",
    ],
)
def test_an_option_whose_default_has_a_name_of_its_own_goes(mysql: Server, option: str) -> None:
    with ground(mysql, f"CREATE TABLE t (id INT PRIMARY KEY) {option}") as here:
        assert here.plan(f"CREATE TABLE t (id INT PRIMARY KEY) {option};").changes == ()
        here.settle("CREATE TABLE t (id INT PRIMARY KEY);")
        here.settle(f"CREATE TABLE t (id INT PRIMARY KEY, n INT) {option};")


ENCRYPTED = ["`id` int NOT NULL", "PRIMARY KEY (`id`)"], {"ENGINE": "InnoDB", "ENCRYPTION": "'Y'"}, ""


def test_the_text_of_an_encrypted_table_can_be_run_again(mysql: Server) -> None:
    """The server of the tests has no key for it, but knows what is meant."""
    with ground(mysql) as here, pytest.raises(ServerRefused) as refused:
        here.run(create_text("t", *ENCRYPTED))
    assert refused.value.code == 3185  # can't find the master key


def test_a_table_that_is_encrypted_no_more_is_unsafe(mysql: Server) -> None:
    with ground(mysql, "CREATE TABLE t (id INT PRIMARY KEY)") as here:
        plain = read_tables(here.link, here.schema)["t"]
    encrypted = replace(plain, options={**plain.options, "ENCRYPTION": "'Y'"})
    for now, wanted, found in ((encrypted, plain, True), (plain, encrypted, False)):
        case = Case(now=now, wanted=wanted, renamed={}, parts=[], locate=lambda *_: ("t.sql", 1))
        unsafe = [one.message for one in judge(case) if one.linter == "unsafe"]
        assert unsafe == ["Unsafe operation detected: the rows are encrypted no more"] * found


def test_the_block_size_of_a_compressed_table_changes_with_all_of_its_keys(server: Server) -> None:
    text = "CREATE TABLE t (id INT PRIMARY KEY, a INT, KEY a (a)) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE={}"
    with ground(server, text.format(4), "INSERT INTO t VALUES (1, 1)") as here:
        (change,) = here.settle(text.format(8)).changes
        assert change.unsafe == ()
        here.settle(text.format(2).replace("KEY a (a)", "UNIQUE KEY a (a), b INT"))


def test_a_table_whose_file_is_elsewhere_stays_there(mariadb: Server, tmp_path: Path) -> None:
    """MySQL takes only directories that it was started with."""
    mariadb.needs_control()  # of its files
    text = f"CREATE TABLE t (id INT PRIMARY KEY, a INT) DATA DIRECTORY='{tmp_path}/'"
    plan, rows = big(mariadb, text, text.replace("a INT", "a BIGINT"))
    assert "its file is in a directory of its own" in plan.changes[0].lock
    assert rows == 30_000
    plain = "CREATE TABLE t (id INT PRIMARY KEY, a INT)"
    for now, wanted in ((text, plain), (plain, text)):
        with ground(mariadb, now) as here, pytest.raises(Refused, match="the directory of its file cannot"):
            here.plan(wanted)
