"""One connection to a target server: runs SQL, raises the engine's errors, tells what the server said of a statement."""

import re
import socket
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from types import TracebackType
from typing import Any, Self

import pymysql
from pymysql.connections import Connection
from pymysql.constants import CLIENT
from pymysql.cursors import Cursor

from engine.mysql.address import Address
from engine.mysql.keepalive import keep_alive
from engine.mysql.tls import tls_options
from engine.mysql.trouble import ACCESS_DENIED, Lost, NotConnected, ServerRefused, not_connected, translate

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
SETTINGS: Mapping[str, object] = {
    "autocommit": 1,
    "time_zone": "+00:00",
    "lock_wait_timeout": 2,
    "innodb_lock_wait_timeout": 3,
    "foreign_key_checks": 1,
    "unique_checks": 1,
    "sql_quote_show_create": 1,
    "wait_timeout": 604_800,  # a connection may have nothing to do while rows are copied for days
    "completion_type": 0,
    "sql_safe_updates": 0,
    "sql_notes": 1,  # a lossy value of a DECIMAL is told of by a note
    "sql_big_selects": 1,
    "sql_select_limit": 2**64 - 1,
    "lc_messages": "en_US",  # some of what the server says is read
}
"""What every connection starts with, whatever the server's operator set for all; a caller's own settings come on top."""
_BY_VENDOR = (
    # Each vendor reads its own comment. A statement that names no algorithm runs by the best there is: MySQL's variable for that
    # is one that MariaDB 11 no longer has.
    " /*M!100000 , SESSION max_statement_time = 0, SESSION alter_algorithm = 'DEFAULT',"
    " SESSION use_stat_tables = 'NEVER',"  # else ANALYZE reads all rows
    " SESSION check_constraint_checks = 1,"  # no CHECK goes live that rows violate
    " SESSION sql_if_exists = 0, SESSION innodb_compression_default = 0,"  # nothing is done that no statement says
    " SESSION default_regex_flags = '' */"
    " /*!80000 , SESSION old_alter_table = 0, SESSION max_execution_time = 0, SESSION range_optimizer_max_mem_size = 0,"
    " SESSION show_gipk_in_create_table_and_information_schema = 1,"  # a table made LIKE another keeps its own key
    " SESSION information_schema_stats_expiry = 0 */"  # how large a table is now, not yesterday
)
DDL_SETTINGS: Mapping[str, object] = {
    "sql_mode": "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION,ALLOW_INVALID_DATES",
    "lock_wait_timeout": 1,
}
"""Those of a connection that changes tables: no value is bent to fit, those that are there stay as they are (a row with key 0,
a date that never was), and no writer queues behind our wait for a lock for longer than a second."""

_IN_CLEAR = ("mysql_clear_password", "dialog")
"""What a server may ask for that the driver answers with the password as it is; MariaDB's PAM has the second."""
_NAME = re.compile(r"`[^`]*`")
_NOT_UNDERSTOOD = (UnicodeDecodeError, struct.error, IndexError, AssertionError)
"""What the driver raises amid an answer that it does not understand; its rest would be taken for the answer to the next."""
_NOT_CONNECTED = (pymysql.MySQLError, OSError, *_NOT_UNDERSTOOD, ValueError)
"""What it raises instead of connecting: another protocol may be spoken there, and the name may be none of a host."""

Row = tuple[Any, ...]


