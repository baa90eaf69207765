"""What the rows are asked before a change is approved, and that the answer is what the change then meets."""

import time

import pytest

from engine.mysql.flavour import Flavour, flavour_of
from engine.mysql.planning.rows.asking import Asking
from tests.engine.mysql.planning.desk import ROWS, Desk, T
from tests.engine.mysql.planning.places import schema_with
from tests.servers.server import Server


def test_an_empty_table_is_asked_nothing(desk: Desk) -> None:
    desk.prepare(T)
    assert desk.said("MODIFY n TINYINT NOT NULL, ADD UNIQUE u (v), ADD CHECK (n > 5)") == []


def test_not_null_over_nulls(desk: Desk) -> None:
    desk.prepare(T, ROWS)
    assert desk.said("MODIFY n INT NOT NULL") == [
        ("blocked", "not_null", 'column "n" becomes NOT NULL would fail: 2 rows (for example id 2)')
    ]
    assert desk.fails("MODIFY n INT NOT NULL")
    desk.link.run("UPDATE t SET n = 7")
    assert desk.said() == []


def test_an_example_is_told_whatever_its_character_set(desk: Desk) -> None:
    desk.prepare(
        "CREATE TABLE t (k VARCHAR(9) PRIMARY KEY, n INT) CHARSET latin1", "INSERT INTO t VALUES ('é', NULL)"
    )
    ((_, _, message),) = desk.said("MODIFY n INT NOT NULL")
    assert message.endswith("would fail: 1 row (for example k 'é')")


LITERALS = [
    ("utf8mb4_general_ci", "ADD CHECK (HEX(id) <> 'a')"), ("latin1_swedish_ci", "ADD CHECK (HEX(id) <> 'a')"),
    ("utf16_general_ci", "ADD CHECK (HEX(id) <> 'a')"),
    ("utf8mb4_general_ci", "ADD g INT AS (IF(HEX(id) IN ('a','b'), 1, id)) STORED, ADD UNIQUE (g)"),
    ("latin1_swedish_ci", "ADD h TINYINT AS (IF(HEX(id) = 'a', 300, 1)) STORED"),
    ("latin1_bin", "ADD h TINYINT AS (IF(HEX(id) = 'A', 300, 1)) STORED"),
]  # fmt: skip


@pytest.mark.parametrize(("collation", "alter"), LITERALS)
def test_texts_of_an_expression_compare_as_in_the_table(desk: Desk, collation: str, alter: str) -> None:
    if not desk.mariadb:  # its texts are _utf8mb4, and of two collations of that it knows no better one
        collation = collation.replace("utf8mb4_general_ci", "utf8mb4_0900_ai_ci")
    desk.prepare(
        f"CREATE TABLE t (id INT PRIMARY KEY) COLLATE {collation}", "INSERT INTO t VALUES (10), (11)"
    )

    assert [severity for severity, _, _ in desk.said(alter)] == ["blocked"]
    assert desk.fails(alter)


@pytest.mark.parametrize("collation", ["latin1_swedish_ci", "utf16_general_ci", "binary"])
def test_characters_that_the_table_has_only_in_some_columns_are_not_lost(desk: Desk, collation: str) -> None:
    texts = "CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
    desk.prepare(
        f"CREATE TABLE t (id INT PRIMARY KEY, e ENUM('я','ж','x') {texts}, s SET('я','ж') {texts}, v VARCHAR(9) {texts}, "
        f"d INT AS (CHAR_LENGTH(v)) STORED, n VARCHAR(9) {texts}) COLLATE `{collation}`",
        "INSERT INTO t (id, e, s, v, n) VALUES (1, 'я', 'я', 'я', '7'), (2, 'ж', 'ж,я', 'ж', '8')",
    )
    alter = (
        f"MODIFY e ENUM('ж','я') {texts}, ADD UNIQUE (e), MODIFY s SET('ж','я') {texts}, ADD UNIQUE (s), MODIFY n INT, "
        f"ADD w VARCHAR(9) {texts} DEFAULT 'щ', ADD CHECK (w = 'щ')"
    )
    if desk.mariadb:
        # Such a text of an expression is what the table makes of it.
        alter = alter.replace(", ADD CHECK (w = 'щ')", "")
    found = desk.said(alter, copied=True)
    assert not {severity for severity, _, _ in found} & {"blocked"}, found
    assert not any("not checked" in message for _, _, message in found), found
    assert not desk.fails(f"{alter}, ALGORITHM=COPY")
    by = "ADD PRIMARY KEY (id, v) PARTITION BY LIST COLUMNS (v) (PARTITION p VALUES IN ('я'), PARTITION q VALUES IN ('ж'))"
    desk.prepare(
        f"CREATE TABLE t (id INT, v VARCHAR(9) {texts}) COLLATE `{collation}`",
        "INSERT INTO t VALUES (1, 'я')",
    )
    assert desk.said(by) == []
    assert not desk.fails(by)


