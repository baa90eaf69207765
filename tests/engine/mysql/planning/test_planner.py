"""A whole plan: what it says of the target, what it refuses, that it is the same every time and leaves nothing behind."""

import secrets
from dataclasses import replace

import pytest

from engine.base import Target, Verdict
from engine.errors import BadFiles, Refused, TargetUnavailable
from engine.mysql.link import Link
from engine.mysql.planning import scratch
from engine.mysql.planning.desired import TableCache
from engine.mysql.planning.planner import plan_mysql
from engine.mysql.planning.pull import pull_mysql
from engine.mysql.planning.scratch import PREFIX
from engine.registry import open_engine
from tests.engine.mysql.planning.odd_tables import ODD, PARENT, WIDE, only
from tests.engine.mysql.planning.places import account, address_of
from tests.engine.mysql.planning.rig import ddl, ground
from tests.servers.ports import free_port
from tests.servers.server import Server

SHOP = "CREATE TABLE users (id INT PRIMARY KEY, name VARCHAR(20)); CREATE TABLE old (a INT);"
NEXT = "CREATE TABLE users (id BIGINT PRIMARY KEY, name VARCHAR(40)); CREATE TABLE new (a INT); CREATE INDEX n ON users (name);"


def scratch_schemas(link: Link) -> list[str]:
    """Those that are there for good: nobody who plans on the same server just now holds them."""
    names = [name for (name,) in link.rows("SHOW DATABASES LIKE %s", PREFIX.replace("_", r"\_") + "%")]
    return [name for name in names if link.value("SELECT IS_FREE_LOCK(%s)", name.rsplit("_", 1)[0])]


def test_the_same_input_gives_the_same_plan(server: Server) -> None:
    with ground(server, *SHOP.split(";")[:2]) as here:
        first = here.plan(NEXT)
        assert [plan_mysql(here.address, {"shop": {"shop.sql": NEXT}}) for _ in range(2)] == [first, first]


def test_a_plan_says_what_was_live_and_leaves_nothing_behind(server: Server) -> None:
    with ground(server, *SHOP.split(";")[:2], "CREATE VIEW v AS SELECT 1 AS a") as here:
        plan = here.plan(NEXT)
        assert set(plan.fingerprints) == {"old", "users"}
        assert set(plan.original["shop"]) == {"old.sql", "users.sql"}
        assert plan.unmanaged == ("view v",)
        assert [(c.table, c.change_type, c.namespace) for c in plan.changes] == [
            ("new", "create", "shop"), ("users", "alter", "shop"), ("old", "drop", "shop"),
        ]  # fmt: skip
        assert scratch_schemas(here.link) == []
        assert "`" + here.schema not in "".join(ddl(plan))


def test_what_was_pulled_plans_as_no_change(server: Server) -> None:
    with ground(server, PARENT, WIDE, *ODD, *only(server), f"CREATE TABLE {'é' * 64} (a INT)") as here:
        files = pull_mysql(here.address, "shop")
        assert set(files) == {"shop"}
        assert max(len(name.encode()) for name in files["shop"]) <= 200
        assert here.plan(files["shop"]).changes == ()
        assert plan_mysql(here.address, files).original == files


def test_a_table_that_another_tool_may_have_made_is_left_alone_unless_the_files_have_it(
    server: Server,
) -> None:
    shadow = "CREATE TABLE _t_gho (id INT PRIMARY KEY, p INT, KEY (p), FOREIGN KEY (p) REFERENCES p (id))"
    t, p = "CREATE TABLE t (id INT PRIMARY KEY)", "CREATE TABLE p (id INT PRIMARY KEY)"
    with ground(server, t, p, shadow) as here:
        plan = here.plan(f"{t}; {p}; CREATE TABLE u (a INT);")
        assert [change.table for change in plan.changes] == ["u"]
        assert plan.unmanaged == ("table _t_gho",)
        assert set(plan.fingerprints) == {"t", "p"}
        assert (
            set(plan.original["shop"]) == set(pull_mysql(here.address, "shop")["shop"]) == {"t.sql", "p.sql"}
        )
        managed = here.plan(f"{t}; {p}; CREATE TABLE _t_gho (id INT PRIMARY KEY, p BIGINT);")
        assert [change.table for change in managed.changes] == ["_t_gho"]
        assert managed.unmanaged == ()
        with pytest.raises(Refused, match=r"p cannot be dropped: .*\._t_gho refers to it"):
            here.plan(f"{t};")


