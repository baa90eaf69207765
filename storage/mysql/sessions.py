"""Connections to the server: one per thread, opened at first use and again when lost, settings and all.

The password is resolved anew for each connection, and the files for TLS are read anew: what was changed in the meantime
takes effect by itself.
"""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.constants import CLIENT, FIELD_TYPE
from pymysql.converters import conversions
from pymysql.cursors import DictCursor

from storage.errors import Unavailable
from storage.mysql.address import Address
from storage.mysql.clock import to_moment
from storage.mysql.keepalive import keep_alive
from storage.mysql.transaction import Link
from storage.mysql.trouble import OF_DRIVER, Lost, Unreachable, translate

OnConnect = Callable[[Link], None]

IDLE_SECONDS = 10.0
"""A connection that was idle for longer is asked whether it still lives before it is used."""
ABANDONED_SECONDS = 30
"""The server ends a connection that is silent for so long: a process that is stopped, or cut off, in mid-transaction
keeps its rows locked no longer. Idle connections end with it; they are opened again without a word."""
SETTINGS = (
    "autocommit = 1",
    "time_zone = '+00:00'",
    "sql_mode = 'ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
)

_IN_CLEAR = ("mysql_clear_password", "dialog")
"""What a server may ask for that the driver answers with the password as it is; MariaDB's PAM has the second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long to wait for the server, in seconds; all finite."""

    connect: float
    answer: float
    row_lock: int


def for_work(address: Address) -> Limits:
    """The limits of a connection for work."""
    return Limits(connect=5.0, answer=address.answer_seconds, row_lock=5)


def for_heartbeats(address: Address) -> Limits:
    """The limits of the heartbeat's: it would rather try again than wait."""
    return Limits(connect=3.0, answer=min(4.0, address.answer_seconds), row_lock=2)


PROBE = Limits(connect=2.0, answer=2.0, row_lock=1)
UPGRADE = Limits(connect=5.0, answer=3600.0, row_lock=60)


class Sessions:
    """Opens sessions for one address, and keeps each thread's."""

    def __init__(
        self, address: Address, resolve: Callable[[str], str], on_connect: OnConnect | None = None
    ) -> None:
        self.address = address
        self._resolve = resolve
        self._on_connect = on_connect
        self._own = threading.local()
        self._owned: list[tuple[threading.Thread, Session]] = []
        self._shared: list[Session] = []
        self._lock = threading.Lock()
        self._closed = False

    def mine(self) -> "Session":
        """The calling thread's session, for work. It is closed with the others, or when its thread is gone."""
        found: Session | None = getattr(self._own, "session", None)
        if found is None:
            found = self._own.session = Session(self, for_work(self.address))
            self._keep(found)
        return found

    def shared(self, limits: Limits) -> "Session":
        """A session for any thread, one at a time."""
        session = Session(self, limits)
        with self._lock:
            self._shared.append(session)
        return session

    def _keep(self, session: "Session") -> None:
        with self._lock:
            gone = [held for thread, held in self._owned if not thread.is_alive()]
            self._owned = [(thread, held) for thread, held in self._owned if thread.is_alive()]
            self._owned.append((threading.current_thread(), session))
        for held in gone:
            held.close()

    def connect(self, limits: Limits) -> Link:
        """A new connection. Raises Unreachable and other kinds of Unavailable."""
        address = self.address
        password = self._resolve(address.password)
        try:
            link = pymysql.connect(
                host=address.host,
                port=address.port,
                user=address.user,
                # The driver would make Latin-1 of a text. What an environment has is passed on as it is.
                password=password.encode("utf-8", "surrogateescape"),
                database=address.database,
                charset="utf8mb4",
                collation="utf8mb4_bin",
                cursorclass=DictCursor,
                conv=_CONVERSIONS,
                # With FOUND_ROWS a renewal that changes nothing is no lost lease.
                client_flag=CLIENT.FOUND_ROWS | CLIENT.MULTI_STATEMENTS,
                autocommit=None,
                connect_timeout=limits.connect,
                read_timeout=limits.answer,
                write_timeout=limits.answer,
                auth_plugin_map={} if _sure_of(address) else dict.fromkeys(_IN_CLEAR, _Discreet),
                defer_connect=True,
                **_tls_options(address),
            )
            if address.ssl_mode == "preferred" and not (address.ssl_ca or address.ssl_cert):
                link._ssl_required = False  # type: ignore[attr-defined]
            link.connect()
            keep_alive(link._sock)  # type: ignore[attr-defined]
        except (*OF_DRIVER, ValueError) as exc:  # also another protocol, or a name that is none of a host
            raise self._unreachable(exc) from exc
        except RuntimeError as exc:
            # Some kinds of password are sent over TLS only, unless another library is there to hide them.
            raise Unreachable(f"the store {address}: the password can only be sent over TLS ({exc})") from exc
        self._set_up(link, limits)
        return link

    def _set_up(self, link: Link, limits: Limits) -> None:
        wanted = (
            *SETTINGS,
            f"innodb_lock_wait_timeout = {limits.row_lock}",
            f"wait_timeout = {max(ABANDONED_SECONDS, 2 * limits.row_lock)}",
        )
        try:
            link.query(f"SET SESSION {', SESSION '.join(wanted)}")
            link.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            if self._on_connect is not None:
                self._on_connect(link)
        except OF_DRIVER as exc:
            _hang_up(link)
            raise self._unreachable(exc) from exc

    def _unreachable(self, exc: Exception) -> Unavailable:
        """Whatever it was, no connection can be had now."""
        error = translate(exc, self.address)
        if isinstance(error, Unavailable) and not isinstance(error, Lost):
            return error
        return Unreachable(str(error))

    def check_open(self) -> None:
        """Raise Unavailable once closed."""
        if self._closed:
            raise Unavailable(f"the store {self.address} is closed")

    def close(self) -> None:
        """Close every session once what it does is done; later calls raise Unavailable."""
        self._closed = True
        with self._lock:
            held = [*self._shared, *(session for _, session in self._owned)]
            self._owned = []
        for session in held:
            session.close()


