"""Whatever two schemas: the way from one to the other and back holds what is promised. Long form: `python -m tests.evolution`."""

from collections import Counter

import pytest

from tests.evolution.campaign import smallest
from tests.evolution.journey import travel
from tests.evolution.pair import Pair
from tests.servers.server import Server

SEEDS = (2, 9, 10, 13, 18, 20)
CONVERTED = {
    "z": ("INT(6) UNSIGNED ZEROFILL", "VARCHAR(20)", "5"),
    "f": ("FLOAT", "VARCHAR(40)", "16777217"),
    "y": ("YEAR", "CHAR(4)", "0"),
    "k": ("INT", "YEAR", "1"),
    "m": ("TINYINT", "ENUM('2','1')", "1"),
    "w": ("BIGINT UNSIGNED", "SET('2','1')", "2"),
    "x": ("DOUBLE", "DOUBLE(10,2)", "0.125"),
    "b": ("DOUBLE", "BIT(8)", "2.5"),
    "i": ("DECIMAL(9,3)", "INT", "7.000"),
    "s": ("VARCHAR(20)", "DATETIME(3)", "'2020-02-29 10:00:00'"),
    "t": ("DATETIME(3)", "DATE", "'2020-02-29 10:00:00.5'"),
    "d": ("DATE", "DATE", "'2020-02-29'"),
}
"""Columns: the types before and after, and a value."""
NEW = ("n INT NOT NULL", "e ENUM('q','r') NOT NULL", "c VARCHAR(9) NOT NULL", "o DATE NOT NULL")


@pytest.mark.parametrize("seed", SEEDS)
def test_random_changes_of_random_schemas_lead_there_and_back(server: Server, seed: int) -> None:
    found: list[Pair] = []
    smallest(seed, server.flavour, found.append)
    (pair,) = found
    print(f"smaller: python -m tests.evolution --target {server.flavour} --seed {seed} --minutes 0\n{pair}")
    travel(server, pair, Counter())


def test_values_that_a_copy_converts_are_as_alter_table_makes_them(server: Server) -> None:
    """The random pairs seldom have a copy, rows, and a change of their types at once."""
    old, new = ([f"{name} {kinds[at]}" for name, kinds in CONVERTED.items()] for at in (0, 1))
    pair = Pair(
        before=(f"CREATE TABLE t (id INT PRIMARY KEY, {', '.join(old)})",),
        rows=(
            f"INSERT INTO t VALUES (1, {', '.join(value for _, _, value in CONVERTED.values())})",
            "INSERT INTO t (id) VALUES (2)",
        ),
        desired=(f"CREATE TABLE t (id INT PRIMARY KEY, {', '.join([*new, *NEW])})",),
        kept=((("t", "d"), ("t", "d")),),
        online=True,
    )
    tally: Counter[str] = Counter()
    travel(server, pair, tally)
    assert tally["arrived"], tally
    assert tally["changes, online"]
