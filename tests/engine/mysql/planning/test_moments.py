"""Columns of dates and times: their zone, their defaults, their old format."""

import pytest

from engine.base import Strategy
from engine.mysql.planning.pull import pull_mysql
from tests.engine.mysql.planning.rig import ground
from tests.servers.server import Server


def test_a_timestamp_is_what_the_files_say_whatever_the_server_would_add(mysql: Server) -> None:
    with (
        ground(mysql, "CREATE TABLE t (id INT PRIMARY KEY)") as here,
        mysql.having(explicit_defaults_for_timestamp=0),
    ):
        here.settle("CREATE TABLE t (id INT PRIMARY KEY, ts TIMESTAMP NOT NULL);")


def test_a_copy_in_utc_of_what_is_computed_from_a_moment_is_unsafe(server: Server) -> None:
    table = "CREATE TABLE t (id INT PRIMARY KEY, n {}, ts TIMESTAMP NULL, d DATE AS (DATE(ts)) STORED)"
    with ground(server, table.format("INT")) as here:
        here.run("SET time_zone = '+10:00'", "INSERT INTO t (id, ts) VALUES (1, '2024-05-02 03:00:00')")
        here.run("SET time_zone = '+00:00'")
        (change,) = here.plan(table.format("BIGINT") + ";").changes
        (reason,) = change.unsafe
        assert 'column "d" stays, but is computed anew in UTC' in reason
        assert reason.endswith("1 row (for example id 1: 2024-05-02 becomes 2024-05-01)")


def test_values_that_are_carried_over_unchanged_are_not_unsafe(server: Server) -> None:
    table = "CREATE TABLE t (id INT PRIMARY KEY, m TIMESTAMP(3) NULL, e ENUM('a','bb'), b BIT(1))"
    files = "CREATE TABLE t (id INT PRIMARY KEY, m DATETIME(3), e VARCHAR(10), b TINYINT(1));"
    values = "SELECT CAST(m AS CHAR), CONCAT(e), b + 0 FROM t ORDER BY id"
    with ground(
        server, table, "INSERT INTO t VALUES (1, '2026-01-01 10:00:00.5', 'bb', b'1'), (2, NULL, NULL, 0)"
    ) as here:
        with server.having(time_zone="+05:00"):
            (elsewhere,) = here.plan(files).changes
        was = here.link.rows(values)

        (change,) = here.settle(files).changes

        assert here.link.rows(values) == was
    assert any("datetime(3), which may not hold every value" in reason for reason in elsewhere.unsafe)
    assert change.unsafe == ()


UTC = [
    ("DATE(ts)) STORED", "BIGINT", 'column "d" stays, but is computed anew in UTC'),
    (
        "DATE(ts)) VIRTUAL, KEY (d)",
        "INT NOT NULL",
        'column "d" is computed in UTC, while the server\'s time_zone is +10:00',
    ),
    ("DATE(ts)) VIRTUAL, KEY (n)", "INT NOT NULL", ""),
]


@pytest.mark.parametrize(("rest", "after", "told"), UTC, ids=["copied", "rebuilt in place", "not written"])
def test_what_is_made_anew_in_utc_from_a_moment_is_unsafe(
    server: Server, rest: str, after: str, told: str
) -> None:
    table = f"CREATE TABLE t (id INT PRIMARY KEY, n {{}}, ts TIMESTAMP NULL, d DATE AS ({rest});"
    with ground(server, table.format("INT")) as here:
        here.run("SET time_zone = '+10:00'", "INSERT INTO t (id, n, ts) VALUES (1, 1, '2024-05-02 03:00:00')")
        here.run("SET time_zone = '+00:00'")
        with server.having(time_zone="+10:00"):
            (change,) = here.plan(table.format(after)).changes
        in_place = after != "BIGINT" and (server.flavour == "mysql" or not told)
        assert change.strategy is (Strategy.IN_PLACE if in_place else Strategy.DIRECT)
        assert len(change.unsafe) == bool(told)
        assert all(told in reason for reason in change.unsafe)


def test_dates_of_an_old_format_are_read_and_converted_by_whatever_changes_the_table(mariadb: Server) -> None:
    with ground(mariadb, "CREATE TABLE u (id INT PRIMARY KEY)") as here:
        table = "CREATE TABLE t (id INT PRIMARY KEY, d DATETIME, s TIMESTAMP NULL, h TIME, v VARCHAR(10){})"
        with mariadb.having(mysql56_temporal_format="OFF"):
            here.run(table.format(""))
        here.run("INSERT INTO t VALUES (1, '2020-01-01 01:02:03', '2020-01-01 01:02:03', '01:02:03', 'a')")
        pulled = pull_mysql(here.address, "shop")["shop"]
        assert here.plan(pulled).changes == ()
        (change,) = here.settle(f"{table.format(', n INT')}; CREATE TABLE u (id INT PRIMARY KEY);").changes
        assert change.strategy is Strategy.DIRECT
        row = here.link.row("SELECT CONCAT_WS(' ', d, s, h, v) FROM t")
        assert row == ("2020-01-01 01:02:03 2020-01-01 01:02:03 01:02:03 a",)
        shown = here.link.row("SHOW CREATE TABLE t")
        assert shown is not None
        assert "5.3" not in str(shown[1])
