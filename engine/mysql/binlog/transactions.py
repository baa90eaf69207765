"""Reads events in their order: where transactions begin and end, and which keys they changed."""

from collections.abc import Callable, Sequence
from enum import Enum
from struct import error as StructError  # noqa: N812
from zlib import crc32

from engine.mysql.binlog import events as e
from engine.mysql.binlog.compression import payload_chunks, uncompressed
from engine.mysql.binlog.errors import PositionRewound, Unreadable
from engine.mysql.binlog.gtids import mariadb_gtid, mysql_gtid
from engine.mysql.binlog.position import Position
from engine.mysql.binlog.rows import ChangedKeys, verify_checksum
from engine.mysql.binlog.statements import Logged, Meaning, Statements
from engine.mysql.binlog.watched import Sink, Watched

Handler = Callable[[bytes, int, int], None]
"""Takes a buffer, where an event begins in it, and where it ends (without its checksum)."""

_QUERY_HEAD, _LOAD_QUERY_HEAD = 13, 26
"""How long what stands before the status variables of a statement is."""
_STANDALONE = 1  # flag of a MariaDB GTID: one statement follows, no transaction
_IGNORED = (
    *(
        e.STOP,
        e.INTVAR,
        e.RAND,
        e.USER_VAR,
        e.APPEND_BLOCK,
        e.DELETE_FILE,
        e.BEGIN_LOAD_QUERY,
        e.IGNORABLE_LOG,
    ),
    *(e.ROWS_QUERY, e.TRANSACTION_CONTEXT, e.VIEW_CHANGE, e.MARIADB_ANNOTATE),
)
_BETWEEN = (e.PREVIOUS_GTIDS, e.MARIADB_CHECKPOINT, e.MARIADB_GTID_LIST)


class _State(Enum):
    BETWEEN = "between transactions"
    ANNOUNCED = "after a GTID: a single statement or BEGIN comes next"
    OPEN = "inside a transaction"


