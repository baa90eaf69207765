"""MySQL files are cut into located statements; whatever is not a schema is refused with its place and a reason."""

from dataclasses import replace

import pytest

from engine.errors import BadFiles
from engine.lexer import MYSQL, Kind, significant, tokens
from engine.mysql.flavour import Flavour
from engine.mysql.planning.files import Group, parse_groups
from engine.table_text import read_table_text
from tests.engine.mysql.planning.rig import ground
from tests.servers.server import Server

SERVER = {
    "mysql": Flavour(vendor="MySQL", version=(9, 7, 4), any_case=False),
    "mariadb": Flavour(vendor="MariaDB", version=(10, 11, 19), any_case=False),
}

TRICKY = r"""-- a; comment
CREATE TABLE `a;b` (`c;d` TEXT DEFAULT ('it''s\'; here'), `e``f` INT /* ; */, x VARCHAR(9) DEFAULT "q;"); # of the first; one
create unique index i using btree on `a;b` (x) comment '; -- no';
/* above ; */ CREATE TABLE IF NOT EXISTS shop.1st--1
(id INT /*!80023 INVISIBLE */ -- beside; it
)
"""


def groups(text: str, flavour: str = "mysql", *, any_case: bool = False) -> list[Group]:
    server = replace(SERVER[flavour], any_case=any_case)
    return parse_groups({"shop.sql": text}, namespace="shop", own_names=("live",), flavour=server)


def problems(text: str, flavour: str = "mysql") -> list[str]:
    with pytest.raises(BadFiles) as caught:
        groups(text, flavour)
    return caught.value.problems


def test_tokens_joined_are_the_text_again() -> None:
    assert "".join(token.text for token in tokens(TRICKY, MYSQL)) == TRICKY


def test_statements_are_cut_where_they_end_and_nowhere_else() -> None:
    found = groups(TRICKY.replace("--1", ""))
    assert [(s.kind, s.name, s.table, s.line()) for group in found for s in group.statements] == [
        ("table", "1st", "1st", 4), ("table", "a;b", "a;b", 2), ("index", "i", "a;b", 3),
    ]  # fmt: skip
    assert found[0].table.text.split()[:5] == [
        "CREATE",
        "TABLE",
        "1st",
        "(id",
        "INT",
    ]
    assert [comment.text for comment in found[0].table.comments] == ["/* above ; */"]


def test_crlf_and_a_byte_order_mark_change_nothing() -> None:
    found = groups("\ufeff# shop\r\nCREATE TABLE t (\r\n  a INT, # one\r\n  b INT\r\n);\r\n")
    assert (found[0].table.name, found[0].table.where(found[0].table.text.index("b INT"))) == (
        "t",
        "shop.sql:4:3",
    )


def test_two_dashes_are_a_comment_only_before_a_space() -> None:
    assert [token.text for token in significant("a --b\n--\tc\n-- d", MYSQL)] == ["a", "-", "-", "b"]


def test_a_name_may_begin_with_a_digit_and_a_backslash_ends_no_string() -> None:
    found = significant(r"1st 0x1F 12.5 'a\'b' 'c\\' `d\`", MYSQL)
    assert [(token.kind, token.text) for token in found if token.kind in (Kind.STRING, Kind.QUOTED)] == [
        (Kind.STRING, r"'a\'b'"), (Kind.STRING, r"'c\\'"), (Kind.QUOTED, r"`d\`"),
    ]  # fmt: skip
    assert found[0].word == "1ST"


def test_a_delimiter_of_the_mysql_program_ends_statements_too() -> None:
    text = "DELIMITER $$\nCREATE TABLE a (x INT)$$\nCREATE TABLE b (x INT) $$\nDELIMITER ;\nCREATE TABLE c (x INT);"
    assert [group.table.name for group in groups(text)] == ["a", "b", "c"]
    text = "DELIMITER ;;\nCREATE TRIGGER t BEFORE INSERT ON a FOR EACH ROW BEGIN DO 1; END;;\nDELIMITER ;\nCREATE TABLE a (x INT)"
    assert problems(text) == [
        "shop.sql:2:8: a trigger in files is not supported yet: remove it; one that is live is left alone and listed"
    ]


def test_the_elements_of_a_table_and_their_comments_are_found() -> None:
    text = (
        "CREATE TABLE t ( #\n -- renamed from: z\n a INT DEFAULT (1, 2), -- beside a\n KEY k (a), `key` INT)"
    )
    found = read_table_text(text, MYSQL)
    assert [element.column for element in found.elements] == ["a", "", "key"]
    column = found.column("A")
    assert column is not None
    assert [comment.text for comment in column.comments] == ["-- renamed from: z", "-- beside a"]


DUMP = """/*M!999999\\- enable the sandbox mode */
-- MySQL dump 10.19
/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET NAMES utf8mb4 */;
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
DROP TABLE IF EXISTS `t`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `t` (
  `id` int NOT NULL
) ENGINE=InnoDB;
/*!40101 SET character_set_client = @saved_cs_client */;
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;
/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;
"""


