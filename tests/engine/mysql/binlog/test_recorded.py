"""Recorded logs of both servers, read without one: whole, in pieces, cut off, and with every byte damaged in turn."""

import json
import struct
import zlib
from typing import Any

import pytest

from engine.mysql.binlog import events as e
from engine.mysql.binlog.errors import StreamUnusable
from engine.mysql.binlog.position import Position
from engine.mysql.binlog.transactions import Transactions
from engine.mysql.binlog.watched import Watched
from engine.mysql.tables import Column
from tests.engine.mysql.binlog.record import EXPECTED, FOLDER
from tests.engine.mysql.binlog.rig import Collector
from tests.servers.flavours import FLAVOURS

MAGIC = 4


class Recorded:
    """A log file and what is known of it."""

    def __init__(self, name: str) -> None:
        self.log = (FOLDER / f"{name}.bin").read_bytes()
        self.known: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
        self.watched = [
            Watched(
                schema=one["schema"],
                table=one["table"],
                columns=one["columns"],
                key=tuple((place, Column(**column)) for place, column in one["key"]),
            )
            for one in self.known["watched"]
        ]

    def read(self, log: bytes, piece: int = 1 << 30, start: int = MAGIC) -> tuple[Collector, Position]:
        """What is told of *log* from *start* on when it comes in pieces of that size."""
        sink = Collector()
        reading = Transactions(self.watched, sink, Position(file=self.known["file"], offset=MAGIC))
        if start != MAGIC:  # a server tells the file's begin in any case
            size = int.from_bytes(log[MAGIC + 9 : MAGIC + 13], "little")
            reading.events(log[MAGIC : MAGIC + size])
        rest = b""
        for at in range(start, len(log), piece):
            rest += log[at : at + piece]
            rest = rest[reading.events(rest) :]
            reading.flush()
        return sink, reading.position


@pytest.fixture(params=sorted(FLAVOURS))
def recorded(request: pytest.FixtureRequest) -> Recorded:
    return Recorded(request.param)


def all_told(sink: Collector) -> bool:
    return all(sink.of(table) == keys for table, keys in EXPECTED.items())


@pytest.mark.parametrize("piece", [1 << 30, 1000, 97, 20, 1])
def test_a_recorded_log_tells_the_keys_that_its_statements_touched(recorded: Recorded, piece: int) -> None:
    sink, position = recorded.read(recorded.log, piece)
    assert {table: sink.of(table) for table in EXPECTED} == EXPECTED
    told = [one.order for one in sink.positions]
    assert told == sorted(told)
    assert position.file != recorded.known["file"]  # the log ends with the name of the next one


def test_the_last_transaction_ends_where_the_server_said(recorded: Recorded) -> None:
    end = recorded.known["end"]
    _, position = recorded.read(recorded.log[:end])
    assert position.offset == end
    last = position.gtid.rpartition(":")[2]
    assert recorded.known["gtid"].endswith(last)
    assert position.birth > 1_700_000_000


def test_from_every_position_told_the_rest_of_the_keys_is_told(recorded: Recorded) -> None:
    whole, _ = recorded.read(recorded.log, 20)
    ends = [one.offset for one in whole.positions if one.file == recorded.known["file"]]
    assert len(ends) > 8
    for end in ends:
        before, position = recorded.read(recorded.log[:end])
        assert position.offset == end
        after, _ = recorded.read(recorded.log, start=end)
        for table, keys in EXPECTED.items():
            assert before.of(table) | after.of(table) == keys


def test_a_log_that_is_cut_off_anywhere_tells_no_wrong_key(recorded: Recorded) -> None:
    for length in range(MAGIC, len(recorded.log), 7):
        sink, position = recorded.read(recorded.log[:length])
        assert position.offset <= length
        for table, keys in EXPECTED.items():
            assert sink.of(table) <= keys


def test_no_damaged_byte_makes_a_key_go_missing_unnoticed(recorded: Recorded) -> None:
    silent = []
    for place in range(MAGIC, recorded.known["end"]):
        damaged = bytearray(recorded.log[: recorded.known["end"]])
        damaged[place] ^= 0x21
        try:
            sink, position = recorded.read(bytes(damaged))
        except StreamUnusable:
            continue
        if position.offset >= recorded.known["end"] and not all_told(sink):
            silent.append(place)
    assert silent == []


def event(kind: int, ended: int, body: bytes, flags: int = 0) -> bytes:
    """One event, as it is in a file."""
    size = e.BODY_AT + len(body) + e.CHECKSUM_BYTES
    whole = struct.pack("<IBIIIH", 0, kind, 1, size, ended, flags) + body
    return whole + struct.pack("<I", zlib.crc32(whole))


@pytest.mark.parametrize(("kind", "mark"), [(e.HEARTBEAT, b""), (e.HEARTBEAT_2, b"\x01\x09")])
def test_a_heartbeat_of_the_file_before_is_no_place_in_this_one(kind: int, mark: bytes) -> None:
    """MariaDB sends them while it closes a file, which takes long on a slow disk, when it has told the next one already."""
    reading = Transactions([], Collector(), Position(file="log.00001", offset=4))
    begin = struct.pack("<Q", 4) + b"log.00002"
    for told, offset in (
        (event(e.ROTATE, 0, begin, e.ARTIFICIAL), 4),
        (event(kind, 500_000, mark + b"log.00001"), 4),
        (event(kind, 700, mark + b"log.00002"), 700),
        (event(e.XID, 900, bytes(8)), 900),
    ):
        assert reading.events(told) == len(told)
        reading.flush()
        assert (reading.position.file, reading.position.offset) == ("log.00002", offset)