class Link:
    """A connection, used by one thread at a time; a context manager that closes it.

    Every method raises EngineErrors: `Lost` when the connection broke (the statement may have run), `Waited` for lock waits
    and deadlocks, `Trouble` for other passing trouble, `ServerRefused` for what stays refused; all carry `code`.
    """

    def __init__(
        self,
        address: Address,
        *,
        settings: Mapping[str, object] | None = None,
        schema: str | None = None,
        answer_seconds: float | None = ANSWER_SECONDS,
    ) -> None:
        """Connect: READ COMMITTED, `SETTINGS` and then *settings* set, *schema* (default: the address's) selected.

        *answer_seconds* bounds the wait for an answer; None waits as long as the statement takes.
        """
        self._where = str(address)
        try:
            self._connection: Connection[Cursor] = pymysql.connect(
                host=address.host or None,
                port=address.port,
                unix_socket=address.socket or None,
                user=address.user,
                # The driver would make Latin-1 of a text. What an environment has is passed on as it is.
                password=address.password.encode("utf-8", "surrogateescape"),
                database=(address.database if schema is None else schema) or None,
                charset="utf8mb4",
                collation="utf8mb4_bin",
                client_flag=CLIENT.FOUND_ROWS,
                autocommit=None,
                connect_timeout=CONNECT_SECONDS,
                read_timeout=answer_seconds,
                write_timeout=answer_seconds or ANSWER_SECONDS,
                auth_plugin_map={} if _sure_of(address) else dict.fromkeys(_IN_CLEAR, _Discreet),
                defer_connect=True,
                **tls_options(address),
            )
            if address.ssl_mode == "preferred" and not (address.ssl_ca or address.ssl_cert):
                self._connection._ssl_required = False  # type: ignore[attr-defined]
            self._connection.connect()
            keep_alive(self._connection._sock)  # type: ignore[attr-defined]
        except _NOT_CONNECTED as error:
            raise not_connected(error, self._where) from error
        except RuntimeError as error:
            # The driver's own encryption of passwords is not installed: TLS does that. Passing trouble, as a wrong password:
            # it comes with a restart of the server, which then no longer remembers that the account was let in.
            raise NotConnected(
                f"{self._where}: this account's password goes over TLS only: leave ssl_mode=disabled out of the dsn, "
                "and have TLS on at the server",
                ACCESS_DENIED,
            ) from error
        try:
            self.set({**SETTINGS, **(settings or {})}, _BY_VENDOR)
            self.run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE")
            self._set_what_not_everybody_may()
            self.id: int = self._connection.thread_id()  # type: ignore[no-untyped-call]
        except BaseException:
            self.hang_up()
            raise

    def set(self, settings: Mapping[str, object], more: str = "") -> None:
        """Set variables of the session, and *more*, SQL that follows."""
        # Said to be in UTF-8: a session whose literals are in UTF-16 is not understood by MySQL here.
        marks = ", ".join(
            f"SESSION {name} = {'_utf8mb4' if isinstance(value, str) else ''}%s"
            for name, value in settings.items()
        )
        self.run(f"SET {marks}{more}", *settings.values())

    @contextmanager
    def having(
        self,
        settings: Mapping[str, object],
        back: Mapping[str, object] | None = None,
        *,
        more: tuple[str, str] = ("", ""),
    ) -> Iterator[None]:
        """Inside, variables of the session are set so; then as *back* says, by default as they were before.

        *more*: SQL that follows, of the one and of the other.
        """
        if back is None:
            asked = ", ".join(f"@@SESSION.{name}" for name in settings)
            back = dict(zip(settings, self.rows(f"SELECT {asked}")[0], strict=True))
        self.set(settings, more[0])
        try:
            yield
        finally:
            with suppress(Lost):  # whoever uses it next is told
                self.set(back, more[1])

    def run(self, sql: str, *args: object) -> int:
        """Run one statement; how many rows it found or changed. `%s` stand for *args*, `%%` for a %; without args, and in a
        name in backticks, a % is a %.
        """
        return self._execute(sql, args)[0]

    def rows(self, sql: str, *args: object) -> list[Row]:
        """The rows of a query."""
        return self._execute(sql, args)[1]

    def raw_rows(self, sql: str, *args: object) -> list[Row]:
        """The same with texts as bytes: not all that a server tells is UTF-8. No DECIMAL may be among them, nor for `named`."""
        self._connection.use_unicode = False
        try:
            return self.rows(sql, *args)
        finally:
            self._connection.use_unicode = True

    def row(self, sql: str, *args: object) -> Row | None:
        """The first row of a query, None when there is none."""
        found = self.rows(sql, *args)
        return found[0] if found else None

    def value(self, sql: str, *args: object) -> Any:
        """The first column of the first row, None when there is none."""
        found = self.row(sql, *args)
        return None if found is None else found[0]

    def named(self, sql: str, *args: object) -> list[dict[str, Any]]:
        """The rows of a query by lower-case column name; what is no UTF-8 in a text is replaced."""
        self._connection.use_unicode = False
        try:
            cursor = self._cursor(sql, args)
        finally:
            self._connection.use_unicode = True
        with cursor:
            names = [str(column[0]).lower() for column in cursor.description or ()]
            return [dict(zip(names, map(_readable, row), strict=True)) for row in cursor.fetchall()]

    def kinds(self, sql: str) -> list[tuple[int, int]]:
        """The type of each column of a query, and its character set, as the protocol numbers them."""
        with self._cursor(sql, ()) as cursor:
            return [(field.type_code, field.charsetnr) for field in cursor._result.fields]  # type: ignore[attr-defined]

    @cached_property
    def list_bytes(self) -> int:
        """How many bytes of a statement a list in it may have: half of what the server takes at once (max_allowed_packet)."""
        return int(self.value("SELECT @@SESSION.max_allowed_packet")) // 2

    @property
    def warnings(self) -> int:
        """How many warnings the last statement gave (`SHOW WARNINGS` has them)."""
        return int(self._connection._result.warning_count or 0) if self._connection._result else 0  # type: ignore[attr-defined]

    @property
    def message(self) -> str:
        """What the server said of the last statement: `Records: 5  Duplicates: 0  Warnings: 0`; often empty."""
        found = self._connection._result.message if self._connection._result else b""  # type: ignore[attr-defined]
        return found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found or "")

    def stream(self, command: int, body: bytes) -> socket.socket:
        """Send a command of the protocol whose answer never ends; read it from the socket, the link takes no more statements."""
        try:
            self._connection._execute_command(command, body)  # type: ignore[attr-defined]
        except (pymysql.MySQLError, OSError) as error:
            raise translate(error, self._where) from error
        found: socket.socket = self._connection._sock  # type: ignore[attr-defined]
        return found

    @contextmanager
    def without_limit(self) -> Iterator[None]:
        """Inside, an answer may take as long as the statement does."""
        limit = self._connection._read_timeout  # type: ignore[attr-defined]
        self._connection._read_timeout = None  # type: ignore[attr-defined]
        try:
            yield
        finally:
            self._connection._read_timeout = limit  # type: ignore[attr-defined]

    def close(self) -> None:
        """Say good-bye; nothing is raised."""
        with suppress(pymysql.MySQLError, OSError):
            self._connection.close()

    def hang_up(self) -> None:
        """End the connection without a word, from whatever thread: what waits for an answer on it gets Lost."""
        found = self._connection._sock  # type: ignore[attr-defined]
        if found is not None:
            with suppress(OSError):
                # Below TLS, whose own shutdown would take the session from under the reading thread. Closed with the object.
                socket.socket.shutdown(found, socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _set_what_not_everybody_may(self) -> None:
        """Where all sessions log by statement, a transaction like ours may not write (1665).

        Before MariaDB 10.8 explicit_defaults_for_timestamp is read-only: then it is everywhere as the server has it.
        """
        logged, explicit = self.rows("SELECT @@SESSION.binlog_format, @@explicit_defaults_for_timestamp")[0]
        if logged == "STATEMENT":
            with suppress(ServerRefused):
                self.set({"binlog_format": "ROW"})
        if not explicit:
            with suppress(ServerRefused):
                self.set({"explicit_defaults_for_timestamp": 1})

    def _execute(self, sql: str, args: Sequence[object]) -> tuple[int, list[Row]]:
        with self._cursor(sql, args) as cursor:
            return cursor.rowcount, list(cursor.fetchall() if cursor.description else ())

    def _cursor(self, sql: str, args: Sequence[object]) -> Cursor:
        cursor = self._connection.cursor()
        try:
            cursor.execute(_bindable(sql) if args else sql, args or None)
        except (pymysql.MySQLError, OSError) as error:
            raise translate(error, self._where) from error
        except _NOT_UNDERSTOOD as error:
            self.hang_up()
            raise translate(error, self._where) from error
        return cursor


def _readable(value: object) -> object:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _bindable(sql: str) -> str:
    """As the driver wants it, which knows nothing of names."""
    return _NAME.sub(lambda name: name[0].replace("%", "%%"), sql)


class _Discreet:
    """What the driver asks instead of sending the password as it is, because the server wants it so."""

    def __init__(self, connection: object) -> None:
        self._connection = connection

    def authenticate(self, _packet: object) -> None:
        """Whoever answers at the address may not be the server."""
        raise pymysql.err.OperationalError(
            ACCESS_DENIED,
            "the server asks for the password in clear: say ssl_mode=verify_identity (or verify_ca) in the dsn, with ssl_ca",
        )


def _sure_of(address: Address) -> bool:
    """Whether it is known who answers there."""
    return bool(address.socket) or address.ssl_mode.startswith("verify")
