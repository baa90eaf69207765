"""The border where the driver's errors become the engine's, classed by the server's error codes."""

import re
from types import TracebackType
from typing import ClassVar, Self

import pymysql

from engine.errors import EngineError, Refused, TargetUnavailable, Unreachable


class ServerRefused(Refused):
    """Permanent: the server will not do that; `code` is its error number, `said` are its words, without *where* it is."""

    def __init__(self, said: str, code: int, where: str = "") -> None:
        super().__init__(f"{where}: {said}" if where else said)
        self.said = said
        self.code = code
        self.where = where


class Trouble(TargetUnavailable):
    """Retryable: `code` is the server's error number (or the driver's)."""

    lost: ClassVar[bool] = False

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


class NotConnected(Trouble, Unreachable):
    """Nobody answers, or the server does not let us in: it is full, offline, or the password is another."""


class Lost(Trouble):
    """The connection is gone, and with it the transaction and every lock; the statement may or may not have run: look."""

    lost = True


class Waited(Trouble):
    """A lock was not to be had in time (1205, 3572), or a deadlock was broken at our cost (1213): the transaction, or only
    the statement for 1205, is rolled back."""


class Tolerated:
    """Inside, the server may answer with one of the error numbers *codes*: then what follows the block is done instead."""

    def __init__(self, *codes: int) -> None:
        self._codes = codes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return isinstance(error, ServerRefused | Trouble) and error.code in self._codes


LOST = frozenset(
    {1053, 1077, 1079, 1152, 1154, 1155, 1156, 1157, 1158, 1159, 1160, 1161, 1184, 1927}
    | {2000, 2006, 2012, 2013, 2014, 2027, 2055, 3169, 4031}
)
TOO_MUCH = 1197
"""More was written in a transaction than max_binlog_cache_size has room for: fewer rows at a time may fit."""
# 1206: fewer rows at a time need fewer locks; 1412: a snapshot is older than the table, which somebody has just optimized.
WAITED = frozenset({TOO_MUCH, 1205, 1206, 1213, 1412, 3058, 3572})
NOT_IN_TIME = 1205
OF_LOCKS = frozenset({NOT_IN_TIME, 1213, 3572})
"""Of those what comes of locks that others have, and goes when they give them back."""
ACCESS_DENIED = 1045
NO_SUCH_TABLE = 1146
NO_SUCH_DATABASE = 1049
NO_SUCH_PLACE = frozenset({NO_SUCH_TABLE, NO_SUCH_DATABASE})
NO_PRIVILEGE = frozenset({1044, 1142, 1143, 1227, 1370})
"""The account may not do that: in a database, to a table, to a column, on the server, with a routine."""
_BY_AN_OPTION = 1290
"""An option of the server forbids it, which the text names."""
READ_ONLY = frozenset({_BY_AN_OPTION, 1836})
"""Of a Trouble: the server takes no writes, as it is a replica, or one that is to become one."""
NOT_ONLINE = frozenset({1845, 1846})
"""An ALTER TABLE that is possible, but not by that ALGORITHM, or not with that LOCK: unsupported, the second with a reason."""
NOT_THAT_WAY = NOT_ONLINE | {1800, 4092, 4158}
"""The same for whatever reason: the algorithm is unknown, there are no row versions left, or no room for further columns."""
OF_A_VALUE = frozenset(
    {1048, 1062, 1138, 1264, 1265, 1292, 1366, 1406, 1416, 1452, 1526, 1586, 1690, 3140, 3819, 4025}
)
"""What both servers say of an ALTER TABLE when a row has a value, or lacks one, that the new definition does not take."""
INTERRUPTED = 1317
TOOK_TOO_LONG = frozenset({1969, 3024})
"""A statement took longer than it may."""
OUTRUN = 1799
"""More was written while an index was built than innodb_online_alter_log_max_size holds."""
TABLE_FULL = 1114
NO_ROOM = frozenset({20, 1021, TABLE_FULL})
"""The disk is full; where a file cannot be written (3, 1026, 1878) or a storage engine fails (1030) only the text tells."""
NOT_NOW = {
    3: "a file could not be written; see the disk and the server's error log",
    20: "the disk is full; make room",
    1020: "a row changed under the transaction",
    1021: "the disk of the server is full; make room",
    1026: "writing failed; see the disk and the server's error log",
    1030: "the storage engine reports an error; see the disk and the server's error log",
    1037: "the server is out of memory",
    1038: "the server is out of sort memory",
    1040: "the server has too many connections; raise max_connections or end some",
    1041: "the server is out of memory",
    1047: "the node of the cluster does not serve yet",
    TABLE_FULL: "the table is full: the disk, or a limit of the server (of a MEMORY table max_heap_table_size); make room",
    1129: "the server blocks this host after failed connections; FLUSH HOSTS there",
    1135: "the server can begin no further thread",
    1180: "the server could not commit; see its error log",
    1203: "this user has too many connections",
    1226: "this user has used up its resources",
    _BY_AN_OPTION: "the server runs read-only (a fail-over?)",
    INTERRUPTED: "the statement was interrupted",
    1637: "the server has too many transactions open",
    OUTRUN: "more was written while an index was built than innodb_online_alter_log_max_size holds; raise it, or wait for a "
    "calmer time",
    1836: "the server runs read-only (a fail-over?)",
    1878: "a temporary file could not be written; see the disk",
    **dict.fromkeys(TOOK_TOO_LONG, "the statement took longer than the server allows"),
    2002: "it cannot be reached",
    2003: "it cannot be reached",
    2026: "the TLS connection failed",
    3032: "the server is in offline mode",
    3100: "the server could not run a hook of replication",
    3101: "the group of servers rolled it back",
    3168: "the service is not up yet",
}
# Another password or grant heals these, and passwords are rotated: they are tried again.
NO_ENTRY = {
    1044: "this user may not use the database, or not lock its tables: `schemabot doctor` names the GRANT",
    ACCESS_DENIED: "user or password is wrong",
    1130: "the server does not let this host in",
    1698: "user or password is wrong",
    1820: "the password has expired",
    1862: "the password has expired",
    3118: "the account is locked",
    4151: "the account is locked",
}


