"""The statements that fill a shadow from its source."""

from dataclasses import replace

import pytest

from engine.errors import Refused
from engine.mysql.catalog import read_table
from engine.mysql.shadow.shape import shape_of
from engine.mysql.spec import Copy, Step
from tests.engine.mysql.changing.plans import Shop
from tests.servers.server import Server


def test_a_statement_takes_no_longer_a_column_where_there_are_many(server: Server) -> None:
    """Each looked through all others, for every statement: of 900 columns the copy never caught up with the application."""
    shop = Shop(server, "CREATE TABLE t (id INT PRIMARY KEY, n INT NOT NULL)")
    with shop.link() as link:
        table = read_table(link, shop.database, "t")
    assert table is not None
    key, column = table.columns
    wide = replace(table, columns=(key, *(replace(column, name=f"c{n}") for n in range(100_000))))
    copied = tuple((column.name, column.name) for column in wide.columns[:-1])
    copy = Copy(source="t", table="t", clauses=(), columns=copied, key=("id",), new_key=("id",))
    shape = shape_of(Step(schema=shop.database, before=(), after=(), copy=copy), wide, wide)
    assert "`c99998`, `c99999`) SELECT `id`, `c0`," in shape.put_in([("1",)])
    assert f"`c99998`, 0 FROM {shape.source} FORCE INDEX (`PRIMARY`) WHERE" in shape.put_in([("2",)])


@pytest.mark.parametrize(("number", "text"), [("INT(6) ZEROFILL", "VARCHAR(9)"), ("YEAR", "VARBINARY(9)")])
def test_a_key_whose_text_is_stored_as_it_is_shown_is_refused(server: Server, number: str, text: str) -> None:
    """The log tells 42, the copy has 000042: a row that is deleted would stay in it. (No plan copies such a table.)"""
    shop = Shop(
        server,
        f"CREATE TABLE t (id INT, k {number}, PRIMARY KEY (id, k))",
        f"CREATE TABLE n (id INT, k {text}, PRIMARY KEY (id, k))",
    )
    with shop.link() as link:
        old, new = (read_table(link, shop.database, name) for name in ("t", "n"))
    assert old is not None
    assert new is not None
    pairs, key = (("id", "id"), ("k", "k")), ("id", "k")
    copy = Copy(source="t", table="t", clauses=(), columns=pairs, key=key, new_key=key)
    with pytest.raises(
        Refused, match="the values of id, k, by which rows are found, read otherwise in the copy"
    ):
        shape_of(Step(schema=shop.database, before=(), after=(), copy=copy), old, new)


def test_a_key_of_a_decimal_without_a_fraction_goes_on_as_a_whole_number(server: Server) -> None:
    shop = Shop(
        server, "CREATE TABLE t (id DECIMAL(12,0) PRIMARY KEY)", "CREATE TABLE n (id BIGINT PRIMARY KEY)"
    )
    with shop.link() as link:
        old, new = (read_table(link, shop.database, name) for name in ("t", "n"))
    assert old is not None
    assert new is not None
    copy = Copy(source="t", table="t", clauses=(), columns=(("id", "id"),), key=("id",), new_key=("id",))
    shape = shape_of(Step(schema=shop.database, before=(), after=(), copy=copy), old, new)
    assert "SELECT `id` FROM" in shape.put_in([("1",)])