def test_what_a_pulled_table_refers_to_is_pulled_whatever_its_name(server: Server) -> None:
    kind = "CREATE TABLE _kind (id INT PRIMARY KEY)"
    t = "CREATE TABLE t (id INT PRIMARY KEY, k INT, KEY (k), FOREIGN KEY (k) REFERENCES _kind (id))"
    with ground(server, kind, t, "CREATE TABLE _other (id INT)") as here:
        files = pull_mysql(here.address, "shop")["shop"]
        assert set(files) == {"_kind.sql", "t.sql"}
        assert here.plan(files).changes == ()
        gone = here.plan("CREATE TABLE u (a INT);")
        assert [(change.table, change.change_type) for change in gone.changes] == [
            ("u", "create"),
            ("t", "drop"),
        ]
        assert gone.original["shop"] == files
        assert gone.unmanaged == ("table _kind", "table _other")


def test_a_change_of_two_tables_says_what_it_locks_of_each(server: Server) -> None:
    child = "CREATE TABLE child (id INT PRIMARY KEY, p {0}, CONSTRAINT fk FOREIGN KEY (p) REFERENCES parent (id));"
    parent = "CREATE TABLE parent (id {0} PRIMARY KEY);"
    with ground(server, parent.format("INT")[:-1], child.format("INT")[:-1]) as here:
        (change,) = here.plan(parent.format("BIGINT") + child.format("BIGINT")).changes
        assert "child: Copies the table in one statement: writers of it wait" in change.lock
        assert "parent: Copies the table in one statement: writers of it wait" in change.lock


def test_a_pull_without_a_database_brings_every_schema_by_its_name(server: Server) -> None:
    with ground(server, "CREATE TABLE t (a INT)") as here, ground(server, "CREATE TABLE u (a INT)") as there:
        files = pull_mysql(address_of(server), "ignored")
        assert (set(files[here.schema]), set(files[there.schema])) == ({"t.sql"}, {"u.sql"})
        assert not {"mysql", "sys", "information_schema"} & set(files)


def test_several_namespaces_are_one_plan_in_the_order_of_their_names(server: Server) -> None:
    with ground(server) as one, ground(server, "CREATE TABLE gone (a INT)") as other:
        first, second = sorted((one, other), key=lambda place: place.schema)
        files = {
            first.schema: {
                "a.sql": f"CREATE TABLE c (id INT, FOREIGN KEY (id) REFERENCES {second.schema}.p (id))"
            },
            second.schema: {"a.sql": "CREATE TABLE p (id INT PRIMARY KEY); CREATE TABLE q (id INT)"},
        }
        plan = plan_mysql(address_of(server), files)
        names = [(c.namespace, c.table, c.change_type) for c in plan.changes if c.table != "gone"]
        assert names == [
            (second.schema, "p", "create"),
            (first.schema, "c", "create"),
            (second.schema, "q", "create"),
        ]
        first.carry_out(plan)
        assert plan_mysql(address_of(server), files).changes == ()
        first.run(f"DROP TABLE {first.schema}.c")  # else the schema of its parent cannot go


def test_problems_in_several_namespaces_name_their_folder(server: Server) -> None:
    with ground(server) as one, ground(server) as other, pytest.raises(BadFiles) as caught:
        plan_mysql(address_of(server), {place.schema: {"a.sql": "DROP TABLE x"} for place in (one, other)})
    assert sorted(problem.split("/")[0] for problem in caught.value.problems) == sorted(
        [one.schema, other.schema]
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "CREATE TABLE a (x INT);\n\nCREATE TABLE t (\n  a INT,\n  b INT INT\n);",
            "shop.sql:5:1: You have an error",
        ),
        ("CREATE TABLE t (a INT, KEY k (b))", "shop.sql:1:1: Key column 'b' doesn't exist"),
        ("CREATE TABLE t (a INT, a INT)", "shop.sql:1:1: Duplicate column name 'a'"),
        ("CREATE TABLE t (a INT);\nCREATE INDEX i ON t (b)", "shop.sql:2:1: Key column 'b' doesn't exist"),
        ("CREATE TABLE t (a INT) ENGINE=Nonsense", "shop.sql:1:1: Unknown storage engine"),
        (
            "CREATE TABLE t (a INT, CONSTRAINT f FOREIGN KEY (a) REFERENCES p (id))",
            "shop.sql:1:24: foreign key f refers to table p, which is not in the files",
        ),
    ],
)
def test_what_the_server_does_not_take_is_told_with_its_place(
    server: Server, text: str, expected: str
) -> None:
    with ground(server) as here:
        with pytest.raises(BadFiles) as caught:
            here.plan(text)
        assert caught.value.problems[0].startswith(expected), caught.value.problems
        assert scratch_schemas(here.link) == []


