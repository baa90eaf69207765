"""Fixtures of the remote engine's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.remote.rig import Sides, two_daemons


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sides]:
    """One pair for all tests of a module that change nothing."""
    with two_daemons(tmp_path_factory.mktemp("pair")) as made:
        yield made


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[Sides]:
    with two_daemons(tmp_path) as made:
        yield made
