"""Whether every value of one column type fits another unchanged. Proven, or not: nothing is taken on trust, nothing is read."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from engine.mysql.tables import INTEGER_BITS, TEXT_BYTES, Column

_CHARACTER_BYTES = {"binary": 1, "ascii": 1, "latin1": 1, "ucs2": 2, "utf8mb3": 3}  # at most; others: 4
# Character sets all of whose characters, and so all of whose texts, are in the ones on the right.
_UNICODE = {"utf8mb4", "utf16", "utf16le", "utf32"}
_INCLUDED_IN = {
    "ascii": {"latin1", "utf8mb3", "ucs2", *_UNICODE},
    "latin1": {"utf8mb3", "ucs2", *_UNICODE},
    "ucs2": {"utf8mb3", *_UNICODE},
    "utf8mb3": {"ucs2", *_UNICODE},
    **dict.fromkeys(_UNICODE, _UNICODE),
}
_SAME_BYTES_IN = {"ascii": {"latin1", "utf8mb3", "utf8mb4"}, "utf8mb3": {"utf8mb4"}}


def lossless(old: Column, new: Column, *, in_utc: bool = False) -> bool:
    """Whether the type of *new* holds every value that *old* may have, unchanged. NULLs are not looked at.

    *in_utc*: a TIMESTAMP reads for everybody as it does for those who change it.
    """
    one, two = _Type.of(old), _Type.of(new)
    if in_utc and (one.base, two.base) == ("timestamp", "datetime"):
        one = replace(one, base="datetime")
    if one == two:
        return True
    if not _same_characters(old, new):
        return False
    return any(proof(one, two) for proof in _PROOFS)


@dataclass(frozen=True, slots=True)
class _Type:
    """A column type taken apart: `decimal(10,2) unsigned` is decimal, (10, 2), unsigned."""

    base: str
    numbers: tuple[int, ...]
    members: tuple[str, ...]  # of enum and set
    unsigned: bool
    charset: str

    @classmethod
    def of(cls, column: Column) -> "_Type":
        charset = column.charset or ""
        return cls(column.data_type, column.figures, column.members, column.unsigned, charset)

    @property
    def number(self) -> int:
        return self.numbers[0] if self.numbers else 0


def _same_characters(old: Column, new: Column) -> bool:
    if old.charset is None or new.charset is None:
        return old.charset == new.charset
    return old.charset == new.charset or new.charset in _INCLUDED_IN.get(old.charset, ())


def _integer(one: _Type, two: _Type) -> bool:
    if one.base not in INTEGER_BITS or two.base not in INTEGER_BITS:
        return False
    before, after = INTEGER_BITS[one.base], INTEGER_BITS[two.base]
    if one.unsigned == two.unsigned:
        return after >= before
    return one.unsigned and after > before


def _decimal(one: _Type, two: _Type) -> bool:
    if two.base != "decimal" or (two.unsigned and not one.unsigned):
        return False
    if one.base in INTEGER_BITS:
        digits, scale = len(str(2 ** (INTEGER_BITS[one.base] - (not one.unsigned)))), 0
    elif one.base == "decimal":
        digits, scale = one.numbers
    else:
        return False
    new_digits, new_scale = two.numbers
    return new_scale >= scale and new_digits - new_scale >= digits - scale


def _floating(one: _Type, two: _Type) -> bool:
    """FLOAT(7,4) rounds what it takes; without figures a double holds every float."""
    return (
        (one.base, two.base) == ("float", "double") and not two.numbers and (one.unsigned or not two.unsigned)
    )


def _text(one: _Type, two: _Type) -> bool:
    """Longer strings. CHAR and BINARY pad and strip, so only more of CHAR is more of the same."""
    if two.base in ("char", "binary"):
        return one.base == two.base == "char" and two.number >= one.number
    if (one.charset == "") != (two.charset == ""):
        return False
    characters, size = _capacity(one)
    limit_characters, limit_size = _capacity(two)
    if not characters or not limit_characters:
        return False
    if two.base in ("varchar", "varbinary"):
        return limit_characters >= characters
    per_character = _CHARACTER_BYTES.get(two.charset, 4) if two.charset else 1
    as_long = one.charset == two.charset or two.charset in _SAME_BYTES_IN.get(one.charset, ())
    return limit_size >= (size if as_long else characters * per_character)


def _capacity(kind: _Type) -> tuple[int, int]:
    """The most characters and the most bytes of a value; zeros for what is no string."""
    per_character = _CHARACTER_BYTES.get(kind.charset, 4) if kind.charset else 1
    if kind.base in ("char", "varchar", "binary", "varbinary"):
        return kind.number, kind.number * per_character
    size = TEXT_BYTES.get(kind.base, 0)
    return size, size


def _members(one: _Type, two: _Type) -> bool:
    return one.base == two.base and bool(one.members) and two.members[: len(one.members)] == one.members


def _spelled(one: _Type, two: _Type) -> bool:
    """A member of an ENUM as the text that it reads as."""
    longest = max(map(len, one.members), default=0)
    return one.base == "enum" and _text(replace(one, base="varchar", numbers=(longest,)), two)


def _bits(one: _Type, two: _Type) -> bool:
    if one.base != "bit" or two.base not in INTEGER_BITS:
        return False
    return one.number <= INTEGER_BITS[two.base] - (not two.unsigned)


def _precision(one: _Type, two: _Type) -> bool:
    """More bits, more digits of a second."""
    if one.base == two.base in ("bit", "time", "datetime", "timestamp"):
        return two.number >= one.number
    return (one.base, two.base) == ("date", "datetime")


_PROOFS: tuple[Callable[[_Type, _Type], bool], ...] = (
    _integer, _decimal, _floating, _text, _members, _spelled, _bits, _precision,
)  # fmt: skip