_DENIED = re.compile(r"(?P<rights>[A-Z][A-Z, ]+) command denied to user (?P<user>'[^']*'@'[^']*')")
_READ_ONLY = re.compile("read.only", re.IGNORECASE)
_LACKING = re.compile(r"one of\) the (?P<rights>[A-Z_, or]+) privilege")


LOG_BY_ROW = (
    "the server logs by statement (binlog_format = STATEMENT): SET GLOBAL binlog_format = ROW, and in its configuration, "
    "or GRANT SESSION_VARIABLES_ADMIN (MariaDB: BINLOG ADMIN) ON *.* to the user of this dsn"
)


def grant_for(text: str, code: int) -> str:
    """What to grant (or to set) where the server said that a privilege is missing; else nothing."""
    if code in (1142, 1143, 1370) and (found := _DENIED.search(text)):
        return f": GRANT {found['rights'].strip()} ON that schema to {found['user']}"
    if code == 1419:
        return (
            ": SET GLOBAL log_bin_trust_function_creators = 1, or let this user read the log instead of using triggers: "
            "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* to the user of this dsn"
        )
    if code == _BY_AN_OPTION and "NO_ENGINE_SUBSTITUTION" in text:
        return ": it makes tables of no engine but its enforce_storage_engine"
    if code == 1665:
        return f": {LOG_BY_ROW}"
    if code == 1227 and (found := _LACKING.search(text)):
        return f": GRANT {re.split(r',| or ', found['rights'])[-1].strip()} ON *.* to the user of this dsn"
    return ""


def code_of(error: Exception) -> int:
    """The error number, 0 when there is none."""
    first = error.args[0] if error.args else 0
    return first if isinstance(first, int) else 0


def translate(error: Exception, where: str = "") -> EngineError:
    """What *error* of the driver or the socket, or one that the driver does not expect, means for the caller."""
    code = code_of(error) if isinstance(error, pymysql.MySQLError) else 0
    text = str(error.args[1]) if len(error.args) == 2 else str(error)
    said = f"{where}: {text}" if where else text
    if not isinstance(error, pymysql.MySQLError | OSError):
        return Lost(f"{said} ({type(error).__name__}: the driver does not understand what it got)", code)
    if isinstance(error, OSError) or code in LOST:
        return Lost(f"{said} ({code or type(error).__name__}: the connection is gone)", code)
    if isinstance(error, pymysql.err.InterfaceError):
        return Lost(f"{said} (the connection is closed)", code)
    if not code and not isinstance(error, pymysql.err.ProgrammingError | pymysql.err.NotSupportedError):
        # The driver does not understand what came (a wrong sequence number, an unexpected packet) and has hung up.
        return Lost(f"{said} (the answer was not understood)", code)
    if code in WAITED:
        return Waited(f"{said} ({code})", code)
    advice = NOT_NOW.get(code) or NO_ENTRY.get(code)
    if advice is not None and (code != _BY_AN_OPTION or _READ_ONLY.search(text)):
        return Trouble(f"{said} ({code}: {advice})", code)
    return ServerRefused(f"{text} ({code}){grant_for(text, code)}", code, where)


def not_connected(error: Exception, where: str) -> EngineError:
    """As `translate`, for a connection that did not come about."""
    found = translate(error, where)
    if isinstance(found, Trouble) and not found.lost:
        return NotConnected(str(found), found.code)
    return found
