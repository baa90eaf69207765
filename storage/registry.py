"""Which store serves which address: one line per kind."""

import re
from collections.abc import Callable
from pathlib import Path

from storage.base import Store
from storage.errors import StoreError
from storage.mysql.address import FORM

Resolve = Callable[[str], str]
_NO_PATH = re.compile(r"\Amysql:|@(tcp|unix)\(|\A[^/:]+:[^/]*@/")
"""user:password@tcp(host:port)/database and its like: taken for a path, a file would be called like the password."""


def _sqlite(path: str, _resolve: Resolve) -> Store:
    from storage.sqlite.store import SqliteStore

    return SqliteStore(path.removeprefix("/"))


def _mysql(address: str, resolve: Resolve) -> Store:
    from storage.mysql.store import MysqlStore

    return MysqlStore(address, resolve)


STORES: dict[str, Callable[[str, Resolve], Store]] = {"mysql": _mysql, "sqlite": _sqlite}


def open_store(address: str, resolve: Resolve = str) -> Store:
    """The store at *address*.

    A path, or `sqlite:///relative/path`, `sqlite:////absolute/path`, for one SQLite file; for MySQL and MariaDB
    `mysql://user:password@host:port/database?ssl_ca=…`, odd characters percent-encoded; its options are `ssl_mode`
    (disabled, preferred, required, verify_ca, verify_identity), `ssl_ca`, `ssl_cert`, `ssl_key` and `answer_seconds`.

    *resolve* turns the password of an address into the one that is sent, anew for every connection, so that the address
    may hold a reference and the password may change; it raises Unavailable when it cannot.

    Nothing is opened yet; call `upgrade` first. StoreError for a kind this build does not have, or a malformed address.
    """
    kind, rest = _parts(address)
    if kind not in STORES:
        raise StoreError(f"no store of kind {kind!r} (this build has: {', '.join(sorted(STORES))})")
    return STORES[kind](rest, resolve)


def sqlite_path(address: str) -> Path | None:
    """The file of a SQLite store, or None for a store of another kind. StoreError: it is no path but another address."""
    kind, rest = _parts(address)
    return Path(rest.removeprefix("/")) if kind == "sqlite" else None


def _parts(address: str) -> tuple[str, str]:
    """The kind, and what comes after `://`. StoreError, which does not quote it, for an address of another program's form."""
    kind, mark, rest = address.partition("://")
    if mark:
        return kind, rest
    if _NO_PATH.search(address):
        raise StoreError(f"the address of a store on a server must look like {FORM}")
    return "sqlite", f"/{address}"
