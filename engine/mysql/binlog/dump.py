"""A connection on which a server sends its binary log, from a position on and without end."""

import secrets
import struct
import uuid

import pymysql

from engine.errors import EngineError
from engine.mysql.address import Address
from engine.mysql.binlog.errors import PositionGone, PositionLost, PositionRewound
from engine.mysql.binlog.events import U16
from engine.mysql.binlog.position import Position, check_server
from engine.mysql.flavour import flavour_of
from engine.mysql.link import Link
from engine.mysql.trouble import Lost, translate

_COM_BINLOG_DUMP = 0x12
_HEARTBEAT_SECONDS = 1.0
# Heartbeats come every second: so long without a byte means that the connection is dead.
_SILENCE_SECONDS = 60.0
_PATIENCE_SECONDS = 86_400  # how long the server may wait for us while the sink is full
_CHUNK = 1 << 18
_SPLIT = 0xFFFFFF  # a packet of that size goes on in the next one
_REFUSED = 1236  # the server's one number for everything wrong with a position or a log


class Dump:
    """The stream. One thread reads; `stop` may come from another one."""

    def __init__(self, address: Address, start: Position) -> None:
        """Ask for everything behind *start*. `Lost`, `Trouble`, `ServerRefused` or PositionRewound when that fails."""
        self._link = Link(address, settings={"net_write_timeout": _PATIENCE_SECONDS})
        try:
            # On this very connection: an address may lead to another server from one moment to the next.
            check_server(self._link, flavour_of(self._link), start)
            self._announce()
            # A server can be asked for 4 bytes of an offset; from the file's begin, keys are told again, which does no harm.
            offset = start.offset if start.offset < 1 << 32 else 4
            number = 0x80000000 | secrets.randbits(31)
            body = struct.pack("<IHI", offset, 0, number) + start.file.encode()
            self._socket = self._link.stream(_COM_BINLOG_DUMP, body)
            self._socket.settimeout(_SILENCE_SECONDS)
        except BaseException:
            self._link.close()
            raise

    def _announce(self) -> None:
        """Tell what kind of replica we are; each vendor takes the words it knows and keeps the others as user variables."""
        checksum = str(self._link.value("SELECT @@GLOBAL.binlog_checksum"))
        period = int(_HEARTBEAT_SECONDS * 1e9)
        self._link.run(
            "SET @master_binlog_checksum = %s, @source_binlog_checksum = %s, @mariadb_slave_capability = 4, "
            f"@master_heartbeat_period = {period}, @source_heartbeat_period = {period}, "
            "@slave_uuid = %s, @replica_uuid = %s",
            *(checksum, checksum),
            *[str(uuid.uuid4())] * 2,
        )

    def read(self, least: int) -> bytes:
        """At least so many bytes, more when they are there. Lost when the connection ends."""
        chunks: list[bytes] = []
        size = 0
        while size < least or not chunks:
            try:
                chunk = self._socket.recv(_CHUNK)
            except OSError as error:
                raise translate(error) from error
            if not chunk:
                raise Lost("the server closed the connection that its binary log came on", 2013)
            chunks.append(chunk)
            size += len(chunk)
        return b"".join(chunks)

    def stop(self) -> None:
        """Let a `read` in whatever thread end with Lost."""
        self._link.hang_up()

    def close(self) -> None:
        """Give the connection up; not while another thread reads."""
        self._link.hang_up()
        self._link.close()


def wanted_bytes(data: bytes) -> int:
    """How many bytes it takes to have the event at the begin of *data* whole, heads of packets included; at least so many."""
    at = 0
    while len(data) - at >= 4:
        length = int.from_bytes(data[at : at + 3], "little")
        at += 4 + length
        if length < _SPLIT:
            return at
    return at + 5


def joined_packets(data: bytes) -> tuple[bytes, int]:
    """The event that is split over the packets at the begin of *data*, which are whole, and how much of it they are."""
    parts, at, length = [], 0, _SPLIT
    while length == _SPLIT:
        length = int.from_bytes(data[at : at + 3], "little")
        parts.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return b"".join(parts)[1:], at


def refusal(packet: bytes) -> EngineError | None:
    """What the server says instead of an event in the whole packet at the begin of *packet*; None for an event."""
    mark = packet[4]
    if mark == 0xFE:
        return Lost(
            "the server ended its binary log's stream: it shuts down, or another took our place", 2013
        )
    if mark != 0xFF:
        return None
    code = U16(packet, 5)[0]
    text = packet[7:].decode("utf-8", "replace")
    text = text[6:] if text.startswith("#") else text
    if code != _REFUSED:
        return translate(pymysql.err.OperationalError(code, text), "reading the binary log")
    if "log index" in text or "purged" in text:
        return PositionGone(f"the server no longer has its binary log: {text}")
    if "> file size" in text or "impossible position" in text:
        return PositionRewound(f"the server's binary log does not reach up to where it was read: {text}")
    return PositionLost(f"the server cannot read its binary log from where it was read: {text}")
