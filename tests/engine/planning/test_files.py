"""Files are cut into located statements, and whatever is not a schema is refused with its place and a reason."""

from collections.abc import Callable

import apsw
import pytest

from engine.errors import BadFiles
from engine.files import only_namespace, parse_files
from engine.lexer import MYSQL, SQLITE, Dialect, Kind, significant, tokens
from engine.mysql.flavour import Flavour
from engine.mysql.planning.files import parse_groups
from engine.sqlite.planning.planner import plan_sqlite
from engine.table_text import read_table_text

TRICKY = """-- a; comment
CREATE TABLE "a;b" ([c;d] TEXT DEFAULT 'it''s; here', `e``f` INT /* ; */, x BLOB DEFAULT x'3b'); -- of the first
create unique index i on "a;b" ([c;d]) where [c;d] <> ';';
CREATE TRIGGER tr AFTER UPDATE OF x ON "a;b" WHEN new.x IS NOT NULL BEGIN
  UPDATE "a;b" SET x = CASE WHEN new.x = 'END;' THEN 1 ELSE CASE old.x WHEN 2 THEN 3 END END;
  SELECT 1; -- END;
END;
CREATE VIEW v AS SELECT 1 AS "end"
"""


def problems(text: str) -> list[str]:
    with pytest.raises(BadFiles) as caught:
        plan_sqlite(apsw.Connection(":memory:"), {"main": {"shop.sql": text}})
    return caught.value.problems


def test_tokens_joined_are_the_text_again() -> None:
    assert "".join(token.text for token in tokens(TRICKY)) == TRICKY


def test_statements_are_cut_where_they_end_and_nowhere_else() -> None:
    found = parse_files({"s.sql": TRICKY})

    assert [(s.kind, s.name, s.table, s.line()) for s in found] == [
        ("table", "a;b", "a;b", 2),
        ("index", "i", "a;b", 3),
        ("trigger", "tr", "a;b", 4),
        ("view", "v", "v", 8),
    ]
    connection = apsw.Connection(":memory:")
    for statement in found:
        connection.execute(statement.text)


def test_a_comment_beside_a_statement_is_not_one_above_the_next() -> None:
    found = parse_files({"s.sql": TRICKY})
    assert [[comment.text for comment in s.comments] for s in found] == [
        ["-- a; comment", "-- of the first"], [], [], [],
    ]  # fmt: skip


def read_sqlite(text: str) -> object:
    return plan_sqlite(apsw.Connection(":memory:"), {"main": {"t.sql": text}})


def read_mysql(text: str) -> object:
    flavour = Flavour(vendor="MySQL", version=(9, 7, 4), any_case=False)
    return parse_groups({"t.sql": text}, namespace="shop", own_names=(), flavour=flavour)


RETURN = "a carriage return alone ends no comment, so that more than one line is in this one: end lines with line feeds"
ANNOTATION = "this is beside no column and no table: write it beside the column, or above the CREATE TABLE"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("CREATE TABLE t (a INT, UNIQUE (a) -- renamed from: x\n);", f"1:35: {ANNOTATION}"),
        (
            "-- all\rCREATE TABLE t (a INT);\r",
            f"1:1: {RETURN}",
        ),
        ("CREATE TABLE t (a INT);\n-- renamed from: x\n", f"2:1: {ANNOTATION}"),
        ("CREATE TABLE t (a INT);\n-- renamed from: x\nCREATE INDEX i ON t (a);", f"2:1: {ANNOTATION}"),
        (
            "CREATE TABLE t (a INT);\n-- schemabot: partitions managed elsewhere\n",
            "2:1: this is beside no table: write it above its CREATE TABLE",
        ),
        (
            "-- renamed from: x\nCREATE TABLE t (a INT); -- renamed from: y",
            "2:25: it is told to be renamed from x and from y: leave the name that it has in the database",
        ),
        (
            "-- renamed from: `shop`.`u`\nCREATE TABLE t (a INT);",
            "1:1: this tells no old name: write one name without a schema before it, in quotes if need be",
        ),
    ],
)
@pytest.mark.parametrize("read", [read_sqlite, read_mysql])
def test_a_comment_that_is_not_what_it_looks_like_is_refused(
    read: Callable[[str], object], text: str, problem: str
) -> None:
    with pytest.raises(BadFiles) as caught:
        read(text)
    assert caught.value.problems == [f"t.sql:{problem}"]


