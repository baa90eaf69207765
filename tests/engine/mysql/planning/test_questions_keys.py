"""Rows that keys and checks would refuse are told before: duplicates, orphans, values that do not meet a condition."""

import pytest

from engine.base import Severity
from engine.mysql.trouble import ServerRefused
from tests.engine.mysql.planning.desk import ROWS, Desk, T
from tests.engine.mysql.planning.places import schema_with
from tests.engine.mysql.planning.rig import ground
from tests.servers.server import Server


def test_unique_over_duplicates_under_the_new_collation(desk: Desk) -> None:
    desk.prepare(T, ROWS)
    assert desk.said("ADD UNIQUE u (v)") == []
    ((severity, linter, message),) = desk.said("MODIFY v VARCHAR(20) COLLATE utf8mb4_general_ci")
    assert (severity, linter) == ("blocked", "unique")
    assert message.lower() == "unique (v) would fail: 1 value twice or more (for example 'a')"
    assert desk.fails("MODIFY v VARCHAR(20) COLLATE utf8mb4_general_ci, ADD UNIQUE u (v)")


EQUAL = [
    ("VARCHAR(20) COLLATE utf8mb4_0900_ai_ci", "'x'", "'x '", "CHAR(20) COLLATE utf8mb4_0900_ai_ci", "'x'"),
    ("VARBINARY(9)", "'a'", "'a\\0'", "BINARY(3)", "x'610000'"), ("DOUBLE", "0.1", "0.1000000001", "FLOAT", "0.1"),
    ("VARCHAR(9)", "'A'", "'1'", "ENUM('a','b')", "'a'"), ("TIMESTAMP(3)", "'2020-01-01 10:00:00.1'", "'2020-01-01 10:00:00.2'",
     "TIMESTAMP(0)", "2020-01-01 10:00:00"), ("DECIMAL(5,2)", "1.41", "1.42", "DECIMAL(5,1)", "1.4"),
    ("ENUM('','a')", "0", "''", "VARCHAR(9)", "''"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "one", "other", "after", "value"), EQUAL)
def test_unique_over_values_that_are_equal_in_their_new_type(
    desk: Desk, before: str, one: str, other: str, after: str, value: str
) -> None:
    if "0900" in before and desk.mariadb:
        before, after = (kind.replace("0900_ai", "general_nopad") for kind in (before, after))
    desk.prepare(
        f"CREATE TABLE t (id INT PRIMARY KEY, c {before} NOT NULL, UNIQUE (c)) CHARSET utf8mb4",
        f"INSERT IGNORE INTO t VALUES (1, {one}), (2, {other})",
    )
    alter = f"MODIFY c {after} NOT NULL"

    told = [said for said in desk.said(alter) if said[1] == "unique"]

    assert told == [
        ("blocked", "unique", f"UNIQUE (c) would fail: 1 value twice or more (for example {value})")
    ]
    assert desk.fails(alter)


def test_unique_over_several_columns_prefixes_and_new_columns(desk: Desk) -> None:
    desk.prepare(T, "INSERT INTO t VALUES (1, 'abc', 1), (2, 'abd', 1), (3, 'xyz', NULL), (4, 'xyz', NULL)")
    assert desk.said("ADD UNIQUE u (v(3), n)") == []
    ((severity, linter, message),) = desk.said("ADD UNIQUE w (v(2), n)")
    assert (severity, linter) == ("blocked", "unique")
    assert message == "UNIQUE (v, n) would fail: 1 value twice or more (for example 'ab', 1)"
    assert desk.fails("ADD UNIQUE w (v(2), n)")
    ((_, _, message),) = desk.said("DROP INDEX w", "ADD k INT NOT NULL DEFAULT 7, ADD UNIQUE k (k)")
    assert message == "UNIQUE (k) would fail: 1 value twice or more (for example 7)"
    assert desk.said("DROP k", "ADD k INT, ADD UNIQUE k (k)") == []