@pytest.mark.parametrize(
    "between",
    [
        "",
        "SET @saved_cs_client = @@character_set_client;\nSET character_set_client = utf8mb4 ;\n",
    ],
)
@pytest.mark.parametrize("flavour", ["mysql", "mariadb"])
def test_what_mysqldump_writes_around_a_table_is_passed_over(flavour: str, between: str) -> None:
    assert [group.table.name for group in groups(DUMP.replace("CREATE", between + "CREATE"), flavour)] == [
        "t"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CREATE TABLE t (a INT); INSERT INTO t VALUES (1)", "shop.sql:1:25: INSERT is not part of a schema: a schema"),
        ("CREATE TABLE t (a INT)\nCREATE TABLE u (a INT)", "shop.sql:2:1: a statement begins here: a ; is missing"),
        ("CREATE TABLE t AS SELECT 1", "shop.sql:1:16: CREATE TABLE that takes its columns from a query"),
        ("CREATE TABLE t (a INT) SELECT 1 AS a", "shop.sql:1:24: CREATE TABLE that takes its columns from a query"),
        ("CREATE TABLE t (a INT) IGNORE AS SELECT 1 AS a", "shop.sql:1:24: CREATE TABLE that takes rows from a query"),
        ("CREATE TABLE t LIKE u", "shop.sql:1:16: CREATE TABLE that is a copy of another table"),
        ("CREATE TABLE t (LIKE u)", "shop.sql:1:17: CREATE TABLE that is a copy of another table"),
        ("CREATE TABLE t (a INT) START TRANSACTION", "shop.sql:1:24: START TRANSACTION"),
        ("CREATE TABLE t (a INT) WITH SYSTEM VERSIONING", "shop.sql:1:24: system-versioned"),
        ("CREATE TEMPORARY TABLE t (a INT)", "shop.sql:1:8: a temporary table"),
        ("CREATE TABLE other.t (a INT)", "shop.sql:1:14: the qualifier other"),
        ("CREATE TABLE t__osc_n (a INT)", "shop.sql:1:14: the name t__osc_n is reserved"),
        ("CREATE DEFINER=`a`@`b` VIEW v AS SELECT 1", "shop.sql:1:8: a view in files is not supported yet"),
        ("CREATE PROCEDURE p() SELECT 1", "shop.sql:1:8: a procedure"),
        ("CREATE DATABASE d", "shop.sql:1:8: the schema is made by you"),
        ("START TRANSACTION", "shop.sql:1:1: START is not part of a schema: remove it"),
        ("\n  ALTER TABLE t ADD a INT", "shop.sql:2:3: ALTER is not part of a schema: change the CREATE"),
        ("DROP TABLE IF EXISTS t; CREATE TABLE u (a INT)", "shop.sql:1:1: DROP is not part of a schema"),
        ("SET sql_mode = 'ANSI_QUOTES'", "shop.sql:1:1: SET sql_mode is not part of a schema"),
        ("SET GLOBAL sql_mode = ''", "shop.sql:1:1: SET GLOBAL is not"),
        ("SET time_zone = '+05:00'", "shop.sql:1:1: SET time_zone"),
        ("USE shop", "shop.sql:1:1: USE is not part of a schema"),
        ("CREATE INDEX i ON t (a)", "shop.sql:1:1: index i is on t, which is not in the files"),
        ("CREATE TABLE t (a INT DEFAULT 'x)", "shop.sql:1:31: the quote ' is never closed"),
        ("CREATE TABLE t (a INT) /* open", "shop.sql:1:24: the quote /* is never closed"),
        ("nonsense", "shop.sql:1:1: not understood: near 'nonsense'"),
        ("CREATE TABLE t (a INT /*!99999 INVISIBLE */)", "shop.sql:1:23: MySQL 9.7.4 passes over what stands in /*!99999"),
        ("CREATE TABLE t (a INT /*M!100301 COMPRESSED */)", "shop.sql:1:23: MySQL 9.7.4 passes over"),
    ],
)  # fmt: skip
def test_what_is_no_schema_is_refused_with_its_place(text: str, expected: str) -> None:
    assert problems(text)[0].startswith(expected), problems(text)


def test_what_only_the_other_server_reads_is_not_passed_over() -> None:
    text = "CREATE TABLE t (a INT /*!80023 INVISIBLE */)"
    assert len(groups(text)) == 1
    assert problems(text, "mariadb")[0].startswith(
        "shop.sql:1:23: MariaDB 10.11.19 passes over what stands in /*!80023"
    )


def test_definitions_that_stand_twice_name_both_places() -> None:
    text = (
        "CREATE TABLE t (a INT);\nCREATE TABLE t (a INT);\nCREATE INDEX i ON t (a);\nCREATE INDEX I ON t (a);"
    )
    assert problems(text) == [
        "shop.sql:2:1: table t is defined twice; the first is at shop.sql:1:1",
        "shop.sql:4:1: index I is defined twice; the first is at shop.sql:3:1",
    ]
    two = "CREATE TABLE t (a INT); CREATE TABLE T (a INT)"
    assert len(groups(two)) == 2
    with pytest.raises(BadFiles, match="table T is defined twice"):
        groups(two, any_case=True)


def test_its_own_namespace_and_its_live_schema_may_qualify_a_table() -> None:
    assert [
        group.table.name for group in groups("CREATE TABLE shop.a (x INT); CREATE TABLE `live`.`b` (x INT)")
    ] == ["a", "b"]


def test_all_problems_are_told_at_once() -> None:
    assert len(problems("USE a; CREATE TABLE t (a INT); DELETE FROM t; CREATE VIEW v AS SELECT 1")) == 3


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


def test_a_version_comment_is_closed_whatever_else_is_commented(server: Server) -> None:
    text = """CREATE TABLE t (id INT NOT NULL COMMENT '*/ and /*! in a text', /* a */ PRIMARY KEY (id))
/*!50100 PARTITION BY RANGE (id) (PARTITION p VALUES LESS THAN (5) /* b */) */;"""
    with ground(server) as here:
        (change,) = here.plan(text).changes
        assert "PARTITION" in change.ddl
