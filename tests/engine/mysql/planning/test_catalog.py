"""What the catalogue reads of a schema, and that its text is the same wherever a table stands."""

import random

import pytest

from engine.errors import Refused
from engine.mysql.catalog import fingerprints, read_table, read_tables, unmanaged
from engine.mysql.link import Link
from tests.engine.mysql.planning.odd_tables import ODD, PARENT, WIDE, only
from tests.engine.mysql.planning.places import run_all, schema_with
from tests.servers.server import Server


def texts(link: Link, schema: str) -> dict[str, str]:
    return {name: table.text for name, table in read_tables(link, schema).items()}


def test_the_text_of_a_table_makes_the_same_table_in_another_schema(server: Server) -> None:
    with schema_with(server, PARENT, WIDE, *ODD, *only(server)) as (link, schema):
        first = texts(link, schema)
        assert len(first) == 2 + len(ODD) + len(only(server))
        with schema_with(server, *first.values()) as (other, again):
            assert texts(other, again) == first


TYPES = (
    "INT", "BIGINT UNSIGNED", "TINYINT(1)", "DECIMAL(9,3)", "DOUBLE", "CHAR(4)", "VARCHAR(30)", "VARBINARY(9)", "TEXT", "JSON",
    "DATE", "DATETIME(3)", "TIMESTAMP NULL", "ENUM('x','y')", "SET('p','q')", "YEAR", "TIME(2)", "BLOB",
)  # fmt: skip
COLLATIONS = ("utf8mb4_bin", "utf8mb4_general_ci", "utf8mb4_unicode_ci", "latin1_swedish_ci", "latin1_bin")


def any_table(choose: random.Random) -> str:
    lines = []
    for number in range(choose.randint(1, 8)):
        kind = choose.choice(TYPES)
        textual = kind.startswith(("CHAR", "VARCHAR", "TEXT", "ENUM", "SET"))
        collate = f" COLLATE {choose.choice(COLLATIONS)}" if textual and choose.random() < 0.5 else ""
        lines.append(f"c{number} {kind}{collate} {choose.choice(('', 'COMMENT {!r}'.format('a,b'), 'NULL'))}")
    charset = choose.choice(
        ("", " CHARSET latin1", " COLLATE utf8mb4_bin", " CHARSET utf8mb3", " COLLATE latin1_bin")
    )
    return f"CREATE TABLE some ({', '.join(lines)}){charset}"


@pytest.mark.parametrize("seed", range(3))
def test_random_tables_read_the_same_once_made_again_and_whatever_the_default_of_the_schema(
    server: Server, seed: int
) -> None:
    choose = random.Random(seed)
    with schema_with(server) as (link, schema), schema_with(server) as (other, again):
        other.run(f"ALTER DATABASE {again} CHARACTER SET latin1")
        for _ in range(15):
            run_all(link, ["DROP TABLE IF EXISTS some", any_table(choose)])
            first = read_table(link, schema, "some")
            assert first is not None
            run_all(other, ["DROP TABLE IF EXISTS some", first.text])
            assert read_table(other, again, "some", stands_for={again: schema}) == first


def test_what_changes_by_itself_or_means_nothing_is_not_in_the_text(server: Server) -> None:
    with schema_with(
        server, PARENT, "CREATE TABLE t (id INT PRIMARY KEY, a INT, b INT, KEY x (a), KEY y (b))"
    ) as (link, schema):
        before = fingerprints(link, schema, ["p", "t"])
        run_all(
            link,
            [
                "ALTER TABLE t DROP KEY x", "ALTER TABLE t ADD KEY x (a)", "ALTER TABLE p MODIFY id INT AUTO_INCREMENT",
                "INSERT INTO p VALUES (77, 1)", "ALTER TABLE p MODIFY id INT NOT NULL, AUTO_INCREMENT=900",
            ],
        )  # fmt: skip
        assert fingerprints(link, schema, ["p", "t"]) == before


