"""A fresh store for each test, once per kind of store."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.base import Store
from storage.registry import open_store

KINDS: dict[str, Callable[[Path], str]] = {"sqlite": lambda folder: str(folder / "store.db")}
"""Kind → the address of an empty store in that folder. A second store is one more line."""


@pytest.fixture(params=sorted(KINDS))
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return KINDS[request.param](tmp_path)


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    with open_store(address) as made:
        made.upgrade()
        yield made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a SQLite store, upgraded."""
    place = tmp_path / "store.db"
    with open_store(str(place)) as made:
        made.upgrade()
    return place