ACTIVE = "active VARCHAR(20) COLLATE utf8mb4_general_ci AS (IF(n IS NULL, v, NULL))"
OF_COMPUTED = [
    (f"ADD {ACTIVE} STORED, ADD UNIQUE (active)", "UNIQUE (active) would fail: 1 value twice or more (for example 'a')"),
    (f"ADD {ACTIVE} VIRTUAL, ADD UNIQUE (active)", "UNIQUE (active) would fail: 1 value twice or more (for example 'a')"),
    ("ADD i INT AS (n + 1) STORED, ADD h INT AS (i + 1) STORED, ADD CHECK (h > 3)", "would fail: 1 row (for example id 4)"),
    ("MODIFY g INT AS (n) STORED", "UNIQUE (g) would fail: 1 value twice or more (for example 1)"),
    ("ADD b BIGINT AS (n) STORED, ADD FOREIGN KEY (b) REFERENCES p (id)", "REFERENCES p would fail: 2 rows (for example id 4)"),
    (f"ADD {ACTIVE} VIRTUAL, ADD UNIQUE (active, id), MODIFY g INT AS (n + id) STORED", ""),
]  # fmt: skip


@pytest.mark.parametrize(("alter", "told"), OF_COMPUTED)
def test_keys_and_checks_of_what_is_computed_anew(desk: Desk, alter: str, told: str) -> None:
    desk.prepare(
        P,
        f"{T[: T.index(') CHARSET')]}, g INT AS (id) STORED, UNIQUE (g)) CHARSET utf8mb4",
        "INSERT INTO t (id, v, n) VALUES (1, 'a', NULL), (3, 'A', NULL), (4, 'a', 1), (5, 'b', 1), (6, NULL, NULL)",
        *(["UPDATE t SET n = 2 WHERE id = 5"] if "(h > 3)" in alter else []),
    )

    blocked = [message for severity, _, message in desk.said(alter) if severity == "blocked"]

    assert len(blocked) == bool(told), blocked
    assert all(told.lower() in message.lower() for message in blocked)
    assert desk.fails(alter) == bool(told)


def test_a_unique_expression_of_a_column_that_changes(mysql: Server) -> None:
    with schema_with(mysql) as (link, live), schema_with(mysql) as (after, after_schema):
        desk = Desk(link, live, after, after_schema)
        desk.prepare(
            "CREATE TABLE t (id INT PRIMARY KEY, c DECIMAL(5,2), UNIQUE k ((c + 1)))",
            "INSERT INTO t VALUES (1, 1.4), (2, 1.3)",
        )
        alter = "MODIFY c DECIMAL(5,0)"
        assert "blocked" in [severity for severity, linter, _ in desk.said(alter) if linter == "unique"]
        assert desk.fails(alter)


def test_a_renamed_column_keeps_its_keys_and_a_counted_one_has_no_duplicates(desk: Desk) -> None:
    desk.prepare(T.replace("n INT", "n INT, UNIQUE KEY u (n)"), ROWS)
    assert desk.said("RENAME COLUMN n TO m", renamed={"m": "n"}) == []
    desk.prepare("CREATE TABLE t (v VARCHAR(20)) CHARSET utf8mb4", "INSERT INTO t VALUES ('a'), ('a')")
    assert desk.said("ADD id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY") == []


def test_a_new_primary_key_over_duplicates(desk: Desk) -> None:
    desk.prepare(
        "CREATE TABLE t (v VARCHAR(20) NOT NULL) CHARSET utf8mb4", "INSERT INTO t VALUES ('a'), ('a'), ('b')"
    )
    ((severity, _, message),) = desk.said("ADD PRIMARY KEY (v)")
    assert (severity, message) == (
        "blocked",
        "UNIQUE (v) would fail: 1 value twice or more (for example 'a')",
    )


def test_a_unique_key_over_a_period_is_said_to_be_unchecked(mariadb: Server) -> None:
    with schema_with(mariadb) as (link, live), schema_with(mariadb) as (after, after_schema):
        desk = Desk(link, live, after, after_schema)
        desk.prepare(
            "CREATE TABLE t (id INT PRIMARY KEY, s DATE, e DATE, PERIOD FOR term (s, e))",
            "INSERT INTO t VALUES (1, '2020-01-01', '2020-02-01')",
        )
        assert desk.said("ADD UNIQUE u (id, term WITHOUT OVERLAPS)") == [
            ("info", "data", "UNIQUE (id, term): not checked: it goes by a period")
        ]