def test_a_comment_in_a_trigger_is_no_annotation() -> None:
    text = "CREATE TABLE t (a); CREATE TRIGGER r AFTER INSERT ON t BEGIN\n-- renamed from: x\nDELETE FROM t; END;"
    assert len(plan_sqlite(apsw.Connection(":memory:"), {"main": {"t.sql": text}}).changes) == 1


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_byte_order_mark_and_any_line_ends_keep_places_true(ends: str) -> None:
    text = "\ufeff" + ends.join(["CREATE TABLE t (", "  a INT,", "  a TEXT", ");"])
    assert [s.name for s in parse_files({"s.sql": text.replace("a TEXT", "b TEXT")})] == ["t"]
    assert problems(text) == ["shop.sql:1:1: duplicate column name: a"]


def test_if_not_exists_and_main_are_accepted() -> None:
    (statement,) = parse_files({"s.sql": "CREATE TABLE IF NOT EXISTS main.t (a);"})
    connection = apsw.Connection(":memory:")
    connection.execute(statement.text)
    assert connection.execute("SELECT sql FROM sqlite_schema").get == "CREATE TABLE t (a)"


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("CREATE TABLE t AS SELECT 1;", "1:16", "AS SELECT leaves out types"),
        ("CREATE TEMP TABLE t (a);", "1:8", "a temporary object belongs to a connection"),
        ("CREATE TABLE other.t (a);", "1:14", "the qualifier other names another schema"),
        ("CREATE TABLE t (a);\n  INSERT INTO t VALUES (1);", "2:3", "a schema file holds no rows"),
        ("WITH x AS (SELECT 1) SELECT * FROM x;", "1:1", "a schema file holds no rows"),
        ("PRAGMA foreign_keys = ON;", "1:1", "a setting is no schema"),
        ("BEGIN; CREATE TABLE t (a); COMMIT;", "1:1", "the plan chooses its own transactions"),
        ("ALTER TABLE t ADD b;", "1:1", "change the CREATE statement instead"),
        ("DROP TABLE t;", "1:1", "remove the CREATE statement instead"),
        ("VACUUM;", "1:1", "upkeep is no schema"),
        (".mode box", "1:1", "a command of the sqlite3 shell is not SQL"),
        ("hello world;", "1:1", "not understood: near 'hello'"),
        ("CREATE SEQUENCE s;", "1:8", "not understood: CREATE SEQUENCE"),
        ("CREATE TABLE t (a TEXT DEFAULT 'x);", "1:32", "the quote ' is never closed"),
        ("CREATE TABLE t (a,, b);", "1:19", 'near ",": syntax error'),
        ("CREATE TABLE t (\n  a INT,\n  CHECK (nosuch > 1)\n);", "3:10", "no such column: nosuch"),
        ("CREATE TABLE ü (a);\nCREATE TABLE t (\n  ä TEXT,\n  CHECK ('ü' > nosuch)\n);", "4:16", "no such column: nosuch"),
        ("CREATE TABLE t (a);\nCREATE INDEX i ON t (nope);", "2:22", "no such column: nope"),
        ("CREATE INDEX i ON t (a);", "1:1", "index i is on t, which is not in the files"),
        ("CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END;", "1:1", "which is not in the files"),
        ("CREATE TABLE t (a); CREATE VIEW v AS SELECT a FROM t; CREATE INDEX i ON v (a);", "1:55", "index i is on the view v"),
        ("CREATE TABLE t (a);\nCREATE VIEW T AS SELECT 1;", "2:1", "is defined twice; the first (table) is at shop.sql:1:1"),
        ("CREATE TABLE t (a);\nCREATE VIEW v AS SELECT b FROM t;", "2:1", "view v would not work: no such column: b"),
        (
            "CREATE TABLE t (a);\nCREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM gone; END;",
            "2:1",
            "trigger r would not work: no such table: main.gone",
        ),
        ("CREATE TABLE sqlite_x (a);", "1:14", "reserved for SQLite"),
        ("CREATE TABLE t__osc_n (a);", "1:1", "is reserved"),
        ("CREATE TABLE _schemabot_owner (a);", "1:1", "is reserved"),
        ("CREATE VIRTUAL TABLE t USING nosuchmodule(a);", "1:1", "no such module: nosuchmodule"),
        ("CREATE TABLE", "1:13", "expected a name"),
    ],
)  # fmt: skip
def test_what_is_not_a_schema_is_refused_with_its_place_and_a_reason(
    text: str, place: str, reason: str
) -> None:
    found = problems(text)
    assert found[0].startswith(f"shop.sql:{place}: "), found
    assert reason in found[0]


