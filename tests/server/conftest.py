"""Fixtures of the daemon's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig.at(tmp_path)
    yield made
    made.store.close()
