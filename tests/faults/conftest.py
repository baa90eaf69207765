"""The stores of the fault tests, one after the other."""

from pathlib import Path

import pytest

from tests.faults.grounds import KINDS, Ground, ServerGround, SqliteGround
from tests.servers.errors import NotOurs


def ground_of(kind: str, request: pytest.FixtureRequest, folder: Path) -> Ground:
    """A fresh store of that kind; skips where the server is not ours to torment."""
    if kind == "sqlite":
        return SqliteGround(folder)
    try:
        return ServerGround(request.getfixturevalue(kind))
    except NotOurs as error:
        pytest.skip(str(error))


@pytest.fixture(params=KINDS)
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Ground:
    """Each kind of store in turn."""
    return ground_of(request.param, request, tmp_path)


@pytest.fixture(params=[kind for kind in KINDS if kind != "sqlite"])
def server_ground(request: pytest.FixtureRequest, tmp_path: Path) -> ServerGround:
    """Each kind of store that has a server in turn."""
    found = ground_of(request.param, request, tmp_path)
    assert isinstance(found, ServerGround)
    return found
