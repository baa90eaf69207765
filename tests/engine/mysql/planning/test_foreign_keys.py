"""Tables that a foreign key ties to others: what the plan refuses of them, asks of their rows, and says of their locks."""

from contextlib import nullcontext

import pytest

from engine.base import Severity, Strategy
from engine.errors import BadFiles, Refused
from engine.mysql.link import Link
from engine.mysql.planning import how
from engine.mysql.trouble import ServerRefused, Waited
from tests.engine.mysql.planning.rig import ddl, ground
from tests.servers.server import Server


def test_a_foreign_key_that_is_made_again_is_held_against_the_rows(server: Server) -> None:
    child = "CREATE TABLE c (id INT PRIMARY KEY, p {0}, CONSTRAINT f FOREIGN KEY (p) REFERENCES p (id)){1}"
    with ground(server, "CREATE TABLE p (id INT PRIMARY KEY)", child.format("INT", "")) as here:
        here.run("SET foreign_key_checks = 0", "INSERT INTO c VALUES (1, 7)", "SET foreign_key_checks = 1")
        plan = here.plan("CREATE TABLE p (id BIGINT PRIMARY KEY);" + child.format("BIGINT", ";"))
        (finding,) = [one for one in plan.findings if one.severity is Severity.BLOCKED]
        assert "REFERENCES p would fail: 1 row (for example id 1)" in finding.message


def test_old_orphans_are_in_the_way_where_a_copy_by_the_server_minds_them(server: Server) -> None:
    """MySQL 8.4 leaves foreign keys to InnoDB, as MariaDB does."""
    minds = server.is_one("mysql 9.6")
    parent = "CREATE TABLE p (id INT PRIMARY KEY)"
    child = (
        "CREATE TABLE t (id INT PRIMARY KEY, p INT, n INT, CONSTRAINT f FOREIGN KEY (p) REFERENCES p (id))"
    )
    with ground(server, parent, child, "INSERT INTO t VALUES (1, 7, 1)") as here:
        plan = here.plan(f"{parent}; {child.replace('n INT', 'n BIGINT')};")
        told = [found.message for found in plan.findings if found.severity is Severity.BLOCKED]
        assert told[0].endswith("would fail: 1 row (for example id 1)") if minds else told == []
        with pytest.raises(ServerRefused, match="1452") if minds else nullcontext():
            here.carry_out(plan)


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


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (
            "ENGINE=MyISAM",
            "f of c refers to p, and no foreign key can, as its storage engine is MyISAM: change",
        ),
        (
            "PARTITION BY HASH (id) PARTITIONS 2",
            "f of c refers to p, .*as it is partitioned: change|with partitioning",
        ),
    ],
)
def test_a_parent_that_has_children_cannot_become_one_that_can_have_none(
    server: Server, options: str, why: str
) -> None:
    parent, child = "CREATE TABLE p (id INT PRIMARY KEY)", f"{CHILD})"
    with ground(server, parent, child) as here, pytest.raises((Refused, BadFiles), match=why):
        here.plan(f"{parent} {options}; {child};")


@pytest.mark.parametrize(
    ("before", "key"),
    [
        ("id INT NOT NULL, up INT", "PRIMARY KEY (id)"),
        ("id INT NOT NULL, up INT, KEY k (up, id)", "PRIMARY KEY (id)"),
        ("id VARCHAR(9), up VARCHAR(9), KEY k (id(1))", "UNIQUE KEY u (id)"),
        ("id VARCHAR(9), up VARCHAR(9), FULLTEXT KEY k (id)", "UNIQUE KEY u (id)"),
        ("id VARCHAR(9), up VARCHAR(9), KEY k ((LOWER(id)), id)", "UNIQUE KEY u (id)"),
    ],
)
def test_a_foreign_key_to_its_own_table_comes_after_the_key_that_it_refers_to(
    mysql: Server, before: str, key: str
) -> None:
    """MySQL 9.7 dies (signal 11) of both in one ALTER, if the table has a row that refers to another, or finds no row there."""
    foreign = "CONSTRAINT f FOREIGN KEY (up) REFERENCES t (id)"
    with ground(mysql, f"CREATE TABLE t ({before})") as here:
        here.run("INSERT INTO t VALUES (11, NULL), (12, 11)")
        here.settle(f"CREATE TABLE t ({before}, {key}, {foreign});")
        assert here.link.rows("SELECT id + 0, up + 0 FROM t") == [(11, None), (12, 11)]


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_foreign_key_follows_its_parent_s_new_name_while_another_goes(server: Server, name: str) -> None:
    child = "CREATE TABLE c (id INT PRIMARY KEY, r INT, s INT, CONSTRAINT f FOREIGN KEY (r) REFERENCES p ({0}){1})"
    other = ", CONSTRAINT g FOREIGN KEY (s) REFERENCES p (A)"
    with ground(server, "CREATE TABLE p (A INT PRIMARY KEY)", child.format("A", other)) as here:
        parent = f"CREATE TABLE p (\n-- renamed from: A\n{name} INT PRIMARY KEY)"
        statements = ddl(here.settle(f"{parent}; {child.format(name, '')};"))
        assert not any("FOREIGN KEY `f`" in statement for statement in statements)
