"""Plans that would have lost or falsified something without a word, or said a false thing about how they run."""

from contextlib import nullcontext

import pytest

from engine.base import Severity, Strategy
from engine.errors import BadFiles, Refused
from engine.mysql.link import Link
from engine.mysql.planning import how
from engine.mysql.planning.planner import plan_mysql
from engine.mysql.planning.pull import pull_mysql
from engine.mysql.trouble import ServerRefused, Waited
from tests.engine.mysql.planning.places import address_of
from tests.engine.mysql.planning.rig import ddl, ground
from tests.servers.server import Server


def test_a_computed_column_that_is_to_keep_values_has_none_to_keep(server: Server) -> None:
    with ground(server, "CREATE TABLE t (id INT PRIMARY KEY, a INT, g INT AS (a + 1) VIRTUAL)") as here:
        (change,) = here.plan("CREATE TABLE t (id INT PRIMARY KEY, a INT, g INT);").changes
        assert any("`g` is not computed any more" in reason for reason in change.unsafe)
    with ground(server, "CREATE TABLE t (id INT PRIMARY KEY, a INT, g INT AS (a + 1) STORED)") as here:
        (change,) = here.plan("CREATE TABLE t (id INT PRIMARY KEY, a INT, g INT);").changes
        assert change.unsafe == ()


def test_an_engine_that_keeps_no_rows_is_unsafe(server: Server) -> None:
    with ground(server, "CREATE TABLE t (id INT PRIMARY KEY)") as here:
        (change,) = here.plan("CREATE TABLE t (id INT PRIMARY KEY) ENGINE=MEMORY;").changes
        assert any("rows are lost when the server stops" in reason for reason in change.unsafe)


def test_a_change_into_another_engine_or_back_is_not_instant(server: Server) -> None:
    with ground(
        server, "CREATE TABLE t (id INT PRIMARY KEY) ENGINE=MyISAM", "CREATE TABLE u (id INT PRIMARY KEY)"
    ) as here:
        files = "CREATE TABLE t (id INT PRIMARY KEY) ENGINE=InnoDB; CREATE TABLE u (id INT PRIMARY KEY) ENGINE=MyISAM;"
        assert {change.strategy for change in here.plan(files).changes} == {Strategy.DIRECT}


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE t (a INT) (SELECT 1 AS a);",
        "CREATE TABLE t ((SELECT 1 AS a));",
        "CREATE TABLE t (a INT) (WITH x AS (SELECT 1 AS a) SELECT * FROM x);",
        "CREATE TABLE t (a INT) (VALUES (1));",
        "CREATE TABLE t (((TABLE u)));",
    ],
)
def test_a_table_out_of_a_query_is_refused_in_parentheses_too(server: Server, text: str) -> None:
    with ground(server) as here, pytest.raises(BadFiles, match=r"shop\.sql:1:\d+: .*columns from a query"):
        here.plan(text)


@pytest.mark.parametrize(
    "by", ["HASH ((a+b)*2) PARTITIONS 4", "RANGE (((a))) (PARTITION p VALUES LESS THAN ((1+2)*3))"]
)
def test_an_expression_in_parentheses_is_no_query(server: Server, by: str) -> None:
    with ground(server) as here:
        here.settle(f"CREATE TABLE t (a INT, b INT) PARTITION BY {by};")
        here.settle({name: str(text) for name, text in here.plan({}).original["shop"].items()})


