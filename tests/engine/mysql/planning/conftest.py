"""What several tests of planning ask the rows at."""

from collections.abc import Iterator

import pytest

from tests.engine.mysql.planning.desk import Desk
from tests.engine.mysql.planning.places import schema_with
from tests.engine.mysql.planning.trial_place import ROWS, USERS, Place, place
from tests.servers.server import Server


@pytest.fixture
def desk(server: Server) -> Iterator[Desk]:
    with schema_with(server) as (link, live), schema_with(server) as (after, after_schema):
        yield Desk(link, live, after, after_schema)


@pytest.fixture
def users(server: Server) -> Iterator[Place]:
    with place(server, USERS, ROWS) as found:
        yield found
