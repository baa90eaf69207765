"""Each linter: what it says of a change, and what it lets pass. Errors are only what the change brings in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pytest

from engine.base import Finding, Severity
from engine.mysql.catalog import read_tables
from engine.mysql.link import Link
from engine.mysql.planning.lint import gone_and_new, judge
from engine.mysql.planning.linters.case import Case
from engine.mysql.planning.linters.reserved import RESERVED
from engine.mysql.planning.lossless import lossless
from engine.mysql.tables import Table
from tests.engine.mysql.planning.places import PERMISSIVE, run_all, schema_with
from tests.servers.server import Server

PLAIN = "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY{more}) CHARSET utf8mb4"
PARENT = "CREATE TABLE p (id BIGINT NOT NULL PRIMARY KEY, a BIGINT) CHARSET utf8mb4"


@dataclass
class Desk:
    """Reads tables as the server of the test tells them."""

    link: Link
    schema: str

    def tables(self, *statements: str) -> dict[str, Table]:
        self.link.run("SET foreign_key_checks = 0")
        for (name,) in self.link.rows(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = %s", self.schema
        ):
            self.link.run(f"DROP TABLE `{name}`")
        run_all(self.link, statements)
        return read_tables(self.link, self.schema)

    def table(self, text: str | None, *others: str) -> Table | None:
        """*text*: a whole CREATE TABLE t, or what more is in a plain one; None: there is none."""
        if text is None:
            return None
        whole = text if text.startswith("CREATE") else PLAIN.format(more=f", {text}" if text else "")
        found = self.tables(whole, *others)
        return next(table for table in found.values() if table.name.lower() != "p")

    def case(
        self,
        now: str | None,
        wanted: str | None,
        *,
        renamed: Mapping[str, str] | None = None,
        parts: Sequence[str] = (),
    ) -> Case:
        return Case(
            now=self.table(now, PARENT), wanted=self.table(wanted, PARENT), renamed=renamed or {}, parts=parts,
            locate=lambda table, name: (f"{table}.sql", len(name) + 1),
        )  # fmt: skip

    def said(
        self, now: str | None, wanted: str | None, linter: str = "", **more: Mapping[str, str] | Sequence[str]
    ) -> list[tuple[str, str]]:
        """(severity, message) of *linter*; of all of them when it is not named."""
        found = judge(self.case(now, wanted, **more))  # type: ignore[arg-type]
        return [(f.severity.value, f.message) for f in found if linter in ("", f.linter)]


@pytest.fixture
def desk(server: Server) -> Iterator[Desk]:
    with schema_with(server) as (link, schema):
        link.run("SET sql_mode = %s", f"{PERMISSIVE['sql_mode']},ALLOW_INVALID_DATES")
        yield Desk(link, schema)


# -- unsafe ------------------------------------------------------------------------------------------------------


def test_unsafe_names_what_is_dropped(desk: Desk) -> None:
    assert desk.said("", None) == [("error", 'Unsafe operation detected: "DROP TABLE `t`"')]
    assert desk.said("a INT", "") == [("error", "Unsafe operation detected: DROP COLUMN `a`")]
    assert desk.said("", "CREATE TABLE t (id BIGINT NOT NULL) CHARSET utf8mb4", "unsafe") == [
        ("error", "Unsafe operation detected: DROP PRIMARY KEY")
    ]
    other_key = "CREATE TABLE t (id BIGINT NOT NULL, a BIGINT NOT NULL, PRIMARY KEY (id, a)) CHARSET utf8mb4"
    assert desk.said("a BIGINT NOT NULL", other_key, "unsafe") == [
        ("error", "Unsafe operation detected: DROP PRIMARY KEY")
    ]
    for part in ("DROP PARTITION p0", "COALESCE PARTITION 2"):
        assert desk.said("", "", parts=[part]) == [("error", f"Unsafe operation detected: {part}")]


def test_nothing_is_unsafe_about_what_stays_or_comes_back(desk: Desk) -> None:
    assert desk.said("a INT", "a INT, b INT") == []
    assert desk.said("a INT", "b INT", renamed={"b": "a"}) == [
        ("warning", 'Column rename detected in table "t": "a" becomes "b"')
    ]
    assert desk.said("a INT, g INT AS (a + 1) VIRTUAL", "a INT, g INT AS (a + 1) STORED") == []
    assert desk.said("", "", parts=["ADD PARTITION (PARTITION p0 VALUES IN (1))"]) == []


def test_a_column_that_becomes_generated_loses_its_values(desk: Desk) -> None:
    assert desk.said("a INT, g INT", "a INT, g INT AS (a + 1) STORED") == [
        ("error", "Unsafe operation detected: column `g` becomes generated, its values are lost")
    ]


def test_a_type_that_is_not_proven_to_hold_every_value_is_unsafe(desk: Desk) -> None:
    ((severity, message),) = desk.said("a VARCHAR(20)", "a VARCHAR(10)")
    assert severity == "error"
    assert (
        message
        == "Unsafe operation detected: MODIFY COLUMN `a`: varchar(20) becomes varchar(10), which may not hold every value"
    )
    ((_, message),) = desk.said("a VARCHAR(20)", "a VARCHAR(20) CHARACTER SET latin1", "unsafe")
    assert "varchar(20) of utf8mb4 becomes varchar(20) of latin1" in message


def test_members_that_get_other_numbers_are_told_as_that(desk: Desk) -> None:
    for kind in ("enum", "set"):
        ((severity, message),) = desk.said(f"a {kind}('a','b')", f"a {kind}('a','x','b')", "unsafe")
        words = (
            f"{kind}('a','x','b'): the members get other numbers, by which they are sorted and computed with"
        )
        assert (severity, message.partition("becomes ")[2]) == ("error", words)
        assert "may not hold" in desk.said(f"a {kind}('a','b')", f"a {kind}('b')")[0][1]


COLLATIONS = [
    ("", "utf8mb4_bin", "utf8mb4_general_ci", True), ("", "utf8mb4_general_ci", "utf8mb4_bin", False),
    ("", "utf8mb4_general_ci", "utf8mb4_unicode_ci", True), ("mysql", "utf8mb4_0900_ai_ci", "utf8mb4_bin", True),
    ("mysql", "utf8mb4_0900_ai_ci", "utf8mb4_0900_bin", False), ("mysql", "utf8mb4_0900_ai_ci", "utf8mb4_0900_as_cs", False),
    ("mysql", "utf8mb4_0900_as_cs", "utf8mb4_0900_as_ci", True), ("mariadb", "utf8mb4_general_nopad_ci", "utf8mb4_bin", True),
    ("mariadb", "utf8mb4_unicode_nopad_ci", "utf8mb4_nopad_bin", False), ("", "utf8mb3_general_ci", "utf8mb4_general_ci", False),
    ("", "utf8mb3_unicode_520_ci", "utf8mb4_unicode_520_ci", False), ("", "utf8mb3_bin", "utf8mb4_general_ci", True),
    ("", "utf8mb3_general_ci", "utf8mb4_unicode_ci", True),
]  # fmt: skip


@pytest.mark.parametrize(("of", "before", "after", "unsafe"), COLLATIONS)
def test_another_collation_is_unsafe_where_a_unique_key_may_find_more_equal(
    request: pytest.FixtureRequest, of: str, before: str, after: str, unsafe: bool
) -> None:
    for name in [of] if of else ["mysql", "mariadb"]:
        with schema_with(request.getfixturevalue(name)) as (link, schema):
            desk = Desk(link, schema)
            one, two = (f"a VARCHAR(9) COLLATE {collation}" for collation in (before, after))
            assert desk.said(one, two, "unsafe") == []
            said = desk.said(f"{one}, UNIQUE KEY u (a)", f"{two}, UNIQUE KEY u (a)", "unsafe")
        message = f"{before} becomes {after} under a unique key: values that differ may become equal"
        assert [text.partition("`a`: ")[2] for _, text in said] == [message] * unsafe


def test_the_collations_of_both_utf8_tell_the_same_apart(server: Server) -> None:
    signs = (chr(at) for at in range(0x80, 0x10000) if not 0xD800 <= at < 0xE000)
    both = "three CHAR(1) CHARACTER SET utf8mb3, four CHAR(1) CHARACTER SET utf8mb4"
    rows = ", ".join(f"('{sign}', '{sign}')" for sign in signs)
    with schema_with(server, f"CREATE TABLE t ({both})", f"INSERT INTO t VALUES {rows}") as (link, _):
        for name in ("general_ci", "unicode_ci", "unicode_520_ci"):
            one, two = (
                f"WEIGHT_STRING({of} COLLATE utf8mb{n}_{name})" for n, of in ((3, "three"), (4, "four"))
            )
            assert link.value(f"SELECT COUNT(*) FROM t WHERE NOT {one} <=> {two}") == 0


SAFE = [
    ("TINYINT", "SMALLINT"), ("INT UNSIGNED", "BIGINT"), ("INT", "INT"), ("DECIMAL(10,2)", "DECIMAL(12,3)"), ("FLOAT", "DOUBLE"),
    ("VARCHAR(9)", "VARCHAR(300)"), ("CHAR(9)", "CHAR(10)"), ("CHAR(9)", "VARCHAR(9)"), ("VARCHAR(9)", "TEXT"),
    ("TINYTEXT", "VARCHAR(255)"), ("TEXT", "LONGTEXT"), ("VARBINARY(9)", "BLOB"), ("BINARY(9)", "VARBINARY(9)"),
    ("ENUM('a','b')", "ENUM('a','b','c')"), ("SET('a')", "SET('a','b''c')"), ("BIT(3)", "BIT(9)"), ("TIME", "TIME(6)"),
    ("DATETIME(3)", "DATETIME(6)"), ("DATE", "DATETIME"), ("VARCHAR(9) CHARACTER SET latin1", "VARCHAR(9)"),
    ("VARCHAR(9) CHARACTER SET utf8mb3", "VARCHAR(9)"), ("VARCHAR(9) CHARACTER SET ucs2", "VARCHAR(9)"), ("JSON", "JSON"),
    ("INT(5)", "INT(3)"), ("DECIMAL(5,2) UNSIGNED", "DECIMAL(5,2)"), ("TINYINT(1)", "INT"),
    ("BIGINT", "DECIMAL(19,0)"), ("BIGINT UNSIGNED", "DECIMAL(22,2) UNSIGNED"), ("TINYINT", "DECIMAL(3,0)"),
    ("TEXT CHARACTER SET utf8mb3", "TEXT"), ("TINYTEXT CHARACTER SET ascii", "TINYTEXT"),
    ("VARCHAR(85) CHARACTER SET utf8mb3", "TINYTEXT"), ("TEXT CHARACTER SET ascii", "TEXT CHARACTER SET latin1"),
    ("ENUM('a','bb')", "VARCHAR(2)"), ("ENUM('a') CHARACTER SET latin1", "TEXT"), ("BIT(1)", "TINYINT(1)"),
    ("BIT(8)", "TINYINT UNSIGNED"), ("BIT(63)", "BIGINT"),
]  # fmt: skip
UNPROVEN = [
    ("INT", "SMALLINT"), ("INT", "INT UNSIGNED"), ("INT UNSIGNED", "INT"), ("INT", "VARCHAR(20)"),
    ("DECIMAL(10,2)", "DECIMAL(10,3)"), ("DECIMAL(10,2)", "DECIMAL(10,1)"), ("DECIMAL(5,2)", "DECIMAL(5,2) UNSIGNED"),
    ("DOUBLE", "FLOAT"), ("VARCHAR(9)", "CHAR(9)"), ("TEXT", "VARCHAR(255)"), ("VARCHAR(300)", "TINYTEXT"),
    ("VARCHAR(100)", "TINYTEXT"), ("BINARY(9)", "BINARY(10)"), ("VARCHAR(9)", "VARBINARY(36)"),
    ("VARBINARY(9)", "VARCHAR(9)"), ("ENUM('a','b')", "ENUM('b','a')"), ("ENUM('a','b')", "ENUM('a')"),
    ("ENUM('a')", "SET('a')"), ("ENUM('a','bb')", "VARCHAR(1)"), ("BIT(9)", "BIT(3)"), ("DATETIME(6)", "DATETIME"),
    ("DATETIME", "DATE"), ("DATETIME", "TIMESTAMP"), ("VARCHAR(9)", "VARCHAR(9) CHARACTER SET latin1"), ("TEXT", "BLOB"),
    ("BIGINT", "DOUBLE"), ("BIGINT UNSIGNED", "DECIMAL(19,0)"), ("INT", "DECIMAL(10,0) UNSIGNED"),
    ("MEDIUMINT UNSIGNED", "DECIMAL(9,2)"), ("DECIMAL(5,0)", "BIGINT"), ("VARCHAR(9) CHARACTER SET gbk", "VARCHAR(9)"),
    ("TEXT CHARACTER SET latin1", "TEXT"), ("VARCHAR(86) CHARACTER SET utf8mb3", "TINYTEXT"),
    ("TEXT CHARACTER SET ucs2", "TEXT CHARACTER SET utf8mb3"), ("TEXT", "TEXT CHARACTER SET utf8mb3"),
    ("ENUM('a')", "CHAR(9)"), ("VARCHAR(1)", "ENUM('a')"), ("ENUM('é')", "TEXT CHARACTER SET latin1"), ("BIT(8)", "TINYINT"),
    ("BIT(64)", "BIGINT"), ("TIMESTAMP", "DATETIME"),
]  # fmt: skip


def test_the_proof_that_a_type_loses_nothing(desk: Desk) -> None:
    wrong = []
    for pairs, expected in ((SAFE, True), (UNPROVEN, False)):
        for before, after in pairs:
            table = desk.table(f"a {before}, b {after}")
            assert table is not None
            if lossless(table.columns[1], table.columns[2]) != expected:
                wrong.append((before, after, expected))
    assert wrong == []


# -- indexes -----------------------------------------------------------------------------------------------------


def test_invisible_index_before_drop(desk: Desk) -> None:
    linter = "invisible_index_before_drop"
    ignored = "IGNORED" if "Maria" in str(desk.link.value("SELECT VERSION()")) else "INVISIBLE"
    assert desk.said("a INT, KEY k (a)", "a INT", linter) == [
        ("error", "Index 'k' should be made invisible before dropping to ensure it's not needed")
    ]
    assert desk.said(f"a INT, KEY k (a) {ignored}", "a INT", linter) == []
    assert desk.said("a INT, KEY k (a)", "a INT, KEY other (a)", linter) == []
    assert desk.said("a INT, b INT, KEY k (a)", "b INT", linter) == []
    foreign = "a BIGINT, CONSTRAINT f FOREIGN KEY (a) REFERENCES p (id)"
    assert desk.said(foreign, "a BIGINT", linter) == []


def test_redundant_indexes(desk: Desk) -> None:
    def said(text: str) -> list[str]:
        return [message for _, message in desk.said(None, text, "redundant_indexes")]

    assert said("a INT, b INT, KEY k (a), KEY l (a, b)") == [
        'Index "k" is redundant: "l" begins with the same columns'
    ]
    assert said("a INT, KEY k (a), KEY l (a)") == ['Index "l" is redundant: "k" begins with the same columns']
    assert said("a INT, KEY k (a), UNIQUE KEY u (a)") == [
        'Index "k" is redundant: "u" begins with the same columns'
    ]
    assert said("a INT, KEY k (id)") == [
        'Index "k" is redundant: the primary key begins with the same columns'
    ]
    assert said("a INT, KEY k (a, id)") == [
        'Index "k" ends with the columns of the primary key, which every index has at its end'
    ]
    assert said("a INT, b VARCHAR(9), UNIQUE KEY k (a), KEY l (b), KEY m (b(3)), FULLTEXT KEY f (b)") == []


def test_an_index_in_the_other_direction_is_not_redundant(desk: Desk, server: Server) -> None:
    if server.is_one("mariadb") and not server.is_one("mariadb 10.8"):
        pytest.skip("MariaDB knows descending indexes since 10.8")
    assert desk.said(None, "a INT, UNIQUE KEY k (a), KEY n (a DESC)", "redundant_indexes") == []


def test_primary_key(desk: Desk) -> None:
    def said(text: str) -> list[tuple[str, str]]:
        return desk.said(None, text, "primary_key")

    assert said("CREATE TABLE t (a INT) CHARSET utf8mb4") == [("warning", "No primary key defined")]
    assert said("CREATE TABLE t (a INT PRIMARY KEY) CHARSET utf8mb4") == [
        ("warning", 'Primary key column "a" has type "int"')
    ]
    assert said("CREATE TABLE t (a BINARY(16), b BIGINT, PRIMARY KEY (a, b)) CHARSET utf8mb4") == []


def test_has_foreign_key(desk: Desk) -> None:
    foreign = "a BIGINT, KEY a (a), CONSTRAINT f FOREIGN KEY (a) REFERENCES p (id)"
    linter = "has_foreign_key"
    assert desk.said(None, foreign, linter) == [("warning", 'Table "t" has FOREIGN KEY constraint "f"')]
    assert desk.said("a BIGINT", foreign, linter) == [
        ("warning", 'Adding foreign key constraint "f" to table "t"')
    ]


# -- columns -----------------------------------------------------------------------------------------------------


def test_has_timestamp_is_an_error_only_where_the_change_brings_it_in(desk: Desk) -> None:
    message = 'Column "c" uses TIMESTAMP which overflows on 2038-01-19. Consider using DATETIME instead.'
    linter = "has_timestamp"
    assert desk.said(None, "c TIMESTAMP NULL", linter) == [("error", message)]
    assert desk.said("", "c TIMESTAMP NULL", linter) == [("error", message)]
    assert desk.said("c DATETIME", "c TIMESTAMP NULL", linter) == [("error", message)]
    assert desk.said("c TIMESTAMP NULL", "c TIMESTAMP NULL, d INT", linter) == [("warning", message)]
    assert desk.said("c TIMESTAMP NULL", "c DATETIME", linter) == []
    later = replace(desk.case(None, "c TIMESTAMP NULL"), last_timestamp="2106-02-07 06:28:15")
    (found,) = judge(later)
    assert (found.severity, found.message) == (Severity.ERROR, message.replace("2038-01-19", "2106-02-07"))


def test_has_float(desk: Desk) -> None:
    def said(now: str | None, wanted: str) -> list[tuple[str, str]]:
        return desk.said(now, wanted, "has_float")

    assert said(None, "c FLOAT, d DECIMAL(5,2)") == [
        ("warning", 'Column "c" in table "t" uses float data type')
    ]
    assert said("", "c DOUBLE") == [("warning", 'New column "c" in table "t" uses double data type')]
    assert said("c INT", "c DOUBLE") == [
        ("warning", 'Column "c" in table "t" modified to use floating-point data type')
    ]


def test_allow_charset(desk: Desk) -> None:
    def said(now: str | None, wanted: str) -> list[tuple[str, str]]:
        return desk.said(now, wanted, "allow_charset")

    whole = "CREATE TABLE t (id BIGINT PRIMARY KEY, a VARCHAR(9)) CHARSET latin1"
    assert said(None, whole) == [("warning", 'Character set "latin1" given for table "t" is not allowed')]
    column = "a VARCHAR(9) CHARACTER SET latin1"
    text = 'olumn "a" in table "t" uses a disallowed character set: "latin1"'
    assert said(None, column) == [("warning", "C" + text)]
    assert said("", column) == [("warning", "New c" + text)]
    assert said(None, "a VARCHAR(9), b VARBINARY(9), c INT") == []


def test_zero_date(desk: Desk) -> None:
    assert desk.said(
        None, "c DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00', d DATE DEFAULT '2020-01-01'", "zero_date"
    ) == [("warning", 'column c with type "datetime" has a zero default value')]


def test_a_column_that_goes_while_one_like_it_comes_is_asked_about(desk: Desk) -> None:
    assert desk.said("a VARCHAR(9)", "b VARCHAR(9), c INT", "rename_column") == [
        (
            "info",
            'column "a" is dropped and "b" of the same type is added: if this is a rename, write -- renamed from: a beside it',
        )
    ]


# -- names and tables --------------------------------------------------------------------------------------------


def test_names(desk: Desk) -> None:
    create = "CREATE TABLE `{}` (id BIGINT PRIMARY KEY, `Rank` INT, plain INT) CHARSET utf8mb4"
    assert desk.said(None, create.format("Users"), "name_case") == [
        ("warning", 'table name "Users" is not lowercase')
    ]
    assert desk.said(None, create.format("groups"), "reserved_words") == [
        ("warning", 'Table name "groups" is a MySQL reserved word'),
        ("warning", 'Column name "Rank" is a MySQL reserved word'),
    ]


def test_the_reserved_words_are_those_of_the_server(mysql: Server) -> None:
    with schema_with(mysql) as (link, _):
        words = link.rows("SELECT word FROM information_schema.keywords WHERE reserved = 1")
    found = {word for (word,) in words}
    assert found == RESERVED if mysql.is_one("mysql 9.7") else found <= RESERVED


def test_allow_engine(desk: Desk) -> None:
    whole = "CREATE TABLE t (id BIGINT PRIMARY KEY) ENGINE=MyISAM CHARSET utf8mb4"
    assert desk.said(None, whole, "allow_engine") == [
        ("warning", 'Table "t" uses an unsupported engine "myisam"')
    ]


def test_a_renamed_table_is_pointed_out_and_a_likely_one_asked_about(desk: Desk) -> None:
    other = "CREATE TABLE u (id BIGINT NOT NULL PRIMARY KEY) CHARSET utf8mb4"
    assert desk.said("", other, "rename_table") == [("warning", 'Table rename detected: "t" becomes "u"')]
    (asked,) = gone_and_new([desk.case("", None), desk.case(None, other)])
    assert (asked.severity, asked.linter, asked.table) == (Severity.INFO, "rename_table", "u")
    assert "write -- renamed from: t above it" in asked.message
    assert gone_and_new([desk.case("a INT", None), desk.case(None, other)]) == []


def test_every_finding_says_where_and_the_worst_comes_first(desk: Desk) -> None:
    found = judge(desk.case("a INT, KEY k (a)", "`rank` FLOAT, c TIMESTAMP NULL"))
    assert [f.severity for f in found] == sorted((f.severity for f in found), key=list(Severity).index)
    assert all(f.table == "t" and f.file == "t.sql" for f in found)
    by_linter: dict[str, Finding] = {f.linter: f for f in found}
    assert (by_linter["has_timestamp"].column, by_linter["has_timestamp"].line) == ("c", 2)


def test_an_unrelated_change_is_not_blocked_by_old_sins(desk: Desk) -> None:
    sins = (
        "CREATE TABLE `Groups` (a INT, b FLOAT, c TIMESTAMP NULL, d DATETIME DEFAULT '0000-00-00 00:00:00',"
        " e VARCHAR(9), {} KEY k (a), KEY l (a)) ENGINE=MyISAM CHARSET latin1"
    )
    found = judge(desk.case(sins.format(""), sins.format("new INT,")))
    assert {f.severity for f in found} == {Severity.WARNING}
    assert len({f.linter for f in found}) == 9
