"""What the rows are asked before a change is approved, and that the answer is what the change then meets."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from engine.base import Finding
from engine.mysql.catalog import read_tables
from engine.mysql.flavour import flavour_of
from engine.mysql.link import Link
from engine.mysql.planning.linters.case import Case
from engine.mysql.planning.questions import ask_rows
from engine.mysql.planning.rows.asking import Asking
from engine.mysql.tables import Table
from engine.mysql.trouble import ServerRefused
from tests.engine.mysql.planning.places import schema_with
from tests.servers.server import Server


@dataclass
class Desk:
    """A live schema, and the same after some statements that nobody has run yet."""

    link: Link
    live: str
    after: Link
    after_schema: str

    @property
    def mariadb(self) -> bool:
        return flavour_of(self.link).mariadb

    def prepare(self, *statements: str) -> None:
        for link in (self.link, self.after):
            link.run("SET foreign_key_checks = 0")
            for (name,) in link.rows(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
            ):
                link.run(f"DROP TABLE `{name}`")
            for statement in statements:
                if link is self.link or statement.startswith("CREATE"):
                    link.run(statement)
            link.run("SET foreign_key_checks = 1")

    def case(
        self,
        name: str,
        *,
        renamed: dict[str, str] | None = None,
        parts: Sequence[str] = (),
        copied: bool = False,
    ) -> Case | None:
        now, wanted = read_tables(self.link, self.live), self.wanted()
        if name not in wanted:
            return None
        return Case(
            now=now.get(name), wanted=wanted.get(name), renamed=renamed or {}, parts=parts, copied=copied, rebuilt=copied,
            locate=lambda table, name: (f"{table}.sql", 7),
        )  # fmt: skip

    def wanted(self) -> dict[str, Table]:
        return read_tables(self.after, self.after_schema)

    def ask(
        self,
        *alters: str,
        asking: Asking | None = None,
        renamed: dict[str, str] | None = None,
        copied: bool = False,
    ) -> list[Finding]:
        """The findings about what the rows of `t` would meet if it were altered so."""
        for alter in alters:
            self.after.run(alter if alter.startswith("CREATE") else f"ALTER TABLE t {alter}")
        case = self.case("t", renamed=renamed, parts=alters, copied=copied)
        assert case is not None
        return ask_rows(
            asking or Asking(link=self.link, flavour=flavour_of(self.link)), case, lambda _schema, name: self.case(name)
        )  # fmt: skip

    def said(
        self, *alters: str, renamed: dict[str, str] | None = None, copied: bool = False
    ) -> list[tuple[str, str, str]]:
        found = self.ask(*alters, renamed=renamed, copied=copied)
        return [(f.severity.value, f.linter, f.message) for f in found]

    def fails(self, alter: str) -> bool:
        """Whether the live table really refuses it."""
        try:
            self.link.run(f"ALTER TABLE t {alter}")
        except ServerRefused:
            return True
        return False


@pytest.fixture
def desk(server: Server) -> Iterator[Desk]:
    with schema_with(server) as (link, live), schema_with(server) as (after, after_schema):
        yield Desk(link, live, after, after_schema)


ROWS = "INSERT INTO t VALUES (1, 'a', 1), (2, NULL, NULL), (3, 'A', NULL)"
T = "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, v VARCHAR(20) COLLATE utf8mb4_bin, n INT) CHARSET utf8mb4"


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


REFUSED = [
    ("VARCHAR(20)", "'abcdef'", "VARCHAR(3)"), ("VARCHAR(20)", "'abc   '", "VARCHAR(3)"),
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
    ("VARCHAR(30)", "'1900-01-01'", "TIMESTAMP NULL"),
]  # fmt: skip
ALTERED = [
    ("DECIMAL(5,2)", "1.55", "DECIMAL(5,1)"), ("DECIMAL(5,2)", "1.5", "INT"), ("DOUBLE", "1.5", "INT"),
    ("DOUBLE", "0.1", "FLOAT"), ("BIGINT", "9007199254740993", "DOUBLE"), ("VARCHAR(9)", "'007'", "INT"),
    ("VARCHAR(9)", "'1.55'", "DECIMAL(5,1)"), ("VARCHAR(9)", "'ab '", "CHAR(9)"), ("VARBINARY(9)", "'ab'", "BINARY(5)"),
    ("TIME(6)", "'10:00:00.6'", "TIME"), ("DATETIME(6)", "'2020-01-01 10:00:00.6'", "DATETIME(0)"),
    ("DATETIME", "'2020-01-01 10:00:00'", "DATE"), ("DATETIME", "'2020-01-01 10:00:00'", "TIME"),
    ("VARCHAR(9)", "'12 '", "INT"), ("ENUM('a','b')", "'a'", "ENUM('A','B')"), ("SET('a','b')", "'a'", "SET('b','A')"),
    ("SET('a','b')", "'a,b'", "SET('b','a')"), ("VARCHAR(9)", "'a '", "ENUM('a')"), ("VARCHAR(9)", "'2'", "ENUM('a','b')"),
    ("VARCHAR(30)", "'2020/1/5'", "DATE"), ("VARCHAR(30)", "'10:11:12'", "DATETIME"),
    ("VARCHAR(30)", "'2020-01-05 10:00:00'", "DATE"), ("VARCHAR(30)", "'2020-01-05 10:00:00.5'", "TIMESTAMP NULL"),
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
    ("BIT(8)", "127", "TINYINT"),
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
    was = desk.link.value("SELECT HEX(CONCAT(c)) FROM t")

    found = desk.said(alter)

    refused = [said for said in found if said[0] == "blocked"]
    altered = [said for said in found if said[:2] == ("error", "unsafe")]
    assert desk.fails(alter) == bool(refused), found
    assert all(message.endswith("1 row (for example id 5)") for _, _, message in (*refused, *altered))
    assert bool(altered) == ((before, value, after) in ALTERED), found
    if (before, value, after) in ALTERED:
        assert desk.link.value("SELECT HEX(CONCAT(c)) FROM t") != was or after in ("DOUBLE", "FLOAT")
    if (before, value, after) in FITTING and "JSON" not in after:
        assert "all rows were read, no value is lost" in found[0][2]


ZONED = [
    ("TIMESTAMP NULL", "DATETIME", "2026-01-01 10:00:00 becomes 2026-01-01 05:00:00"),
    ("DATETIME", "TIMESTAMP NULL", "2026-01-01 10:00:00 becomes 2026-01-01 15:00:00"),
    ("TIMESTAMP NULL", "VARCHAR(40)", "2026-01-01 10:00:00 becomes 2026-01-01 05:00:00"),
    ("VARCHAR(40)", "TIMESTAMP NULL", "2026-01-01 10:00:00 becomes 2026-01-01 15:00:00.000000"), ("DATETIME", "VARCHAR(40)", ""),
    ("TIMESTAMP(6) NULL", "TIMESTAMP NULL", ""),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "example"), ZONED)
def test_moments_that_read_otherwise_after_a_change_in_utc_are_told_before(
    desk: Desk, before: str, after: str, example: str
) -> None:
    desk.prepare(f"CREATE TABLE t (id BIGINT PRIMARY KEY, c {before})")
    alter = f"MODIFY c {after}"
    zone = desk.link.value("SELECT @@GLOBAL.time_zone")
    try:
        desk.link.run("SET GLOBAL time_zone = '+05:00', SESSION time_zone = '+05:00'")
        desk.link.run("INSERT INTO t VALUES (5, '2026-01-01 10:00:00'), (6, NULL)")
        desk.link.run("SET SESSION time_zone = '+00:00'")

        found = desk.said(alter)
    finally:
        desk.link.run(f"SET GLOBAL time_zone = '{zone}'")

    told = [message for severity, linter, message in found if (severity, linter) == ("error", "unsafe")]
    assert len(told) == bool(example)
    assert all(
        message.endswith(f"read otherwise: 1 row (for example id 5: {example})") and "is +05:00" in message for message in told
    )  # fmt: skip
    assert example == "" or not any("no value is lost" in message for _, _, message in found)
    assert all(linter != "unsafe" for _, linter, _ in desk.said(alter))
    assert not desk.fails(alter)
    desk.link.run("SET SESSION time_zone = '+05:00'")
    became = desk.link.value("SELECT CAST(c AS CHAR(19)) FROM t WHERE id = 5")
    assert became == (example.partition(" becomes ")[2][:19] or "2026-01-01 10:00:00")


COMPUTED_IN_A_ZONE = [
    ("d DATE AS (DATE(c)) STORED", "MODIFY n BIGINT", "row (for example id 5: 2026-01-02 becomes 2026-01-01)"),
    ("v DATE AS (DATE(c)) VIRTUAL, d DATE AS (v) STORED", "MODIFY n BIGINT", "row (for example id 5: 2026-01-02 becomes"),
    ("x INT", "ADD d DATE AS (DATE(c)) STORED", "some values are others there"),
    ("x INT", "ADD d DATE DEFAULT (DATE(c)), MODIFY n BIGINT", "some values are others there"),
    ("d DATE AS (DATE(c)) VIRTUAL", "ADD KEY d (d)", "some values are others there"),
    ("d DATE AS (DATE(c)) VIRTUAL, KEY d (d)", "MODIFY n BIGINT", "some values are others there"),
    ("d DATE AS (DATE(c)) VIRTUAL", "MODIFY n BIGINT", ""),
    ("d INT AS (n + 1) STORED", "MODIFY n BIGINT", ""),
    ("x INT", "ADD d TIMESTAMP AS (c) STORED", ""),
]  # fmt: skip


@contextmanager
def zone(desk: Desk, zone: str) -> Iterator[None]:
    """The server's, and for what is written there."""
    was = desk.link.value("SELECT @@GLOBAL.time_zone")
    desk.link.run(f"SET GLOBAL time_zone = '{zone}', SESSION time_zone = '{zone}'")
    try:
        yield
    finally:
        desk.link.run(f"SET GLOBAL time_zone = '{was}', SESSION time_zone = '+00:00'")


