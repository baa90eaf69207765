"""Values that change their type are stored by a copy as by ALTER TABLE, wherever the plan has them copied."""

import re
from collections.abc import Iterator, Mapping, Sequence

import pytest

from engine.mysql.catalog import read_table
from engine.mysql.link import Link
from engine.mysql.names import names_of
from engine.mysql.planning import how
from engine.mysql.planning.conversions import copied_alike
from engine.mysql.quoting import quote_name
from engine.mysql.shadow.shape import FILLING, shape_of
from engine.mysql.spec import Copy, Step
from engine.mysql.tables import Column, Table
from tests.engine.mysql.planning.rig import Ground, ground
from tests.servers.server import Server

TEXTS = (
    "'1'", "'2'", "'1.5'", "'0.5'", "'007'", "'a '", "'1e3'", "' 5'", "'5 '", "''", "'2024-02-03'", "'2024-02-03 04:05:06.78'",
    "'04:05:06'", "'18446744073709551615'", "'é'", "'-1'", "'00112233-4455-6677-8899-aabbccddeeff'", "'::1'",
)  # fmt: skip
BINARIES = ("'1'", "'2'", "'1.5'", "'a '", "x'ff41'", "x'00112233445566778899aabbccddeeff'")
MOMENTS = ("'2024-02-03 04:05:06.789'", "'2024-02-03 23:59:59.999'", "'2038-01-19 03:14:07'")
REALS = ("0.1", "-0.01", "2", "2.5", "3.5", "-2", "16777217", "0.05", "0.15", "9999999.96", "1e20", "-1e20")
MEMBERS = "('2','1','5','a','2.00','000002')"
TYPES = {
    "TINYINT": ("1", "2", "-3", "0", "70"),
    "INT": ("1", "2", "20240203", "0", "-5", "2024", "235959"),
    "INT(6) ZEROFILL": ("1", "2", "101"),
    "BIGINT UNSIGNED": ("18446744073709551615", "2"),
    "DECIMAL(30,2)": ("1.5", "2.5", "2.00", "-0.01", "-3.5", "99999999999999999999", "0"),
    "DECIMAL(20,1)": ("2.0", "0.1"),
    "FLOAT": REALS,
    "DOUBLE": (*REALS, "1e300"),
    "DOUBLE(10,1)": ("0.15", "2"),
    "DOUBLE(12,2)": ("0.15", "0.05", "999999999.96"),
    "FLOAT(7,3)": ("0.15", "2", "-0.001"),
    "YEAR": ("2001", "0", "2155"),
    "BIT(8)": ("b'01000001'", "b'1'", "b'11111111'", "0"),
    "BIT(64)": ("2", "18446744073709551615"),
    "DATE": ("'2024-02-03'", "'0000-00-00'", "'2024-02-00'"),
    "DATETIME": ("'2024-02-03 04:05:06'",),
    "DATETIME(3)": MOMENTS,
    "TIMESTAMP(2) NULL": MOMENTS,
    "TIME": ("'04:05:06'", "'-100:00:00'"),
    "TIME(3)": ("'04:05:06.789'", "'-100:00:00'", "'838:59:58.999'"),
    "CHAR(40)": TEXTS,
    "VARCHAR(60)": TEXTS,
    "TEXT": TEXTS,
    "VARCHAR(61)": ("'1'", "'[1]'", "'1.5'", "'2'"),
    "VARCHAR(40) CHARACTER SET latin1": ("'é'", "'1'"),
    "VARCHAR(40) CHARACTER SET utf16": ("'é'", "'1'"),
    "VARBINARY(60)": BINARIES,
    "BINARY(16)": BINARIES,
    "BLOB": BINARIES,
    f"ENUM{MEMBERS}": ("'2'", "'1'", "'a'", "'2.00'"),
    "SET('2','1','a')": ("'2'", "'1'", "'2,1'", "''", "'a'"),
    "GEOMETRY": ("ST_GeomFromText('POINT(1 2)')",),
}
OF_SOME: dict[str, dict[str, tuple[str, ...]]] = {
    "mysql": {"JSON": ("'1'", "'\"a\"'", "'[1]'", "'1.5'", "'\"2\"'")},
    "mysql 9": {"VECTOR(2)": ("x'0000803f0000803f'",)},
    "mariadb": {"INET6": ("'::1'", "'::ffff:1.2.3.4'")},
    "mariadb 10.7": {"UUID": ("'00112233-4455-6677-8899-aabbccddeeff'",)},
    "mariadb 10.10": {"INET4": ("'1.2.3.4'",)},
}
"""Types that only these servers have."""
OF_JSON = (
    "TINYINT",
    "INT",
    "BIGINT UNSIGNED",
    "DECIMAL(30,2)",
    "FLOAT",
    "DOUBLE",
    "DOUBLE(12,2)",
    "VARCHAR(61)",
    "JSON",
)
"""Types all of whose values are JSON: others fail, strict or not."""
UNLIKE = {
    "mysql": (
        ("VARCHAR(9)", "BIT(8)"), ("DOUBLE", "YEAR"), ("INT", "DATE"), ("DATE", "YEAR"), ("DATE", "BIGINT"), ("DOUBLE", "TIME"),
        ("JSON", "BIT(8)"),
    ),
    "mariadb": (
        ("VARCHAR(9)", "BIT(8)"), ("DOUBLE", "YEAR"), ("INT", "DATE"), ("DATE", "BIT(64)"), ("DOUBLE", "ENUM('a')"),
    ),
}  # fmt: skip
MILD = {"sql_mode": "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES"}
"""What a strict session refuses, this one warns of."""
CUT = (2**63 - 1, 2**64 - 1)
"""MariaDB's ALTER TABLE makes the first of a text of the second, in a BIGINT UNSIGNED and without a word; a copy keeps it."""
Outcome = tuple[list[tuple[object, ...]], set[tuple[str, int]]]
_WARNED = re.compile(r"\b(c\d+)\W.* row (\d+)$")