def test_a_period_over_rows_that_do_not_end_after_they_begin(mariadb: Server) -> None:
    text = "CREATE TABLE t (id INT PRIMARY KEY, s DATETIME NOT NULL, e DATETIME NOT NULL{})"
    rows = "INSERT INTO t VALUES (1, '2020-01-01 10:00:00', '2020-01-01 11:00:00'){}"
    period = "PERIOD FOR `term` (`s`, `e`)"
    with schema_with(mariadb) as (link, live), schema_with(mariadb) as (after, after_schema):
        desk = Desk(link, live, after, after_schema)
        for now, row, alter in (
            ("", ", (2, '2020-01-02', '2020-01-02'), (3, '2020-01-02', '2020-01-01')", f"ADD {period}"),
            (
                f", {period}",
                ", (2, '2020-01-02', '2020-01-03')",
                "MODIFY s DATE NOT NULL, MODIFY e DATE NOT NULL",
            ),
        ):
            desk.prepare(text.format(now), rows.format(row))
            blocked = [message for severity, _, message in desk.said(alter) if severity == "blocked"]
            many = "1 row (for example id 1)" if now else "2 rows (for example id 2)"
            assert blocked == [f"{period} would fail: {many}"]
            assert desk.fails(alter)
        desk.prepare(text.format(""), rows.format(""))
        assert desk.said(f"ADD {period}") == []


P = "CREATE TABLE p (id BIGINT NOT NULL PRIMARY KEY, code INT, UNIQUE KEY c (code)) CHARSET utf8mb4"
CHILD = "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, p BIGINT, KEY p (p)) CHARSET utf8mb4"


def test_a_foreign_key_over_orphans(desk: Desk) -> None:
    desk.prepare(
        P, CHILD, "INSERT INTO p VALUES (1, 1)", "INSERT INTO t VALUES (1, 1), (2, NULL), (3, 9), (4, 9)"
    )
    alter = "ADD CONSTRAINT f FOREIGN KEY (p) REFERENCES p (id)"
    assert desk.said(alter) == [
        ("blocked", "has_foreign_key", "FOREIGN KEY (p) REFERENCES p would fail: 2 rows (for example id 3)")
    ]
    assert desk.fails(alter)
    desk.link.run("DELETE FROM t WHERE p = 9")
    assert desk.said() == []


def test_a_foreign_key_to_a_table_that_is_new_fails_on_every_value(desk: Desk) -> None:
    desk.prepare(CHILD, "INSERT INTO t VALUES (1, 1), (2, NULL)")
    ((_, _, message),) = desk.said(P, "ADD CONSTRAINT f FOREIGN KEY (p) REFERENCES p (id)")
    assert message == "FOREIGN KEY (p) REFERENCES p would fail: 1 row (for example id 1)"


@pytest.mark.parametrize(
    ("before", "orphans"),
    [
        ("VARCHAR(9) COLLATE utf8mb4_general_ci", "1 row (for example id 3)"),
        ("VARBINARY(9)", "1 row (for example id 3)"),
        ("BIGINT", ""),
    ],
)
def test_a_foreign_key_to_a_column_that_changes_too(desk: Desk, before: str, orphans: str) -> None:
    text, value = "VARCHAR(9) COLLATE utf8mb4_unicode_ci", "'a'" if orphans else "1"
    desk.prepare(
        f"CREATE TABLE p (k {before} PRIMARY KEY) CHARSET utf8mb4",
        f"CREATE TABLE t (id INT PRIMARY KEY, k {text}, KEY (k)) CHARSET utf8mb4",
        f"INSERT INTO p VALUES ({value})", f"INSERT INTO t VALUES (1, {value}), (4, NULL)",
        *(["INSERT INTO t VALUES (2, 'A'), (3, 'b')"] if orphans else []),
    )  # fmt: skip
    desk.after.run(f"ALTER TABLE p MODIFY k {text}")
    alter = "ADD CONSTRAINT f FOREIGN KEY (k) REFERENCES p (k)"

    found = desk.said(alter)

    what = "FOREIGN KEY (k) REFERENCES p would fail: "
    assert found == ([("blocked", "has_foreign_key", what + orphans)] if orphans else [])
    desk.link.run(f"ALTER TABLE p MODIFY k {text}")
    assert desk.fails(alter) == bool(orphans)


