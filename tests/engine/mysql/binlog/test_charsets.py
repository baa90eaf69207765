"""Statements of clients that do not speak UTF-8, and names in capitals, are told as the server takes them."""

import pytest

from engine.mysql.binlog.errors import TableChanged
from engine.mysql.binlog.statements import Logged, Meaning, Statements, folded
from tests.engine.mysql.binlog.rig import Ground
from tests.servers.numbers import numbers

TABLE = "CREATE TABLE `aufträge` (id BIGINT PRIMARY KEY, n INT)"
CP850, SWE7 = (b"\x04" + bytes((number, 0)) * 3 for number in (4, 10))
BEFORE = b"\x00\x00\x00\x00\x00\x01" + bytes(8) + b"\x06\x03std\x03\x01\x00\x02\x00"


def logged(text: str, encoding: str, status: bytes) -> Logged:
    return Logged(text=text.encode(encoding), schema=b"shop", status=status)


@pytest.mark.parametrize("charset", ["utf8mb4", "latin1", "cp850"])
@pytest.mark.parametrize(
    "statement",
    [
        "RENAME TABLE `aufträge` TO `aufträge_weg`",
        "ALTER TABLE aufträge RENAME TO x",
        "TRUNCATE aufträge",
        "DROP TABLE aufträge",
        "RENAME /*M!999999 it's */ TABLE `aufträge` TO x",
    ],
)
def test_a_change_by_a_client_of_another_character_set_is_heard(
    ground: Ground, charset: str, statement: str
) -> None:
    ground.run(TABLE)
    with (
        ground.reading("aufträge") as reading,
        ground.server.connect(charset=charset, database=ground.schema) as client,
        client.cursor() as cursor,
    ):
        cursor.execute(statement)
        with pytest.raises(TableChanged, match="aufträge"):
            reading.catch_up()


def test_what_such_clients_do_to_other_tables_is_no_harm(ground: Ground) -> None:
    ground.run(TABLE, "CREATE TABLE `einträge` (id INT)")
    with (
        ground.reading("aufträge") as reading,
        ground.server.connect(charset="latin1", database=ground.schema, autocommit=True) as client,
        client.cursor() as cursor,
    ):
        cursor.execute("ALTER TABLE `einträge` COMMENT 'Einträge zu aufträge'")
        cursor.execute("DROP TABLE `einträge`")
        cursor.execute("INSERT INTO `aufträge` VALUES (1, 1)")
        assert reading.keys_of("aufträge") == {("1",)}


def test_the_character_set_is_found_behind_the_other_variables() -> None:
    statements = Statements([("shop", "aufträge")])
    with pytest.raises(TableChanged, match="aufträge"):
        statements.meaning_of(logged("TRUNCATE aufträge", "cp850", BEFORE + CP850))
    assert statements.meaning_of(logged("TRUNCATE einträge", "cp850", BEFORE + CP850)) is Meaning.ALONE


def test_a_definition_that_nobody_can_read_may_be_of_any_table() -> None:
    statements = Statements([("shop", "aufträge")])
    for verb in ("RENAME TABLE", "alter table", "DROP TABLE", "TRUNCATE", "CREATE TABLE"):
        with pytest.raises(TableChanged):
            statements.meaning_of(logged(f"/* ä */ {verb} ä", "cp850", SWE7))
    assert statements.meaning_of(logged("GRANT SELECT ON ä TO b", "cp850", SWE7)) is Meaning.ALONE


def test_names_that_are_one_to_the_server_are_one_here(ground: Ground) -> None:
    letter = "CONVERT(CONVERT(CHAR(i >> 8, i & 255) USING ucs2) USING utf8mb3)"
    rows = ground.link.rows(
        f"SELECT i, LOWER({letter} COLLATE utf8mb3_general_ci) FROM {numbers(0xFFFF)} "
        f"WHERE i NOT BETWEEN {0xD800} AND {0xDFFF}"
    )
    assert [chr(i) for i, low in rows if folded(chr(i)) != folded(low)] == []
    assert folded("İŞ") == folded("iş")
    assert folded("ΣΑΣ") == folded("σασ")