@pytest.mark.parametrize(("before", "alter", "told"), COMPUTED_IN_A_ZONE)
def test_what_a_change_in_utc_computes_from_a_moment_is_told_before(
    desk: Desk, before: str, alter: str, told: str
) -> None:
    desk.prepare(f"CREATE TABLE t (id BIGINT PRIMARY KEY, c TIMESTAMP NULL, n INT, {before})")
    value = "SELECT GROUP_CONCAT(DISTINCT CAST(d AS CHAR(10))) FROM t"
    with zone(desk, "+10:00"):
        desk.link.run(
            "INSERT INTO t (id, c, n) VALUES (5, '2026-01-02 03:00:00', 1), (6, NULL, 1), (7, '2026-01-02 23:00:00', 1)"
        )
        was = "2026-01-02" if alter.startswith("ADD d") else desk.link.value(value)
        desk.link.run("SET SESSION time_zone = '+00:00'")

        found = desk.said(alter, copied="KEY" not in alter)

    unsafe = [message for severity, linter, message in found if (severity, linter) == ("error", "unsafe")]
    assert len(unsafe) == bool(told), found
    assert all(told in message and "in UTC" in message for message in unsafe), unsafe
    assert not desk.fails(f"{alter}, ALGORITHM=COPY")
    desk.link.run("SET SESSION time_zone = '+10:00'")
    if "KEY" in before + alter:
        value = value.replace("FROM t", "FROM t FORCE INDEX (d)")
    assert (desk.link.value(value) != was) == bool(told)


