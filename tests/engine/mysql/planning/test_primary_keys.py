"""Servers that insist on primary keys, or make them by themselves."""

import pytest

from engine.base import Strategy
from engine.errors import BadFiles, Refused
from engine.mysql.planning.planner import plan_mysql
from tests.engine.mysql.planning.places import account
from tests.engine.mysql.planning.rig import ground
from tests.engine.mysql.planning.trial_place import place
from tests.servers.numbers import numbers
from tests.servers.server import Server


def test_a_key_that_the_server_made_by_itself_serves_a_copy_and_stays(mysql: Server) -> None:
    with ground(
        mysql,
        "SET SESSION sql_generate_invisible_primary_key = 1",
        "CREATE TABLE t (a INT)",
        "SET SESSION sql_generate_invisible_primary_key = 0",
        f"INSERT INTO t (a) SELECT i FROM {numbers(21_000)}",
        "DELETE FROM t WHERE a < 500",
    ) as here:
        (change,) = here.settle("CREATE TABLE t (a BIGINT, b INT)").changes
        assert change.strategy is Strategy.ONLINE
        assert here.link.row("SELECT COUNT(*), SUM(my_row_id = a) FROM t") == (20_501, 20_501)
        key = "ALTER TABLE `t` DROP COLUMN my_row_id, ADD PRIMARY KEY"
        with pytest.raises(Refused, match=f"made by itself, invisible .my_row_id., .*{key}"):
            here.plan("CREATE TABLE t (a BIGINT PRIMARY KEY, b INT)")
        here.run(f"{key} (a)")
        assert here.plan("CREATE TABLE t (a BIGINT PRIMARY KEY, b INT)").changes == ()


def test_a_key_that_is_written_out_as_the_server_makes_it_is_refused(mysql: Server) -> None:
    key = "my_row_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT /*!80023 INVISIBLE */"
    with ground(mysql, "CREATE TABLE t (a INT PRIMARY KEY)") as here:
        with pytest.raises(BadFiles, match=r"shop\.sql:2:2: .*leave my_row_id and its PRIMARY KEY out"):
            here.plan(f"CREATE TABLE t (\n {key}, a INT, PRIMARY KEY (my_row_id));")
        here.settle(f"CREATE TABLE t (a INT, {key}, PRIMARY KEY (my_row_id));")  # in another place it is none


OWN_KEY_PLANS = [
    ("", "CREATE TABLE t (a INT NOT NULL AUTO_INCREMENT, KEY (a))", "Auto-increment column already exists"),
    ("", "CREATE TABLE t (a INT) PARTITION BY HASH (a)", "doesn't yet support"),
    ("", "CREATE TABLE t (my_row_id INT)", "'my_row_id' already exists"),
    (
        "CREATE TABLE t (a INT)",
        "CREATE TABLE t (a INT, n INT AUTO_INCREMENT, KEY (n))",
        "only one auto column",
    ),
    ("CREATE TABLE t (a INT)", "CREATE TABLE t (a INT) PARTITION BY HASH (a)", "doesn't yet support"),
    (
        "CREATE TABLE t (a INT)",
        "CREATE TABLE t (a INT, my_row_id INT)",
        "give the column of the files another name",
    ),
    (
        "CREATE TABLE t (a INT PRIMARY KEY)",
        "CREATE TABLE t (a INT NOT NULL)",
        "leaves the table without a PRIMARY",
    ),
]


@pytest.mark.parametrize(("now", "wanted", "said"), OWN_KEY_PLANS)
def test_what_a_key_that_the_server_makes_by_itself_rules_out_is_refused(
    mysql: Server, now: str, wanted: str, said: str
) -> None:
    with mysql.having(sql_generate_invisible_primary_key="ON"), ground(mysql, *filter(None, [now])) as here:
        with pytest.raises(Refused, match=said):
            here.plan(f"{wanted};")
        here.settle("CREATE TABLE t (a INT, b INT, UNIQUE KEY (b));" if "PRIMARY" not in now else f"{now};")


