"""Turns the bytes of a key column in a row image into an SQL literal that compares on the server as the column does."""

from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from uuid import UUID

from engine.mysql.quoting import introducer
from engine.mysql.tables import Column

Decoder = Callable[[bytes], str]
"""From what the row image holds of a column (without the bytes that tell its length) to a literal."""

DIGIT_BYTES = (0, 1, 1, 2, 2, 3, 3, 4, 4, 4)
"""How many bytes so many digits of a DECIMAL take, up to nine."""


def decoder(column: Column, scale: int) -> Decoder:
    """The decoder for *column*; *scale*: how many digits behind the point it has in the log (decimal, fractions)."""
    data_type = column.data_type
    if column.kind == "whole":
        return _unsigned if column.unsigned else _signed
    if data_type in _SIMPLE:
        return _SIMPLE[data_type]
    match data_type:
        case "decimal":
            return _decimal(column.figures[0], scale)
        case "binary":
            (width,) = column.figures
            return lambda raw: f"_binary x'{raw.ljust(width, bytes(1)).hex()}'"
        case "time":
            return _time(scale)
        case "datetime":
            return _datetime(scale)
        case "timestamp":
            return _timestamp(scale)
    begin = introducer(column.charset or "")
    return lambda raw: f"{begin}'{raw.hex()}'"


def _signed(raw: bytes) -> str:
    return str(int.from_bytes(raw, "little", signed=True))


def _unsigned(raw: bytes) -> str:
    return str(int.from_bytes(raw, "little"))


def _year(raw: bytes) -> str:
    return f"'{1900 + raw[0] if raw[0] else 0:04}'"


def _date(raw: bytes) -> str:
    value = int.from_bytes(raw, "little")
    return f"DATE'{value >> 9:04}-{value >> 5 & 15:02}-{value & 31:02}'"


def _inet4(raw: bytes) -> str:
    return f"'{IPv4Address(raw.ljust(4, bytes(1)))}'"


def _inet6(raw: bytes) -> str:
    return f"'{IPv6Address(raw.ljust(16, bytes(1)))}'"


def _uuid(raw: bytes) -> str:
    return f"'{UUID(bytes=raw.ljust(16, bytes(1)))}'"


_SIMPLE: dict[str, Decoder] = {
    "year": _year,
    "date": _date,
    "inet4": _inet4,
    "inet6": _inet6,
    "uuid": _uuid,
    # By their number: of a member beyond U+FFFF neither server tells the name.
    "enum": _unsigned,
    "set": _unsigned,
    "varbinary": lambda raw: f"_binary x'{raw.hex()}'",
}


def _decimal(precision: int, scale: int) -> Decoder:
    """Nine digits to four bytes, the rest before and behind in fewer; the first bit is the sign, negative ones are inverted."""
    whole = precision - scale
    sizes = [DIGIT_BYTES[whole % 9]] + [4] * (whole // 9)
    behind = [(4, 9)] * (scale // 9) + ([(DIGIT_BYTES[scale % 9], scale % 9)] if scale % 9 else [])

    def decode(raw: bytes) -> str:
        negative = not raw[0] & 0x80
        data = bytes([raw[0] ^ 0x80]) + raw[1:]
        if negative:
            data = bytes(byte ^ 0xFF for byte in data)
        at, before, after = 0, "", ""
        for size in sizes:
            before += f"{int.from_bytes(data[at : at + size], 'big'):09}" if size else ""
            at += size
        for size, digits in behind:
            after += f"{int.from_bytes(data[at : at + size], 'big'):0{digits}}"
            at += size
        return f"{'-' if negative else ''}{before.lstrip('0') or '0'}{'.' + after if after else ''}"

    return decode


def _fraction(value: int, scale: int) -> str:
    """*value* counts in hundredths, ten thousandths or millionths, whichever just holds the digits."""
    return f".{value:0{(scale + 1) // 2 * 2}}"[: scale + 1] if scale else ""


def _time(scale: int) -> Decoder:
    bits = (scale + 1) // 2 * 8

    def decode(raw: bytes) -> str:
        value = int.from_bytes(raw, "big") - (0x800000 << bits)
        rest = abs(value)
        clock, fraction = rest >> bits, rest & (1 << bits) - 1
        hours, minutes, seconds = clock >> 12 & 0x3FF, clock >> 6 & 63, clock & 63
        sign = "-" if value < 0 else ""
        return f"TIME'{sign}{hours:02}:{minutes:02}:{seconds:02}{_fraction(fraction, scale)}'"

    return decode


def _datetime(scale: int) -> Decoder:
    def decode(raw: bytes) -> str:
        value = int.from_bytes(raw[:5], "big") - 0x8000000000
        year, month = divmod(value >> 22, 13)
        day, clock = value >> 17 & 31, value & 0x1FFFF
        fraction = _fraction(int.from_bytes(raw[5:], "big"), scale)
        return (
            f"TIMESTAMP'{year:04}-{month:02}-{day:02} "
            f"{clock >> 12:02}:{clock >> 6 & 63:02}:{clock & 63:02}{fraction}'"
        )

    return decode


def _timestamp(scale: int) -> Decoder:
    def decode(raw: bytes) -> str:
        seconds = int.from_bytes(raw[:4], "big")
        fraction = _fraction(int.from_bytes(raw[4:], "big"), scale)
        if not seconds:
            return f"TIMESTAMP'0000-00-00 00:00:00{fraction}'"
        return f"TIMESTAMP'{_utc(seconds)}{fraction}'"

    return decode


def _utc(seconds: int) -> str:
    """Seconds since 1970 as the clock of UTC showed them."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
