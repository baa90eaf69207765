"""What the operator decides: the configuration, read from TOML and checked whole before anything starts."""

import difflib
import ipaddress
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from server.secrets import SecretError, resolve
from storage.errors import StoreError
from storage.registry import open_store

DATABASE_TYPES = ("sqlite", "mysql", "vitess")
ROLES = ("read", "write", "admin")
"""What a token may: look and plan; also apply, command and lock; also settings and other people's locks."""
UNSAFE_CHOICES = ("allow", "refuse")
"""What happens to a plan that needs `allow_unsafe` when the client does not send the option at all."""
NAME = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.@-]{0,127}")
"""What a database, an environment or a token may be called: it stands in URLs, logs and metrics."""


class ConfigError(Exception):
    """The configuration cannot be used; `problems` says everything that is wrong, one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token that may use the API. `secret` is literal, `env:NAME` or `file:/path`; `role` one of ROLES."""

    name: str
    secret: str = field(repr=False)
    role: str = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Where the API listens, how much it takes at once. ConfigError: open to the network without tokens."""

    listen_host: str = "127.0.0.1"
    listen_port: int = 13370
    http_threads: int = 8
    max_connections: int = 1000
    tokens: tuple[Token, ...] = ()
    drain_seconds: float = 25.0
    unsafe_without_option: str = "allow"
    tls_certificate: str = ""  # with its chain, PEM; empty: not encrypted
    tls_key: str = ""

    def __post_init__(self) -> None:
        if not self.tokens and not is_loopback(self.listen_host):
            problem = (
                f"listening on {self.listen_host} is open to the network and needs at least one "
                "[[server.tokens]]; add one, or listen on 127.0.0.1"
            )
            raise ConfigError([problem])


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageConfig:
    """Where SchemaBot remembers plans and applies. `url`: a SQLite file, or an address that may hold a password; no reference."""

    url: str = field(default="./schemabot.db", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """How applies are driven. `count`: how many at the same time; 0: none is."""

    count: int = 4
    poll_seconds: float = 10.0
    lease_seconds: float = 60.0
    max_attempts: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentConfig:
    """One environment of a database. `dsn` and `workspace`: literal, `env:NAME` or `file:/path`; they may hold a password."""

    dsn: str = field(repr=False)
    workspace: str = field(default="", repr=False)
    unsafe_without_option: str = ""  # as the server says


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseConfig:
    """A database this server changes itself."""

    type: str
    environments: Mapping[str, EnvironmentConfig]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentConfig:
    """Another SchemaBot that changes databases for this one. `token`: literal, `env:NAME` or `file:/path`."""

    environments: Mapping[str, str]  # name → address of its API
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration; `Config()` is what runs without a file."""

    server: ServerConfig = field(default_factory=ServerConfig)
    storage: StorageConfig = field(default_factory=StorageConfig)
    workers: WorkerConfig = field(default_factory=WorkerConfig)
    databases: Mapping[str, DatabaseConfig] = field(default_factory=dict)
    deployments: Mapping[str, DeploymentConfig] = field(default_factory=dict)
    folder: Path = Path()
    """Where the relative path of a SQLite target starts."""

    def unsafe_without_option(self, deployment: str, environment: str) -> str:
        """`allow` or `refuse`: what the environment says, else the server."""
        database = self.databases.get(deployment)
        found = database.environments.get(environment) if database else None
        return (found.unsafe_without_option if found else "") or self.server.unsafe_without_option


@lru_cache(maxsize=64)  # asked at every request, and mostly about the same name
def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener on *host*; an unknown name counts as open."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def load_config(path: Path | str) -> Config:
    """Read and check the file at *path*; ConfigError carries every problem found, each naming file and key.

    Relative SQLite paths and `file:` references are taken from the folder the file is in.
    """
    path = Path(path)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 text"]) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: is not valid TOML: {error}"]) from error
    return _Reader(path).config(data)


