"""The types of columns: how SQL names them, the values at their edges, what may be made of them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of column. Values and defaults are SQL."""

    sql: str
    family: str  # integer | number | bit | text | binary | choice | moment | json | address | shape | vector
    counted: str  # an ordinary value: {0} stands for a number from 1 to 28
    edges: tuple[str, ...] = ()
    defaults: tuple[str, ...] = ()
    key: str = "whole"  # how an index may have it: whole | begin | none
    only: str = ""  # the flavour that has it; empty: both
    fraction: str = ""  # what CURRENT_TIMESTAMP needs to stand as its default; "-": it cannot

    @property
    def bytes(self) -> int:
        """About how long a key of it is."""
        return {"VARCHAR(300)": 1200, "VARCHAR(20)": 80}.get(self.sql, 32)


def _integer(sql: str, least: int, most: int) -> Kind:
    edges = (str(least), str(most), "0", "127", "-1")
    return Kind(sql, "integer", "{0}", edges, ("0", "7", "(1 + 2)"))


def _number(sql: str, *edges: str) -> Kind:
    return Kind(sql, "number", "{0}.5", ("0", "-1", *edges), ("0", "1.5", "(3 / 2)"))


TEXTS = (
    "''", "'a'", "'A'", "'a '", "'ä'", "'😀'", "'x\\0y'", "'%s'", "'it''s'", "'12'", "' 7'", "'2020-02-29'", "'\\\\'",
    "REPEAT('w', 8)", "REPEAT('w', 20)", "REPEAT('é', 150)", "'straße'",
)  # fmt: skip
DATES = ("'0000-00-00'", "'1000-01-01'", "'9999-12-31'", "'2020-02-29'", "'2020-00-00'")
TIMES = ("'2020-02-29 23:59:59.999999'", "'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'")


def _text(sql: str, key: str = "whole", defaults: tuple[str, ...] = ("''", "'it''s'", "'50%'")) -> Kind:
    return Kind(sql, "text", "'k{0}'", TEXTS, defaults, key)


def _binary(sql: str, key: str = "whole", defaults: tuple[str, ...] = ("''", "'ab'")) -> Kind:
    edges = ("''", "'a '", "x'00'", "x'ff00fe'", "'a'", "x'6100'")
    return Kind(sql, "binary", "'b{0}'", edges, defaults, key)


def _moment(sql: str, counted: str, edges: tuple[str, ...], default: str, fraction: str = "-") -> Kind:
    return Kind(sql, "moment", counted, edges, (default,), fraction=fraction)


def _shape(sql: str, srid: str = "", only: str = "") -> Kind:
    counted, edge = (f"ST_GeomFromText('POINT({x})'{srid})" for x in ("{0} 1", "0 0"))
    return Kind(sql, "shape", counted, (edge,), key="none", only=only)


_WRITTEN = ("('abc')", "(CONCAT('a', 'b'))")
_DAY, _DAYTIME = "'2020-01-{0:02}'", "'2020-01-{0:02} 10:00:00.25'"