def test_a_foreign_key_that_cannot_hold_is_refused_also_when_its_parent_is_known_already(
    server: Server,
) -> None:
    parent = "CREATE TABLE p (id INT PRIMARY KEY);\n"
    with ground(server, parent) as here:
        for child in (
            "(a BIGINT, FOREIGN KEY (a) REFERENCES p (id))",
            "(a INT, FOREIGN KEY (a) REFERENCES p (ix))",
        ):
            with pytest.raises(BadFiles, match=r"shop.sql:2:1: .*(incompatible|incorrectly|Missing column)"):
                plan_mysql(here.address, {"shop": {"shop.sql": f"{parent}CREATE TABLE t {child}"}})
        here.plan(parent)
        with pytest.raises(Refused, match=r"t: the server does not take it: .*(incompatible|incorrectly)"):
            here.plan(f"{parent}CREATE TABLE t (a BIGINT, FOREIGN KEY (a) REFERENCES p (id))")
        with pytest.raises(
            BadFiles, match=r"shop.sql:2:1: foreign key .* refers to column ix of p, which it has not"
        ):
            here.plan(f"{parent}CREATE TABLE t (a INT, FOREIGN KEY (a) REFERENCES p (ix))")


def test_a_schema_that_is_not_there_is_refused_with_what_to_do(server: Server) -> None:
    with pytest.raises(Refused, match=r"the server has no schema nowhere_at_all .*make it first"):
        plan_mysql(address_of(server, "nowhere_at_all"), {"shop": {}})


def test_a_missing_right_is_named_with_the_grant_that_gives_it(server: Server) -> None:
    with ground(server) as here:
        right = r"SELECT, INSERT, CREATE, DROP, ALTER, INDEX, REFERENCES ON `\_schemabot\_%`.*"
        with account(server, f"ALL PRIVILEGES ON {here.schema}.*", schema=here.schema) as address:
            with pytest.raises(Refused) as refusal:
                plan_mysql(address, {"shop": {"a.sql": "CREATE TABLE t (a INT)"}})
            assert f"GRANT {right} TO '{address.user}'@'%'" in str(refusal.value)
        with account(server, f"ALL PRIVILEGES ON {here.schema}.*", right, schema=here.schema) as address:
            plan = plan_mysql(address, {"shop": {"a.sql": "CREATE TABLE t (a INT)"}})
            assert [change.table for change in plan.changes] == ["t"]
            here.carry_out(plan)
            plan = plan_mysql(address, {"shop": {"a.sql": "CREATE TABLE t (a INT, b INT)"}})
            assert ddl(plan)[0].startswith("ALTER TABLE `t` ADD COLUMN `b` int")


def test_leftovers_are_dropped_unless_rows_are_in_them_or_somebody_plans_there(server: Server) -> None:
    dead, used, held = (f"{PREFIX}{secrets.token_hex(5)}" for _ in range(3))
    with ground(server) as here:
        try:
            for name in (dead, used, held):
                here.run(f"CREATE DATABASE {name}_0", f"CREATE TABLE {name}_0.t (a INT)")
            here.run(f"INSERT INTO {used}_0.t VALUES (1)")
            here.link.value("SELECT GET_LOCK(%s, 0)", held)
            here.plan("CREATE TABLE t (a INT)")
            assert set(scratch_schemas(here.link)) == {f"{used}_0"}
            assert here.link.rows("SHOW DATABASES LIKE %s", f"{held}_0")
        finally:
            here.run(*(f"DROP DATABASE IF EXISTS {name}_0" for name in (dead, used, held)))


