"""A fresh database on each server in turn."""

from collections.abc import Iterator

import pytest

from tests.engine.mysql.binlog.rig import Ground
from tests.servers.server import Server


@pytest.fixture
def ground(server: Server) -> Iterator[Ground]:
    found = Ground(server)
    yield found
    found.close()