def test_tables_of_before_the_server_insisted_can_be_changed(mysql: Server) -> None:
    bare, parent = (
        "CREATE TABLE bare (a INT NOT NULL{0})",
        "CREATE TABLE p (id INT PRIMARY KEY, b INT, KEY (b))",
    )
    child = "CREATE TABLE {0} (id INT PRIMARY KEY, b INT{1}, CONSTRAINT {0} FOREIGN KEY (b) REFERENCES p (b))"
    with ground(mysql, "SET restrict_fk_on_non_standard_key = 0", bare.format(""), parent) as here:
        here.run(child.format("c", ""), "SET restrict_fk_on_non_standard_key = 1")
        with mysql.having(sql_require_primary_key="ON"):
            here.run("SET sql_require_primary_key = 1")
            rest = f"{parent}; {child.format('c', ', n INT')};"
            grants = f"ALL ON {here.schema}.*", r"ALL ON `\_schemabot\_scratch\_%`.*"
            with account(mysql, *grants, schema=here.schema) as address:
                files = {"shop": {"shop.sql": f"{rest} {bare.format(', PRIMARY KEY (a)')};"}}
                with pytest.raises(Refused, match=r"made again .*GRANT SESSION_VARIABLES_ADMIN"):
                    plan_mysql(address, files)
            for wanted, missing in (
                (bare.format(", b INT"), "bare: the server does not take .*primary key"),
                (
                    f"{bare.format('')}; CREATE TABLE new (a INT)",
                    "new: the server does not take .*primary key",
                ),
                (
                    f"{bare.format('')}; {child.format('d', '')}",
                    "d: the server does not take .*Missing unique key",
                ),
            ):
                with pytest.raises(Refused, match=missing):
                    here.plan(f"{rest} {wanted};")
            here.settle(f"{rest} {bare.format(', PRIMARY KEY (a)')};")


def test_a_key_that_no_session_can_do_without_is_refused_with_what_to_do(mariadb: Server) -> None:
    with (
        ground(mariadb, "CREATE TABLE t (a INT NOT NULL)") as here,
        mariadb.having(innodb_force_primary_key="ON"),
        pytest.raises(Refused, match=r"made again .* plan on a workspace server"),
    ):
        here.plan("CREATE TABLE t (a INT NOT NULL PRIMARY KEY);")


_TWO = "CREATE TABLE t (a INT NOT NULL, n INT NOT NULL, UNIQUE z (a), UNIQUE b (n))"
_THREE = "CREATE TABLE t (a INT NOT NULL, n INT NOT NULL, o INT NOT NULL, UNIQUE z (a), UNIQUE c (n), UNIQUE b (o))"


@pytest.mark.parametrize(
    ("history", "first", "other"),
    [
        ((_TWO,), "z", "b"),
        (
            (
                "CREATE TABLE t (a INT NOT NULL, n INT NOT NULL, UNIQUE z (a))",
                "ALTER TABLE t ADD UNIQUE b (n)",
            ),
            "z",
            "b",
        ),
        ((_THREE, "ALTER TABLE t DROP INDEX z"), "c", "b"),
        ((_TWO.replace("n INT NOT NULL", "n INT"), "ALTER TABLE t MODIFY n INT NOT NULL"), "z", "b"),
    ],
    ids=["as created", "added later", "after the first", "not null later"],
)
def test_without_a_primary_key_rows_lie_by_the_first_unique_key_of_the_live_table_whatever_its_name(
    server: Server, history: tuple[str, ...], first: str, other: str
) -> None:
    with place(server, *history) as found:
        for key in (first, other):
            how = found.how(f"DROP INDEX {key}", table="t", rows=1, bytes_=1)
            assert how.rebuilds == (key == first)
            found.link.run(f"CREATE TABLE without_{key} LIKE t")
            found.run(how, f"without_{key}")