def test_scratch_schemas_that_another_plan_would_drop_are_not_made(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = secrets.token_hex(5)
    with ground(server) as here:
        monkeypatch.setattr(secrets, "token_hex", lambda _: token)
        assert here.link.value("SELECT GET_LOCK(%s, 0)", f"{PREFIX}{token}") == 1
        with pytest.raises(TargetUnavailable, match="gives no named locks"):
            plan_mysql(here.address, {"shop": {"shop.sql": "CREATE TABLE t (a INT);"}})
        assert here.link.rows("SHOW DATABASES LIKE %s", f"{PREFIX}{token}%") == []


def tables_made(link: Link) -> int:
    ((_, count),) = link.rows("SHOW GLOBAL STATUS LIKE 'Com_create_table'")
    return int(count)


def test_what_an_earlier_plan_made_is_not_made_again(server: Server) -> None:
    text = ";".join(f"CREATE TABLE t{n} (id INT PRIMARY KEY, a INT, KEY k (a))" for n in range(20))
    with ground(server) as here:
        here.carry_out(here.plan(text))
        before = tables_made(here.link)
        assert here.plan(text).changes == ()
        assert tables_made(here.link) == before
        assert [c.table for c in here.plan(text.replace("t3 (id INT", "t3 (id BIGINT")).changes] == ["t3"]


def test_when_timestamps_end_goes_by_the_server(server: Server) -> None:
    with ground(server) as here:
        (found,) = here.plan("CREATE TABLE t (id BIGINT PRIMARY KEY, c TIMESTAMP NULL)").findings
        assert (
            f"overflows on {'2106-02-07' if server.is_one('mariadb 11.5') else '2038-01-19'}" in found.message
        )


def test_a_cached_table_is_for_its_own_schema_and_settings_only(server: Server) -> None:
    cached = TableCache()
    text = {"shop": {"a.sql": "CREATE TABLE t (a VARCHAR(9))"}}
    with ground(server) as one, ground(server) as other:
        other.run(f"ALTER DATABASE {other.schema} CHARACTER SET latin1")
        plans = [plan_mysql(place.address, text, cached=cached) for place in (one, other)]
    assert ["latin1" in ddl(plan)[0] for plan in plans] == [False, True]


def test_a_schema_without_a_character_set_is_planned(server: Server) -> None:
    """MariaDB 10.6 knows its collation only in quotes."""
    with ground(server) as here:
        here.run(f"ALTER DATABASE {here.schema} CHARACTER SET binary")
        assert "`v` varbinary(9)" in ddl(here.settle("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9))"))[0]


def test_a_workspace_server_takes_the_trials_and_must_be_of_the_same_kind(
    mariadb: Server, mysql: Server
) -> None:
    with ground(mariadb, "CREATE TABLE t (a INT)") as here:
        files = {"shop": {"a.sql": "CREATE TABLE t (a INT, b INT)"}}
        with pytest.raises(Refused, match=r"the workspace server is MySQL .*, the target MariaDB"):
            plan_mysql(here.address, files, workspace=address_of(mysql))
        assert plan_mysql(here.address, files, workspace=address_of(mariadb)) == plan_mysql(
            here.address, files
        )


def test_the_engine_plans_on_the_workspace_that_its_target_names(mariadb: Server, mysql: Server) -> None:
    with ground(mariadb, "CREATE TABLE t (a INT)") as here:
        dsn, wrong = (place.url("", query="ssl_mode=disabled") for place in (mariadb, mysql))
        files = {"shop": {"a.sql": "CREATE TABLE t (a INT, b INT)"}}
        target = Target(
            kind="mysql", database="shop", environment="test", dsn=dsn.replace("/?", f"/{here.schema}?")
        )
        assert [c.table for c in open_engine(replace(target, workspace=dsn)).plan(files).changes] == ["t"]
        with pytest.raises(Refused, match="workspace server is MySQL"):
            open_engine(replace(target, workspace=wrong)).plan(files)
        gone = dsn.replace(f":{mariadb.port}/", f":{free_port()}/")
        for workspace, verdict in (dsn, Verdict.GOOD), (wrong, Verdict.BAD), (gone, Verdict.BAD):
            seen = open_engine(replace(target, workspace=workspace)).examine()
            assert [one.verdict for one in seen if one.subject == "workspace"] == [verdict]


def test_a_plan_says_who_keeps_everybody_from_writing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "WAIT_SECONDS", 2)
    with ground(server, "CREATE TABLE t (a INT)") as here, Link(here.address) as backup:
        backup.run("FLUSH TABLES WITH READ LOCK")
        told = rf"held by connection {backup.id}|the server does not tell"
        with pytest.raises(
            TargetUnavailable, match=rf"FLUSH TABLES WITH READ LOCK, a backup.*({told}).*plan again"
        ):
            here.plan("CREATE TABLE t (a INT, b INT)")
        backup.run("UNLOCK TABLES")
        assert here.plan("CREATE TABLE t (a INT, b INT)").changes


