"""The server that tests speak to, whether it is our own or one that the environment names."""

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pymysql
from pymysql.connections import Connection

from tests.servers.errors import NotOurs, ServerBroken
from tests.servers.flavours import ACCOUNT, Flavour
from tests.servers.private import PrivateServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running MariaDB or MySQL for tests.

    The account may do everything. `restart`, `kill`, `start`, `stop` and `pid` raise NotOurs for a server that
    the environment names; a test that needs them says so by `needs_control()` first. A test may leave the
    server dead: it is started again before the next one.
    """

    flavour: str  # "mariadb" or "mysql"
    title: str  # "MariaDB" or "MySQL"
    version: str  # "10.11.19"
    host: str
    port: int
    user: str
    password: str
    socket: Path | None
    own: PrivateServer | None = None
    databases: list[str] = field(default_factory=list)

    def connect(self, **options: Any) -> "Connection[Any]":
        """A connection by the port; `options` are PyMySQL's and go before ours, which disable TLS."""
        ours = {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "charset": "utf8mb4",
            "connect_timeout": 10,
            "ssl_disabled": True,
        }
        return pymysql.connect(**{**ours, **options})

    def url(self, database: str, *, port: int | None = None, query: str = "") -> str:
        """mysql://user:password@host:port/database; `port` is another one, that of a proxy."""
        password = f":{quote(self.password, safe='')}" if self.password else ""
        place = f"127.0.0.1:{port}" if port is not None else f"{self.host}:{self.port}"
        where = f"{place}/{quote(database, safe='')}"
        return f"mysql://{quote(self.user, safe='')}{password}@{where}" + (query and f"?{query}")

    @contextmanager
    def having(self, **settings: Any) -> Iterator[None]:
        """Inside, these global variables have these values, for all sessions that begin; then those that they had before."""
        names = ", ".join(f"@@GLOBAL.{name}" for name in settings)
        with self.connect(autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT {names}")
            before = dict(zip(settings, cursor.fetchone(), strict=True))
            try:
                for name, value in settings.items():
                    cursor.execute(f"SET GLOBAL {name} = %s", (value,))
                yield
            finally:
                for name in reversed(before):
                    cursor.execute(f"SET GLOBAL {name} = %s", (before[name],))

    def fresh_database(self, prefix: str = "t_") -> str:
        """The name of a new, empty database; dropped at the end of the run at the latest."""
        name = f"{prefix}{secrets.token_hex(8)}"
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
        self.databases.append(name)
        return name

    def drop_database(self, name: str) -> None:
        """Drop a database that fresh_database made."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS `{name}`")
        self.databases.remove(name)

    def is_one(self, wanted: str) -> bool:
        """Whether it is what *wanted* names: any server "", a flavour "mysql", or one from some version on, "mariadb 10.7"."""
        flavour, _, least = wanted.partition(" ")
        numbers = [int(number) for number in least.split(".") if number]
        return flavour in ("", self.flavour) and [int(n) for n in self.version.split(".")] >= numbers

    @property
    def pid(self) -> int | None:
        """The server's process, None while it is down."""
        return self.needs_control().pid

    def revive(self) -> None:
        """Have our own server running again, whatever a test left it in; nothing for another's."""
        if self.own is None:
            return
        if (pid := self.own.pid) is not None:
            os.kill(pid, signal.SIGCONT)
        self.own.start()

    def needs_control(self) -> PrivateServer:
        """Raise NotOurs unless the server may be stopped and killed."""
        if self.own is None:
            raise NotOurs(f"this {self.title} was named by the environment: it can not be stopped by a test")
        return self.own

    def start(self) -> None:
        """Start it and return once it answers."""
        self.needs_control().start()

    def stop(self) -> None:
        """Shut it down in order; returns when the process has ended."""
        self.needs_control().stop()

    def kill(self) -> None:
        """kill -9; returns when the process has ended."""
        self.needs_control().kill()

    def restart(self) -> None:
        """Shut it down in order and start it again, on the same port with the same data."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End it and its data, or drop our databases from a server that is not ours."""
        if self.own is not None:
            self.own.close()
        else:
            for name in list(self.databases):
                self.drop_database(name)


def open_server(flavour: Flavour) -> Server:
    """The server of *flavour* for a test run: the one that the environment names, else one of our own.

    Raises ServerMissing when there is none to be had and ServerBroken when there is but it does not answer or
    is of the wrong flavour.
    """
    named = os.environ.get(flavour.variable, "")
    return _named_server(flavour, named) if named else _own_server(flavour)


def _own_server(flavour: Flavour) -> Server:
    own = PrivateServer(flavour)
    try:
        return server_of(own)
    except BaseException:
        own.close()
        raise


def server_of(own: PrivateServer) -> Server:
    """A server that somebody else started, and closes."""
    return _introduced(
        own.flavour, host="127.0.0.1", port=own.port, user=ACCOUNT, password="", socket=own.socket, own=own
    )


def _named_server(flavour: Flavour, address: str) -> Server:
    parts = urlsplit(address)
    if parts.scheme != "mysql" or not parts.hostname:
        raise ServerBroken(f"{flavour.variable} must look like mysql://user:password@host:port")
    try:
        return _introduced(
            flavour,
            host=parts.hostname,
            port=parts.port or 3306,
            user=unquote(parts.username or "root"),
            password=unquote(parts.password or ""),
            socket=None,
            own=None,
        )
    except pymysql.MySQLError as exc:
        raise ServerBroken(f"the server that {flavour.variable} names does not answer: {exc}") from exc


def _introduced(flavour: Flavour, **known: Any) -> Server:
    """The server with the version that it says it has."""
    server = Server(flavour=flavour.name, title=flavour.title, version="", **known)
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        (text,) = cursor.fetchone()
    if ("MariaDB" in text) != (flavour.name == "mariadb"):
        raise ServerBroken(f"{flavour.variable} names a server that is not {flavour.title} but {text}")
    return replace(server, version=text.split("-")[0])