class _Table:
    """One TOML table being read: every key asked for is known; `close` reports the others."""

    def __init__(self, where: str, data: Any, problems: list[str], file: Path) -> None:
        self._where = where
        self._problems = problems
        self._file = file
        self._known: list[str] = []
        self.data: dict[str, Any] = {}
        if isinstance(data, dict):
            self.data = data
        else:
            self.problem("", f"must be a table, not {_kind(data)}")

    def problem(self, key: str, text: str) -> None:
        place = ".".join(part for part in (self._where, key) if part)
        self._problems.append(f"{self._file}: {place} {text}")

    def text(self, key: str, default: str | None = None) -> str:
        """A non-empty string, or *default* where there is none; without a default the key is required."""
        self._known.append(key)
        value = self.data.get(key)
        if value is None and default is not None:
            return default
        if value is None:
            self.problem(key, "is required")
        elif not isinstance(value, str):
            self.problem(key, f"must be a string, not {_kind(value)}")
        elif not value.strip() or "\0" in value:
            self.problem(key, "must not be empty")
        else:
            return value
        return default or ""

    def integer(self, key: str, default: int, low: int, high: int) -> int:
        """A whole number in [low, high]."""
        self._known.append(key)
        value = self.data.get(key, default)
        if type(value) is not int:
            self.problem(key, f"must be a whole number, not {_kind(value)}")
        elif not low <= value <= high:
            self.problem(key, f"must be between {low} and {high}, not {value}")
        else:
            return value
        return default

    def seconds(self, key: str, default: float, low: float, high: float) -> float:
        """A number of seconds in [low, high]."""
        self._known.append(key)
        value = self.data.get(key, default)
        if type(value) not in (int, float):
            self.problem(key, f"must be a number of seconds, not {_kind(value)}")
        elif math.isnan(value) or not low <= value <= high:
            self.problem(key, f"must be between {low:g} and {high:g} seconds, not {value:g}")
        else:
            return float(value)
        return default

    def choice(self, key: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        """One of the *allowed* words, or *default* where there is none."""
        value = self.text(key, default)
        if value and value not in allowed:
            self.problem(key, f"must be one of {', '.join(allowed)}, not {value!r}{_nearest(value, allowed)}")
        return value

    def table(self, key: str) -> "_Table":
        """The table under *key*; empty when absent."""
        self._known.append(key)
        place = ".".join(part for part in (self._where, key) if part)
        return _Table(place, self.data.get(key, {}), self._problems, self._file)

    def array(self, key: str) -> list["_Table"]:
        """The array of tables under *key*."""
        self._known.append(key)
        value = self.data.get(key, [])
        if not isinstance(value, list):
            self.problem(key, f"must be an array of tables ([[{self._where}.{key}]]), not {_kind(value)}")
            return []
        place = f"{self._where}.{key}"
        return [
            _Table(f"{place}[{n}]", item, self._problems, self._file) for n, item in enumerate(value, start=1)
        ]

    def named_tables(self) -> dict[str, "_Table"]:
        """Every key as a table whose name the operator chose."""
        return {name: self.table(name) for name in self._names()}

    def named_texts(self) -> dict[str, str]:
        """Every key as a string whose name the operator chose; an empty string is refused like everywhere."""
        return {name: self.text(name) for name in self._names()}

    def _names(self) -> list[str]:
        for name in self.data:
            if not NAME.fullmatch(name):
                self._known.append(name)
                self.problem(
                    "", f"has a name that cannot stand in a URL: {name!r}; use letters, digits, _ . @ -"
                )
        return [name for name in self.data if NAME.fullmatch(name)]

    def close(self) -> None:
        """Report the keys nobody asked for."""
        for key in self.data:
            if key not in self._known:
                self.problem(key, f"is not a known key{_nearest(key, self._known)}")


class _Reader:
    """Builds the Config of one file, collecting problems as it goes."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._folder = file.resolve().parent
        self._problems: list[str] = []

    def config(self, data: dict[str, Any]) -> Config:
        top = _Table("", data, self._problems, self._file)
        server = self._server(top.table("server"))
        storage = self._storage(top.table("storage"))
        workers = self._workers(top.table("workers"))
        databases = {
            name: self._database(table) for name, table in top.table("databases").named_tables().items()
        }
        deployments = {
            name: self._deployment(table) for name, table in top.table("deployments").named_tables().items()
        }
        top.close()
        if self._problems:
            raise ConfigError(self._problems)
        return Config(
            server=server,
            storage=storage,
            workers=workers,
            databases=databases,
            deployments=deployments,
            folder=self._folder,
        )

    def _server(self, table: _Table) -> ServerConfig:
        host = table.text("listen_host", "127.0.0.1")
        port = table.integer("listen_port", 13370, 0, 65535)
        threads = table.integer("http_threads", 8, 1, 64)
        connections = table.integer("max_connections", 1000, 8, 50_000)
        drain = table.seconds("drain_seconds", 25.0, 1.0, 600.0)
        tokens = self._tokens(table)
        unsafe = table.choice("unsafe_without_option", UNSAFE_CHOICES, "allow")
        certificate, key = self._tls(table)
        table.close()
        try:
            return ServerConfig(
                listen_host=host,
                listen_port=port,
                http_threads=threads,
                max_connections=connections,
                tokens=tokens,
                drain_seconds=drain,
                unsafe_without_option=unsafe,
                tls_certificate=certificate,
                tls_key=key,
            )
        except ConfigError as error:
            table.problem("listen_host", f"is not safe: {error}")
            return ServerConfig()

    def _tls(self, table: _Table) -> tuple[str, str]:
        """The files of the certificate and its key: both or neither."""
        names = ("tls_certificate", "tls_key")
        given = [name for name in names if name in table.data]
        if len(given) == 1:
            table.problem(given[0], f"needs {names[1 - names.index(given[0])]} beside it")
        certificate, key = (table.text(name, "") for name in names)
        return certificate and self._path(certificate), key and self._path(key)

    def _tokens(self, table: _Table) -> tuple[Token, ...]:
        tokens: list[Token] = []
        for item in table.array("tokens"):
            token = Token(
                name=item.text("name"),
                secret=self._reference(item.text("secret")),
                role=item.choice("role", ROLES, "admin"),
            )
            if token.name and not NAME.fullmatch(token.name):
                item.problem("name", f"is not a plain name: {token.name!r}")
            if token.name in [other.name for other in tokens]:
                item.problem("name", f"is used twice: {token.name!r}")
            item.close()
            tokens.append(token)
        return tuple(tokens)

    def _storage(self, table: _Table) -> StorageConfig:
        url = table.text("url", "./schemabot.db")
        try:
            url = resolve(self._reference(url))
        except SecretError as error:
            table.problem("url", f"cannot be read: {error}")
        if problem := _wrong_store(url):
            table.problem("url", problem)
        table.close()
        return StorageConfig(url=self._store(url))

    def _workers(self, table: _Table) -> WorkerConfig:
        workers = WorkerConfig(
            count=table.integer("count", 4, 0, 64),
            poll_seconds=table.seconds("poll_seconds", 10.0, 0.05, 300.0),
            lease_seconds=table.seconds("lease_seconds", 60.0, 1.0, 3600.0),
            max_attempts=table.integer("max_attempts", 10, 1, 1000),
        )
        table.close()
        return workers

    def _database(self, table: _Table) -> DatabaseConfig:
        kind = table.choice("type", DATABASE_TYPES)
        environments = {}
        for name, found in table.table("environments").named_tables().items():
            dsn = self._reference(found.text("dsn"))
            unsafe = found.choice("unsafe_without_option", UNSAFE_CHOICES, "")
            workspace = self._workspace(found, kind)
            found.close()
            environments[name] = EnvironmentConfig(dsn=dsn, workspace=workspace, unsafe_without_option=unsafe)
        if not environments:
            table.problem(
                "environments", 'needs at least one, for example [….environments.local] with dsn = "shop.db"'
            )
        table.close()
        return DatabaseConfig(type=kind, environments=environments)

    def _workspace(self, table: _Table, kind: str) -> str:
        """The dsn of another server to try plans out on."""
        workspace = self._reference(table.text("workspace", ""))
        if workspace and kind != "mysql":
            table.problem("workspace", "is for databases of type mysql only")
        return workspace

    def _deployment(self, table: _Table) -> DeploymentConfig:
        token = self._reference(table.text("token", ""))
        environments = table.table("environments").named_texts()
        for name, url in environments.items():
            if url and (problem := _wrong_address(url)):
                table.problem(f"environments.{name}", problem)
        if not environments:
            table.problem(
                "environments", 'needs at least one, for example staging = "https://schemabot.example:13370"'
            )
        table.close()
        return DeploymentConfig(environments=environments, token=token)

    def _path(self, text: str) -> str:
        return str(self._folder / Path(text).expanduser())

    def _store(self, url: str) -> str:
        """The store's address made independent of the working directory, with the file its password may be in."""
        if "://" not in url:
            return self._path(url)
        account, at, place = url.partition("@")
        user, reference, file = account.partition(":file:")
        return f"{user}{reference}{quote(self._path(unquote(file)))}{at}{place}" if reference else url

    def _reference(self, text: str) -> str:
        """A `file:` reference made independent of the working directory."""
        return f"file:{self._path(text[len('file:') :])}" if text.startswith("file:") else text


def _kind(value: Any) -> str:
    names = {bool: "true/false", int: "a whole number", float: "a number", str: "a string", list: "an array"}
    return names.get(type(value), "a table" if isinstance(value, dict) else type(value).__name__)


def _wrong_address(url: str) -> str:
    """Why *url* is no address of a SchemaBot, or ""."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port  # reading the port checks it
    except ValueError as error:
        return f"is not an address: {error}"
    if parts.username is not None or parts.password is not None:
        return "must not hold a user or a password; use token"
    if parts.scheme not in ("http", "https") or not host or port == 0 or re.search(r"[\s?#]", url):
        return 'must look like "https://schemabot.example:13370"'
    return ""


def _wrong_store(url: str) -> str:
    """Why *url* is no address of a store, or ""; nothing is opened, and the text never quotes it."""
    try:
        open_store(url).close()
    except StoreError as error:
        return f"is not usable: {error}"
    return ""


def _nearest(word: str, known: tuple[str, ...] | list[str]) -> str:
    """How to go on from an unknown *word*: the nearest known one, else all of them."""
    if word.lower() == "mariadb" and "mysql" in known:
        return '; write "mysql", which is both'
    if near := difflib.get_close_matches(word, known, n=1):
        return f'; did you mean "{near[0]}"?'
    return f"; known: {', '.join(sorted(known))}" if known else ""