def test_a_value_that_a_copy_takes_is_stored_as_alter_table_does(server: Server) -> None:
    types = TYPES.copy()
    for of in filter(server.is_one, OF_SOME):
        types |= OF_SOME[of]
    with ground(server) as here:
        conversions = _Conversions(here, list(types))
        differing = [found for old, values in types.items() for found in conversions.differing(old, values)]
    assert not differing, "\n".join(differing)


def test_what_a_copy_would_store_otherwise_is_not_copied(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(how, "DIRECT_ROWS", -1)
    unlike = list(enumerate(UNLIKE[server.flavour]))
    with ground(server) as here:
        here.run(*(f"CREATE TABLE t{at} (id INT PRIMARY KEY, b {old})" for at, (old, _) in unlike))
        plan = here.plan(
            ";".join(f"CREATE TABLE t{at} (id INT PRIMARY KEY, b {new})" for at, (_, new) in unlike)
        )
    assert len(plan.changes) == len(unlike)
    for change in plan.changes:
        assert "what a copy would store of b differs from what ALTER TABLE makes of it" in change.lock


class _Conversions:
    """All types of a server, and what becomes of values of one in all others."""

    def __init__(self, here: Ground, types: Sequence[str]) -> None:
        self._here = here
        here.run("CREATE TABLE types (" + ", ".join(f"c{at} {new}" for at, new in enumerate(types)) + ")")
        self._columns = dict(zip(types, _table(here, "types").columns, strict=True))

    def differing(self, old: str, values: Sequence[str]) -> Iterator[str]:
        """Values of the type *old* that a copy takes, and ALTER TABLE does not, or makes something else of."""
        news = [new for new in self._columns if self._is_copied(old, new)]
        self._make(old, values, news)
        copied, refused = self._copied()
        native, natively_refused = self._altered(news)
        for row, value in enumerate(values):
            for at, new in enumerate(news):
                cell = (f"c{at}", row + 1)
                there = "refused" if cell in natively_refused else native[row][at]
                if (there, copied[row][at]) == CUT:
                    continue
                if cell not in refused and there != copied[row][at]:
                    yield f"{old} {value} → {new}: natively {there!r}, copied {copied[row][at]!r}"

    def _is_copied(self, old: str, new: str) -> bool:
        alike = copied_alike(self._columns[old], self._columns[new], mariadb=self._here.mariadb)
        return alike and (new != "JSON" or old in OF_JSON)

    def _make(self, old: str, values: Sequence[str], news: Sequence[str]) -> None:
        shadow = quote_name(names_of("t").shadow)
        columns = ", ".join(f"c{at} {old}" for at in range(len(news)))
        self._here.run(
            f"DROP TABLE IF EXISTS t, {shadow}",
            f"CREATE TABLE t (id INT PRIMARY KEY, {columns})",
            f"CREATE TABLE {shadow} LIKE t",
            f"ALTER TABLE {shadow} {_altered(news)}",
            *(
                f"INSERT IGNORE INTO t VALUES ({at}{f', {value}' * len(news)})"
                for at, value in enumerate(values, start=1)
            ),
        )

    def _copied(self) -> Outcome:
        source, shadow = _table(self._here, "t"), _table(self._here, names_of("t").shadow)
        columns = tuple((column.name, column.name) for column in source.columns)
        copy = Copy(source="t", table="t", clauses=(), columns=columns, key=("id",), new_key=("id",))
        shape = shape_of(Step(schema=self._here.schema, before=(), after=(), copy=copy), source, shadow)
        return self._run(FILLING, shape.copy_range("TRUE", holding=False), shadow.name)

    def _altered(self, news: Sequence[str]) -> Outcome:
        return self._run(MILD, f"ALTER TABLE t {_altered(news)}, ALGORITHM=COPY", "t")

    def _run(self, settings: Mapping[str, object], sql: str, table: str) -> Outcome:
        """The rows of *table* afterwards, and the cells of which there was a warning."""
        with Link(self._here.address, settings={**settings, "max_error_count": 65535}) as link:
            link.run(sql)
            warned = [
                _WARNED.search(said) for level, _, said in link.rows("SHOW WARNINGS") if level != "Note"
            ]
        told = ", ".join(_shown(column) for column in _table(self._here, table).columns[1:])
        rows = self._here.link.rows(f"SELECT {told} FROM {quote_name(table)} ORDER BY id")
        return rows, {(found[1], int(found[2])) for found in warned if found}


def _altered(news: Sequence[str]) -> str:
    return ", ".join(f"MODIFY c{at} {new}" for at, new in enumerate(news))


def _table(here: Ground, name: str) -> Table:
    found = read_table(here.link, here.schema, name)
    assert found is not None
    return found


def _shown(column: Column) -> str:
    """So that two values look alike only if they are."""
    if column.data_type == "float":
        return f"CAST({column.name} AS DOUBLE)"
    return f"HEX({column.name})" if column.data_type in ("vector", "geometry") else column.name
