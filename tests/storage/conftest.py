"""A fresh store for each test, once per kind of store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.base import Store
from storage.registry import open_store
from tests.proxy import Proxy
from tests.servers.server import Server
from tests.storage.kinds import KINDS, Known, known

TABLES = (
    "control_requests",
    "apply_events",
    "attempts",
    "tasks",
    "applies",
    "plans",
    "locks",
    "settings",
)
"""In an order in which their rows can be deleted."""

_homes: dict[str, str] = {}
"""Server → its database for the tests that leave the tables themselves alone."""


@pytest.fixture(params=KINDS)
def store_kind(request: pytest.FixtureRequest) -> str:
    """Each kind of store in turn."""
    return str(request.param)


@pytest.fixture
def address(store_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The address of an upgraded, empty store; its tables stay as they are."""
    if store_kind == "sqlite":
        return _upgraded(str(tmp_path / "store.db"))
    server: Server = request.getfixturevalue(store_kind)
    if store_kind not in _homes:
        _homes[store_kind] = _upgraded(server.url(server.fresh_database(), query="ssl_mode=disabled"))
    else:
        known(_homes[store_kind]).run(*(f"DELETE FROM {table}" for table in TABLES))
    return _homes[store_kind]


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    with open_store(address) as made:
        yield made


@pytest.fixture
def empty_address(store_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """An address where there is nothing yet: no file, or an empty database."""
    if store_kind == "sqlite":
        yield str(tmp_path / "store.db")
        return
    server: Server = request.getfixturevalue(store_kind)
    database = server.fresh_database()
    yield server.url(database, query="ssl_mode=disabled")
    server.revive()
    server.drop_database(database)


@pytest.fixture
def stage(empty_address: str) -> Known:
    """An upgraded, empty store whose tables the test may add to."""
    return known(_upgraded(empty_address))


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    """The database of an upgraded, empty store on each server in turn."""
    name = server.fresh_database()
    _upgraded(server.url(name, query="ssl_mode=disabled"))
    yield name
    server.revive()
    server.drop_database(name)


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """Before each server in turn."""
    with Proxy(server.host, server.port) as made:
        yield made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a SQLite store, upgraded."""
    return Path(_upgraded(str(tmp_path / "store.db")))


def _upgraded(address: str) -> str:
    with open_store(address) as store:
        store.upgrade()
    return address
