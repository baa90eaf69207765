"""Every type a key can have, with values that are hard on whoever reads them: extremes first, then random ones."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Values = Callable[[random.Random], Sequence[str]]
"""Values as SQL."""


@dataclass(frozen=True, slots=True)
class KeyType:
    """A column definition without NOT NULL, and values for it."""

    definition: str
    values: Values
    only: str = ""  # the one vendor that has it

    def __str__(self) -> str:
        return self.definition[:40]


def _integers(bits: int, *, signed: bool) -> Values:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return lambda source: [
        str(n) for n in (low, high, 0, 1, low + 1, *(source.randint(low, high) for _ in range(6)))
    ]


def _decimals(precision: int, scale: int) -> Values:
    top = 10**precision - 1

    def values(source: random.Random) -> Sequence[str]:
        numbers = [0, 1, -1, top, -top, *(source.randint(-top, top) for _ in range(8))]
        numbers += [source.randint(-(10 ** (precision // 2)), 10 ** (precision // 2)) for _ in range(4)]
        return [
            f"{'-' if n < 0 else ''}{abs(n) // 10**scale}.{abs(n) % 10**scale:0{scale or 1}}" for n in numbers
        ]

    return values


def _bytes(least: int, most: int) -> Values:
    def values(source: random.Random) -> Sequence[str]:
        special = [
            b"\x00" * least,
            b"\xff" * most,
            b"a" + b"\x00" * (most - 1),
            b"\x00" * (most - 1) + b"a",
            b"a b ",
        ]
        randoms = [source.randbytes(source.randint(least, most)) for _ in range(8)]
        return [f"x'{one[:most].hex()}'" for one in [b"", b"'\\\n", *special, *randoms]]

    return values


def _texts(charset: str, codec: str, alphabet: str, most: int) -> Values:
    def values(source: random.Random) -> Sequence[str]:
        words = ["", "a", "'\\%`", "a  b", "Z" * most]
        words += ["".join(source.choices(alphabet, k=source.randint(1, most))) for _ in range(10)]
        return [f"_{charset} x'{word.strip().encode(codec).hex()}'" for word in words]

    return values


def _times(scale: int) -> Values:
    def values(source: random.Random) -> Sequence[str]:
        special = [
            "-838:59:58.999999",
            "838:59:58.999999",
            "00:00:00",
            "-00:00:00.000001",
            "-00:00:01",
            "00:00:00.9",
            "-12:00:00.1",
        ]
        special += [
            f"{source.choice(['', '-'])}{source.randint(0, 837):02}:{source.randint(0, 59):02}:00.{source.randint(0, 999999):06}"
            for _ in range(8)
        ]
        return [f"'{_cut(one, scale)}'" for one in special]

    return values


def _moments(scale: int, *, stamps: bool) -> Values:
    def values(source: random.Random) -> Sequence[str]:
        if stamps:
            special = [
                "0000-00-00 00:00:00",
                "1970-01-01 00:00:01",
                "2038-01-19 03:14:07.999999",
                "2026-03-29 01:30:00",
                "2026-10-25 00:30:00",
            ]
            years = (1971, 2037)
        else:
            special = [
                "0000-00-00 00:00:00",
                "1000-01-01 00:00:00",
                "9999-12-31 23:59:59.999999",
                "2020-00-00 00:00:00",
                "2020-02-31 12:00:00",
                "0000-01-01 10:00:00",
            ]
            years = (1, 9999)
        special += [
            f"{source.randint(*years):04}-{source.randint(1, 12):02}-{source.randint(1, 28):02} "
            f"{source.randint(0, 23):02}:{source.randint(0, 59):02}:{source.randint(0, 59):02}.{source.randint(0, 999999):06}"
            for _ in range(8)
        ]
        return [f"'{_cut(one, scale)}'" for one in special]

    return values


def _cut(text: str, scale: int) -> str:
    """No more digits behind the point than the column keeps, so that nothing is rounded."""
    whole, _, fraction = text.partition(".")
    return whole + (f".{fraction[:scale]}" if fraction and scale else "")


def _dates(source: random.Random) -> Sequence[str]:
    special = [
        "0000-00-00",
        "1000-01-01",
        "9999-12-31",
        "2020-02-31",
        "2020-00-00",
        "2020-05-00",
        "0001-01-01",
    ]
    special += [
        f"{source.randint(1, 9999):04}-{source.randint(1, 12):02}-{source.randint(1, 28):02}"
        for _ in range(8)
    ]
    return [f"'{one}'" for one in special]


def _enum(source: random.Random) -> Sequence[str]:
    return ["'a'", "'B b'", "'it''s'", "'back\\\\slash'", "'ä€'", "'c,d'", "'new\\nline'", "''"]


_WIDE_SET = ", ".join(f"'s{number}'" for number in range(10))
"""Of more members it is no key by which a copy finds rows."""
_WIDE_ENUM = ", ".join(f"'v{number}'" for number in range(300))


def _uuids(source: random.Random) -> Sequence[str]:
    special = [
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "12345678-9abc-1def-8123-456789abcdef",
    ]
    texts = special + [
        f"{source.getrandbits(32):08x}-{source.getrandbits(16):04x}-{v}{source.getrandbits(12):03x}-{source.choice('89ab0f')}{source.getrandbits(12):03x}-{source.getrandbits(48):012x}"
        for v in "0123456789"
    ]
    return [f"'{one}'" for one in texts]


TYPES = [
    *(
        KeyType(f"{name}{'' if signed else ' UNSIGNED'}", _integers(bits, signed=signed))
        for name, bits in (("TINYINT", 8), ("SMALLINT", 16), ("MEDIUMINT", 24), ("INT", 32), ("BIGINT", 64))
        for signed in (True, False)
    ),
    KeyType("INT(10) UNSIGNED ZEROFILL", _integers(32, signed=False)),
    KeyType("DECIMAL(10,2)", _decimals(10, 2)),
    KeyType("DECIMAL(65,30)", _decimals(65, 30)),
    KeyType("DECIMAL(9,9)", _decimals(9, 9)),
    KeyType("DECIMAL(18,0)", _decimals(18, 0)),
    KeyType(
        "DECIMAL(20,4) UNSIGNED", lambda source: [one for one in _decimals(20, 4)(source) if one[0] != "-"]
    ),
    KeyType("CHAR(20) CHARACTER SET utf8mb4", _texts("utf8mb4", "utf-8", "abcäß€𝄞 Z", 20)),
    KeyType(
        "CHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", _texts("utf8mb4", "utf-8", "abA€𝄞 Z", 100)
    ),
    KeyType(
        "VARCHAR(60) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", _texts("utf8mb4", "utf-8", "abA€𝄞 Z", 60)
    ),
    KeyType(
        "VARCHAR(300) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
        _texts("utf8mb4", "utf-8", "abA€ Z", 300),
    ),
    KeyType("VARCHAR(60) COLLATE utf8mb4_0900_ai_ci", _texts("utf8mb4", "utf-8", "abA€𝄞 Z", 60), "mysql"),
    KeyType("CHAR(60) COLLATE utf8mb4_0900_as_cs", _texts("utf8mb4", "utf-8", "abA€𝄞 Z", 60), "mysql"),
    KeyType("VARCHAR(60) COLLATE utf8mb4_nopad_bin", _texts("utf8mb4", "utf-8", "abA€𝄞 Z", 60), "mariadb"),
    KeyType("VARCHAR(60) CHARACTER SET utf8mb3", _texts("utf8mb3", "utf-8", "abA€ Z", 60)),
    KeyType("VARCHAR(60) CHARACTER SET latin1", _texts("latin1", "cp1252", "abAäÿß Z", 60)),
    KeyType(
        "VARCHAR(60) CHARACTER SET latin2 COLLATE latin2_czech_cs",
        _texts("latin2", "iso8859-2", "abchAZ", 60),
    ),
    KeyType("CHAR(40) CHARACTER SET ascii", _texts("ascii", "ascii", "abcZ .", 40)),
    KeyType("VARCHAR(40) CHARACTER SET ucs2", _texts("ucs2", "utf-16-be", "abA€ Z", 40)),
    KeyType("VARCHAR(40) CHARACTER SET utf16", _texts("utf16", "utf-16-be", "abA€𝄞 Z", 40)),
    KeyType("CHAR(40) CHARACTER SET utf32", _texts("utf32", "utf-32-be", "abA€𝄞 Z", 40)),
    KeyType("VARCHAR(40) CHARACTER SET gbk", _texts("gbk", "gbk", "ab中文字 Z", 40)),
    KeyType("VARCHAR(40) CHARACTER SET sjis", _texts("sjis", "shift_jis", "ab日本語表ソ Z", 40)),
    KeyType("VARCHAR(40) CHARACTER SET cp1251", _texts("cp1251", "cp1251", "abжЯ Z", 40)),
    KeyType("BINARY(16)", _bytes(0, 16)),
    KeyType("BINARY(1)", _bytes(0, 1)),
    KeyType("BINARY", _bytes(0, 1)),
    KeyType("BINARY(255)", _bytes(0, 255)),
    KeyType("VARBINARY(16)", _bytes(0, 16)),
    KeyType("VARBINARY(1000)", _bytes(0, 1000)),
    KeyType("DATE", _dates),
    *(KeyType(f"TIME({scale})", _times(scale)) for scale in range(7)),
    *(KeyType(f"DATETIME({scale})", _moments(scale, stamps=False)) for scale in range(7)),
    *(KeyType(f"TIMESTAMP({scale}) DEFAULT 0", _moments(scale, stamps=True)) for scale in range(7)),
    KeyType("YEAR", lambda _: ["1901", "2155", "2000", "'0000'", "1999", "2070", "1970"]),
    KeyType("ENUM('a', 'B b', 'it''s', 'back\\\\slash', 'ä€', 'c,d', 'new\\nline', '')", _enum),
    KeyType("ENUM('a', 'b', '\\0c') CHARACTER SET binary", lambda _: ["1", "2", "3"]),
    KeyType("ENUM('a', 'b', 'é') CHARACTER SET latin1", lambda _: ["'a'", "'b'", "'é'"]),
    KeyType(
        f"ENUM({_WIDE_ENUM})",
        lambda source: [f"'v{n}'" for n in (0, 254, 255, 256, 299, source.randint(1, 253))],
    ),
    KeyType(
        "SET('a', 'b', 'it''s', 'ö')", lambda _: ["''", "'a'", "'b'", "'a,b'", "'it''s,ö'", "'a,b,it''s,ö'"]
    ),
    KeyType(
        "ENUM('y', '?', '\U0001f600', '\U0001f601') COLLATE utf8mb4_bin", lambda _: ["1", "2", "3", "4", "0"]
    ),
    KeyType("SET('y', '\U0001f600', '?')", lambda _: [str(bits) for bits in range(8)]),
    KeyType(f"SET({_WIDE_SET})", lambda _: ["''", "'s0'", "'s9'", "'s0,s9'", "'s3,s7'"]),
    KeyType("UUID", _uuids, "mariadb 10.7"),
    KeyType(
        "INET4",
        lambda source: (
            [f"'{source.randint(0, 255)}.0.0.{n}'" for n in range(9)]
            + ["'0.0.0.0'", "'255.255.255.255'", "'10.0.0.0'"]
        ),
        "mariadb 10.10",
    ),
    KeyType(
        "INET6",
        lambda source: (
            [
                "'::'",
                "'::1'",
                "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'",
                "'fe80::'",
                "'::ffff:1.2.3.4'",
                "'2001:db8::'",
            ]
            + [f"'{source.getrandbits(16):x}::{source.getrandbits(16):x}:{n}'" for n in range(5)]
        ),
        "mariadb",
    ),
]
"""The types of which `engine.mysql.binlog.values` says that it can tell them."""
