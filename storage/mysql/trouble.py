"""The border where the driver's errors become ours, by the server's error codes."""

import struct

import pymysql

from storage.errors import Refused, StoreError, Unavailable


class Undone(Unavailable):
    """The server has rolled the transaction back, or wants it to be: run it again."""


class Lost(Unavailable):
    """The connection is gone, and with it the transaction, unless it was at its COMMIT."""


class Unreachable(Lost):
    """No connection can be had now."""


class Duplicate(StoreError):
    """A unique key is taken; `key` is its name."""

    def __init__(self, key: str) -> None:
        super().__init__(f"there is one already: {key}")
        self.key = key


OF_DRIVER = (
    pymysql.MySQLError,
    OSError,
    UnicodeDecodeError,
    struct.error,
    IndexError,
    AssertionError,
)
"""What the driver raises; the last four amid an answer that it does not understand, so that its rest would be the next one's."""
DUPLICATE = 1062
UNDONE = {
    1205: "a row stayed locked",
    1213: "a deadlock",
    1020: "a row changed under a transaction",
    3101: "a conflict in the group",
    3058: "a deadlock of named locks",
}
LOST = {
    1053: "it shuts down",
    1077: "it shuts down",
    1079: "it shuts down",
    1152: "the connection was aborted",
    1154: "the connection broke",
    1155: "the connection broke",
    1156: "the connection broke",
    1157: "the connection broke",
    1158: "the connection broke",
    1159: "the connection timed out",
    1160: "the connection broke",
    1161: "the connection timed out",
    1927: "the connection was killed",
    2006: "the connection is gone",
    2012: "the connection broke",
    2013: "the connection broke or timed out",
    2014: "the connection broke",
    2027: "the connection broke",
    2055: "the connection broke",
    3169: "the connection was killed",
    4031: "the connection was idle for too long",
}
UNREACHABLE = {
    1040: "it has too many connections",
    1044: "this user may not use the database",
    1045: "user or password is wrong",
    1049: "there is no such database",
    1129: "it blocks this host after too many failed connections",
    1130: "it does not let this host in",
    1203: "this user has too many connections",
    1226: "this user has used up its resources",
    1698: "user or password is wrong",
    2002: "it cannot be reached",
    2003: "it cannot be reached",
    2026: "the TLS connection failed",
    3118: "the account is locked",
    4151: "the account is locked",
}
NOT_NOW = {
    3: "its disk is full",
    1021: "its disk is full",
    1026: "it cannot write a file",
    1030: "its storage engine reports an error",
    1037: "it is out of memory",
    1038: "it is out of memory",
    1041: "it is out of memory",
    1047: "it is not ready (cluster)",
    1114: "no space is left for the table",
    1135: "it cannot make a thread",
    1142: "this user lacks a privilege",
    1143: "this user lacks a privilege",
    1180: "it cannot commit",
    1227: "this user lacks a privilege",
    1197: "the transaction is too large for its binary log",
    1290: "it is read-only",
    1317: "the statement was interrupted",
    1637: "too many transactions are under way",
    1792: "the transaction is read-only",
    1820: "the password has expired",
    1836: "it is read-only",
    1862: "the password has expired",
    1878: "it cannot write a file",
    1969: "the statement took too long",
    3024: "the statement took too long",
    3032: "it is offline for all but administrators",
    3100: "it cannot commit (group)",
    3168: "it is not ready",
}
REFUSED = {1264: "a number is out of range", 1366: "a text has a wrong character", 1406: "a text is too long"}
NO_SUCH_TABLE = 1146


def translate(error: Exception, place: object) -> StoreError:
    """Our error for the driver's; the text names the server, never the password."""
    code, text = _parts(error)
    store = f"the store {place}"
    if code == DUPLICATE:
        return Duplicate(text.rpartition(" for key ")[2].strip("'`").rpartition(".")[2])
    for kind, known in (
        (Undone, UNDONE),
        (Lost, LOST),
        (Unreachable, UNREACHABLE),
        (Unavailable, NOT_NOW),
        (Refused, REFUSED),
    ):
        if code in known:
            return kind(f"{store}: {known[code]} ({code}: {text})")
    if code == NO_SUCH_TABLE:
        return Unavailable(f"{store} has no such table; it was not upgraded, or is another's ({text})")
    # Also an answer that is none, or not the one to this question.
    if isinstance(error, OSError) or code <= 0:
        return Lost(f"{store}: the connection is gone ({text or type(error).__name__})")
    return StoreError(f"{store}: {type(error).__name__} {code}: {text}")


def _parts(error: Exception) -> tuple[int, str]:
    match error.args:
        case (int(code), str(text), *_):
            return code, text
        case (int(code), *_):
            return code, ""
    return -1, str(error)