def test_a_new_not_null_column_without_a_default(desk: Desk) -> None:
    desk.prepare(T, ROWS)
    what = "is new, NOT NULL and without a default: the rows that are there get"
    assert desk.said("ADD a INT NOT NULL, ADD e ENUM('x','y') NOT NULL, ADD d DATE NOT NULL, ADD s TEXT NOT NULL") == [
        ("warning", "not_null", f'column "a" {what} 0'), ("warning", "not_null", f"column \"e\" {what} 'x'"),
        ("warning", "not_null", f'column "d" {what} a zero date'), ("warning", "not_null", f"column \"s\" {what} ''"),
    ]  # fmt: skip
    desk.prepare(T, ROWS)
    assert desk.said("ADD c INT NOT NULL COMMENT 'no DEFAULT here'") == [
        ("warning", "not_null", f'column "c" {what} 0')
    ]
    desk.prepare(T, ROWS)
    assert desk.said("ADD a INT NOT NULL DEFAULT 5, ADD b INT, ADD g INT AS (n + 1) VIRTUAL") == []


@pytest.mark.parametrize("index", ["", ", ADD SPATIAL KEY (p)"])
def test_a_new_point_that_must_have_a_value_fails_on_mysql_and_in_an_index(desk: Desk, index: str) -> None:
    desk.prepare(T, ROWS)
    alter = f"ADD p POINT NOT NULL{index}"
    ((severity, _, message),) = desk.said(alter)
    assert (severity == "blocked") == desk.fails(alter) == (bool(index) or not desk.mariadb)
    assert severity == "blocked" or message.endswith("get an empty value, which is no geometry")


VIRTUAL_TO_PLAIN = [
    ("DROP g, ADD g INT DEFAULT 0, ADD UNIQUE (g)", "blocked"), ("DROP g, ADD g INT NOT NULL DEFAULT 0", ""),
    ("DROP g, ADD g INT DEFAULT 0, ADD CHECK (g > 0)", "blocked"), ("DROP g, ADD g INT NOT NULL", "warning"),
    ("DROP g, ADD g TINYINT DEFAULT 0, ADD KEY (g)", ""), ("DROP g, ADD g INT AS (a) STORED, ADD UNIQUE (g)", ""),
    ("DROP g, ADD g INT DEFAULT 0", ""),
]  # fmt: skip


@pytest.mark.parametrize(("alter", "severity"), VIRTUAL_TO_PLAIN)
def test_a_virtual_column_that_becomes_a_plain_one_starts_without_values(
    desk: Desk, alter: str, severity: str
) -> None:
    desk.prepare(
        "CREATE TABLE t (id INT PRIMARY KEY, a INT, g INT AS (a) VIRTUAL)",
        "INSERT INTO t (id, a) VALUES (1, 1000), (2, 2), (3, NULL)",
    )
    assert [said for said, _, _ in desk.said(alter)] == ([severity] if severity else [])
    assert desk.fails(f"{alter}, ALGORITHM=COPY") == (severity == "blocked")