UNKEPT = [
    ("FOREIGN KEY (a) REFERENCES p (id)) ENGINE=MyISAM", "", "the engine MyISAM keeps no foreign keys"),
    ("FOREIGN KEY (a) REFERENCES p (id) MATCH FULL)", "", "takes MATCH FULL here"),
    ("FOREIGN KEY (a) REFERENCES p (id) ON DELETE SET DEFAULT)", "mariadb", "takes SET DEFAULT here"),
    ("KEY (a) USING HASH)", "mysql", "takes USING HASH here"), ("KEY (a) KEY_BLOCK_SIZE=4)", "mysql", "takes KEY_BLOCK_SIZE"),
    ("p POINT REF_SYSTEM_ID=4326)", "mariadb", "takes REF_SYSTEM_ID"), ("KEY (a)) UNION=(p)", "", "takes UNION here"),
    ("KEY (a)) PASSWORD='x'", "", "takes PASSWORD here"), ("KEY (a)) STORAGE DISK", "mariadb", "takes STORAGE here"),
    ("KEY (a)); CREATE INDEX i ON t (a, id) ALGORITHM=COPY", "", "takes ALGORITHM here"),
    ("KEY (a)); CREATE INDEX i ON t (a, id) LOCK=NONE", "", "takes LOCK here"),
]  # fmt: skip


@pytest.mark.parametrize(("rest", "of", "reason"), UNKEPT)
def test_what_the_server_passes_over_in_a_definition_is_refused(
    server: Server, rest: str, of: str, reason: str
) -> None:
    files = f"CREATE TABLE p (id INT PRIMARY KEY);\nCREATE TABLE t (id INT PRIMARY KEY, a INT, {rest};"
    with ground(server) as here:
        if server.is_one(of):
            with pytest.raises(BadFiles, match=rf"shop\.sql:2:\d+: .*{reason}"):
                here.plan(files)
        elif "REF_SYSTEM_ID" not in rest:
            here.settle(files)


def test_what_the_server_keeps_is_not_taken_for_passed_over(server: Server) -> None:
    options = "ENGINE=MEMORY" if server.flavour == "mysql" else ""
    files = f"""
        CREATE TABLE storage (
            id INT PRIMARY KEY, password INT, algorithm INT, `wait` INT, s SET('a') DEFAULT 'a', KEY (password) USING HASH
        ) {options};
        CREATE INDEX a ON storage (algorithm); CREATE INDEX b ON storage (`wait`);
        CREATE TABLE `lock` (tablespace INT) PARTITION BY KEY ALGORITHM=2 (tablespace) PARTITIONS 2;
    """
    with ground(server) as here:
        here.settle(files)


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


def test_a_foreign_key_that_is_made_again_is_held_against_the_rows(server: Server) -> None:
    child = "CREATE TABLE c (id INT PRIMARY KEY, p {0}, CONSTRAINT f FOREIGN KEY (p) REFERENCES p (id)){1}"
    with ground(server, "CREATE TABLE p (id INT PRIMARY KEY)", child.format("INT", "")) as here:
        here.run("SET foreign_key_checks = 0", "INSERT INTO c VALUES (1, 7)", "SET foreign_key_checks = 1")
        plan = here.plan("CREATE TABLE p (id BIGINT PRIMARY KEY);" + child.format("BIGINT", ";"))
        (finding,) = [one for one in plan.findings if one.severity is Severity.BLOCKED]
        assert "REFERENCES p would fail: 1 row (for example id 1)" in finding.message


def test_old_orphans_are_in_the_way_where_mysql_copies_the_table(server: Server) -> None:
    parent = "CREATE TABLE p (id INT PRIMARY KEY)"
    child = (
        "CREATE TABLE t (id INT PRIMARY KEY, p INT, n INT, CONSTRAINT f FOREIGN KEY (p) REFERENCES p (id))"
    )
    with ground(server, parent, child, "INSERT INTO t VALUES (1, 7, 1)") as here:
        plan = here.plan(f"{parent}; {child.replace('n INT', 'n BIGINT')};")
        told = [found.message for found in plan.findings if found.severity is Severity.BLOCKED]
        assert told == [] if here.mariadb else told[0].endswith("would fail: 1 row (for example id 1)")
        with nullcontext() if here.mariadb else pytest.raises(ServerRefused, match="1452"):
            here.carry_out(plan)


def test_a_key_of_text_that_is_to_count_is_no_riddle(server: Server) -> None:
    with ground(server, "CREATE TABLE t (id VARCHAR(10) PRIMARY KEY)", "INSERT INTO t VALUES ('x9')") as here:
        plan = here.plan("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY);")
        assert any(one.severity is Severity.BLOCKED for one in plan.findings)