class Session:
    """One connection at a time, used by one thread at a time."""

    def __init__(self, sessions: Sessions, limits: Limits) -> None:
        self._sessions = sessions
        self._limits = limits
        self._lock = threading.Lock()
        self._link: Link | None = None
        self._used = 0.0
        self.opened = 0
        """How often it was opened."""

    @contextmanager
    def turn(self) -> Iterator[Link]:
        """The connection, alive as far as one can know. What goes wrong must be told by `drop`."""
        if not self._lock.acquire(timeout=self._limits.answer):
            raise Unavailable(f"the store {self._sessions.address}: no turn on its connection")
        try:
            self._sessions.check_open()
            yield self._alive()
            self._used = time.monotonic()
        finally:
            self._lock.release()

    def drop(self) -> None:
        """Let go of a connection that is lost, or in an unknown state."""
        link, self._link = self._link, None
        if link is not None:
            _hang_up(link)

    def close(self) -> None:
        """Close it once its turn is over."""
        waited = self._lock.acquire(timeout=self._limits.answer)
        try:
            link, self._link = self._link, None
            if link is not None:
                with suppress(*OF_DRIVER):
                    link.close()
        finally:
            if waited:
                self._lock.release()

    def _alive(self) -> Link:
        if self._link is not None and time.monotonic() - self._used > IDLE_SECONDS:
            try:
                self._link.ping(reconnect=False)
            except OF_DRIVER:
                self.drop()
        if self._link is None:
            self._link = self._sessions.connect(self._limits)
            self.opened += 1
        return self._link


def _hang_up(link: Link) -> None:
    """Close the socket without the polite word, for which a lost server would be waited for."""
    link._force_close()  # type: ignore[attr-defined]


class _Discreet:
    """What the driver asks instead of sending the password as it is, because the server wants it so."""

    def __init__(self, connection: object) -> None:
        self._connection = connection

    def authenticate(self, _packet: object) -> None:
        """Whoever answers at the address may not be the server."""
        raise pymysql.err.OperationalError(
            1045,
            "the server asks for the password in clear: say ssl_mode=verify_identity (or verify_ca) in the address, with ssl_ca",
        )


def _sure_of(address: Address) -> bool:
    """Whether it is known who answers there."""
    return address.ssl_mode.startswith("verify")


def _tls_options(address: Address) -> dict[str, Any]:
    """The driver's options. Given a context, it insists on TLS; given none, it reads all authorities each time, 40 ms.

    Unreachable when a file of the address cannot be used: it may be one that is just renewed.
    """
    if address.ssl_mode == "disabled":
        return {"ssl_disabled": True}
    context = _checking(address) if address.ssl_mode.startswith("verify") else _trusting()
    if address.ssl_cert:
        try:
            # A key with a passphrase would ask on the terminal: give it none instead.
            context.load_cert_chain(address.ssl_cert, address.ssl_key, password=lambda: b"")
        except (OSError, ValueError) as error:
            files = f"ssl_cert {address.ssl_cert} and ssl_key {address.ssl_key or address.ssl_cert}"
            what = "are no certificate and key in PEM that belong together, without a passphrase"
            raise _unusable(address, files, what, error) from error
    return {"ssl": context}


def _checking(address: Address) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=address.ssl_ca)
    except OSError as error:
        raise _unusable(address, f"ssl_ca {address.ssl_ca}", "has no certificate in PEM", error) from error
    context.check_hostname = address.ssl_mode == "verify_identity"
    # Servers make their own certificates, and these leave out what the strict check asks for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _unusable(address: Address, files: str, what: str, error: Exception) -> Unreachable:
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        what = f"cannot be read: {error.strerror}"
    return Unreachable(
        f"the store {address}: {files} {what}: correct its address, or the file there, its owner and mode"
    )


_CONVERSIONS: dict[int | type[Any], Any] = {**conversions, FIELD_TYPE.DATETIME: to_moment}