REFUSED = [
    ("VARCHAR(20)", "'abcdef'", "VARCHAR(3)"), ("VARCHAR(20)", "'abc   '", "VARCHAR(3)"),
    ("TEXT", "'abcd  e'", "VARCHAR(4)"), ("TEXT CHARACTER SET utf16", "'abc   '", "VARCHAR(4)"),
    ("VARCHAR(20)", "'é😀'", "VARCHAR(20) CHARACTER SET latin1"), ("TEXT", "REPEAT('é', 200)", "TINYTEXT"),
    ("VARBINARY(9)", "'abcdef'", "VARBINARY(3)"), ("VARBINARY(9)", "x'ff'", "VARCHAR(9)"), ("INT", "300", "TINYINT"),
    ("INT", "-1", "INT UNSIGNED"), ("BIGINT UNSIGNED", "18446744073709551615", "BIGINT"),
    ("DECIMAL(5,2)", "999.99", "DECIMAL(4,2)"), ("DECIMAL(5,2)", "-1", "DECIMAL(5,2) UNSIGNED"),
    ("DOUBLE", "1e300", "FLOAT"), ("DOUBLE", "1e300", "INT"), ("INT", "12345", "VARCHAR(3)"), ("VARCHAR(9)", "'12x'", "INT"),
    ("VARCHAR(9)", "''", "INT"), ("VARCHAR(9)", "'300'", "TINYINT"), ("ENUM('a','b')", "'b'", "ENUM('a')"),
    ("SET('a','b')", "'a,b'", "SET('a')"), ("SET('a','b')", "'a,b'", "ENUM('a','b')"), ("VARCHAR(9)", "'zz'", "ENUM('a')"),
    ("ENUM('a','b')", "'b'", "VARCHAR(0)"), ("BIT(9)", "256", "BIT(3)"), ("INT", "9", "BIT(3)"),
    ("DATETIME", "'1900-01-01 10:00:00'", "TIMESTAMP NULL"), ("VARCHAR(9)", "'x'", "DECIMAL(5,2)"),
    ("VARCHAR(9)", "'é'", "VARBINARY(1)"), ("VARCHAR(9)", "' '", "INT"), ("VARCHAR(9)", "'3'", "ENUM('a','b')"),
    ("ENUM('a','c')", "'c'", "SET('a','b')"), ("BIT(8)", "128", "TINYINT"), ("BIT(64)", "1 << 63", "BIGINT"),
    ("VARCHAR(30)", "'31/12/2020'", "DATE"), ("TEXT", "'2020-01-05 25:00:00'", "DATETIME"), ("VARCHAR(30)", "''", "DATE"),
    ("VARCHAR(30)", "'1900-01-01'", "TIMESTAMP NULL"), ("VARCHAR(9)", "'abcd e'", "CHAR(4)"),
    ("TEXT CHARACTER SET utf16", "'ab     '", "CHAR(4)"), ("DATETIME(6)", "'1970-01-01 00:00:00.4'", "TIMESTAMP NULL"),
    ("DATETIME(6)", "'2038-01-19 03:14:08'", "TIMESTAMP(6) NULL"),
]  # fmt: skip
ALTERED = [
    ("DECIMAL(5,2)", "1.55", "DECIMAL(5,1)"), ("DECIMAL(5,2)", "1.5", "INT"), ("DOUBLE", "1.5", "INT"),
    ("DOUBLE", "0.1", "FLOAT"), ("BIGINT", "9007199254740993", "DOUBLE"), ("VARCHAR(9)", "'007'", "INT"),
    ("VARCHAR(9)", "'1.55'", "DECIMAL(5,1)"), ("VARCHAR(9)", "'ab '", "CHAR(9)"), ("VARBINARY(9)", "'ab'", "BINARY(5)"),
    ("TIME(6)", "'10:00:00.6'", "TIME"), ("DATETIME(6)", "'2020-01-01 10:00:00.6'", "DATETIME(0)"),
    ("DATETIME", "'2020-01-01 10:00:00'", "DATE"), ("DATETIME", "'2020-01-01 10:00:00'", "TIME"),
    ("VARCHAR(9)", "'12 '", "INT"),
    ("VARCHAR(9)", "'ab     '", "CHAR(4)"), ("TEXT CHARACTER SET latin1", "'ab     '", "CHAR(4)"),
    ("ENUM('a','b')", "'a'", "ENUM('A','B')"), ("SET('a','b')", "'a'", "SET('b','A')"),
    ("SET('a','b')", "'a,b'", "SET('b','a')"), ("VARCHAR(9)", "'a '", "ENUM('a')"), ("VARCHAR(9)", "'2'", "ENUM('a','b')"),
    ("VARCHAR(30)", "'2020/1/5'", "DATE"), ("VARCHAR(30)", "'10:11:12'", "DATETIME"),
    ("VARCHAR(30)", "'2020-01-05 10:00:00'", "DATE"), ("VARCHAR(30)", "'2020-01-05 10:00:00.5'", "TIMESTAMP NULL"),
    ("TEXT", "'abc   '", "VARCHAR(4)"), ("MEDIUMTEXT CHARACTER SET latin1", "'abc   '", "VARCHAR(4)"),
    ("FLOAT", "16777217", "VARCHAR(20)"), ("DATETIME(6)", "'2038-01-19 03:14:07.4'", "TIMESTAMP NULL"),
]  # fmt: skip
FITTING = [
    ("VARCHAR(20)", "'abc'", "VARCHAR(3)"), ("VARCHAR(20)", "'é'", "VARCHAR(20) CHARACTER SET latin1"),
    ("INT", "127", "TINYINT"), ("INT", "-128", "TINYINT"), ("INT", "0", "INT UNSIGNED"),
    ("DECIMAL(5,2)", "9.50", "DECIMAL(3,1)"), ("DOUBLE", "2", "INT"), ("VARCHAR(9)", "'-12'", "INT"),
    ("VARCHAR(9)", "'1.50'", "DECIMAL(5,1)"), ("DOUBLE", "0.5", "FLOAT"), ("INT", "123", "VARCHAR(3)"),
    ("ENUM('a','b')", "'a'", "ENUM('a')"), ("ENUM('a','b')", "'b'", "ENUM('b','a')"), ("ENUM('a','b')", "'b'", "SET('b')"),
    ("SET('a','b')", "'a'", "SET('a')"), ("VARCHAR(9)", "'a'", "ENUM('a')"), ("ENUM('a','bb')", "'a'", "VARCHAR(1)"),
    ("BIT(9)", "7", "BIT(3)"), ("DATETIME(6)", "'2020-01-01 10:00:00'", "DATETIME"), ("DATETIME", "'2020-01-01'", "DATE"),
    ("DATETIME", "'2020-01-01 10:00:00'", "TIMESTAMP NULL"), ("DATETIME", "'0000-00-00'", "TIMESTAMP NULL"),
    ("VARBINARY(9)", "'ab'", "BINARY(2)"), ("VARBINARY(9)", "'ab'", "VARCHAR(9)"), ("BIGINT", "9007199254740992", "DOUBLE"),
    ("BIT(8)", "127", "TINYINT"), ("FLOAT", "0.1", "CHAR(3)"),
    ("VARCHAR(9)", "' 1e2 '", "DECIMAL(5,1)"), ("SET('a','b')", "'b'", "SET('b','a')"),
    (r"ENUM('a\\b','c''d','e\nf')", r"'a\\b'", r"ENUM('c''d','e\nf','a\\b')"),
    (r"SET('a\\b','c')", r"'a\\b'", r"SET('c','a\\b')"),
    ("TEXT CHARACTER SET latin1", "'é'", "TEXT"), ("VARCHAR(9)", "'{}'", "JSON"), ("VARCHAR(9)", "NULL", "INT"),
    ("VARCHAR(30)", "'2020-01-05'", "DATE"), ("TEXT CHARACTER SET ucs2", "'2020-01-05T10:00:00'", "DATETIME"),
    ("VARCHAR(30)", "'2020-01-05 10:00:00.5'", "DATETIME(6)"), ("VARCHAR(30)", "NULL", "DATE"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "value", "after"), [*REFUSED, *ALTERED, *FITTING])
