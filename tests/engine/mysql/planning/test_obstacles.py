"""What stands against an online copy of a big table, and how the change runs then."""

import pytest

from engine.base import Strategy
from engine.mysql.catalog import read_table
from engine.mysql.flavour import flavour_of
from engine.mysql.planning.how import LiveTable, choose
from engine.mysql.spec import Algorithm
from tests.engine.mysql.planning.places import schema_with
from tests.engine.mysql.planning.trial_place import CHILD, MANY, MUCH, ROWS, USERS, Place, place
from tests.servers.server import Server

MANY_MEMBERS = "SET('a','b','c','d','e','f','g','h','i','j','k')"


def test_a_table_in_a_foreign_key_is_never_copied_online(server: Server) -> None:
    with place(server, USERS, CHILD, ROWS, "INSERT INTO posts VALUES (1, 1, 'x')") as both:
        for table, other, clause in (
            ("posts", "users", "MODIFY t VARCHAR(2)"),
            ("users", "posts", "MODIFY a BIGINT"),
        ):
            how = both.how(clause, table=table, relatives=[other])
            assert how.strategy is Strategy.DIRECT
            assert "it can not be copied online: it is in a foreign key" in how.lock
            assert (
                "Writers of it wait until about 3,000,000 rows (700 MiB) are copied, very roughly 29 s"
                in how.lock
            )
            assert "its writers wait" in how.warning
            held = table == "posts" and not flavour_of(both.link).mariadb  # measured
            assert ("Whoever changes a row of users that it refers to waits as long" in how.warning) == held
            both.run(how, table)


def test_a_table_in_a_foreign_key_is_rebuilt_in_place_if_the_server_can(server: Server) -> None:
    with place(server, USERS, CHILD, ROWS, "INSERT INTO posts VALUES (1, 1, 'x')") as both:
        how = both.how("MODIFY a INT NOT NULL", relatives=["posts"])
        assert how.strategy is Strategy.IN_PLACE
        assert "Rebuilds the table in place (LOCK=NONE): readers and writers go on" in how.lock
        assert "it is in a foreign key" in how.lock
        both.run(how)


def test_a_column_that_is_referred_to_is_tried_with_those_who_refer_to_it(server: Server) -> None:
    """MySQL renames one at once only where nobody refers to it."""
    with place(server, USERS, CHILD, ROWS, "INSERT INTO posts VALUES (1, 1, 'x')") as both:
        how = both.how("RENAME COLUMN `id` TO `number`", relatives=["posts"])
        assert how.alters[0][1] is (Algorithm.INSTANT if flavour_of(both.link).mariadb else Algorithm.INPLACE)
        both.run(how)
        assert both.how("ADD COLUMN `z` INT", relatives=["posts"]).strategy is Strategy.INSTANT


def test_a_new_foreign_key_on_a_big_table_makes_its_writers_wait_and_says_so(server: Server) -> None:
    bare = "CREATE TABLE posts (id INT NOT NULL PRIMARY KEY, user_id INT)"
    with place(server, USERS, bare) as both:
        clause = "ADD CONSTRAINT `f` FOREIGN KEY (`user_id`) REFERENCES `users` (`id`)"
        how = both.how(clause, table="posts", relatives=["users"])
        assert how.strategy is Strategy.DIRECT
        assert "its writers wait" in how.warning
        assert how.warning.endswith("Writers of users wait as long")
        assert "Writers of users wait as long. Foreign keys tie it to users" in how.lock
        both.run(how, "posts")


def test_a_child_of_a_table_of_its_own_name_in_another_schema_is_a_child(server: Server) -> None:
    with schema_with(server, USERS) as (_, other):
        child = f"CREATE TABLE users (id INT NOT NULL PRIMARY KEY, a INT, FOREIGN KEY (a) REFERENCES `{other}`.users (id))"
        with place(server, child) as found:
            parent = read_table(found.link, other, "users")
            assert parent is not None
            users = read_table(found.link, found.schema, "users")
            assert users is not None
            live = LiveTable(
                table=parent, name="users", target=found.link, flavour=flavour_of(found.link),
                sizes=lambda _: (MANY, MUCH), relatives=[users],
            )  # fmt: skip
            how = choose(found.link, found.scratch, live, [["MODIFY a BIGINT"]])
            assert how.strategy is Strategy.DIRECT
            assert "it is in a foreign key" in how.lock
            found.link.run("DROP TABLE users")


@pytest.mark.parametrize(
    ("table", "obstacle"),
    [
        ("CREATE TABLE users (a INT)", "it has no primary key"),
        (
            f"CREATE TABLE users (s {MANY_MEMBERS} PRIMARY KEY, a INT)",
            "its rows cannot be found in order by its primary key",
        ),
        (
            "CREATE TABLE users (id INT NOT NULL, a INT, f DOUBLE PRIMARY KEY, UNIQUE (id) {hidden})",
            "its rows cannot be found in order by its primary key",
        ),
        ("CREATE TABLE users (id INT PRIMARY KEY, a INT) ENGINE=MyISAM", "MyISAM does not lock rows"),
    ],
)
def test_what_stands_against_an_online_copy_is_named(server: Server, table: str, obstacle: str) -> None:
    hidden = "IGNORED" if server.is_one("mariadb") else "INVISIBLE"
    with place(server, table.format(hidden=hidden)) as found:
        how = found.how("MODIFY a BIGINT")
        assert how.strategy is Strategy.DIRECT
        assert f"it can not be copied online: {obstacle}" in how.lock


@pytest.mark.parametrize("kind", ["TEXT", "VARCHAR(3000)"])
def test_no_rows_are_found_in_order_by_a_hash(mariadb: Server, kind: str) -> None:
    with place(mariadb, f"CREATE TABLE users (v {kind} NOT NULL UNIQUE, a INT) CHARSET utf8mb4") as found:
        how = found.how("MODIFY a BIGINT")
        assert how.strategy is Strategy.DIRECT
        assert "no unique key of NOT NULL columns, visible and not USING HASH" in how.lock


def test_where_the_server_insists_on_primary_keys_a_table_without_is_not_copied_online(
    server: Server,
) -> None:
    setting = "innodb_force_primary_key" if server.flavour == "mariadb" else "sql_require_primary_key"
    with place(server, "CREATE TABLE users (id INT NOT NULL UNIQUE, a INT)") as found:
        assert found.how("MODIFY a BIGINT").strategy is Strategy.ONLINE
        with server.having(**{setting: "ON"}):
            how = found.how("MODIFY a BIGINT")
        assert "can not be copied online: the server makes no copy without a primary key" in how.lock


def test_triggers_and_the_planner_s_own_reasons_stand_against_an_online_copy(users: Place) -> None:
    assert (
        "can not be copied online: its key goes" in users.how("MODIFY a BIGINT", no_copy="its key goes").lock
    )
    names = ["users__osc_ti", "watch", "watch__osc_ins"]
    for name in names:
        users.link.run(f"CREATE TRIGGER {name} AFTER INSERT ON users FOR EACH ROW SET @x = 1")
    assert f"it has triggers ({', '.join(names)})" in users.how("MODIFY a BIGINT").lock
