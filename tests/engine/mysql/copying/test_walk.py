"""A walk over a table reads each row once, by whatever key: where the index cannot serve, each chunk would read all."""

from collections import Counter

import pytest

from engine.mysql.catalog import read_table
from engine.mysql.copying.chunk_sizer import ChunkSizer
from engine.mysql.copying.chunker import Chunker
from engine.mysql.link import Link, Row
from engine.mysql.shadow.keys import RowKey, row_key
from tests.engine.mysql.copying.rig import Rig, make_rig
from tests.engine.mysql.planning.places import address_of
from tests.servers.numbers import numbers
from tests.servers.server import Server

ROWS = 400
CHUNK = 40
EDGES = 12
"""Rows that may be read beside those of a chunk: one behind each of its ranges, and one for each value of an ENUM or SET."""

KEYS: dict[str, tuple[str, str, str]] = {
    # columns; the key; their values out of i = 1, 2, …
    "int": ("a INT", "a", "i - 200"),
    "unsigned": ("a BIGINT UNSIGNED", "a", "18446744073709551615 - i"),
    "decimal": ("a DECIMAL(20,6)", "a", "i / 7 - 20"),
    "year": ("a YEAR, b INT", "a, b", "1990 + i DIV 90, i"),
    "date": ("a DATE, b INT", "a, b", "DATE_ADD('2024-01-01', INTERVAL i DIV 90 DAY), i"),
    "datetime": ("a DATETIME(6)", "a", "DATE_ADD('2024-01-01', INTERVAL i MICROSECOND)"),
    "timestamp": ("a TIMESTAMP(3)", "a", "DATE_ADD('2024-01-01', INTERVAL i * 1000 MICROSECOND)"),
    "time": ("a TIME(3)", "a", "SEC_TO_TIME((i - 200) * 60)"),
    "binary": ("a BINARY(8)", "a", "UNHEX(LEFT(SHA2(i, 256), 16))"),
    "varbinary": ("a VARBINARY(20)", "a", "UNHEX(LEFT(SHA2(i, 256), 16))"),
    "char": ("a CHAR(32) CHARACTER SET latin1", "a", "LEFT(SHA2(i, 256), 32)"),
    "varchar": ("a VARCHAR(40) CHARACTER SET utf8mb4", "a", "LEFT(SHA2(i, 256), 32)"),
    "binary collation": ("a VARCHAR(40) COLLATE utf8mb4_bin", "a", "LEFT(SHA2(i, 256), 32)"),
    "ucs2": ("a VARCHAR(40) CHARACTER SET ucs2", "a", "LEFT(SHA2(i, 256), 32)"),
    "utf8mb3": ("a VARCHAR(40) CHARACTER SET utf8mb3", "a", "LEFT(SHA2(i, 256), 32)"),
    "enum": ("a ENUM('z','a','m'), b BIGINT", "a, b", "1 + i DIV 190, i"),
    "set": ("a SET('z','a','m'), b BIGINT", "a, b", "i DIV 90, i"),
    "enum behind": ("a INT, b ENUM('z','a','m'), c INT", "a, b, c", "1, 1 + i DIV 190, i"),
    "enum last": ("a VARCHAR(9), b ENUM('z','a','m')", "a, b", "i DIV 3, 1 + i MOD 3"),
    "set last": ("a DECIMAL(9,1), b SET('z','a','m')", "a, b", "i DIV 8, i MOD 8"),
    "two enums": ("a ENUM('z','a'), b ENUM('y','x','w'), c INT", "a, b, c", "1 + i DIV 210, 1 + i DIV 140, i"),
    "two": ("a INT, b VARCHAR(9)", "a, b", "i DIV 190, i"),
    "three": ("a INT, b DATE, c INT", "a, b, c", "i DIV 190, DATE_ADD('2024-01-01', INTERVAL i DIV 60 DAY), i"),
    "in another order": ("a INT, b INT", "b, a", "i, i DIV 190"),
    "another than a wide set": ("a SET('a','b','c','d','e','f','g','h','i','j','k'), b INT", "a), UNIQUE KEY (b", "i, i"),
    "only enum": ("a ENUM('z','a','m','b')", "a", "i"),
    "descending": ("a INT, b VARCHAR(9)", "a DESC, b", "i DIV 190, i"),
    "descending enum": ("a ENUM('z','a','m'), b INT", "a DESC, b DESC", "1 + i DIV 190, i"),
}  # fmt: skip
OF_MARIADB = {
    "uuid": ("a UUID", "a", "CONCAT('00000000-0000-1000-8000-', LPAD(HEX(i), 12, '0'))"),
    "inet4": ("a INET4", "a", "INET_NTOA(i * 1000)"),
    "inet6": ("a INET6", "a", "CONCAT('fe80::', HEX(i))"),
}