def test_values_that_a_new_type_refuses_or_alters_are_told_before_and_no_others(
    desk: Desk, before: str, value: str, after: str
) -> None:
    desk.prepare(
        f"CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, c {before}) CHARSET utf8mb4", f"INSERT INTO t VALUES (5, {value})"
    )  # fmt: skip
    alter = f"MODIFY c {after}, ALGORITHM=COPY"
    # As texts the closest FLOAT or DOUBLE reads like the number that it is not.
    real = after in ("DOUBLE", "FLOAT") or before == "FLOAT"
    exactly = "CAST(c AS DECIMAL(65,30))" if real else "HEX(CONCAT(c))"
    was = desk.link.value(f"SELECT {exactly} FROM t")

    found = desk.said(alter)

    refused = [said for said in found if said[0] == "blocked"]
    altered = [said for said in found if said[:2] == ("error", "unsafe")]
    assert desk.fails(alter) == bool(refused), found
    assert all(message.endswith("1 row (for example id 5)") for _, _, message in (*refused, *altered))
    assert bool(altered) == ((before, value, after) in ALTERED), found
    if (before, value, after) in ALTERED:
        assert desk.link.value(f"SELECT {exactly} FROM t") != was
    if (before, value, after) in FITTING and "JSON" not in after:
        assert "all rows were read, no value is lost of those that are there now; others may" in found[0][2]


