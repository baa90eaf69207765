"""The fixtures that hand a server to a test, and the rule for when there is none."""

import os
from collections.abc import Iterator

import pytest

from tests.servers.errors import NotOurs, ServerMissing
from tests.servers.flavours import FLAVOURS
from tests.servers.server import Server, open_server
from tests.servers.tally import Tally

TALLY = pytest.StashKey[Tally]()


def in_ci() -> bool:
    """Whether a missing server is a failure."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


@pytest.fixture(scope="session")
def mariadb(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A running MariaDB for the whole run, private unless SCHEMABOT_TEST_MARIADB names one."""
    yield from _served("mariadb", request.config.stash[TALLY])


@pytest.fixture(scope="session")
def mysql(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A running MySQL for the whole run, private unless SCHEMABOT_TEST_MYSQL names one."""
    yield from _served("mysql", request.config.stash[TALLY])


@pytest.fixture(params=sorted(FLAVOURS))
def server(request: pytest.FixtureRequest) -> Server:
    """Each server in turn."""
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def own_server(server: Server) -> Server:
    """Each server in turn, for tests that stop and kill it; skips where it is not ours."""
    try:
        server.needs_control()
    except NotOurs as exc:
        pytest.skip(str(exc))
    return server


@pytest.fixture(autouse=True)
def counted(request: pytest.FixtureRequest) -> Iterator[None]:
    """Count the test for what it runs on, and leave running servers to the next one."""
    tally = request.config.stash[TALLY]
    tally.begin(request)
    yield
    for found in tally.running.values():
        found.revive()


def _served(name: str, tally: Tally) -> Iterator[Server]:
    try:
        found = open_server(FLAVOURS[name])
    except ServerMissing as exc:
        tally.missing[name] = str(exc)
        if in_ci():
            pytest.fail(str(exc), pytrace=False)
        pytest.skip(str(exc))
    tally.add(found)
    try:
        yield found
    finally:
        tally.remove(found)
        found.close()