WOULD_FAIL = "FOREIGN KEY (p) REFERENCES {} would fail: {}"


@pytest.mark.parametrize(
    ("column", "orphans"),
    [
        ("k BIGINT", "2 rows (for example id 1)"),
        ("k BIGINT NOT NULL", "2 rows (for example id 1)"),
        ("k BIGINT DEFAULT 7", "1 row (for example id 2)"),
    ],
)
def test_a_foreign_key_to_a_column_that_is_new_goes_by_what_rows_get_there(
    desk: Desk, column: str, orphans: str
) -> None:
    desk.prepare(P, CHILD, "INSERT INTO p VALUES (1, 1)", "INSERT INTO t VALUES (1, 7), (2, 8), (3, NULL)")
    new = f"ALTER TABLE p ADD {column}, ADD UNIQUE KEY k (k)"
    desk.after.run(new)
    alter = "ADD CONSTRAINT f FOREIGN KEY (p) REFERENCES p (k)"

    assert desk.said(alter) == [("blocked", "has_foreign_key", WOULD_FAIL.format("p", orphans))]

    desk.link.run(new)
    assert desk.fails(alter)
    desk.link.run("DELETE FROM t WHERE p = 8")
    assert desk.fails(alter) == ("DEFAULT" not in column)


def test_a_foreign_key_to_a_computed_column_that_is_new_is_said_to_be_unchecked(desk: Desk) -> None:
    desk.prepare(P, CHILD, "INSERT INTO p VALUES (1, 1)", "INSERT INTO t VALUES (1, 7)")
    desk.after.run("ALTER TABLE p ADD k BIGINT AS (code + 6) STORED, ADD UNIQUE KEY k (k)")
    ((severity, _, message),) = desk.said("ADD CONSTRAINT f FOREIGN KEY (p) REFERENCES p (k)")
    assert (severity, message.startswith("FOREIGN KEY (p) REFERENCES p: not checked")) == ("info", True)


def test_a_foreign_key_to_a_new_column_of_its_own_table_fails_on_every_value(desk: Desk) -> None:
    desk.prepare(CHILD, "INSERT INTO t VALUES (1, NULL), (2, 1)")
    new, alter = "ADD k BIGINT, ADD UNIQUE KEY k (k)", "ADD CONSTRAINT f FOREIGN KEY (p) REFERENCES t (k)"
    told = WOULD_FAIL.format("t", "1 row (for example id 2)")
    assert desk.said(new, alter) == [("blocked", "has_foreign_key", told)]
    desk.link.run(f"ALTER TABLE t {new}")
    assert desk.fails(alter)


def test_a_foreign_key_into_another_schema_is_asked_about_too(server: Server, desk: Desk) -> None:
    with schema_with(server, P, "INSERT INTO p VALUES (1, 1)") as (_, other):
        desk.prepare(CHILD, "INSERT INTO t VALUES (1, 1), (2, 7)")
        ((_, _, message),) = desk.said(f"ADD CONSTRAINT f FOREIGN KEY (p) REFERENCES `{other}`.p (id)")
        assert message == "FOREIGN KEY (p) REFERENCES p would fail: 1 row (for example id 2)"
        desk.prepare()


def test_a_check_over_rows_that_do_not_meet_it(desk: Desk) -> None:
    desk.prepare(T, ROWS)
    alter = "ADD CONSTRAINT positive CHECK (n > 1)"
    assert desk.said(alter) == [
        ("blocked", "check", "CHECK (`n` > 1) would fail: 1 row (for example id 1)")
    ] or (desk.said() == [("blocked", "check", "CHECK ((`n` > 1)) would fail: 1 row (for example id 1)")])
    assert desk.fails(alter)
    desk.prepare(T.replace("n INT", "n INT, CHECK (n < 9)"), ROWS)
    assert desk.said("RENAME COLUMN v TO w", renamed={"w": "v"}) == []
    ((severity, linter, _),) = desk.said("ADD j INT NOT NULL DEFAULT 3, ADD CHECK (j > 5)")
    assert (severity, linter) == ("blocked", "check")


