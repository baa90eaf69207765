"""Renames told by a comment keep the rows; what is not told is asked about, never guessed."""

import pytest

from engine.base import Severity, Strategy
from engine.errors import BadFiles, Refused
from engine.mysql.planning import altering
from engine.mysql.trouble import ServerRefused
from tests.engine.mysql.planning.rig import ddl, ground
from tests.servers.server import Server

OLD = "CREATE TABLE users (id INT PRIMARY KEY, name VARCHAR(20), age INT)"


@pytest.mark.parametrize(
    "note",
    [
        "-- renamed from: name",
        "-- @renamed from=name",
        "# atlas:renamed_from name",
        "/* renamed from: `name` */",
    ],
)
def test_a_column_keeps_its_values_under_a_new_name(server: Server, note: str) -> None:
    files = f"CREATE TABLE users (id INT PRIMARY KEY,\n full_name VARCHAR(40), {note}\n age BIGINT)"
    with ground(server, OLD, "INSERT INTO users VALUES (1, 'Ann', 7)") as here:
        plan = here.settle(files)
        assert ddl(plan)[0] == "ALTER TABLE `users` RENAME COLUMN `name` TO `full_name`"
        assert here.link.rows("SELECT full_name, age FROM users") == [("Ann", 7)]
        assert not plan.changes[0].unsafe


@pytest.mark.parametrize(
    "note", ["-- renamed from: user-id", "# Renamed From: user-id, since 2024", "/* @renamed from=user-id */"]
)
def test_a_name_in_a_comment_is_read_to_its_end(server: Server, note: str) -> None:
    """There is a column of the name of its first half, too."""
    live = "CREATE TABLE users (id INT PRIMARY KEY, `user-id` INT, `user` INT)"
    with ground(server, live) as here:
        plan = here.plan(f"CREATE TABLE users (id INT PRIMARY KEY,\n uid INT, {note}\n `user` INT)")
    assert ddl(plan) == ["ALTER TABLE `users` RENAME COLUMN `user-id` TO `uid`"]


@pytest.mark.parametrize("old", ["user-id", "first, name", 'say "x"'])
def test_the_advice_about_a_rename_does_what_it_says(server: Server, old: str) -> None:
    live = f"CREATE TABLE `{old}` (`{old}` INT PRIMARY KEY)"
    with ground(server, live) as here:
        (column,) = (
            found.message.split("write ")[1].removesuffix(" beside it")
            for found in here.plan(f"CREATE TABLE `{old}` (z INT PRIMARY KEY)").findings
            if found.linter == "rename_column"
        )
        (table,) = (
            found.message.split("write ")[1].removesuffix(" above it")
            for found in here.plan(f"CREATE TABLE z (`{old}` INT PRIMARY KEY)").findings
            if found.linter == "rename_table"
        )
        plan = here.plan(f"{table}\nCREATE TABLE z (\nz INT PRIMARY KEY {column}\n)")
    assert ddl(plan) == [f"RENAME TABLE `{old}` TO `z`", f"ALTER TABLE `z` RENAME COLUMN `{old}` TO `z`"]


@pytest.mark.parametrize(
    "between",
    ["/*!40101 SET @saved_cs_client = @@character_set_client */;\n", "DROP TABLE IF EXISTS `people`;\n"],
)
def test_a_comment_counts_for_the_table_behind_what_is_passed_over(server: Server, between: str) -> None:
    with ground(server, OLD) as here:
        plan = here.plan(
            f"-- renamed from: users\n{between}CREATE TABLE people (id INT PRIMARY KEY, name VARCHAR(20), age INT)"
        )
    assert ddl(plan) == ["RENAME TABLE `users` TO `people`"]


@pytest.mark.parametrize(
    "end",
    [" -- renamed from: users\n;", "; -- renamed from: users", " ENGINE=InnoDB # renamed from: users\n"],
)
def test_the_old_name_of_a_table_may_stand_beside_its_end(server: Server, end: str) -> None:
    with ground(server, OLD) as here:
        assert ddl(here.settle(OLD.replace("users", "people") + end)) == ["RENAME TABLE `users` TO `people`"]


def test_the_old_name_of_a_table_may_be_written_as_the_server_would_write_it_or_not(server: Server) -> None:
    """With lower_case_table_names = 1 it is `users` there, whatever the files say."""
    with ground(server, OLD) as here:
        plan = here.plan(
            "-- renamed from: Users\nCREATE TABLE people (id INT PRIMARY KEY, name VARCHAR(20), age INT)"
        )
    assert ddl(plan) == ["RENAME TABLE `users` TO `people`"]