def test_a_timestamp_is_what_the_files_say_whatever_the_server_would_add(mysql: Server) -> None:
    with ground(mysql, "CREATE TABLE t (id INT PRIMARY KEY)") as here:
        here.run("SET GLOBAL explicit_defaults_for_timestamp = 0")
        try:
            here.settle("CREATE TABLE t (id INT PRIMARY KEY, ts TIMESTAMP NOT NULL);")
        finally:
            here.run("SET GLOBAL explicit_defaults_for_timestamp = 1")


def test_a_version_comment_is_closed_whatever_else_is_commented(server: Server) -> None:
    text = """CREATE TABLE t (id INT NOT NULL COMMENT '*/ and /*! in a text', /* a */ PRIMARY KEY (id))
/*!50100 PARTITION BY RANGE (id) (PARTITION p VALUES LESS THAN (5) /* b */) */;"""
    with ground(server) as here:
        (change,) = here.plan(text).changes
        assert "PARTITION" in change.ddl


def test_a_child_in_a_schema_that_is_not_in_the_plan_is_seen(server: Server) -> None:
    with ground(server, "CREATE TABLE p (id INT PRIMARY KEY)", "CREATE TABLE q (a INT)") as here:
        other = server.fresh_database()
        here.run(
            f"CREATE TABLE `{other}`.c (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES `{here.schema}`.p (id))"
        )
        with pytest.raises(Refused, match="p: the server does not take"):
            here.plan("CREATE TABLE p (id BIGINT PRIMARY KEY); CREATE TABLE q (a INT);")
        with pytest.raises(Refused, match=f"{other}.c refers to it by a foreign key"):
            here.plan("CREATE TABLE q (a INT);")
        (change,) = here.settle("CREATE TABLE p (id INT PRIMARY KEY, n INT); CREATE TABLE q (a INT);").changes
        assert change.table == "p"
        here.run(f"DROP DATABASE `{other}`")
        server.databases.remove(other)


def test_nobody_makes_writers_of_a_big_table_wait_unasked(server: Server) -> None:
    ten = " UNION ALL ".join(f"SELECT {digit} AS d" for digit in range(10))
    many = "a.d + 10*b.d + 100*c.d + 1000*e.d + 10000*f.d"
    with ground(
        server,
        "CREATE TABLE users (id INT PRIMARY KEY)",
        "CREATE TABLE posts (id INT PRIMARY KEY, a INT, u INT, CONSTRAINT f FOREIGN KEY (u) REFERENCES users (id))",
        f"INSERT INTO posts SELECT {many}, 1, NULL FROM ({ten}) a, ({ten}) b, ({ten}) c, ({ten}) e, ({ten}) f",
        "ANALYZE TABLE posts",
    ) as here:
        files = (
            "CREATE TABLE users (id INT PRIMARY KEY, a INT);"
            "CREATE TABLE posts (id INT PRIMARY KEY, a BIGINT, u INT, CONSTRAINT f FOREIGN KEY (u) REFERENCES users (id));"
        )
        changes = {change.table: change for change in here.plan(files).changes}
        assert changes["posts"].strategy is Strategy.DIRECT
        assert any("foreign key; its writers wait very roughly" in why for why in changes["posts"].unsafe)
        assert changes["users"].unsafe == ()


