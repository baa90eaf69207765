"""Finds the key's bytes in row images: what a TABLE_MAP event tells of the columns' sizes, and the walk over a row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.mysql.binlog.errors import KeyMissing, TableChanged, Unreadable
from engine.mysql.binlog.events import packed_int
from engine.mysql.binlog.values import DIGIT_BYTES, Decoder, decoder
from engine.mysql.binlog.watched import Key, Watched

Parts = tuple[bytes | None, ...]
"""A key as it stands in a row image; None: the image does not hold that column."""
Walk = Callable[[bytes, int], tuple[Parts, int]]
"""From a row image's values to the key in them and to the end of the row."""
Step = tuple[int, int, int, int]
"""Bytes to skip, bytes that tell a length, else the fixed size, and the value's place in the key or -1."""

_WALKS_KEPT = 10_000

# Type in the log → bytes it takes. The temporal ones without a fraction are those of tables from before MySQL 5.6.
_FIXED = {1: 1, 2: 2, 9: 3, 3: 4, 8: 8, 4: 4, 5: 8, 10: 3, 14: 3, 13: 1, 7: 4, 12: 8, 11: 3, 6: 0}
_FRACTIONAL = {17: 4, 18: 5, 19: 3}  # TIMESTAMP, DATETIME, TIME with so many bytes before the fraction
# The metadata tell how many bytes tell the length.
_BLOBS = frozenset({249, 250, 251, 252, 255, 245, 242, 140})
_VARCHARS = frozenset({15, 253, 141})
_DECIMAL, _BIT, _STRING, _ENUM, _SET = 246, 16, 254, 247, 248
_META_BYTES = {4: 1, 5: 1, 17: 1, 18: 1, 19: 1, _DECIMAL: 2, _BIT: 2, _STRING: 2, _ENUM: 2, _SET: 2}
_META_BYTES |= dict.fromkeys(_BLOBS, 1) | dict.fromkeys(_VARCHARS, 2)
JSON = 245

_STRINGS = {"char": {_STRING}, "binary": {_STRING}, "uuid": {_STRING}, "inet4": {_STRING}, "inet6": {_STRING}}
_TYPES_OF = {
    "tinyint": {1},
    "smallint": {2},
    "mediumint": {9},
    "int": {3},
    "bigint": {8},
    "decimal": {_DECIMAL},
    "varchar": {15, 253},
    "varbinary": {15, 253},
    "date": {10, 14},
    "time": {19},
    "datetime": {18},
    "timestamp": {17},
    "year": {13},
    "enum": {_ENUM},
    "set": {_SET},
} | _STRINGS
"""The types that a key may have, and as which the log may have each."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much room a column's value takes: `fixed` bytes, or what its first `prefix` bytes tell."""

    kind: int
    fixed: int
    prefix: int
    scale: int = 0


def parse_table_map(body: bytes) -> tuple[str, str, bytes]:
    """Schema and table of a TABLE_MAP event's body, and the rest of it."""
    at = 8
    schema = body[at + 1 : at + 1 + body[at]]
    at += len(schema) + 2
    table = body[at + 1 : at + 1 + body[at]]
    return schema.decode("utf-8", "replace"), table.decode("utf-8", "replace"), body[at + len(table) + 2 :]


def column_sizes(columns: bytes) -> list[Size]:
    """What the third part of `parse_table_map` tells of each column."""
    count, at = packed_int(columns, 0)
    kinds = columns[at : at + count]
    _, at = packed_int(columns, at + count)
    sizes = []
    for kind in kinds:
        width = _META_BYTES.get(kind, 0)
        sizes.append(_size(kind, columns[at : at + width]))
        at += width
    return sizes