def test_a_table_keeps_its_rows_under_a_new_name_and_may_change_at_once(server: Server) -> None:
    files = "-- renamed from: users\nCREATE TABLE people (id INT PRIMARY KEY, name VARCHAR(20), age INT, x INT DEFAULT 4)"
    with ground(server, OLD, "INSERT INTO users VALUES (1, 'Ann', 7)") as here:
        plan = here.settle(files)
        assert [(c.table, c.change_type) for c in plan.changes] == [("people", "alter")]
        assert ddl(plan)[0] == "RENAME TABLE `users` TO `people`"
        assert here.link.rows("SELECT name, x FROM people") == [("Ann", 4)]


def test_only_a_new_name_is_instant(server: Server) -> None:
    with ground(server, OLD) as here:
        (change,) = here.settle("-- renamed from: users\n" + OLD.replace("users", "people")).changes
    assert change.strategy is Strategy.INSTANT


def test_children_follow_the_new_names_of_their_parent(server: Server) -> None:
    child = "CREATE TABLE c (id INT PRIMARY KEY, u INT, CONSTRAINT f FOREIGN KEY (u) REFERENCES users (id))"
    new = "-- renamed from: users\nCREATE TABLE people (\n pid INT PRIMARY KEY, -- renamed from: id\n name VARCHAR(20), age INT);"
    with ground(
        server, OLD, child, "INSERT INTO users VALUES (1, 'Ann', 7)", "INSERT INTO c VALUES (5, 1)"
    ) as here:
        plan = here.settle(new + child.replace("users (id)", "people (pid)"))
        assert [change.table for change in plan.changes] == ["people"]
        assert here.link.rows("SELECT pid, id FROM people JOIN c ON u = pid") == [(1, 5)]


def test_a_foreign_key_that_follows_new_names_is_not_made_again_over_its_old_orphans(server: Server) -> None:
    child = "CREATE TABLE c (id INT PRIMARY KEY, p INT, CONSTRAINT f FOREIGN KEY (p) REFERENCES {0})"
    parent = "-- renamed from: p\nCREATE TABLE q (pk INT PRIMARY KEY /* renamed from: id */);"
    there = "CREATE TABLE p (id INT PRIMARY KEY)", child.format("p (id)"), "INSERT INTO c VALUES (1, 7)"
    with ground(server, *there) as here:
        plan = here.settle(parent + child.format("q (pk)").replace("p INT", "p INT, x INT"))
        assert not any(finding.severity is Severity.BLOCKED for finding in plan.findings)


def test_a_new_name_that_foreign_keys_of_another_schema_would_follow_is_refused_with_a_way(
    server: Server,
) -> None:
    with ground(server, "CREATE TABLE p (id INT PRIMARY KEY)") as here:
        refers = f"CREATE TABLE c (id INT, FOREIGN KEY (id) REFERENCES {here.schema}.p (id))"
        with ground(server, refers) as there:
            reason = rf"p: {there.schema}\.c refers to it .*: drop that key in a plan before, and make it again in one after"
            with pytest.raises(Refused, match=reason):
                here.plan("-- renamed from: p\nCREATE TABLE q (id INT PRIMARY KEY);")
            with pytest.raises(Refused, match=reason):
                here.plan("CREATE TABLE p (pk INT PRIMARY KEY /* renamed from: id */);")


def test_what_computes_with_a_renamed_column_goes_along(server: Server) -> None:
    old = (
        "CREATE TABLE t (id INT PRIMARY KEY, a INT, g INT AS (a + 1) VIRTUAL, h INT AS (a + 2) STORED, KEY k (g), "
        "CONSTRAINT ck CHECK (a < 100))"
    )
    new = old.replace(" a INT,", "\n b INT, -- renamed from: a\n").replace("(a ", "(b ")
    with ground(server, old, "INSERT INTO t (id, a) VALUES (1, 7)") as here:
        here.settle(new)
        assert here.link.rows("SELECT b, g, h FROM t") == [(7, 8, 9)]