def test_a_table_that_refers_to_itself_alone_is_told_so(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(how, "DIRECT_ROWS", -1)
    table = "CREATE TABLE t (id {0} PRIMARY KEY, up {0}, CONSTRAINT f FOREIGN KEY (up) REFERENCES t (id))"
    with ground(server, table.format("INT")) as here:
        (change,) = here.plan(table.format("BIGINT")).changes
        assert "it can not be copied online: it is in a foreign key." in change.lock


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


def test_no_column_is_narrowed_on_the_way_to_what_it_is(server: Server) -> None:
    parent = "CREATE TABLE p (id INT PRIMARY KEY)"
    table = "CREATE TABLE t (id INT PRIMARY KEY, p INT, c VARCHAR(9){0}, CONSTRAINT {1} FOREIGN KEY (p) REFERENCES p (id)){2}"
    live = table.format(" CHARACTER SET utf8mb4", "f", " DEFAULT CHARSET=latin1")
    with ground(server, parent, live, "INSERT INTO t VALUES (1, NULL, '日本')") as here:
        here.settle(f"{parent}; {table.format('', 'F', ' DEFAULT CHARSET=utf8mb4')};")
        assert here.link.row("SELECT c FROM t") == ("日本",)


def test_a_check_goes_by_the_name_of_a_key_without_the_key(mysql: Server) -> None:
    parent = "CREATE TABLE p (id INT PRIMARY KEY)"
    table = (
        "CREATE TABLE t (id INT PRIMARY KEY, {0} INT{1}, CONSTRAINT u UNIQUE ({0}), "
        "CONSTRAINT f FOREIGN KEY ({0}) REFERENCES p (id){2});"
    )
    with ground(
        mysql, parent, table.format("a", "", ", CONSTRAINT u CHECK (a > 0), CONSTRAINT f CHECK (a > 1)")
    ) as here:
        here.settle(
            f"{parent}; {table.format('b', ' /* renamed from: a */', ', CONSTRAINT u CHECK (b > 0)')}"
        )


def test_a_default_out_of_a_sequence_is_tried_with_one(mariadb: Server) -> None:
    table = "CREATE TABLE t (id INT PRIMARY KEY DEFAULT nextval(numbers), n {0}{1});"
    with ground(mariadb, "CREATE SEQUENCE numbers", table.format("INT", "")) as here:
        (change,) = here.settle(table.format("BIGINT", ", m INT DEFAULT nextval(numbers)")).changes
        assert f"nextval(`{here.schema}`.`numbers`)" in change.ddl
        assert here.plan(here.plan("").original["shop"]).changes == ()
        with pytest.raises(BadFiles, match=r"others' doesn't exist .*CREATE SEQUENCE is left to you"):
            here.plan("CREATE TABLE t (id INT PRIMARY KEY DEFAULT nextval(others));")


def test_a_child_of_a_system_versioned_table_can_be_changed(mariadb: Server) -> None:
    table = (
        "CREATE TABLE c (id INT PRIMARY KEY, p {0}, n {1}, CONSTRAINT {2} FOREIGN KEY (p) REFERENCES p (id));"
    )
    parent = "CREATE TABLE p (id INT PRIMARY KEY) WITH SYSTEM VERSIONING"
    with ground(mariadb, parent, table.format("INT", "INT", "f")) as here:
        assert here.plan(table.format("INT", "INT", "f")).changes == ()
        here.settle(table.format("INT", "BIGINT", "f"))
        with pytest.raises(BadFiles, match="g refers to table p, which is not in the files"):
            here.plan(table.format("INT", "BIGINT", "g"))
        with pytest.raises(Refused, match="c: "):
            here.plan(table.format("BIGINT", "BIGINT", "f"))


@pytest.mark.parametrize(
    ("thing", "made", "unmade"),
    [
        ("view", "CREATE VIEW v AS SELECT 1 AS id", "DROP VIEW v"),
        ("sequence", "CREATE SEQUENCE v", "DROP SEQUENCE v"),
        ("system-versioned table", "CREATE TABLE v (id INT) WITH SYSTEM VERSIONING", "DROP TABLE v"),
    ],
)
def test_what_is_no_table_and_has_the_name_of_one_is_in_the_way(
    server: Server, thing: str, made: str, unmade: str
) -> None:
    with ground(server, "CREATE TABLE t (id INT)") as here:
        if thing != "view" and not here.mariadb:
            pytest.skip("MySQL has none")
        here.run(made)
        for files in (
            "CREATE TABLE t (id INT); CREATE TABLE v (id INT);",
            "-- renamed from: t\nCREATE TABLE v (id INT);",
        ):
            with pytest.raises(Refused, match=rf"shop\.sql:\d:\d+: there is a {thing} v on the server"):
                here.plan(files)
        here.run(unmade)
        here.settle(files)


def test_what_is_unsafe_is_so_in_its_own_schema(server: Server) -> None:
    with (
        ground(server, "CREATE TABLE t (id INT, a INT)") as one,
        ground(server, "CREATE TABLE t (id INT)", "CREATE TABLE t__osc_n (id INT)") as other,
    ):
        files = {
            one.schema: {"a.sql": "CREATE TABLE t (id INT)"},
            other.schema: {"a.sql": "CREATE TABLE t (id INT, a INT)"},
        }
        plan = plan_mysql(address_of(server), files)
        assert plan.unmanaged == (f"helper table {other.schema}.t__osc_n",)
        changes = {change.namespace: change for change in plan.changes}
        assert changes[one.schema].unsafe
        assert changes[other.schema].unsafe == ()


@pytest.mark.parametrize(("kind", "severity"), [("INT", Severity.WARNING), ("BIGINT", Severity.ERROR)])
def test_a_column_that_is_computed_when_read_is_computed_too_when_the_table_is_copied(
    server: Server, kind: str, severity: Severity
) -> None:
    table = "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9), n {0}{1})"
    with ground(server, table.format("INT", ""), "INSERT INTO t VALUES (1, 'x', 1)") as here:
        plan = here.plan(table.format(kind, ", g INT AS (CAST(v AS SIGNED)) VIRTUAL") + ";")
        (finding,) = [one for one in plan.findings if one.linter == "computed"]
        assert finding.severity is severity
        if severity is Severity.ERROR:
            with pytest.raises(ServerRefused, match="Truncated incorrect INTEGER value: 'x'"):
                here.carry_out(plan)
        else:
            here.carry_out(plan)


@pytest.mark.parametrize(
    ("live", "parent", "why"),
    [
        ([], "ENGINE=MyISAM", "its storage engine is MyISAM"),
        (["p"], "ENGINE=MyISAM", "its storage engine is MyISAM"),
        (["p", "c"], "ENGINE=MyISAM", "its storage engine is MyISAM"),
        ([], "PARTITION BY HASH (id) PARTITIONS 2", "it is partitioned|conjunction with partitioning"),
    ],
)
def test_a_parent_that_can_have_no_children_is_refused_by_the_plan(
    server: Server, live: list[str], parent: str, why: str
) -> None:
    child = "CREATE TABLE c (id INT PRIMARY KEY, p INT, KEY p (p)"
    now = {"p": f"CREATE TABLE p (id INT PRIMARY KEY) {parent}", "c": f"{child})"}
    with (
        ground(server, *(now[name] for name in live)) as here,
        pytest.raises((Refused, BadFiles), match=why),
    ):
        here.plan(f"{now['p']}; {child}, CONSTRAINT f FOREIGN KEY (p) REFERENCES p (id));")


CHILD = "CREATE TABLE c (id INT PRIMARY KEY, p INT, KEY p (p), CONSTRAINT f FOREIGN KEY (p) REFERENCES p (id)"


@pytest.mark.parametrize(
    ("live", "wanted"), [("", f"{CHILD});"), (f"{CHILD})", ""), (f"{CHILD})", f"{CHILD}, n INT);")]
)
def test_who_uses_a_parent_is_waited_for_when_the_plan_says_so(
    server: Server, live: str, wanted: str
) -> None:
    parent = "CREATE TABLE p (id INT PRIMARY KEY, v INT)"
    with (
        ground(server, parent, *([live] if live else []), "INSERT INTO p VALUES (1, 1)") as here,
        Link(here.address) as user,
    ):
        plan = here.plan(f"{parent}; {wanted}")
        here.link.set({"lock_wait_timeout": 1, "innodb_lock_wait_timeout": 1})
        user.run("START TRANSACTION")
        user.run("UPDATE p SET v = 2")
        said = "Foreign keys tie it to p: it waits for transactions" in plan.changes[0].lock
        assert said == (bool(live) or not here.mariadb)
        if said:
            with pytest.raises(Waited):
                here.carry_out(plan)
            user.run("COMMIT")
        here.carry_out(plan)


def test_a_key_that_the_server_made_by_itself_serves_a_copy_and_stays(mysql: Server) -> None:
    with ground(
        mysql,
        "SET SESSION sql_generate_invisible_primary_key = 1",
        "CREATE TABLE t (a INT)",
        "SET SESSION sql_generate_invisible_primary_key = 0, cte_max_recursion_depth = 30000",
        "INSERT INTO t (a) WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 21000) SELECT i FROM n",
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


@pytest.mark.parametrize(
    ("longer", "kept"), [("VARCHAR(40)", True), ("VARCHAR(300)", False), ("CHAR(40)", False)]
)
def test_a_foreign_key_stays_where_the_server_makes_its_columns_longer_in_place(
    server: Server, longer: str, kept: bool
) -> None:
    parent = "CREATE TABLE p (k {0} PRIMARY KEY);"
    child = "CREATE TABLE c (id INT PRIMARY KEY, k {0}, CONSTRAINT f FOREIGN KEY (k) REFERENCES p (k));"
    with ground(server, parent.format("VARCHAR(20)"), child.format("VARCHAR(20)")) as here:
        here.run("INSERT INTO p VALUES ('a')", "INSERT INTO c VALUES (1, 'a')")
        statements = ddl(here.settle(parent.format(longer) + child.format(longer)))
        assert any("FOREIGN KEY" in text for text in statements) != (kept and server.flavour == "mysql")
        with pytest.raises(ServerRefused, match="foreign key"):
            here.link.run("INSERT INTO c VALUES (2, 'b')")


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
        zone = here.link.value("SELECT @@GLOBAL.time_zone")
        try:
            here.link.run("SET GLOBAL time_zone = '+05:00'")
            (elsewhere,) = here.plan(files).changes
        finally:
            here.link.run("SET GLOBAL time_zone = %s", zone)
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
        zone = here.link.value("SELECT @@GLOBAL.time_zone")
        try:
            here.run("SET GLOBAL time_zone = '+10:00'", "SET time_zone = '+10:00'")
            here.run(
                "INSERT INTO t (id, n, ts) VALUES (1, 1, '2024-05-02 03:00:00')", "SET time_zone = '+00:00'"
            )
            (change,) = here.plan(table.format(after)).changes
        finally:
            here.run(f"SET GLOBAL time_zone = '{zone}'")
        in_place = after != "BIGINT" and (server.flavour == "mysql" or not told)
        assert change.strategy is (Strategy.IN_PLACE if in_place else Strategy.DIRECT)
        assert len(change.unsafe) == bool(told)
        assert all(told in reason for reason in change.unsafe)


def test_dates_of_an_old_format_are_read_and_converted_by_whatever_changes_the_table(mariadb: Server) -> None:
    with ground(mariadb, "CREATE TABLE u (id INT PRIMARY KEY)") as here:
        table = "CREATE TABLE t (id INT PRIMARY KEY, d DATETIME, s TIMESTAMP NULL, h TIME, v VARCHAR(10){})"
        here.run("SET GLOBAL mysql56_temporal_format = OFF")
        try:
            here.run(table.format(""))
        finally:
            here.run("SET GLOBAL mysql56_temporal_format = ON")
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


@pytest.mark.parametrize("option", ["TABLESPACE innodb_system", "SECONDARY_ENGINE=rapid"])
def test_an_option_whose_default_has_a_name_of_its_own_goes(mysql: Server, option: str) -> None:
    with ground(mysql, f"CREATE TABLE t (id INT PRIMARY KEY) {option}") as here:
        assert here.plan(f"CREATE TABLE t (id INT PRIMARY KEY) {option};").changes == ()
        here.settle("CREATE TABLE t (id INT PRIMARY KEY);")
        here.settle(f"CREATE TABLE t (id INT PRIMARY KEY, n INT) {option};")