def test_what_is_computed_from_a_moment_is_unsafe_when_nobody_could_look(desk: Desk) -> None:
    desk.prepare(
        "CREATE TABLE t (id INT PRIMARY KEY, c TIMESTAMP NULL, d DATE AS (DATE(c)) STORED, n INT, s INT AS (n) STORED)"
    )
    for server, expected in (("+10:00", ["info", "error", "error"]), ("+00:00", ["info"])):
        with zone(desk, server):
            over = Asking(link=desk.link, flavour=flavour_of(desk.link), deadline=time.monotonic() - 1)
            alter = f"ADD e{expected.count('error')} DATE AS (DATE(c)) STORED"
            assert [found.severity.value for found in desk.ask(alter, asking=over, copied=True)] == expected


STORED = """CREATE TABLE t (
        id BIGINT PRIMARY KEY, a VARCHAR(20) COLLATE utf8mb4_general_ci, n INT, m DATETIME(6),
        c1 DOUBLE AS (n * 0.1) STORED, c2 FLOAT AS (n / 3) STORED, c3 VARCHAR(30) COLLATE utf8mb4_bin AS (n * 1.5) STORED,
        c4 ENUM('x','b') AS (n) STORED, c5 SET('x','a') COLLATE utf8mb4_general_ci AS (a) STORED,
        c6 CHAR(30) AS (CONCAT(a, ' ')) STORED,
        c7 BINARY(9) AS (a) STORED, c8 BIT(9) AS (n) STORED, c9 TIME AS (SEC_TO_TIME(n)) STORED, c10 YEAR AS (YEAR(m)) STORED,
        c11 DECIMAL(5,1) AS (n / 7) STORED, c12 DATETIME(6) AS (m) STORED, c13 INT AS (n / 4) STORED,
        c14 JSON AS (JSON_OBJECT('a', n)) STORED, c16 DATE AS (DATE(m)) STORED,
        c17 TEXT CHARACTER SET latin1 AS (CONCAT(a, 'é')) STORED, c18 DOUBLE AS (n / 7e0) STORED,
        c19 VARCHAR(9) AS (m = 0) STORED,
        c20 BLOB AS (UNHEX(HEX(a))) STORED, c21 BIGINT UNSIGNED AS (n) STORED, c22 VARCHAR(40) AS (n / 7e0) STORED,
        c23 INT AS (HEX(id) = 'a') STORED
    ) CHARSET utf8mb4
"""