@pytest.mark.parametrize(
    ("value", "after", "refuses"),
    [
        ("1970-01-01 00:00:00.6", "TIMESTAMP", "mariadb"),
        ("1970-01-01 00:00:00.6", "TIMESTAMP(6)", "mysql"),
        ("2038-01-19 03:14:07.6", "TIMESTAMP", "mysql"),
    ],
)
def test_at_the_ends_of_a_timestamp_it_counts_that_mysql_rounds_and_mariadb_cuts(
    desk: Desk, value: str, after: str, refuses: str
) -> None:
    desk.prepare("CREATE TABLE t (c DATETIME(6))", f"INSERT INTO t VALUES ('{value}')")
    alter = f"MODIFY c {after} NULL, ALGORITHM=COPY"
    refused = any(severity == "blocked" for severity, _, _ in desk.said(alter))
    assert refused == (desk.mariadb == (refuses == "mariadb"))
    assert desk.fails(alter) == refused


@pytest.mark.parametrize(
    ("after", "unsafe"), [("ENUM('b','a')", 0), ("ENUM('a','b') CHARACTER SET latin1", 0), ("ENUM('A')", 1)]
)
def test_an_enum_that_has_none_of_its_members_keeps_none(desk: Desk, after: str, unsafe: int) -> None:
    desk.prepare(
        "CREATE TABLE t (id INT PRIMARY KEY, c ENUM('a','b') NOT NULL)",
        "INSERT IGNORE INTO t VALUES (1, 'x'), (2, 'a')",
    )
    alter = f"MODIFY c {after} NOT NULL, ALGORITHM=COPY"
    found = [severity for severity, _, _ in desk.said(alter)]
    assert "blocked" not in found
    assert found.count("error") == unsafe
    assert not desk.fails(alter)
    assert desk.link.value("SELECT c FROM t WHERE id = 1") == ""


@pytest.mark.parametrize(("version", "refused"), [((10, 11, 0), 2), ((11, 5, 0), 1)])
def test_a_timestamp_ends_where_that_of_the_server_does(
    mariadb: Server, version: tuple[int, int, int], refused: int
) -> None:
    with schema_with(mariadb) as (link, live), schema_with(mariadb) as (after, after_schema):
        desk = Desk(link, live, after, after_schema)
        desk.prepare(
            "CREATE TABLE t (c DATETIME)",
            "INSERT INTO t VALUES ('2040-01-01'), ('2106-02-08'), ('2038-01-01')",
        )
        asking = Asking(link=link, flavour=Flavour(vendor="MariaDB", version=version, any_case=False))
        (found,) = desk.ask("MODIFY c TIMESTAMP NULL", asking=asking)
        assert f"would fail: {refused} row" in found.message


PARTITIONED = [
    ("PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN (20))", 2),
    ("PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN MAXVALUE)", 0),
    ("PARTITION BY RANGE COLUMNS (id, d) (PARTITION a VALUES LESS THAN (30, '2020-01-01'))", 1),
    ("PARTITION BY RANGE COLUMNS (id, d) (PARTITION a VALUES LESS THAN (30, MAXVALUE))", 0),
    ("PARTITION BY RANGE (YEAR(d)) (PARTITION a VALUES LESS THAN (2020))", 1),
    ("PARTITION BY LIST (id) (PARTITION a VALUES IN (1, 2), PARTITION b VALUES IN (20))", 1),
    ("PARTITION BY LIST COLUMNS (d) (PARTITION a VALUES IN ('2019-01-01', NULL), PARTITION b VALUES IN ('2020-05-05'))", 1),
    ("PARTITION BY LIST COLUMNS (id, d) (PARTITION a VALUES IN ((1, '2019-01-01'), (20, NULL)))", 1),
    ("PARTITION BY HASH (id) PARTITIONS 3", 0),
]  # fmt: skip
DATED = "CREATE TABLE t (id INT NOT NULL, d DATE) CHARSET utf8mb4"