def test_our_helpers_and_triggers_do_not_change_what_a_table_is(server: Server) -> None:
    with schema_with(
        server, "CREATE TABLE t (id INT PRIMARY KEY) COMMENT='it''s'", "CREATE TABLE u (id INT)"
    ) as (link, schema):
        before = read_tables(link, schema)
        run_all(
            link, ["CREATE TRIGGER t__osc_ti AFTER INSERT ON t FOR EACH ROW INSERT INTO t__osc_d VALUES (1)"]
        )
        run_all(
            link,
            [
                "CREATE TABLE t__osc_n (a INT)",
                "CREATE TABLE _schemabot_owner (a INT)",
                "CREATE TABLE x__osc_y (a INT)",
            ],
        )
        after = read_tables(link, schema)
        assert set(after) == {"t", "u", "x__osc_y"}
        assert {name: after[name] for name in before} == before
        assert read_table(link, schema, "t__osc_n") is not None


def test_what_is_no_base_table_is_listed_and_never_read_as_one(server: Server) -> None:
    statements = [
        "CREATE TABLE t (id INT)", "CREATE VIEW v AS SELECT 1 AS a",
        "CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET @a = 1",
        "CREATE PROCEDURE pr() SELECT 1", "CREATE FUNCTION fu() RETURNS INT DETERMINISTIC RETURN 1",
        "CREATE EVENT ev ON SCHEDULE EVERY 1 DAY DO SELECT 1", "CREATE TABLE t__osc_o (a INT)",
    ]  # fmt: skip
    if server.flavour == "mariadb":
        statements += ["CREATE SEQUENCE sq", "CREATE TABLE sv (a INT) WITH SYSTEM VERSIONING"]
    with schema_with(server, *statements) as (link, schema):
        assert list(read_tables(link, schema)) == ["t"]
        expected = {
            "view v",
            "trigger tr",
            "procedure pr",
            "function fu",
            "event ev",
            "helper table t__osc_o",
        }
        if server.flavour == "mariadb":
            expected |= {"sequence sq", "system-versioned table sv"}
            with pytest.raises(Refused, match="system versioned"):
                read_table(link, schema, "sv")
        assert {f"{kind} {name}" for kind, name in unmanaged(link, schema)} == expected
        found = fingerprints(link, schema, ["v", "t", "missing"])
        assert found["missing"] is None
        assert found["v"] not in (None, found["t"])
        with pytest.raises(Refused, match="a view of that name"):
            read_table(link, schema, "v")


def test_the_records_tell_columns_keys_and_parents(server: Server) -> None:
    with schema_with(server, PARENT, WIDE) as (link, schema):
        table = read_tables(link, schema)["wide"]
    key, unique = table.index("ka"), table.index("un`q")
    assert key is not None
    assert unique is not None
    assert [(part.column, part.prefix, part.descending) for part in key.parts] == [
        ("a", None, not server.is_one("mariadb") or server.is_one("mariadb 10.8")),  # older ones forget DESC
        ("c", 3, False),
    ]
    assert (unique.unique, unique.columns) == (True, ("c",))
    assert {index.kind for index in table.indexes} == {"BTREE", "FULLTEXT", "SPATIAL"}
    assert [(key.parent_schema, key.parent, key.parent_columns) for key in table.foreign_keys] == [
        (schema, "p", ("a",)), (schema, "p", ("id",)),
    ]  # fmt: skip
    generated = {column.name: column.generated for column in table.columns if column.generated}
    assert generated == {"g": "VIRTUAL", "h": "STORED"}
    assert "INVISIBLE" in next(column.line for column in table.columns if column.name == "inv")
    assert table.row_key == ("id",)
    assert table.options["COMMENT"] == "'tab; '' c'"


def test_an_odd_sql_mode_of_the_session_changes_nothing_and_stays(server: Server) -> None:
    with schema_with(server, PARENT, WIDE) as (link, schema):
        before = read_tables(link, schema)
        link.run("SET sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'")
        assert read_tables(link, schema) == before
        assert link.value("SELECT @@sql_mode") == "ANSI_QUOTES,NO_BACKSLASH_ESCAPES"