def _size(kind: int, meta: bytes) -> Size:
    if kind in _FIXED:
        return Size(kind, _FIXED[kind], 0)
    if kind in _FRACTIONAL:
        return Size(kind, _FRACTIONAL[kind] + (meta[0] + 1) // 2, 0, meta[0])
    if kind in _BLOBS:
        return Size(kind, 0, meta[0])
    if kind in _VARCHARS:
        return Size(kind, 0, 1 if int.from_bytes(meta, "little") < 256 else 2)
    if kind == _DECIMAL:
        return Size(kind, _decimal_bytes(meta[0], meta[1]), 0, meta[1])
    if kind == _BIT:
        return Size(kind, meta[1] + (meta[0] > 0), 0)
    if kind == _STRING:
        return _string_size(meta)
    raise Unreadable(f"the binary log has a column of the unknown type {kind}: its rows cannot be read")


def _string_size(meta: bytes) -> Size:
    """CHAR, ENUM and SET share a type; two bits of a CHAR's length hide in the byte with the real one, inverted."""
    if meta[0] in (_ENUM, _SET):
        return Size(meta[0], meta[1], 0)
    length = meta[1] | ((meta[0] & 0x30) ^ 0x30) << 4
    return Size(_STRING, 0, 1 if length < 256 else 2)


def _decimal_bytes(precision: int, scale: int) -> int:
    whole = precision - scale
    return whole // 9 * 4 + DIGIT_BYTES[whole % 9] + scale // 9 * 4 + DIGIT_BYTES[scale % 9]


class Layout:
    """How the rows of one watched table are laid out, as one TABLE_MAP event has it."""

    def __init__(self, watched: Watched, sizes: Sequence[Size]) -> None:
        """TableChanged when the columns are not those that *watched* was made from."""
        where = f"{watched.schema}.{watched.table}"
        if len(sizes) != watched.columns:
            raise TableChanged(
                f"{where} has {len(sizes)} columns in the binary log, not {watched.columns}", watched.table
            )
        for place, column in watched.key:
            if sizes[place].kind not in _TYPES_OF[column.data_type]:
                raise TableChanged(
                    f"{where}.{column.name} is of type {sizes[place].kind} in the binary log, which is not {column.column_type}",
                    watched.table,
                )
        self.watched = watched
        self.json_columns = sum(size.kind == JSON for size in sizes)
        self._sizes = sizes
        self._places = [place for place, _ in watched.key]
        self._decoders: list[Decoder] = [decoder(column, sizes[place].scale) for place, column in watched.key]
        self.bitmap = (watched.columns + 7) // 8
        self.head = (1 if watched.columns < 0xFB else 3) + self.bitmap
        self.frames: dict[bytes, Frame] = {}
        self.frames_after: dict[bytes, Frame] = {}

    def literals(self, found: Sequence[Parts]) -> list[Key]:
        """The keys as literals."""
        if len(self._decoders) == 1:
            decode = self._decoders[0]
            return [(decode(parts[0]),) for parts in found]  # type: ignore[arg-type]
        decoders = self._decoders
        return [
            tuple([decode(part) for decode, part in zip(decoders, parts, strict=True)])  # type: ignore[arg-type]
            for parts in found
        ]

    def new_frame(self, head: bytes) -> "Frame":
        """Of the images of a row event: `head` bytes of it, the number of columns and the bitmap of those that are there.

        KeyMissing when the key is not among them.
        """
        width, at = packed_int(head, 0)
        where = f"{self.watched.schema}.{self.watched.table}"
        if width != self.watched.columns:
            raise TableChanged(
                f"rows of {where} have {width} columns in the binary log, not {self.watched.columns}",
                self.watched.table,
            )
        frame = self.frames[head] = self._frame(head[at:])
        if not frame.whole:
            key = ", ".join(column.name for _, column in self.watched.key)
            raise KeyMissing(
                f"a row of {where} in the binary log lacks a part of its key ({key}): set binlog_row_image to FULL, have its "
                "writers connect anew, and start over"
            )
        return frame

    def new_frame_after(self, present: bytes) -> "Frame":
        """Of the images after an update, which need not have the key: only its columns' bitmap, `bitmap` bytes, stands there."""
        frame = self.frames_after[present] = self._frame(present)
        return frame

    def _frame(self, present: bytes) -> "Frame":
        if len(present) < self.bitmap:
            raise Unreadable("a row event in the binary log ends before its first row")
        there = [place for place in range(len(self._sizes)) if present[place >> 3] >> (place & 7) & 1]
        return Frame(
            [self._sizes[place] for place in there],
            [there.index(one) if one in there else -1 for one in self._places],
        )


class Frame:
    """The images of one table that hold the same columns. `walks` are by the bitmap of the NULLs, which takes `nulls` bytes."""

    def __init__(self, sizes: Sequence[Size], key: Sequence[int]) -> None:
        """*sizes* of the columns that are there; *key*: which of them make the key, -1 for a part that is not there."""
        self.whole = -1 not in key
        self.nulls = (len(sizes) + 7) // 8
        self.walks: dict[bytes, Walk] = {}
        self._sizes, self._key = sizes, key

    def new_walk(self, nulls: bytes) -> Walk:
        """A walk that `walks` does not have yet; it will."""
        if len(nulls) < self.nulls:
            raise Unreadable("a row event in the binary log ends in the middle of a row")
        if len(self.walks) > _WALKS_KEPT:
            self.walks.clear()
        walk = self.walks[nulls] = _walk(*self._steps(nulls), len(self._key))
        return walk

    def _steps(self, nulls: bytes) -> tuple[list[Step], int]:
        """The steps over the values that are not NULL, and the bytes behind the last one."""
        steps: list[Step] = []
        gap = 0
        for place, size in enumerate(self._sizes):
            if nulls[place >> 3] >> (place & 7) & 1:
                continue
            slot = self._key.index(place) if place in self._key else -1
            if slot < 0 and not size.prefix:
                gap += size.fixed
                continue
            steps.append((gap, size.prefix, size.fixed, slot))
            gap = 0
        return steps, gap


def _walk(steps: Sequence[Step], tail: int, width: int) -> Walk:
    """The quick ones for a key of one column that stands before everything of variable length; the general one else."""
    if width == 1 and steps and steps[0][3] == 0 and not steps[0][1]:
        return _leading_walk(steps[0][0], steps[0][2], [step[:2] for step in steps[1:]], tail)
    blank: list[bytes | None] = [None] * width

    def walk(data: bytes, at: int) -> tuple[Parts, int]:
        parts = blank.copy()
        for gap, prefix, size, slot in steps:
            at += gap
            if prefix:
                size = data[at] if prefix == 1 else int.from_bytes(data[at : at + prefix], "little")
                at += prefix
            if slot >= 0:
                parts[slot] = data[at : at + size]
            at += size
        return tuple(parts), at + tail

    return walk


def _leading_walk(gap: int, size: int, rest: Sequence[tuple[int, int]], tail: int) -> Walk:
    def walk(data: bytes, at: int) -> tuple[Parts, int]:
        at += gap
        parts = (data[at : at + size],)
        at += size
        for skip, prefix in rest:
            at += skip
            at += prefix + (data[at] if prefix == 1 else int.from_bytes(data[at : at + prefix], "little"))
        return parts, at + tail

    return walk