@pytest.mark.parametrize(("alter", "homeless"), PARTITIONED)
def test_rows_without_a_partition_are_told_before(desk: Desk, alter: str, homeless: int) -> None:
    desk.prepare(DATED, "INSERT INTO t VALUES (1, '2019-01-01'), (20, NULL), (30, '2020-01-01')")

    found = desk.said(alter)

    told = [message for _, linter, message in found if linter == "partitions"]
    assert len(told) == bool(homeless)
    assert all(f"with no partition for some rows would fail: {homeless} row" in message for message in told)
    assert desk.fails(alter) == bool(homeless)


@pytest.mark.parametrize(
    ("value", "by", "homeless"),
    [
        ("A", "LIST COLUMNS (c) (PARTITION p VALUES IN ('a', 'b'))", 1),
        ("a", "LIST COLUMNS (c) (PARTITION p VALUES IN ('a', 'b'))", 0),
        ("a", "RANGE COLUMNS (c) (PARTITION p VALUES LESS THAN ('B'))", 1),
        ("A", "RANGE COLUMNS (c) (PARTITION p VALUES LESS THAN ('B'))", 0),
    ],
)
def test_rows_without_a_partition_once_their_column_compares_otherwise(
    desk: Desk, value: str, by: str, homeless: int
) -> None:
    desk.prepare(
        f"CREATE TABLE t (c CHAR(9) COLLATE utf8mb4_general_ci) CHARSET utf8mb4 PARTITION BY {by}",
        f"INSERT INTO t VALUES ('{value}')",
    )
    alter = "MODIFY c CHAR(9) COLLATE utf8mb4_bin"

    found = [
        message
        for severity, linter, message in desk.said(alter)
        if (severity, linter) == ("blocked", "partitions")
    ]

    assert len(found) == homeless
    assert all("with no partition for some rows would fail: 1 row" in message for message in found)
    assert desk.fails(f"{alter}, ALGORITHM=COPY") == bool(homeless)


@pytest.mark.parametrize(
    ("rows", "homeless"), [("(1, NULL), (2, NULL), (3, NULL)", 1), ("(1, NULL), (2, NULL)", 0)]
)
def test_rows_of_dropped_partitions_need_no_other(desk: Desk, rows: str, homeless: int) -> None:
    lists = f"{DATED} PARTITION BY LIST (id) (PARTITION a VALUES IN (1), PARTITION b VALUES IN (2, 3), PARTITION c VALUES IN (4))"
    desk.prepare(lists, f"INSERT INTO t VALUES {rows}")
    parts = (
        "DROP PARTITION `a`",
        "PARTITION BY LIST (id) (PARTITION b VALUES IN (2), PARTITION c VALUES IN (4), PARTITION d VALUES IN (5))",
    )

    found = desk.said(*parts)

    assert [(severity, linter) for severity, linter, _ in found] == [("blocked", "partitions")] * homeless
    assert all(message.endswith("would fail: 1 row") for _, _, message in found)
    assert [desk.fails(part) for part in parts] == [False, bool(homeless)]


def test_a_spatial_column_that_takes_another_reference_system_only(mysql: Server) -> None:
    with schema_with(mysql) as (link, live), schema_with(mysql) as (after, after_schema):
        desk = Desk(link, live, after, after_schema)
        desk.prepare(
            "CREATE TABLE t (id BIGINT PRIMARY KEY, p POINT)",
            "INSERT INTO t VALUES (1, ST_SRID(POINT(1, 1), 4326)), (2, POINT(1, 1)), (3, NULL)",
        )
        alter = "MODIFY p POINT SRID 4326"
        assert desk.said(alter) == [
            (
                "blocked",
                "srid",
                'column "p" takes values of SRID 4326 only would fail: 1 row (for example id 2)',
            )
        ]
        assert desk.fails(alter)
        link.run("DELETE FROM t WHERE id = 2")
        assert desk.said() == []
        assert not desk.fails(alter)


def test_a_conversion_that_nobody_knows_a_question_for_is_said_to_be_unchecked(desk: Desk) -> None:
    desk.prepare(T, "INSERT INTO t VALUES (1, '10:11:12', 1)")
    ((severity, linter, message),) = desk.said("MODIFY v TIME")
    assert (severity, linter) == ("info", "data")
    assert "not checked: no question is known" in message


