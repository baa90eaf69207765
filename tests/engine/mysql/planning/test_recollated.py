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


SHOWN = {
    "more zeros": ("INT(5) ZEROFILL", "INT(8) ZEROFILL", "VIRTUAL", "00000042"),
    "no zeros": ("INT(8) ZEROFILL", "INT UNSIGNED", "STORED", "42"),
    "more decimals": ("DOUBLE(10,2)", "DOUBLE(10,4)", "VIRTUAL", "42.0000"),
}


@pytest.mark.parametrize(("old", "new", "kind", "text"), SHOWN.values(), ids=SHOWN)
def test_numbers_that_are_shown_otherwise_are_found_by_their_new_texts(
    server: Server, old: str, new: str, kind: str, text: str
) -> None:
    table = (
        f"CREATE TABLE t (id INT PRIMARY KEY, n {{0}}, v VARCHAR(20) AS (CONCAT(n)) {kind}, UNIQUE KEY k (v))"
    )
    with ground(server, table.format(old)) as here:
        here.run("INSERT INTO t (id, n) VALUES (1, 42)")
        here.settle(table.format(new))
        assert here.link.rows(f"SELECT id FROM t FORCE INDEX (k) WHERE v = '{text}'") == [(1,)]


def test_what_did_not_fit_a_generated_column_is_in_its_index_when_it_is_longer(mysql: Server) -> None:
    table = "CREATE TABLE t (id INT PRIMARY KEY, a VARCHAR(9), v VARCHAR({0}) AS (a) STORED, KEY k (v))"
    with ground(mysql, table.format(2)) as here:
        here.run("INSERT IGNORE INTO t (id, a) VALUES (1, 'abc')")
        here.settle(table.format(9))
        assert here.link.rows("SELECT id FROM t FORCE INDEX (k) WHERE v = 'abc'") == [(1,)]


@pytest.mark.parametrize("columns", ["v INT AS {0} VIRTUAL", "x INT AS {0} VIRTUAL, v INT AS (x + 0) STORED"])
def test_texts_of_no_column_are_compared_by_another_default_collation(server: Server, columns: str) -> None:
    made = columns.format("(HEX(id) = LOWER(HEX(id)))")
    table = f"CREATE TABLE t (id INT PRIMARY KEY, {made}, KEY k (v)) {{0}}"
    with ground(server, table.format(BIN)) as here:
        here.run("INSERT INTO t (id) VALUES (10)")
        here.settle(table.format(OLD))
        assert here.link.rows("SELECT id FROM t FORCE INDEX (k) WHERE v = 1") == [(10,)]


def test_in_an_index_of_an_expression_too(mysql: Server) -> None:
    table = "CREATE TABLE t (id INT PRIMARY KEY, KEY k ((HEX(id) = LOWER(HEX(id))))) {0}"
    with ground(mysql, table.format(BIN)) as here:
        here.run("INSERT INTO t (id) VALUES (10)")
        here.settle(table.format(OLD))
        found = here.link.rows("SELECT id FROM t FORCE INDEX (k) WHERE (HEX(id) = LOWER(HEX(id))) = 1")
        assert found == [(10,)]


def test_another_default_collation_makes_no_copy_where_only_numbers_are_computed(server: Server) -> None:
    table = "CREATE TABLE t (id INT PRIMARY KEY, a INT, g INT AS (a + 1) STORED, v VARCHAR(9), KEY (g)) {0}"
    with ground(server, table.format(BIN).replace("v VARCHAR(9)", f"v VARCHAR(9) {OLD}")) as here:
        (change,) = here.settle(table.format(OLD)).changes
        assert "Copies" not in change.lock


def _fill(here: Ground, column: str) -> None:
    here.run(f"INSERT INTO t (id, {column}) VALUES (1, 'a1'), (2, 'a2'), (3, 'a3')")


def _all_are_found(here: Ground, column: str) -> None:
    for value in ("a1", "a2", "a3"):
        assert here.link.rows(f"SELECT 1 FROM t WHERE {column} = '{value}'") == [(1,)], value
    for name, told in TELLING.items():
        if here.link.rows(f"SHOW COLUMNS FROM t LIKE '{name}'"):
            assert here.link.rows(f"SELECT 1 FROM t WHERE {told}") == []
