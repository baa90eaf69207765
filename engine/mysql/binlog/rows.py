"""Collects the keys of watched tables from TABLE_MAP and row events; rows of other tables are not looked at."""

from collections.abc import Sequence
from zlib import crc32

from engine.mysql.binlog.compression import uncompressed
from engine.mysql.binlog.errors import Unreadable
from engine.mysql.binlog.events import BODY_AT, U16, U32, packed_int
from engine.mysql.binlog.images import Layout, Parts, column_sizes, parse_table_map
from engine.mysql.binlog.watched import Key, TableName, Watched

_DUMMY = b"\xff\xff\xff\x00\x00\x00"  # the table of an event that only ends a statement
_MAPS_KEPT = 10_000
_PARTIAL_JSON = 1


class ChangedKeys:
    """The keys found since they were last taken. Its methods for events take a buffer, the event's begin and its end."""

    def __init__(self, watched: Sequence[Watched]) -> None:
        self._watched = {one.name: one for one in watched}
        self._any_case = {_lower(one.name): one for one in watched if one.any_case}
        self._maps: dict[bytes, tuple[bytes, Layout | None]] = {}  # by the table's number in the log
        self._layouts: dict[tuple[TableName, bytes], Layout] = {}
        self._found: dict[Layout, dict[Parts, None]] = {}
        self.checksum = False  # whether one follows every event

    def take(self) -> list[tuple[TableName, list[Key]]]:
        """What was found, each key once for each table; it is forgotten here."""
        if not self._found:
            return []
        taken = [(layout.watched.name, layout.literals(list(found))) for layout, found in self._found.items()]
        self._found.clear()
        return taken

    def table_map(self, data: bytes, start: int, end: int) -> None:
        """Which table a number stands for from here on. TableChanged when a watched one no longer has its columns."""
        body = data[start + BODY_AT : end]
        known = self._maps.get(body[:6])
        if known is not None and known[0] == body:
            return
        if self.checksum:
            verify_checksum(data, start, end)
        if len(self._maps) > _MAPS_KEPT:
            self._maps.clear()
        schema, table, columns = parse_table_map(body)
        self._maps[body[:6]] = (body, self._layout((schema, table), columns))

    def _layout(self, name: TableName, columns: bytes) -> Layout | None:
        watched = self._watched.get(name) or self._any_case.get(_lower(name))
        if watched is None:
            return None
        layout = self._layouts.get((name, columns))
        if layout is None:
            layout = self._layouts[name, columns] = Layout(watched, column_sizes(columns))
        return layout

    def rows_1(self, data: bytes, start: int, end: int) -> None:
        """Inserted or deleted rows, as MariaDB logs them."""
        if layout := self._layout_of(data, start, end):
            self._single(layout, data, start + BODY_AT + 8, end)

    def rows_2(self, data: bytes, start: int, end: int) -> None:
        """Inserted or deleted rows, as MySQL logs them: something more stands in front."""
        if layout := self._layout_of(data, start, end):
            at = start + BODY_AT + 8
            self._single(layout, data, at + U16(data, at)[0], end)

    def updates_1(self, data: bytes, start: int, end: int) -> None:
        """Updated rows, as MariaDB logs them."""
        if layout := self._layout_of(data, start, end):
            self._double(layout, data, start + BODY_AT + 8, end)

    def updates_2(self, data: bytes, start: int, end: int) -> None:
        """Updated rows, as MySQL logs them."""
        if layout := self._layout_of(data, start, end):
            at = start + BODY_AT + 8
            self._double(layout, data, at + U16(data, at)[0], end)

    def partial_updates(self, data: bytes, start: int, end: int) -> None:
        """Updated rows of which JSON columns are logged as differences."""
        if layout := self._layout_of(data, start, end):
            at = start + BODY_AT + 8
            self._double(layout, data, at + U16(data, at)[0], end, partial=True)

    def compressed_rows_1(self, data: bytes, start: int, end: int) -> None:
        """Inserted or deleted rows, compressed by MariaDB."""
        if layout := self._layout_of(data, start, end):
            plain = _plain(data, start, end, images=1)
            self._single(layout, plain, 0, len(plain))

    def compressed_updates_1(self, data: bytes, start: int, end: int) -> None:
        """Updated rows, compressed by MariaDB."""
        if layout := self._layout_of(data, start, end):
            plain = _plain(data, start, end, images=2)
            self._double(layout, plain, 0, len(plain))

    def _layout_of(self, data: bytes, start: int, end: int) -> Layout | None:
        number = data[start + BODY_AT : start + BODY_AT + 6]
        known = self._maps.get(number)
        if known is not None:
            if self.checksum and known[1]:
                verify_checksum(data, start, end)
            return known[1]
        if number == _DUMMY:
            return None
        raise Unreadable("the binary log has rows of a table that it has not named before")

    def _single(self, layout: Layout, data: bytes, at: int, end: int) -> None:
        head = data[at : at + layout.head]
        frame = layout.frames.get(head) or layout.new_frame(head)
        at += layout.head
        found = self._found.get(layout)
        if found is None:
            found = self._found[layout] = {}
        walks, nulls = frame.walks, frame.nulls
        while at < end:
            flags = data[at : at + nulls]
            walk = walks.get(flags) or frame.new_walk(flags)
            parts, at = walk(data, at + nulls)
            found[parts] = None
        _check_end(at, end)

    def _double(self, layout: Layout, data: bytes, at: int, end: int, *, partial: bool = False) -> None:
        head = data[at : at + layout.head]
        frame = layout.frames.get(head) or layout.new_frame(head)
        at += layout.head
        head = data[at : at + layout.bitmap]
        after = layout.frames_after.get(head) or layout.new_frame_after(head)
        at += layout.bitmap
        found = self._found.get(layout)
        if found is None:
            found = self._found[layout] = {}
        walks, nulls, walks_after, nulls_after = frame.walks, frame.nulls, after.walks, after.nulls
        while at < end:
            flags = data[at : at + nulls]
            walk = walks.get(flags) or frame.new_walk(flags)
            old, at = walk(data, at + nulls)
            found[old] = None
            if partial:
                at = _behind_json_bits(layout, data, at)
            flags = data[at : at + nulls_after]
            walk = walks_after.get(flags) or after.new_walk(flags)
            new, at = walk(data, at + nulls_after)
            # What an image after the change lacks is as it was before.
            found[
                new if after.whole else tuple([b if a is None else a for a, b in zip(new, old, strict=True)])
            ] = None
        _check_end(at, end)


def _lower(name: TableName) -> TableName:
    schema, table = name
    return (schema.lower(), table.lower())


def verify_checksum(data: bytes, start: int, end: int) -> None:
    """Unreadable unless the event is what the server wrote. It checks nothing itself when it sends; replicas do, and so do we,
    where a wrong byte would cost a key."""
    if crc32(data[start:end]) != U32(data, end)[0]:
        raise Unreadable("an event in the binary log is damaged: its checksum is wrong (the disk?)")


def _behind_json_bits(layout: Layout, data: bytes, at: int) -> int:
    options, at = packed_int(data, at)
    return at + (layout.json_columns + 7) // 8 if options & _PARTIAL_JSON else at


def _check_end(at: int, end: int) -> None:
    if at != end:
        raise Unreadable(
            f"a row event in the binary log ends {at - end} bytes off: its rows are not as its table map says"
        )


def _plain(data: bytes, start: int, end: int, *, images: int) -> bytes:
    """The body from its width on, with the rows unpacked: the bitmaps stand before them as they are."""
    at = start + BODY_AT + 8
    width, behind = packed_int(data, at)
    behind += (width + 7) // 8 * images
    return data[at:behind] + uncompressed(data[behind:end])