def test_zero_dates_are_pointed_out_where_their_column_changes(desk: Desk) -> None:
    desk.prepare(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, d DATE, e DATE) CHARSET utf8mb4",
        "INSERT INTO t VALUES (1, '0000-00-00', '0000-00-00'), (2, '2020-01-00', NULL), (3, '2020-01-01', NULL)",
    )
    assert desk.said("MODIFY d DATETIME") == [
        ("info", "zero_date", 'column "d" has dates without a month or a day, which stay as they are: 2 rows (for example id 1)')
    ]  # fmt: skip
    assert not desk.fails("MODIFY d DATETIME")


def test_a_counter_near_its_end(desk: Desk) -> None:
    desk.prepare(
        "CREATE TABLE t (id TINYINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, v INT) CHARSET utf8mb4",
        "INSERT INTO t VALUES (230, 1)",
    )
    ((severity, linter, message),) = desk.said("ADD w INT")
    assert (severity, linter) == ("warning", "auto_inc_capacity")
    assert message.startswith('Column "id" is AUTO_INCREMENT and at 230: 90 % of what tinyint')
    assert desk.said("MODIFY id INT UNSIGNED NOT NULL AUTO_INCREMENT") == []


@pytest.mark.parametrize("rows", ["(1, 1), (2, 1), ", ""])
def test_a_counter_that_stands_beyond_the_new_type(desk: Desk, rows: str) -> None:
    """The rows fit, or are none; afterwards each INSERT would fail."""
    narrow = "MODIFY id INT UNSIGNED NOT NULL AUTO_INCREMENT"
    desk.prepare(
        "CREATE TABLE t (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, v INT)",
        f"INSERT INTO t VALUES {rows}(5000000000, 1)",
        "DELETE FROM t WHERE id > 2",
    )
    told = [message for severity, _, message in desk.said(narrow) if severity == "error"]
    assert len(told) == 1
    assert 'column "id" stands at AUTO_INCREMENT=5,000,000,001, and int' in told[0]
    desk.link.run("ALTER TABLE t AUTO_INCREMENT = 1")
    assert [severity for severity, *_ in desk.said(narrow) if severity == "error"] == []


@pytest.mark.parametrize(("rows", "kind", "told"), [(128, "TINYINT", True), (128, "TINYINT UNSIGNED", False)])
def test_a_new_counter_without_a_number_for_each_row(desk: Desk, rows: int, kind: str, told: bool) -> None:
    listed = ", ".join(f"({number})" for number in range(rows))
    desk.prepare("CREATE TABLE t (a INT) CHARSET utf8mb4", f"INSERT INTO t VALUES {listed}")
    alter = f"ADD id {kind} NOT NULL AUTO_INCREMENT PRIMARY KEY, ALGORITHM=COPY"

    found = desk.said(alter)

    assert [(severity, linter) for severity, linter, _ in found] == [("blocked", "auto_inc_capacity")] * told
    assert all("numbers the rows: 128 of them, and tinyint" in message for _, _, message in found)
    assert desk.fails(alter) == told


def test_what_takes_too_long_is_said_to_be_unchecked(desk: Desk) -> None:
    desk.prepare(T, ROWS)
    for _ in range(16):
        desk.link.run(
            "INSERT INTO t SELECT s.id + m.last, CONCAT(s.id, 'x'), 1 FROM t s JOIN (SELECT MAX(id) AS last FROM t) m"
        )
    flavour = flavour_of(desk.link)
    began = time.monotonic()
    found = desk.ask("ADD UNIQUE u (v)", asking=Asking(link=desk.link, flavour=flavour, seconds=0.01))
    assert time.monotonic() - began < 5
    assert [(f.severity.value, f.linter) for f in found] == [("info", "data")]
    assert found[0].message == "UNIQUE (v): not checked: table too large: it took too long"
    over = Asking(link=desk.link, flavour=flavour, deadline=time.monotonic() - 1)
    assert "not checked: the questions took too long" in desk.ask(asking=over)[0].message


def test_a_finding_says_where_the_column_stands(desk: Desk) -> None:
    desk.prepare(T, ROWS)
    (found,) = desk.ask("MODIFY n INT NOT NULL")
    assert (found.table, found.column, found.file, found.line) == ("t", "n", "t.sql", 7)


def test_a_table_without_a_key_has_no_example(desk: Desk) -> None:
    desk.prepare("CREATE TABLE t (n INT) CHARSET utf8mb4", "INSERT INTO t VALUES (NULL)")
    assert desk.said("MODIFY n INT NOT NULL")[0][2] == 'column "n" becomes NOT NULL would fail: 1 row'
