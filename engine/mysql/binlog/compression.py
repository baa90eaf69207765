"""Unpacks what servers compress in their binary logs: MySQL's whole transactions (zstd), MariaDB's events (zlib)."""

import zlib
from collections.abc import Iterator

import zstandard

from engine.mysql.binlog.errors import Unreadable
from engine.mysql.binlog.events import packed_int

CHUNK = 1 << 20
_END, _COMPRESSION = 0, 2  # fields of TRANSACTION_PAYLOAD's header
_ZSTD, _NONE = 0, 255


def payload_chunks(data: bytes, at: int, end: int) -> Iterator[bytes]:
    """The events inside a TRANSACTION_PAYLOAD event, whose body is from *at* to *end*, in pieces that end anywhere."""
    method = _NONE
    while True:
        field, at = packed_int(data, at)
        if field == _END:
            break
        length, at = packed_int(data, at)
        if field == _COMPRESSION:
            method, _ = packed_int(data, at)
        at += length
    if method == _NONE:
        yield from (data[begin : min(begin + CHUNK, end)] for begin in range(at, end, CHUNK))
        return
    if method != _ZSTD:
        raise Unreadable(f"a transaction in the binary log is compressed in the unknown way {method}")
    try:
        with zstandard.ZstdDecompressor().stream_reader(
            memoryview(data)[at:end], read_across_frames=True
        ) as unpacked:
            while chunk := unpacked.read(CHUNK):
                yield chunk
    except zstandard.ZstdError as error:
        raise Unreadable(f"a compressed transaction in the binary log is damaged: {error}") from error


def uncompressed(data: bytes) -> bytes:
    """What MariaDB compressed: a byte with the method and the width of the length, the length (big end first), zlib's stream."""
    if not data:
        return data
    width, method = data[0] & 7, data[0] >> 4 & 7
    if not data[0] & 0x80 or method:
        raise Unreadable(f"an event in the binary log is compressed in the unknown way {data[0]:#x}")
    length = int.from_bytes(data[1 : 1 + width], "big")
    try:
        plain = zlib.decompress(data[1 + width :])
    except zlib.error as error:
        raise Unreadable(f"a compressed event in the binary log is damaged: {error}") from error
    if len(plain) != length:
        raise Unreadable(f"a compressed event in the binary log has {len(plain)} bytes instead of {length}")
    return plain
