"""SQL that tells which values of a column its new type refuses, and which it takes but changes: as in strict mode."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from engine.mysql.members import in_members, reads_alike
from engine.mysql.shown import letters
from engine.mysql.tables import INTEGER_BITS, TEXT_BYTES, Column

_NUMBERS = ("whole", "decimal", "real")
_WIDE = (
    "ucs2",
    "utf16",
    "utf16le",
    "utf32",
)  # in which the servers know no space when they cut what is too long
_SPACE = "[[:space:]]*"  # around a number none of the servers minds it
_WHOLE = f"^{_SPACE}[-+]?[0-9]+{_SPACE}$"
_NUMBER = f"^{_SPACE}[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)?{_SPACE}$"
_MOMENT = "^[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?)?$"
_FLOAT_MAX = "3.402823466e38"


@dataclass(frozen=True, slots=True)
class Fit:
    """Conditions on the value; empty: no value is like that."""

    refused: str = ""  # the change would fail on it
    changed: str = ""  # it would be stored as something else


@dataclass(frozen=True, slots=True)
class _Conversion:
    """What the rules look at."""

    old: Column
    new: Column
    value: str
    mariadb: bool
    last_timestamp: str
    by_alter: bool


def fit(
    old: Column, new: Column, value: str, *, mariadb: bool, last_timestamp: str, by_alter: bool = False
) -> Fit | None:
    """What becomes of *value*, SQL of the live column, in the new one. None: that is not known here.

    *by_alter*: an ALTER converts it, which cuts what an INSERT refuses.
    """
    conversion = _Conversion(old, new, value, mariadb, last_timestamp, by_alter)
    for rule in _RULES:
        found = rule(conversion)
        if found is not None:
            return found
    return None


def _to_integer(c: _Conversion) -> Fit | None:
    old, new, value = c.old, c.new, c.value
    if new.kind != "whole":
        return None
    bits = INTEGER_BITS[new.data_type]
    low, high = (0, 2**bits - 1) if new.unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    if old.data_type == "bit":
        return Fit(f"({value} + 0 NOT BETWEEN {low} AND {high})")
    if old.kind in _NUMBERS:
        whole = value if old.kind == "whole" else f"ROUND({value})"
        return Fit(
            f"{whole} NOT BETWEEN {low} AND {high}", "" if whole == value else f"{value} <> ROUND({value})"
        )
    if old.kind == "text":
        pattern = _WHOLE if c.mariadb else _NUMBER  # MySQL rounds '1.5', MariaDB refuses it
        number = f"CAST({value} AS DECIMAL(65,0))"
        return Fit(
            f"({value} NOT REGEXP _utf8mb4'{pattern}' OR {number} NOT BETWEEN {low} AND {high})",
            f"{letters(value)} <> {letters(number)}",
        )
    return None


def _to_decimal(c: _Conversion) -> Fit | None:
    old, new, value = c.old, c.new, c.value
    if new.data_type != "decimal":
        return None
    digits, scale = new.figures
    number = f"CAST({value} AS DECIMAL(65,30))" if old.kind == "text" else value
    if old.kind not in (*_NUMBERS, "text"):
        return None
    rounded = f"ROUND({number}, {scale})"
    refused = f"ABS({rounded}) >= {10 ** (digits - scale)}" + (f" OR {rounded} < 0" if new.unsigned else "")
    if old.kind == "text":
        refused = f"{value} NOT REGEXP _utf8mb4'{_NUMBER}' OR {refused}"
    return Fit(f"({refused})", f"{number} <> {rounded}")


def _to_floating(c: _Conversion) -> Fit | None:
    old, new, value = c.old, c.new, c.value
    if new.kind != "real" or old.kind not in _NUMBERS or new.figures:
        return None
    cast = f"CAST({value} AS {new.data_type})"
    refused = (
        [f"ABS({value}) > {_FLOAT_MAX}"] if (old.data_type, new.data_type) == ("double", "float") else []
    )
    refused += [f"{value} < 0"] if new.unsigned else []
    exact = f"CAST({cast} AS DECIMAL(65,30))" if old.data_type != "double" else cast
    return Fit(_any(refused), f"{exact} <> {value}")


def _to_text(c: _Conversion) -> Fit | None:
    old, new, value = c.old, c.new, c.value
    if new.kind != "text" or new.charset is None:
        return None
    text = f"CONVERT({value} USING {new.charset})"
    if old.kind == "binary":
        wrong = [f"NOT (CAST({text} AS BINARY) <=> CAST({value} AS BINARY))"]
    else:
        wrong = _lost_characters(old, new, value)
    # A CHAR keeps no spaces, and of a TEXT an ALTER cuts those that are too many.
    cut = new.data_type == "varchar" and old.data_type in TEXT_BYTES and old.kind == "text" and c.by_alter
    if new.data_type in ("char", "varchar"):
        trimmed = (new.data_type == "char" or cut) and old.charset not in _WIDE
        counted = f"TRIM(TRAILING ' ' FROM {text})" if trimmed else text
        wrong.append(f"CHAR_LENGTH({counted}) > {new.figures[0]}")
    else:
        wrong.append(f"LENGTH({text}) > {TEXT_BYTES[new.data_type]}")
    altered = [f"{value} LIKE '% '"] if new.data_type == "char" and old.data_type != "char" else []
    if cut:
        altered.append(f"CHAR_LENGTH({text}) > {new.figures[0]}")
    if old.data_type == "float":  # six digits of it
        altered.append(f"CAST(CAST({value} AS CHAR) AS FLOAT) <> {value}")
    return Fit(_any(wrong), _any(altered))


def _lost_characters(old: Column, new: Column, value: str) -> list[str]:
    if old.charset is None or old.charset == new.charset:
        return []
    there_and_back = f"CONVERT(CONVERT({value} USING {new.charset}) USING {old.charset})"
    return [f"CAST({there_and_back} AS BINARY) <> CAST(CONVERT({value} USING {old.charset}) AS BINARY)"]


def _to_binary(c: _Conversion) -> Fit | None:
    old, new, value = c.old, c.new, c.value
    if new.kind != "binary" or old.kind not in ("text", "binary"):
        return None
    size = TEXT_BYTES.get(new.data_type) or new.figures[0]
    return Fit(f"LENGTH({value}) > {size}", f"LENGTH({value}) < {size}" if new.data_type == "binary" else "")


def _to_members(c: _Conversion) -> Fit | None:
    """ENUM and SET go by the text of the members, whatever their order."""
    old, new, value = c.old, c.new, c.value
    if (new.data_type, old.data_type) not in {
        ("enum", "enum"), ("enum", "set"), ("enum", "char"), ("enum", "varchar"), ("set", "set"), ("set", "enum"),
    }:  # fmt: skip
        return None
    after = in_members(value, old, new)
    altered = "" if reads_alike(old, new) else f"NOT ({letters(after)} <=> {letters(value)})"
    if new.data_type == "enum":
        return Fit(f"({value} IS NOT NULL AND {after} IS NULL)", altered)
    return Fit(f"({_count(after)} < {_count(value)})", altered)


def _count(members: str) -> str:
    """How many members a value of a SET has."""
    without = f"REPLACE({members}, _utf8mb4',', _utf8mb4'')"
    return f"CHAR_LENGTH({members}) - CHAR_LENGTH({without}) + (CHAR_LENGTH({members}) > 0)"


def _to_bits(c: _Conversion) -> Fit | None:
    old, new, value = c.old, c.new, c.value
    if new.kind != "bit" or old.kind not in ("bit", "whole"):
        return None
    return Fit(f"({value} + 0 > {2 ** new.figures[0] - 1} OR {value} + 0 < 0)")


def _to_moment(c: _Conversion) -> Fit | None:
    """Dates and times. The session that changes them is at UTC, and lets zero dates be."""
    old, new, value = c.old, c.new, c.value
    kinds = (old.kind, new.kind)
    if old.kind not in ("date", "time", "moment"):
        return None
    if kinds == ("moment", "date"):
        return Fit("", f"(TIME_TO_SEC({value}) <> 0 OR MICROSECOND({value}) <> 0)")
    if kinds == ("moment", "time"):
        return Fit("", f"{value} IS NOT NULL")
    if old.kind == new.kind or kinds == ("date", "moment"):
        digits = (new.figures or (0,))[0]
        # Rounded, or cut, to the digits of the new type; what the last year cannot hold rounded is NULL.
        stored = f"COALESCE(CAST({value} AS DATETIME({digits})), {value})" if old.kind == "moment" else value
        first = "1970-01-01 00:00:00.000001" if c.mariadb else "1970-01-01 00:00:01"
        last = f"{c.last_timestamp}.{'9' * digits}".rstrip(".")
        outside = f"({stored} NOT BETWEEN '{first}' AND '{last}' AND YEAR({value}) <> 0)"
        return Fit(
            outside if new.data_type == "timestamp" != old.data_type else "",
            f"MICROSECOND({value}) % {10 ** (6 - digits)} <> 0" if digits < 6 and old.kind != "date" else "",
        )
    return None


def _text_to_moment(c: _Conversion) -> Fit | None:
    """What is written in another way (2020/1/5, 10:11:12) is read as some date all the same, where it is not refused."""
    old, new, value = c.old, c.new, c.value
    if old.kind != "text" or new.kind not in ("date", "moment"):
        return None
    moment = f"CAST({value} AS DATETIME(6))"
    read = replace(old, data_type="datetime", column_type="datetime(6)")
    then = _to_moment(replace(c, old=read, value=moment))
    assert then is not None
    refused = [f"({value} IS NOT NULL AND {moment} IS NULL)", then.refused]
    changed = [f"{value} NOT REGEXP _utf8mb4'{_MOMENT}'", then.changed]
    return Fit(_any([one for one in refused if one]), _any([one for one in changed if one]))


def _to_json(c: _Conversion) -> Fit | None:
    old, new, value = c.old, c.new, c.value
    if new.kind != "json" or old.kind != "text":
        return None
    return Fit(f"NOT JSON_VALID({value})")


def _any(conditions: Sequence[str]) -> str:
    return f"({' OR '.join(conditions)})" if conditions else ""


_RULES: tuple[Callable[[_Conversion], Fit | None], ...] = (
    _to_integer, _to_decimal, _to_floating, _to_text, _to_binary, _to_members, _to_bits, _to_moment, _text_to_moment,
    _to_json,
)  # fmt: skip