@pytest.mark.parametrize(("of", "column"), [
    ("mysql", "j JSON NOT NULL, ADD g INT AS (j->>'$.a') STORED"), ("mariadb", "u UUID NOT NULL, ADD CHECK (u LIKE '0%')"),
    ("mariadb", "i INET6 NOT NULL, ADD CHECK (i LIKE ':%')"),
])  # fmt: skip
def test_what_new_columns_hold_is_what_the_server_puts_there(
    request: pytest.FixtureRequest, of: str, column: str
) -> None:
    server = request.getfixturevalue(of)
    if "UUID" in column and not server.is_one("mariadb 10.7"):
        pytest.skip("MariaDB knows UUID since 10.7")
    with schema_with(server) as (link, live), schema_with(server) as (after, after_schema):
        desk = Desk(link, live, after, after_schema)
        desk.prepare(T, ROWS)
        assert {severity for severity, _, _ in desk.said(f"ADD {column}")} == {"warning"}
        assert not desk.fails(f"ADD {column}")


@pytest.mark.parametrize(
    "alter",
    [
        "ADD j JSON NOT NULL",
        "ADD j INT NOT NULL DEFAULT 3 CHECK (j > 5)",
        "MODIFY n INT CHECK (n IS NOT NULL)",
    ],
)
def test_a_check_that_comes_with_a_column_is_not_looked_at_on_mariadb(mariadb: Server, alter: str) -> None:
    with schema_with(mariadb) as (link, live), schema_with(mariadb) as (after, after_schema):
        desk = Desk(link, live, after, after_schema)
        desk.prepare(T, ROWS)
        told = [(severity, linter) for severity, linter, _ in desk.said(alter) if severity != "warning"]
        assert told == [("error", "unsafe")]
        assert not desk.fails(alter)
        assert desk.fails("FORCE, ALGORITHM=COPY")
        with pytest.raises(ServerRefused, match="4025"):
            link.run("UPDATE t SET v = 'b'")


@pytest.mark.parametrize(
    ("column", "check", "value", "after", "told"),
    [
        ("DECIMAL(5,2)", "c < 10", "9.6", "DECIMAL(5,0)", "1 row (for example id 5)"),
        ("DECIMAL(5,2)", "c < 10", "9.4", "DECIMAL(5,0)", ""),
        (
            "CHAR(9) COLLATE utf8mb4_general_ci",
            "c IN ('x', 'y')",
            "'X'",
            "CHAR(9) COLLATE utf8mb4_bin",
            "1 row (for example id 5)",
        ),
        ("CHAR(9) COLLATE utf8mb4_general_ci", "c IN ('x', 'y')", "'x'", "CHAR(9) COLLATE utf8mb4_bin", ""),
    ],
)
def test_a_check_that_stays_while_its_column_changes(
    desk: Desk, column: str, check: str, value: str, after: str, told: str
) -> None:
    desk.prepare(
        f"CREATE TABLE t (id INT PRIMARY KEY, c {column}, CHECK ({check})) CHARSET utf8mb4",
        f"INSERT INTO t VALUES (5, {value})",
    )

    found = [message for severity, _, message in desk.said(f"MODIFY c {after}") if severity == "blocked"]

    assert len(found) == bool(told)
    assert all(message.startswith("CHECK (") and message.endswith(told) for message in found)
    assert desk.fails(f"MODIFY c {after}, ALGORITHM=COPY") == bool(told)


def test_a_check_that_is_not_enforced_is_not_asked_about(mysql: Server) -> None:
    with schema_with(mysql) as (link, live), schema_with(mysql) as (after, after_schema):
        desk = Desk(link, live, after, after_schema)
        desk.prepare(T, ROWS)
        assert desk.said("ADD CHECK (n > 1) NOT ENFORCED") == []


def test_a_key_of_text_that_is_to_count_is_no_riddle(server: Server) -> None:
    with ground(server, "CREATE TABLE t (id VARCHAR(10) PRIMARY KEY)", "INSERT INTO t VALUES ('x9')") as here:
        plan = here.plan("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY);")
        assert any(one.severity is Severity.BLOCKED for one in plan.findings)
