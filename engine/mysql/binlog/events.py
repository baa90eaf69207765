"""The numbers of the binary log's format: event types of both vendors and where things are in an event's header."""

from struct import Struct

# An event: when (4), type (1), server (4), size (4), end in the file (4), flags (2), body, perhaps a checksum (4).
TYPE_AT, SIZE_AT, END_AT, FLAGS_AT, BODY_AT = 4, 9, 13, 17, 19
ARTIFICIAL, IGNORABLE = 0x20, 0x80
CHECKSUM_BYTES = 4

QUERY, STOP, ROTATE, INTVAR = 2, 3, 4, 5
APPEND_BLOCK, DELETE_FILE, RAND, USER_VAR, FORMAT, XID = 9, 11, 13, 14, 15, 16
BEGIN_LOAD_QUERY, EXECUTE_LOAD_QUERY, TABLE_MAP = 17, 18, 19
WRITE_ROWS_1, UPDATE_ROWS_1, DELETE_ROWS_1, INCIDENT, HEARTBEAT = 23, 24, 25, 26, 27
IGNORABLE_LOG, ROWS_QUERY, WRITE_ROWS, UPDATE_ROWS, DELETE_ROWS = 28, 29, 30, 31, 32
GTID, ANONYMOUS_GTID, PREVIOUS_GTIDS, TRANSACTION_CONTEXT, VIEW_CHANGE, XA_PREPARE = 33, 34, 35, 36, 37, 38
PARTIAL_UPDATE_ROWS, TRANSACTION_PAYLOAD, HEARTBEAT_2, GTID_TAGGED = 39, 40, 41, 42

MARIADB_ANNOTATE, MARIADB_CHECKPOINT, MARIADB_GTID, MARIADB_GTID_LIST, MARIADB_ENCRYPTION = (
    160,
    161,
    162,
    163,
    164,
)
MARIADB_QUERY_COMPRESSED = 165
MARIADB_WRITE_COMPRESSED_1, MARIADB_UPDATE_COMPRESSED_1, MARIADB_DELETE_COMPRESSED_1 = 166, 167, 168

U16 = Struct("<H").unpack_from
U32 = Struct("<I").unpack_from
U64 = Struct("<Q").unpack_from


def packed_int(data: bytes, at: int) -> tuple[int, int]:
    """A number of the protocol's variable length at *at*, and where it ends."""
    first = data[at]
    if first < 0xFB:
        return first, at + 1
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
    return int.from_bytes(data[at + 1 : at + 1 + size], "little"), at + 1 + size