def test_a_key_that_tables_refer_to_begins_to_count_though_nothing_else_of_them_changes(
    server: Server,
) -> None:
    """MySQL refuses that while their foreign keys are there."""
    parent = "CREATE TABLE p (id INT {}PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES p (id));\n"
    child = "CREATE TABLE c (id INT PRIMARY KEY, a INT, FOREIGN KEY (a) REFERENCES p (id));\n"
    far = "CREATE TABLE f (id INT PRIMARY KEY, a INT, FOREIGN KEY (a) REFERENCES c (id));"
    with ground(server, parent.format(""), child, far) as here:
        here.run("INSERT INTO p VALUES (1, 1)", "INSERT INTO c VALUES (1, 1)", "INSERT INTO f VALUES (1, 1)")
        plan = here.settle(parent.format("AUTO_INCREMENT ") + child + far)
        text = plan.changes[0].ddl
        assert "MODIFY COLUMN `id` int" in text
        assert ("TABLE `c` DROP FOREIGN KEY" in text) is not here.mariadb
        assert "TABLE `f`" not in text
        elsewhere = server.fresh_database()
        here.run(f"CREATE TABLE {elsewhere}.d (a INT, FOREIGN KEY (a) REFERENCES {here.schema}.p (id))")
        try:
            if not here.mariadb:
                with pytest.raises(
                    Refused, match="it can be dropped in a plan before and made again in one after"
                ):
                    here.plan(parent.format("") + child + far)
        finally:
            server.drop_database(elsewhere)


def test_views_routines_events_and_triggers_that_would_break_are_named(server: Server) -> None:
    with ground(
        server, "CREATE TABLE t (a INT, b INT, c INT)", "CREATE TABLE u (x INT)", "CREATE TABLE w (y INT)"
    ) as here:
        here.run(
            "CREATE VIEW uses_b AS SELECT a, b FROM t", "CREATE VIEW uses_a AS SELECT a FROM t",
            "CREATE VIEW on_u AS SELECT x FROM u",
            "CREATE PROCEDURE sums() SELECT SUM(b) FROM t", "CREATE PROCEDURE counts() SELECT COUNT(*) FROM t",
            "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM u",
            "CREATE TRIGGER tb BEFORE INSERT ON t FOR EACH ROW SET NEW.b = 1",
            "CREATE TRIGGER tc BEFORE UPDATE ON t FOR EACH ROW SET NEW.c = 1",
            "CREATE TRIGGER tw BEFORE INSERT ON w FOR EACH ROW SET NEW.y = 1",
        )  # fmt: skip
        plan = here.plan("CREATE TABLE t (a INT, c INT)")
    said = sorted(finding.message.split(":")[0] for finding in plan.findings if finding.linter == "broken")
    assert said == [
        "event nightly uses table u, which will not be there by that name",
        "procedure sums seems to use column b of t, which will not be there by that name",
        "trigger tb seems to use column b of t, which will not be there by that name",
        "trigger tw goes with table w",
        "view on_u uses table u, which will not be there by that name",
        "view uses_b seems to use column b of t, which will not be there by that name",
    ]


def test_a_new_table_begins_to_count_where_its_file_says_and_goes_on_as_it_likes(server: Server) -> None:
    files = "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT={0};"
    with ground(server) as here:
        (change,) = here.settle(files.format(1000)).changes
        assert "AUTO_INCREMENT=1000" in change.ddl
        here.run("INSERT INTO t VALUES (), ()")
        assert here.link.rows("SELECT id FROM t") == [(1000,), (1001,)]
        assert here.plan(files.format(5000)).changes == ()


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
