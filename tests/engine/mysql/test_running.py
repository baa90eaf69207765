"""A statement in a thread of its own."""

import pytest

from engine.mysql.link import Link
from engine.mysql.waiting.running import Running
from tests.engine.mysql.planning.places import address_of
from tests.servers.server import Server


def test_what_ends_a_statement_comes_out_whatever_it_is(server: Server) -> None:
    with (
        Link(address_of(server)) as link,
        Running(link, "DO '\ud800'") as running,
        pytest.raises(UnicodeEncodeError),
    ):
        running.outcome()