class Walk:
    """Over one table, counting what the server reads."""

    def __init__(self, rig: Rig, link: Link, key: RowKey) -> None:
        self._table, self._link, self._key = rig.table, link, key
        sizer = ChunkSizer(1.0)
        sizer.rows = sizer.most = CHUNK
        self.chunker = Chunker(rig.table, key, sizer)

    def read(self, most: int) -> int:
        """Each chunk, found and read; how many rows. *most*: of those that may be read for one."""
        self.chunker.begin(self._link)
        found = 0
        while True:
            self._link.run("FLUSH STATUS")
            chunk = self.chunker.next(self._link)
            self._check(most)
            if chunk is None:
                return found
            where = self._key.between(chunk.low, chunk.high)
            found += self._link.value(
                f"SELECT COUNT(*) FROM {self._table} {self._key.hint} WHERE {where} AND v > 0"
            )
            self._check(2 * most)

    def behind_its_end(self) -> int:
        """How many rows a walk reads that goes on behind its last row, once all that share its first column have gone."""
        last, (first, *_) = self.chunker.end, self._key.columns
        assert last is not None
        self._link.run(f"DELETE FROM {self._table} WHERE {first.name} = {last[0]}")
        chunker = Chunker(self._table, self._key, self.chunker.sizer, last)
        chunker.begin(self._link)
        found = 0
        while (chunk := chunker.next(self._link)) is not None:
            where = self._key.between(chunk.low, chunk.high)
            found += self._link.value(f"SELECT COUNT(*) FROM {self._table} WHERE {where}")
        return found

    def _check(self, most: int) -> None:
        counted = Counter(
            {name.lower(): int(n) for name, n in self._link.rows("SHOW SESSION STATUS LIKE 'Handler_read%%'")}
        )
        assert counted["handler_read_rnd_next"] == 0, counted
        assert counted.total() <= most, counted


def cases() -> list[object]:
    return [
        *(pytest.param(*kind, "", id=name) for name, kind in KEYS.items()),
        *(pytest.param(*kind, "mariadb 10.10", id=name) for name, kind in OF_MARIADB.items()),
    ]


@pytest.mark.parametrize(("columns", "key", "values", "only"), cases())
def test_a_walk_by_any_kind_of_key_reads_each_row_once(
    server: Server, columns: str, key: str, values: str, only: str
) -> None:
    if not server.is_one(only):
        pytest.skip(f"of {only} only")
    rows = 4 if columns == "a ENUM('z','a','m','b')" else ROWS
    made = ", ".join(f"{column} NOT NULL" for column in columns.split(", "))
    rig = make_rig(
        server,
        f"CREATE TABLE t ({made}, v INT NOT NULL, PRIMARY KEY ({key}));; "
        f"INSERT INTO t SELECT {values}, i FROM {numbers(rows)};; ANALYZE TABLE t",
        [],
    )
    with rig.link() as link:
        table = read_table(link, rig.schema, "t")
        assert table is not None
        walk = Walk(rig, link, row_key(table, table.row_key))
        assert walk.read(CHUNK + EDGES) == rows
        assert walk.behind_its_end() == 0


def test_a_table_that_is_emptied_between_the_looks_at_its_two_ends_has_no_chunk(server: Server) -> None:
    rig = make_rig(server, "CREATE TABLE t (id INT PRIMARY KEY);; INSERT INTO t VALUES (1), (7)", [])

    class Emptied(Link):
        def row(self, sql: str, *args: object) -> Row | None:
            found = super().row(sql, *args)
            rig.run("DELETE FROM t")
            return found

    with Emptied(address_of(server, rig.schema)) as link:
        table = read_table(link, rig.schema, "t")
        assert table is not None
        chunker = Chunker(rig.table, row_key(table, table.row_key), ChunkSizer(1.0))
        rig.run("INSERT IGNORE INTO t VALUES (1), (7)")
        chunker.begin(link)
        assert chunker.next(link) is None
        assert chunker.exhausted
