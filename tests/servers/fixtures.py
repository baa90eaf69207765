"""The fixtures that hand a server to a test, and the rule for when there is none."""

import os
from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.servers.errors import NotOurs, ServerBroken, ServerMissing
from tests.servers.flavours import FLAVOURS
from tests.servers.private import prepare
from tests.servers.server import Server, open_server
from tests.servers.tally import Tally, asked_for

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


def prepare_servers(items: Sequence[pytest.Item], tally: Tally, say: Callable[[str], None]) -> None:
    """Fetch what these tests will need and is not there yet.

    Before the first test, because fetching may take longer than a test is allowed to. What fails here is told
    by the fixtures, which do not try again.
    """
    for flavour in FLAVOURS.values():
        if os.environ.get(flavour.variable) or not any(flavour.name in asked_for(item) for item in items):
            continue
        try:
            prepare(flavour, say)
        except ServerMissing as exc:
            tally.missing[flavour.name] = str(exc)
        except ServerBroken:
            continue  # the fixture meets it again and makes it the error of the tests that it concerns


def _served(name: str, tally: Tally) -> Iterator[Server]:
    try:
        if name in tally.missing:
            raise ServerMissing(tally.missing[name])
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