def test_all_problems_are_told_at_once_each_with_its_file() -> None:
    with pytest.raises(BadFiles) as caught:
        parse_files({"b.sql": "DROP TABLE x;", "a.sql": "PRAGMA y;\n\nVACUUM;", "c.json": "{}"})
    assert [problem.split(": ")[0] for problem in caught.value.problems] == [
        "a.sql:1:1", "a.sql:3:1", "b.sql:1:1", "c.json:1:1",
    ]  # fmt: skip


def test_one_namespace_of_any_name_and_no_more() -> None:
    assert only_namespace({".": {"a.sql": ""}})[0] == "."
    for names in ((), ("a", "b")):
        with pytest.raises(BadFiles, match="exactly one namespace"):
            only_namespace({name: {} for name in names})


def test_the_elements_of_a_table_keep_the_comments_that_belong_to_them() -> None:
    text = read_table_text(
        """CREATE TABLE t ( -- of the table
          a INT, -- beside a
          -- above b
          b NUMERIC(3, 2), /* before c */ c TEXT CHECK (c IN (',', ')')), -- beside c
          d INT
            -- within d
            NOT NULL,
          PRIMARY KEY (a, b) -- of the key
          -- below the key
        ) STRICT -- behind"""
    )
    assert [(e.column, [c.text for c in e.comments]) for e in text.elements] == [
        ("a", ["-- beside a"]),
        ("b", ["-- above b"]),
        ("c", ["/* before c */", "-- beside c"]),
        ("d", ["-- within d"]),
        ("", ["-- of the key", "-- below the key"]),
    ]
    assert [c.text for c in text.comments] == ["-- of the table", "-- behind"]
    assert text.elements[2].text == "c TEXT CHECK (c IN (',', ')'))"


@pytest.mark.parametrize(
    ("text", "of_a", "of_b", "of_table"),
    [
        ("CREATE TABLE t (a INT, /* 1 */ b INT)", [], ["/* 1 */"], []),
        ("CREATE TABLE t (a INT /* 1 */, b INT)", ["/* 1 */"], [], []),
        ("CREATE TABLE t (a INT, /* 1 */ -- 2\nb INT)", ["/* 1 */", "-- 2"], [], []),
        ("CREATE TABLE t (a INT, /* 1 */ /* 2 */ b INT)", [], ["/* 1 */", "/* 2 */"], []),
        ("CREATE TABLE t (/* 1 */ a INT, b INT)", ["/* 1 */"], [], []),
        ("CREATE TABLE t (/* 1 */\na INT, b INT)", [], [], ["/* 1 */"]),
    ],
)
@pytest.mark.parametrize("dialect", [SQLITE, MYSQL])
def test_a_comment_in_front_of_an_element_on_its_line_belongs_to_it(
    dialect: Dialect, text: str, of_a: list[str], of_b: list[str], of_table: list[str]
) -> None:
    found = read_table_text(text, dialect)
    told = [[comment.text for comment in element.comments] for element in found.elements]
    assert [*told, [comment.text for comment in found.comments]] == [of_a, of_b, of_table]


def test_a_word_in_quotes_is_a_name_a_number_is_one_token() -> None:
    found = significant("""[a b] "c""d" `e` 1.5e-3 0x1F .5 x'00' ->> || 'it''s'""")
    assert [token.kind for token in found] == [
        Kind.QUOTED, Kind.QUOTED, Kind.QUOTED, Kind.NUMBER, Kind.NUMBER, Kind.NUMBER,
        Kind.STRING, Kind.SIGN, Kind.SIGN, Kind.STRING,
    ]  # fmt: skip
    assert [found[0].name, found[1].name, found[-1].name] == ["a b", 'c"d', "it's"]
