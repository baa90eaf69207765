"""Which store serves which address: one line per kind."""

from collections.abc import Callable
from pathlib import Path

from storage.base import Store
from storage.errors import StoreError


def _sqlite(path: str) -> Store:
    from storage.sqlite.store import SqliteStore

    return SqliteStore(path)


STORES: dict[str, Callable[[str], Store]] = {"sqlite": _sqlite}


def open_store(address: str) -> Store:
    """The store at *address*: a path, or `sqlite:///relative/path`, `sqlite:////absolute/path`.

    Nothing is opened yet; call `upgrade` first. StoreError for a kind this build does not have.
    """
    kind, mark, rest = address.partition("://")
    if not mark:
        return STORES["sqlite"](address)
    if kind not in STORES:
        raise StoreError(f"no store of kind {kind!r} (this build has: {', '.join(sorted(STORES))})")
    return STORES[kind](rest.removeprefix("/"))


def sqlite_path(address: str) -> Path | None:
    """The file of a SQLite store, or None for a store of another kind."""
    kind, mark, rest = address.partition("://")
    if not mark:
        return Path(address)
    return Path(rest.removeprefix("/")) if kind == "sqlite" else None