def test_a_copy_that_computes_the_same_again_is_not_unsafe(desk: Desk) -> None:
    desk.prepare(
        STORED,
        "INSERT INTO t (id, a, n, m) VALUES (5, 'a', 2, '2026-01-02 03:04:05.678'), (10, 'x', NULL, NULL), (6, NULL, NULL, NULL)",
    )
    assert desk.said("MODIFY n BIGINT", copied=True) == []


def test_a_copy_that_computes_other_values_in_a_column_that_stays_is_unsafe(desk: Desk) -> None:
    desk.prepare(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, a CHAR(9) COLLATE utf8mb4_general_ci, s CHAR AS (IF(a = 'A1','x','y')) STORED)",
        "INSERT INTO t (id, a) VALUES (5, 'a1'), (6, 'A1'), (7, NULL)",
    )
    alter = "MODIFY a CHAR(9) COLLATE utf8mb4_bin"
    ((severity, linter, message),) = desk.said(alter, copied=True)
    assert (severity, linter) == ("error", "unsafe")
    assert message.endswith("other values: 1 row (for example id 5: x becomes y)")
    assert not desk.fails(f"{alter}, ALGORITHM=COPY")
    assert desk.link.value("SELECT GROUP_CONCAT(s ORDER BY id) FROM t") == "y,x,y"


COMPUTED = [
    ("VARCHAR(40)", "'abc'", "INT AS (v + 1)", "error"), ("VARCHAR(40)", "'2020-02-40'", "DATE AS (CAST(v AS DATE))", "error"),
    ("VARCHAR(40)", "'abcdef'", "VARCHAR(3) AS (v)", "blocked"), ("INT", "300", "TINYINT AS (v + 1)", "blocked"),
    ("DOUBLE", "1.7e308", "DOUBLE AS (v * 10)", "blocked"), ("VARCHAR(40)", "'zz'", "ENUM('a') AS (v)", "blocked"),
    ("VARCHAR(40)", "'{\"a\": 1.5}'", "INT AS (JSON_UNQUOTE(JSON_EXTRACT(v, '$.a')))", ""), ("INT", "0", "INT AS (10 / v)", ""),
    ("VARCHAR(40)", "'{\"a\": \"q\"}'", "INT AS (JSON_UNQUOTE(JSON_EXTRACT(v, '$.a')))", "blocked"),
    ("DATE", "'2020-01-01'", "DATETIME AS (v)", ""), ("DECIMAL(8,4)", "1.55555", "DECIMAL(5,2) AS (v)", ""),
]  # fmt: skip


@pytest.mark.parametrize(("column", "value", "computed", "severity"), COMPUTED)
def test_a_column_that_cannot_be_computed_for_a_row_is_told_before(
    desk: Desk, column: str, value: str, computed: str, severity: str
) -> None:
    desk.prepare(
        f"CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, v {column})", f"INSERT INTO t VALUES (5, {value})"
    )
    alter = f"ADD g {computed} STORED"

    found = desk.said(alter)

    assert [said for said, _, _ in found] == ([severity] if severity else []), found
    assert desk.fails(alter) == bool(severity)


ANEW = [
    ("g INT AS (n * 2) STORED", "g INT AS (n * 4) STORED", "1 row (for example id 5: 6 becomes 12)"),
    ("g INT AS (n * 2) VIRTUAL", "g INT AS (n + n) VIRTUAL", ""),
    ("g CHAR(9) AS (CONCAT(n, 'x')) STORED", "g CHAR(9) AS (CONCAT(n, 'y')) STORED", "1 row (for example id 5: 3x becomes 3y)"),
    ("g INT AS (n * 2) STORED, KEY (g)", "g BIGINT AS (n * 2) STORED", ""),
    ("g FLOAT DEFAULT 0.1", "g DOUBLE", "1 row (for example id 5: 0.1 becomes 0.10000000149011612)"),
    ("g FLOAT DEFAULT 0.5", "g DOUBLE", ""),
]  # fmt: skip