class Transactions:
    """Takes a log's events, tells a sink the keys and the positions. Knows no connection: recorded logs are read as well."""

    def __init__(
        self,
        watched: Sequence[Watched],
        sink: Sink,
        start: Position,
        *,
        hold_back: Callable[[], None] = lambda: None,
    ) -> None:
        """*hold_back* is called between the pieces of a packed transaction, and waits while *sink* is full."""
        self._sink = sink
        self._hold_back = hold_back
        self._keys = ChangedKeys(watched)
        self._statements = Statements([one.name for one in watched])
        self._start = start
        self._told = start
        self._state = _State.BETWEEN
        self._packed = False  # inside a compressed transaction, whose events know no position
        self._checksum = 0
        self._sums(True)
        self._file, self._offset, self._birth = start.file, start.offset, start.birth
        self._gtid_event = self._gtid_ended = b""  # of the current transaction, of the last one that ended
        self._handlers = self._make_handlers()

    def _make_handlers(self) -> list[Handler]:
        keys = self._keys
        handlers: list[Handler] = [self._unknown] * 256
        for kinds, handler in (
            (_IGNORED, self._ignored),
            (_BETWEEN, self._between),
            ((e.HEARTBEAT, e.HEARTBEAT_2), self._heartbeat),
            ((e.GTID, e.ANONYMOUS_GTID, e.GTID_TAGGED), self._mysql_gtid),
            ((e.MARIADB_GTID,), self._mariadb_gtid),
            ((e.XID, e.XA_PREPARE), self._end),
            ((e.QUERY,), self._query),
            ((e.MARIADB_QUERY_COMPRESSED,), self._query_compressed),
            ((e.EXECUTE_LOAD_QUERY,), self._load_query),
            ((e.ROTATE,), self._rotate),
            ((e.FORMAT,), self._format),
            ((e.INCIDENT,), self._incident),
            ((e.MARIADB_ENCRYPTION,), self._encryption),
            ((e.TRANSACTION_PAYLOAD,), self._payload),
            ((e.TABLE_MAP,), keys.table_map),
            ((e.WRITE_ROWS_1, e.DELETE_ROWS_1), keys.rows_1),
            ((e.UPDATE_ROWS_1,), keys.updates_1),
            ((e.WRITE_ROWS, e.DELETE_ROWS), keys.rows_2),
            ((e.UPDATE_ROWS,), keys.updates_2),
            ((e.PARTIAL_UPDATE_ROWS,), keys.partial_updates),
            ((e.MARIADB_WRITE_COMPRESSED_1, e.MARIADB_DELETE_COMPRESSED_1), keys.compressed_rows_1),
            ((e.MARIADB_UPDATE_COMPRESSED_1,), keys.compressed_updates_1),
        ):
            for kind in kinds:
                handlers[kind] = handler
        return handlers

    @property
    def position(self) -> Position:
        """What the sink was told last."""
        return self._told

    def packets(self, data: bytes) -> int:
        """Read the events of a replication stream, each behind five bytes of the protocol; how many bytes were whole events.

        Stops before a packet that is none of an event (an error, the end, a part of one that is split), which is for
        `engine.mysql.binlog.dump`.
        """
        at, size, handlers = 0, len(data), self._handlers
        length_at = e.U32
        try:
            while size - at > e.BODY_AT + 4:
                length = length_at(data, at)[0] & 0xFFFFFF
                end = at + 4 + length
                if end > size or data[at + 4] or length == 0xFFFFFF:
                    break
                handlers[data[at + 9]](data, at + 5, end - self._checksum)
                at = end
        except (IndexError, KeyError, ValueError, StructError) as error:
            raise self._damaged() from error
        return at

    def events(self, data: bytes) -> int:
        """Read the events of a log file, one behind the other; how many bytes were whole events."""
        at, size, handlers = 0, len(data), self._handlers
        try:
            while size - at >= e.BODY_AT:
                end = at + e.U32(data, at + e.SIZE_AT)[0]
                if end > size:
                    break
                handlers[data[at + e.TYPE_AT]](data, at, end - self._checksum)
                at = end
        except (IndexError, KeyError, ValueError, StructError) as error:
            raise self._damaged() from error
        return at

    def flush(self) -> None:
        """Tell the sink what was found since the last time."""
        for table, found in self._keys.take():
            self._sink.keys(table, found)
        if (self._told.offset, self._told.file) != (
            self._offset,
            self._file,
        ) or self._told.birth != self._birth:
            told = Position(
                file=self._file,
                offset=self._offset,
                gtid=self._gtid(),
                birth=self._birth,
                server=self._start.server,
            )
            self._sink.committed(told)
            self._told = told

    def _gtid(self) -> str:
        event = self._gtid_ended
        if not event:
            return self._told.gtid
        body = event[e.BODY_AT :]
        if event[e.TYPE_AT] == e.MARIADB_GTID:
            return mariadb_gtid(body, e.U32(event, 5)[0])
        return mysql_gtid(body)

    def _damaged(self) -> Unreadable:
        return Unreadable(f"an event behind {self._file}:{self._offset} is shorter than it should be")

    def _sums(self, there: bool) -> None:
        """Whether a checksum follows every event from here on."""
        self._checksum = e.CHECKSUM_BYTES if there else 0
        self._keys.checksum = there

    # Transactions

    def _mysql_gtid(self, data: bytes, start: int, end: int) -> None:
        self._state = _State.ANNOUNCED
        # Anonymous ones have none; tagged ones are told in another way, and the one before serves as well.
        self._gtid_event = data[start:end] if data[start + e.TYPE_AT] == e.GTID else b""

    def _mariadb_gtid(self, data: bytes, start: int, end: int) -> None:
        standalone = data[start + e.BODY_AT + 12] & _STANDALONE
        self._state = _State.ANNOUNCED if standalone else _State.OPEN
        self._gtid_event = data[start:end]

    def _end(self, data: bytes, start: int, _end: int) -> None:
        """A transaction ended: here is a place to go on from. (The log tells it modulo 4 GiB.)"""
        self._state = _State.BETWEEN
        if self._packed:
            return
        ended = e.U32(data, start + e.END_AT)[0]
        if ended:
            offset = self._offset & ~0xFFFFFFFF | ended
            self._offset = offset if offset >= self._offset else offset + 0x100000000
        if self._gtid_event:
            self._gtid_ended = self._gtid_event

    def _heartbeat(self, data: bytes, start: int, end: int) -> None:
        """MariaDB sends those of a file that it has told the end of already, as long as it is at closing it."""
        if self._file.encode() in data[start + e.BODY_AT : end]:
            self._between(data, start, end)

    def _between(self, data: bytes, start: int, _end: int) -> None:
        """Between transactions every place the server tells of is one to go on from."""
        ended = e.U32(data, start + e.END_AT)[0]
        artificial = e.U16(data, start + e.FLAGS_AT)[0] & e.ARTIFICIAL
        if self._state is _State.BETWEEN and ended > self._offset and not artificial:
            self._offset = ended

    def _payload(self, data: bytes, start: int, end: int) -> None:
        rest, summed = b"", self._checksum > 0
        if summed:
            verify_checksum(data, start, end)
        self._packed = True
        self._sums(False)
        try:
            for chunk in payload_chunks(data, start + e.BODY_AT, end):
                rest += chunk
                rest = rest[self.events(rest) :]
                self.flush()
                self._hold_back()
        finally:
            self._packed = False
            self._sums(summed)
        if rest:
            raise self._damaged()
        self._end(data, start, end)

    # Statements

    def _query(self, data: bytes, start: int, end: int) -> None:
        logged = _logged(data, start, end, _QUERY_HEAD)
        if logged.text == b"BEGIN":
            self._state = _State.OPEN
            return
        self._statement(logged, data, start, end)

    def _query_compressed(self, data: bytes, start: int, end: int) -> None:
        logged = _logged(data, start, end, _QUERY_HEAD)
        self._statement(logged._replace(text=uncompressed(logged.text)), data, start, end)

    def _load_query(self, data: bytes, start: int, end: int) -> None:
        """LOAD DATA that was logged as a statement."""
        self._statement(_logged(data, start, end, _LOAD_QUERY_HEAD), data, start, end)

    def _statement(self, logged: Logged, data: bytes, start: int, end: int) -> None:
        if self._checksum:
            verify_checksum(data, start, end)
        meaning = self._statements.meaning_of(logged)
        if meaning is Meaning.BEGINS:
            self._state = _State.OPEN
        elif meaning is Meaning.ENDS or (meaning is Meaning.ALONE and self._state is not _State.OPEN):
            self._end(data, start, 0)

    # Files

    def _rotate(self, data: bytes, start: int, end: int) -> None:
        """Another file follows. One that the server makes up has a checksum or not, whatever the file before had."""
        whole = end + self._checksum
        checked = crc32(data[start : whole - 4]) == e.U32(data, whole - 4)[0]
        name = data[start + e.BODY_AT + 8 : whole - 4 if checked else whole].decode("utf-8", "replace")
        if name != self._file:
            self._file, self._offset, self._birth = name, 4, 0
            self._state = _State.BETWEEN

    def _format(self, data: bytes, start: int, end: int) -> None:
        """A file begins, or the server tells again how the one begins in whose middle we start."""
        whole = end + self._checksum
        self._sums(bool(data[whole - 5]))
        self._birth = e.U32(data, start)[0]
        first = self._start
        if first.birth and first.file == self._file and first.birth != self._birth:
            raise PositionRewound(
                f"{first.file} is not the file that was read before: it was begun at {self._birth}, not at {first.birth}"
            )

    # What cannot be read

    def _unknown(self, data: bytes, start: int, _end: int) -> None:
        if not e.U16(data, start + e.FLAGS_AT)[0] & e.IGNORABLE:
            raise Unreadable(
                f"the binary log has an event of the unknown type {data[start + e.TYPE_AT]} behind {self._file}:{self._offset}"
            )

    def _incident(self, _data: bytes, _start: int, _end: int) -> None:
        raise Unreadable(
            f"the server noted an incident behind {self._file}:{self._offset}: changes are missing in its log"
        )

    def _encryption(self, _data: bytes, _start: int, _end: int) -> None:
        raise Unreadable(f"{self._file} is encrypted (encrypt_binlog): it cannot be read")

    def _ignored(self, data: bytes, start: int, end: int) -> None:
        """Nothing to us; if it is what it seems to be."""
        if self._checksum:
            verify_checksum(data, start, end)


def _logged(data: bytes, start: int, end: int, head: int) -> Logged:
    """The statement of an event whose fixed part has *head* bytes."""
    body = start + e.BODY_AT
    status = body + head
    schema = status + e.U16(data, body + 11)[0]
    text = schema + data[body + 8] + 1
    return Logged(text=data[text:end], schema=data[schema : text - 1], status=data[status:schema])