USERS_OF_A = {
    "a unique key": "x INT, g INT AS ({0} + 1) VIRTUAL, UNIQUE KEY u (x, g)",
    "the primary key": "x INT, g INT AS ({0} + 1) STORED, PRIMARY KEY (x, g)",
    "a chain": "x INT, g INT AS ({0} + 1) VIRTUAL, h INT AS (g + 1) STORED, UNIQUE KEY u (x, h)",
    "a default": "x INT, e INT NOT NULL DEFAULT ({0} + 1)",
    "a check in other case": "x INT, CONSTRAINT ck CHECK ({1} < 100)",
    "a check of what it computes": "x INT, g INT AS ({0} + 1), CONSTRAINT ck CHECK (g < 100)",
    "full texts": "x INT, g TEXT AS (CONCAT({0}, 'x')) STORED, FULLTEXT f (g), FULLTEXT k (g), KEY (x)",
    "its partitions": "x INT, PRIMARY KEY (x, {0})) PARTITION BY RANGE ({1}) (PARTITION k VALUES LESS THAN (9)",
    "partitions over lists of columns": (
        "x INT, KEY ({0})) PARTITION BY LIST COLUMNS ({0}) (PARTITION k VALUES IN (7, 8)"
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", USERS_OF_A.values(), ids=USERS_OF_A)
def test_what_uses_a_renamed_column_goes_along_over_rows(server: Server, text: str) -> None:
    if "PRIMARY KEY (x, g)" in text and server.flavour == "mariadb":
        pytest.skip("MariaDB has no such keys")
    with ground(server) as here:
        here.settle(f"CREATE TABLE t (a INT, {text.format('a', 'A')});")
        here.run("INSERT INTO t (a, x) VALUES (7, 1), (8, 1)")
        here.settle(f"CREATE TABLE t (\nb INT, -- renamed from: a\n {text.format('b', 'B')});")
        assert here.link.rows("SELECT b, x FROM t ORDER BY b") == [(7, 1), (8, 1)]


def test_a_unique_key_over_what_is_computed_is_missing_at_no_time(mysql: Server) -> None:
    text = "id INT PRIMARY KEY, {0}, x INT, g INT AS ({1} + 1) VIRTUAL, UNIQUE KEY u (x, g)"
    with ground(mysql, f"CREATE TABLE t ({text.format('a INT', 'a')})") as here:
        here.run("INSERT INTO t (id, a, x) VALUES (1, 7, 1), (2, 8, 1)")
        plan = here.settle(
            f"CREATE TABLE t ({text.format(chr(10) + 'B BIGINT -- renamed from: a' + chr(10), 'B')});"
        )
        assert len(ddl(plan)) == 1
        assert here.link.rows("SELECT id, B, g FROM t") == [(1, 7, 8), (2, 8, 9)]


def test_what_is_computed_gets_another_name_with_what_it_is_computed_from(server: Server) -> None:
    with ground(server) as here:
        here.settle("CREATE TABLE t (id INT PRIMARY KEY, a INT, g INT AS (a + 1) VIRTUAL, UNIQUE KEY u (g));")
        here.run("INSERT INTO t (id, a) VALUES (1, 7)")
        here.settle(
            "CREATE TABLE t (id INT PRIMARY KEY,\n b INT, -- renamed from: a\n"
            " h INT AS (b + 1) VIRTUAL, -- renamed from: g\n UNIQUE KEY u (h));"
        )
        assert here.link.rows("SELECT b, h FROM t") == [(7, 8)]


def test_what_is_computed_may_refer_to_a_parent(server: Server) -> None:
    child = (
        "id INT PRIMARY KEY, {0}, g INT AS ({1} + 1) STORED, CONSTRAINT f FOREIGN KEY (g) REFERENCES p (id)"
    )
    with ground(server) as here:
        here.settle(P + f"CREATE TABLE c ({child.format('a INT', 'a')});")
        here.run("INSERT INTO p VALUES (8)", "INSERT INTO c (id, a) VALUES (1, 7)")
        here.settle(P + f"CREATE TABLE c ({child.format('b INT -- renamed from: a' + chr(10), 'b')});")
        assert here.link.rows("SELECT b, g FROM c") == [(7, 8)]


def test_a_rename_that_is_done_tells_nothing_and_one_of_the_unknown_is_said(server: Server) -> None:
    files = "CREATE TABLE users (id INT PRIMARY KEY, name VARCHAR(20), -- renamed from: nick\n age INT)"
    with ground(server, OLD) as here:
        assert here.plan(files).changes == ()
        plan = here.plan(files.replace("name VARCHAR(20)", "full_name VARCHAR(20)"))
    assert [f.message for f in plan.findings if f.linter == "rename_column"][:1] == [
        'column "full_name" says it was renamed from "nick", but there is no "nick": it is made new'
    ]


def test_a_rename_that_cannot_be_meant_is_refused_with_its_place(server: Server) -> None:
    both = "CREATE TABLE users (id INT PRIMARY KEY, name VARCHAR(20), age INT,\n nick VARCHAR(20) -- renamed from: name\n)"
    twice = "CREATE TABLE users (id INT, a VARCHAR(20), -- renamed from: name\n b VARCHAR(20) -- renamed from: name\n)"
    with ground(server, OLD) as here:
        with pytest.raises(
            BadFiles, match=r"shop.sql:2:2: nick cannot be renamed from name: name is still in the files"
        ):
            here.plan(both)
        with pytest.raises(
            BadFiles, match=r"shop.sql:2:2: b cannot be renamed from name: another one is renamed"
        ):
            here.plan(twice)


def test_a_column_may_be_renamed_by_upper_and_lower_case_alone(server: Server) -> None:
    with ground(server, OLD, "INSERT INTO users VALUES (1, 'Ann', 7)") as here:
        plan = here.settle(OLD.replace("name VARCHAR(20)", "\nName VARCHAR(20) -- renamed from: name\n"))
        assert ddl(plan) == ["ALTER TABLE `users` RENAME COLUMN `name` TO `Name`"]
        assert here.link.rows("SELECT Name FROM users") == [("Ann",)]
        assert [row[0] for row in here.link.rows("SHOW COLUMNS FROM users")] == ["id", "Name", "age"]


@pytest.mark.parametrize(("name", "note"), [("userId", "-- renamed from: user_id"), ("USER_ID", "")])
def test_what_uses_a_column_stays_when_its_new_name_has_capitals(
    server: Server, name: str, note: str
) -> None:
    parent = "CREATE TABLE p (id INT PRIMARY KEY)"
    child = (
        "CREATE TABLE t (id INT PRIMARY KEY, {0} INT, {1}\n"
        "KEY k (id, {0}), CONSTRAINT f FOREIGN KEY ({0}) REFERENCES p (id))"
    )
    with ground(server, parent, child.format("user_id", "")) as here:
        plan = here.settle(f"{parent};{child.format(name, note)}")
        assert ddl(plan) == [f"ALTER TABLE `t` RENAME COLUMN `user_id` TO `{name}`"]
        plan = here.settle(plan.original["shop"])
        assert ddl(plan) == [f"ALTER TABLE `t` RENAME COLUMN `{name}` TO `user_id`"]


def test_an_index_is_not_built_anew_for_other_capitals(server: Server) -> None:
    with ground(server, "CREATE TABLE t (a INT, KEY k (a))") as here:
        assert ddl(here.settle("CREATE TABLE t (a INT, KEY K (a))")) == [
            "ALTER TABLE `t` RENAME INDEX `k` TO `K`"
        ]


def test_capitals_that_cannot_be_renamed_by_themselves_come_with_what_uses_them(server: Server) -> None:
    text = "CREATE TABLE t (id INT PRIMARY KEY, {0} INT, n INT AS ({0} + 1) STORED, KEY k ({0}), CHECK ({0} > 0))"
    with ground(server, text.format("a"), "INSERT INTO t (id, a) VALUES (1, 2)") as here:
        here.settle(text.format("A"))
        assert here.link.rows("SELECT A, n FROM t") == [(2, 3)]
    text = "CREATE TABLE t ({0} INT PRIMARY KEY, a INT) PARTITION BY HASH ({0}) PARTITIONS 2"
    with ground(server, text.format("id"), "INSERT INTO t VALUES (1, 2)") as here:
        here.settle(text.format("Id"))
        assert here.link.rows("SELECT Id, a FROM t") == [(1, 2)]


def test_a_table_makes_way_for_another_of_its_name_in_two_plans(server: Server) -> None:
    new = f"{OLD.replace('users', 'users_new')};"
    aside = f"-- renamed from: users\n{OLD.replace('users', 'users_old')};\n"
    with ground(server, OLD, new, "INSERT INTO users VALUES (1, 'Ann', 7)") as here:
        with pytest.raises(
            BadFiles, match="if a new users is to begin, take it out of the files, and back in"
        ):
            here.plan(f"{aside}{OLD};{new}")
        with pytest.raises(BadFiles, match="if users is to make way, give it another name in a plan before"):
            here.plan(f"{aside}-- renamed from: users_new\n{OLD};")
        here.settle(aside + new)
        here.settle(f"{aside}-- renamed from: users_new\n{OLD};")
        here.settle(f"{aside}{OLD};")
        assert here.link.rows("SELECT id FROM users_old") == [(1,)]


def test_without_a_comment_nothing_is_guessed_and_the_loss_is_unsafe(server: Server) -> None:
    with ground(server, OLD) as here:
        plan = here.plan(OLD.replace("name", "full_name"))
    assert plan.changes[0].unsafe
    assert "DROP COLUMN `name`" in plan.changes[0].ddl


P = "CREATE TABLE p (id INT PRIMARY KEY);"
C = "CREATE TABLE c (id INT PRIMARY KEY, pid INT, FOREIGN KEY (pid) REFERENCES p (id));"


@pytest.mark.parametrize(
    "files",
    [
        "-- renamed from: p\nCREATE TABLE p2 (id BIGINT PRIMARY KEY);"
        + C.replace("pid INT", "pid BIGINT").replace("p (id)", "p2 (id)"),
        P.replace("INT", "BIGINT")
        + "\n-- renamed from: c\n"
        + C.replace("pid INT", "pid BIGINT").replace("TABLE c", "TABLE c2"),
        (
            "-- renamed from: p\nCREATE TABLE p2 (\nid2 INT PRIMARY KEY -- renamed from: id\n);\n-- renamed from: c\n"
            "CREATE TABLE c2 (id INT PRIMARY KEY,\nqid INT, -- renamed from: pid\nFOREIGN KEY (qid) REFERENCES p2 (id2));"
        ),
    ],
)
def test_ends_of_a_foreign_key_are_renamed_while_they_change(server: Server, files: str) -> None:
    with ground(server) as here:
        here.settle(P + C)
        here.run("INSERT INTO p VALUES (1)", "INSERT INTO c VALUES (5, 1)")
        here.settle(files)
        tables = [name for (name,) in here.link.rows("SHOW TABLES")]
        assert [here.link.value(f"SELECT COUNT(*) FROM {name}") for name in tables] == [1, 1]


@pytest.mark.parametrize("name", ["c", "c2"])
def test_values_stay_under_a_new_name_where_a_foreign_key_goes_for_a_while(server: Server, name: str) -> None:
    """The key that goes first leaves the column's name alone; once its old name was taken for one that has to go."""
    columns = "(id INT PRIMARY KEY, pid INT NOT NULL, {}, FOREIGN KEY (pid) REFERENCES p (id));"
    head = "" if name == "c" else "-- renamed from: c\n"
    files = P.replace(
        "INT", "BIGINT"
    ) + f"\n{head}CREATE TABLE {name} {columns.replace('pid INT', 'pid BIGINT')}".format(
        "remark TEXT -- renamed from: note\n"
    )
    with ground(server) as here:
        here.settle(P + f"CREATE TABLE c {columns}".format("note TEXT"))
        here.run("INSERT INTO p VALUES (1)", "INSERT INTO c VALUES (5, 1, 'kept')")
        plan = here.settle(files)
        assert here.link.rows(f"SELECT id, pid, remark FROM {name}") == [(5, 1, "kept")]
        assert not any("DROP COLUMN" in statement for statement in ddl(plan))


def test_a_way_that_would_lose_a_column_that_stays_is_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with how ways are found."""
    monkeypatch.setattr(altering, "rename_columns", lambda *_: [])
    with ground(server, OLD) as here, pytest.raises(Refused, match=r"would lose a column that stays \(DROP"):
        here.plan(OLD.replace("name VARCHAR(20)", "\nfull_name VARCHAR(20) -- renamed from: name\n"))


def test_triggers_that_a_rename_of_their_table_would_break_are_named(server: Server) -> None:
    with ground(server, "CREATE TABLE t (a INT, b INT, c INT)", "CREATE TABLE log (n INT)") as here:
        here.run(
            "INSERT INTO t VALUES (1, 1, 1)",
            "CREATE TRIGGER ta BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1",
            "CREATE TRIGGER tc BEFORE UPDATE ON t FOR EACH ROW SET NEW.c = 1",
            "CREATE TRIGGER tt AFTER DELETE ON t FOR EACH ROW INSERT INTO log SELECT COUNT(*) FROM t",
            "CREATE VIEW uses_a AS SELECT a FROM t",
        )
        plan = here.plan(
            "-- renamed from: t\nCREATE TABLE u (\nx INT, -- renamed from: a\nb INT, c INT); CREATE TABLE log (n INT);"
        )
        here.carry_out(plan)
        for statement in ("INSERT INTO u VALUES ()", "DELETE FROM u", "SELECT * FROM uses_a"):
            with pytest.raises(ServerRefused):
                here.link.run(statement)
        here.link.run("UPDATE u SET x = 1")
    said = sorted(finding.message.split(":")[0] for finding in plan.findings if finding.linter == "broken")
    assert said == [
        "trigger ta seems to use column a of t, which will not be there by that name",
        "trigger tt uses table t, which will not be there by that name",
        "view uses_a uses table t, which will not be there by that name",
    ]


def test_what_other_schemas_store_and_a_rename_would_break_is_named(server: Server) -> None:
    other = server.fresh_database()
    with ground(server, "CREATE TABLE t (a INT, b INT)", "CREATE TABLE u (a INT)") as here:
        here.run(
            f"CREATE VIEW `{other}`.uses_a AS SELECT a FROM t",
            f"CREATE VIEW `{other}`.uses_b AS SELECT b FROM t",
            f"CREATE PROCEDURE `{other}`.sums() SELECT SUM(a) FROM {here.schema} . `t`",
            f"CREATE PROCEDURE `{other}`.own() SELECT a FROM t",
            f"CREATE TABLE `{other}`.t (a INT)",
            f"CREATE TRIGGER `{other}`.tr AFTER INSERT ON `{other}`.t FOR EACH ROW INSERT INTO {here.schema}.u VALUES (1)",
        )
        plan = here.settle("CREATE TABLE t (\nx INT, -- renamed from: a\nb INT)")
        with pytest.raises(ServerRefused, match="1356"):
            here.link.run(f"SELECT * FROM `{other}`.uses_a")
    said = sorted(finding.message.split(":")[0] for finding in plan.findings if finding.linter == "broken")
    assert said == [
        f"procedure {other}.sums seems to use column a of t, which will not be there by that name",
        f"trigger {other}.tr uses table u, which will not be there by that name",
        f"view {other}.uses_a seems to use column a of t, which will not be there by that name",
    ]


def test_a_big_table_with_triggers_that_is_renamed_is_not_copied_online(server: Server) -> None:
    old, new = (f"CREATE TABLE {name} (id INT PRIMARY KEY, n {{0}});" for name in ("orders", "sales"))
    ten = " UNION ALL ".join(f"SELECT {digit} AS d" for digit in range(10))
    with ground(
        server,
        old.format("INT"),
        f"INSERT INTO orders SELECT a.d + 10*b.d + 100*c.d + 1000*e.d + 10000*f.d, 1 "
        f"FROM ({ten}) a, ({ten}) b, ({ten}) c, ({ten}) e, ({ten}) f WHERE f.d < 3",
        "CREATE TRIGGER tr AFTER DELETE ON orders FOR EACH ROW SET @gone = OLD.id",
        "ANALYZE TABLE orders",
    ) as here:
        (change,) = here.settle("-- renamed from: orders\n" + new.format("BIGINT")).changes
        assert change.strategy is Strategy.DIRECT
        assert any("it has triggers (tr)" in why for why in change.unsafe)
        here.run("DELETE FROM sales WHERE id = 7")
        assert here.link.value("SELECT @gone") == 7


@pytest.mark.parametrize(
    "wanted",
    [
        "CREATE TABLE t (id INT PRIMARY KEY, b INT -- renamed from: a\n);",
        "CREATE TABLE t (id INT PRIMARY KEY, b INT, -- renamed from: a\n a INT -- renamed from: b\n);",
    ],
)
def test_a_column_cannot_be_renamed_onto_one_that_is_there(server: Server, wanted: str) -> None:
    with (
        ground(server, "CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT)") as here,
        pytest.raises(BadFiles, match="cannot be renamed from a: the database has both"),
    ):
        here.plan(wanted)


def test_a_table_cannot_be_renamed_onto_one_that_is_there(server: Server) -> None:
    with (
        ground(server, "CREATE TABLE a (id INT PRIMARY KEY)", "CREATE TABLE b (id INT PRIMARY KEY)") as here,
        pytest.raises(BadFiles, match="b cannot be renamed from a: the database has both"),
    ):
        here.plan("-- renamed from: a\nCREATE TABLE b (id INT PRIMARY KEY);")


def test_a_rename_of_long_ago_whose_old_name_came_again_is_left_alone(server: Server) -> None:
    with ground(server, "CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT)") as here:
        assert (
            here.plan("CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT -- renamed from: a\n);").changes == ()
        )