ALL = (
    _integer("INT", -(2**31), 2**31 - 1),
    _integer("TINYINT", -128, 127),
    _integer("TINYINT UNSIGNED", 0, 255),
    _integer("SMALLINT", -(2**15), 2**15 - 1),
    _integer("MEDIUMINT UNSIGNED", 0, 2**24 - 1),
    _integer("INT UNSIGNED", 0, 2**32 - 1),
    _integer("INT(6) UNSIGNED ZEROFILL", 0, 2**32 - 1),
    _integer("BIGINT", -(2**63), 2**63 - 1),
    _integer("BIGINT UNSIGNED", 0, 2**64 - 1),
    _number("DECIMAL(9,3)", "999999.999", "-0.001"),
    _number("DECIMAL(30,10)", "12345678901234567890.0123456789"),
    _number("DECIMAL(5,0) UNSIGNED", "99999"),
    _number("FLOAT", "3.4e38", "0.1", "16777217"),
    _number("DOUBLE", "1.7976931348623157e308", "0.1", "2.2250738585072014e-308"),
    _number("DOUBLE(10,2)", "99999999.99", "0.005"),
    Kind("BIT(1)", "bit", "b'1'", ("b'0'",), ("b'0'", "b'1'")),
    Kind("BIT(9)", "bit", "{0}", ("b'111111111'", "0"), ("b'101'",)),
    _text("VARCHAR(20)"),
    _text("CHAR(8)"),
    _text("VARCHAR(300)"),
    _text("TEXT", "begin", _WRITTEN),
    _text("TINYTEXT", "begin", _WRITTEN),
    _text("LONGTEXT", "begin", _WRITTEN),
    _binary("VARBINARY(20)"),
    _binary("BINARY(4)"),
    _binary("BLOB", "begin", _WRITTEN),
    Kind("ENUM('x','y')", "choice", "'x'", ("'y'", "''"), ("'x'",)),
    Kind("ENUM('x','y','z')", "choice", "'z'", ("'y'", "''"), ("'x'",)),
    Kind("ENUM('y','x','it''s','%')", "choice", "'y'", ("'x'", "'it''s'", "'%'"), ("'%'",)),
    Kind("SET('a','b')", "choice", "'a,b'", ("''", "'b'"), ("''", "'a'")),
    Kind("SET('b','a','c d')", "choice", "'a,c d'", ("''", "'b'"), ("'b,a'",)),
    _moment("DATE", _DAY, DATES, "'2020-02-29'"),
    _moment("TIME", "'10:00:{0:02}'", ("'-838:59:59'", "'838:59:59'", "'00:00:00'"), "'10:00:00'"),
    _moment("TIME(3)", "'10:00:{0:02}.123'", ("'-838:59:59'", "'23:59:59.9996'"), "'10:00:00.5'"),
    _moment("DATETIME", _DAYTIME, (*DATES, *TIMES), "'2020-02-29 10:00:00'", ""),
    _moment("DATETIME(6)", _DAYTIME, (*DATES, *TIMES), "'2020-02-29 10:00:00.5'", "(6)"),
    _moment("TIMESTAMP", _DAYTIME, ("'0000-00-00'", *TIMES), "'2020-02-29 10:00:00'", ""),
    _moment("TIMESTAMP(3)", _DAYTIME, ("'0000-00-00'", *TIMES), "'2020-02-29 10:00:00.5'", "(3)"),
    Kind("YEAR", "moment", "20{0:02}", ("0", "1901", "2155"), ("2020",), fraction="-"),
    Kind("JSON", "json", "'{{\"a\": {0}}}'", ("'[]'", "'null'", "'\"é😀\"'"), ("(JSON_ARRAY())",), "none"),
    _shape("POINT"),
    _shape("GEOMETRY"),
    _shape("POINT SRID 4326", ", 4326", "mysql"),
    Kind("VECTOR(2)", "vector", "STRING_TO_VECTOR('[{0}, 1]')", (), (), "none", "mysql"),
    Kind("UUID", "address", "'123e4567-e89b-12d3-a456-4266554400{0:02}'",
         ("'00000000-0000-0000-0000-000000000000'",), ("(UNHEX(REPEAT('ab', 16)))",), only="mariadb"),
    Kind("INET6", "address", "'2001:db8::{0}'", ("'::'", "'::ffff:10.0.0.1'"), ("'::1'",), only="mariadb"),
    Kind("INET4", "address", "'10.0.0.{0}'", ("'0.0.0.0'",), ("'127.0.0.1'",), only="mariadb"),
)  # fmt: skip
KINDS = {kind.sql: kind for kind in ALL}

COLLATIONS = (
    "utf8mb4_bin", "utf8mb4_unicode_ci", "utf8mb4_general_ci", "latin1_swedish_ci", "latin1_bin", "ascii_bin",
    "utf8mb3_general_ci",
)  # fmt: skip
OF_FLAVOUR = {"mysql": ("utf8mb4_0900_ai_ci", "utf8mb4_0900_bin"), "mariadb": ("utf8mb4_nopad_bin",)}

COMPUTED = {
    "integer": (("{0} + 1", "BIGINT"), ("{0} * 2", "DECIMAL(30,10)"), ("CONCAT('n', {0})", "VARCHAR(20)")),
    "number": (("{0} + 1", "DOUBLE"), ("ROUND({0})", "DECIMAL(30,10)")),
    "text": (("CONCAT({0}, 'x')", "VARCHAR(300)"), ("CHAR_LENGTH({0})", "INT"), ("UPPER({0})", "VARCHAR(300)")),
    "binary": (("LENGTH({0})", "INT"), ("HEX({0})", "VARCHAR(300)")),
    "choice": (("{0} + 0", "INT"), ("CONCAT({0}, '')", "VARCHAR(20)")),
    "moment": (("HOUR({0})", "INT"),),
    "json": (("JSON_UNQUOTE(JSON_EXTRACT({0}, '$.a'))", "VARCHAR(20)"), ("JSON_LENGTH({0})", "INT")),
}  # fmt: skip
"""Templates of generated columns over a column of a family, and the type that takes their values."""
CHECKS = {
    "integer": ("{0} > 0", "{0} < 100 OR {0} > 200", "{0} <> -(5)"),
    "number": ("{0} >= -1", "ABS({0}) < 1e10"),
    "text": ("CHAR_LENGTH({0}) < 100", "{0} <> 'it''s 100%'", "{0} LIKE 'k%' OR {0} IS NOT NULL"),
    "binary": ("LENGTH({0}) < 15",),
    "choice": ("{0} <> 'y'",),
    "moment": ("{0} IS NOT NULL",),
}
EXPRESSIONS = {
    "integer": ("{0} + 1", "ABS({0})"),
    "number": ("ROUND({0})",),
    "text": ("LOWER({0})", "CHAR_LENGTH({0})"),
    "binary": ("LENGTH({0})",),
}
"""Of the parts of an index."""


def kinds_of(flavour: str) -> tuple[Kind, ...]:
    """Those that a flavour has."""
    return tuple(kind for kind in ALL if kind.only in ("", flavour))


def collations_of(flavour: str) -> tuple[str, ...]:
    """Of which texts may be there."""
    return COLLATIONS + OF_FLAVOUR[flavour]