@pytest.mark.parametrize(("before", "after", "told"), ANEW)
def test_values_that_read_otherwise_are_shown(desk: Desk, before: str, after: str, told: str) -> None:
    desk.prepare(
        f"CREATE TABLE t (id BIGINT PRIMARY KEY, n INT, {before})", "INSERT INTO t (id, n) VALUES (5, 3)"
    )
    value = "SELECT CAST(g AS CHAR) FROM t"
    was = desk.link.value(value)

    found = desk.said(f"MODIFY {after}")

    assert [severity for severity, _, _ in found] == ["warning"] * bool(told), found
    assert all(message.endswith(f": {told}") for _, _, message in found)
    assert not desk.fails(f"MODIFY {after}")
    assert (desk.link.value(value) != was) == bool(told)
    assert told.endswith(f"{was} becomes {desk.link.value(value)})") or not told


@pytest.mark.parametrize(("index", "severity"), [("", "warning"), (", ADD KEY g (g)", "error")])
def test_what_is_computed_when_it_is_read_fails_only_in_an_index(
    desk: Desk, index: str, severity: str
) -> None:
    desk.prepare(T, ROWS)
    alter = f"ADD g INT AS (CAST(v AS SIGNED)) VIRTUAL{index}"
    ((said, linter, message),) = desk.said(alter)
    assert (said, linter) == (severity, "computed")
    assert "Truncated incorrect INTEGER value: 'a'" in message
    assert desk.fails(alter) == bool(index)


@pytest.mark.parametrize(
    ("alter", "finding", "words"),
    [
        (
            "ADD g INT AS (n + 1) STORED NOT NULL", ("blocked", "not_null"),
            r"and NOT NULL would fail: 2 rows \(for example id 2\)\Z",
        ),
        ("ADD KEY k ((CAST(v AS SIGNED)))", ("error", "computed"), "Truncated incorrect INTEGER value: 'a'"),
    ],
    ids=["null where it must not be", "in an index"],
)  # fmt: skip
def test_what_cannot_be_computed_for_a_row(
    mysql: Server, alter: str, finding: tuple[str, str], words: str
) -> None:
    with schema_with(mysql) as (link, live), schema_with(mysql) as (after, after_schema):
        desk = Desk(link, live, after, after_schema)
        desk.prepare(T, ROWS)
        ((severity, linter, message),) = desk.said(alter)
        assert (severity, linter) == finding
        assert re.search(words, message)
        assert desk.fails(alter)


def test_what_is_computed_from_what_is_computed_is_asked_about(desk: Desk) -> None:
    desk.prepare(T, ROWS)
    assert desk.said("ADD g INT AS (n + 1) STORED, ADD h INT AS (g + 1) STORED") == []
    assert [severity for severity, _, _ in desk.said("ADD i TINYINT AS (h * 100) STORED")] == ["blocked"]
    desk.prepare(
        "CREATE TABLE t (id INT PRIMARY KEY, n INT, g INT AS (n + 1) STORED)",
        "INSERT INTO t (id, n) VALUES (1, 1)",
    )
    ((severity, linter, message),) = desk.said(
        "ADD h INT AS (n + 1) STORED AFTER n", "MODIFY g INT AS (h + 1) STORED"
    )
    assert (severity, linter) == ("warning", "computed")
    assert message.endswith("1 row (for example id 1: 2 becomes 3)")


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


@pytest.mark.parametrize("column", ["j JSON NOT NULL", "j INT NOT NULL DEFAULT 3 CHECK (j > 5)"])
def test_a_check_that_comes_with_a_column_is_not_looked_at_on_mariadb(mariadb: Server, column: str) -> None:
    with schema_with(mariadb) as (link, live), schema_with(mariadb) as (after, after_schema):
        desk = Desk(link, live, after, after_schema)
        desk.prepare(T, ROWS)
        told = [
            (severity, linter) for severity, linter, _ in desk.said(f"ADD {column}") if severity != "warning"
        ]
        assert told == [("error", "unsafe")]
        assert not desk.fails(f"ADD {column}")
        assert desk.fails("FORCE, ALGORITHM=COPY")
        with pytest.raises(ServerRefused, match="4025"):
            link.run("UPDATE t SET n = 9")


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
