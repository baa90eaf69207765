"""A column gets another collation: what was found by the old one is found anew."""

import pytest

from tests.engine.mysql.planning.rig import Ground, ground
from tests.servers.server import Server

OLD, BIN = "COLLATE utf8mb4_general_ci", "COLLATE utf8mb4_bin"
RANGES = "PARTITION BY RANGE COLUMNS (a) (PARTITION p VALUES LESS THAN ('B'), PARTITION q VALUES LESS THAN (MAXVALUE))"
BELOW = "PARTITION BY RANGE (id) SUBPARTITION BY KEY (a) SUBPARTITIONS 4 (PARTITION p VALUES LESS THAN (100))"
G = "g INT AS (IF(a = 'A1', 1, 2))"
TABLES = {
    "key": f"CREATE TABLE t (id INT, a VARCHAR(20) {{0}}) {OLD} PARTITION BY KEY (a) PARTITIONS 4",
    "below": f"CREATE TABLE t (id INT, a VARCHAR(20) {{0}}) {OLD} {BELOW}",
    "range": f"CREATE TABLE t (id INT, a VARCHAR(20) {{0}}) {OLD} {RANGES}",
    "table": "CREATE TABLE t (id INT, a VARCHAR(20)) {0} PARTITION BY KEY (a) PARTITIONS 4",
    "stored": f"CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20) {{0}}, {G} STORED) {OLD}",
    "indexed": f"CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20) {{0}}, {G} VIRTUAL, KEY k (g)) {OLD}",
    "twice": (
        f"CREATE TABLE t (id INT PRIMARY KEY, x VARCHAR(20), a VARCHAR(20) {{0}} AS (x) VIRTUAL, {G} VIRTUAL, "
        f"h INT AS (g + 1) STORED) {OLD}"
    ),
}
TELLING = {"g": "g = 1", "h": "h = 2"}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_rows_are_found_by_the_new_collation(server: Server, table: str) -> None:
    with ground(server, table.format(OLD)) as here:
        _fill(here, "x" if " x " in table else "a")
        here.settle(table.format(BIN))
        _all_are_found(here, "a")


@pytest.mark.parametrize("table", ["key", "stored"])
def test_also_when_the_column_is_renamed_at_once(server: Server, table: str) -> None:
    with ground(server, TABLES[table].format(OLD)) as here:
        _fill(here, "a")
        wanted = TABLES[table].format(f"{BIN} -- renamed from: a\n")
        for before, after in (("a VARCHAR", "b VARCHAR"), ("(a)", "(b)"), ("(a =", "(b =")):
            wanted = wanted.replace(before, after)
        here.settle(wanted)
        _all_are_found(here, "b")


def test_an_index_of_an_expression_has_it_by_the_new_collation(mysql: Server) -> None:
    table = f"CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20) {{0}}, KEY k ((IF(a = 'A1', 1, 2)))) {OLD}"
    with ground(mysql, table.format(OLD)) as here:
        _fill(here, "a")
        here.settle(table.format(BIN))
        assert here.link.rows("SELECT id FROM t FORCE INDEX (k) WHERE IF(a = 'A1', 1, 2) = 1") == []


def test_what_is_computed_when_read_makes_no_copy(server: Server) -> None:
    table = f"CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(20) {{0}}, {G} VIRTUAL) {OLD}"
    with ground(server, table.format(OLD)) as here:
        _fill(here, "a")
        (change,) = here.settle(table.format(BIN)).changes
        assert "Copies" not in change.lock
        _all_are_found(here, "a")


def _fill(here: Ground, column: str) -> None:
    here.run(f"INSERT INTO t (id, {column}) VALUES (1, 'a1'), (2, 'a2'), (3, 'a3')")


def _all_are_found(here: Ground, column: str) -> None:
    for value in ("a1", "a2", "a3"):
        assert here.link.rows(f"SELECT 1 FROM t WHERE {column} = '{value}'") == [(1,)], value
    for name, told in TELLING.items():
        if here.link.rows(f"SHOW COLUMNS FROM t LIKE '{name}'"):
            assert here.link.rows(f"SELECT 1 FROM t WHERE {told}") == []
