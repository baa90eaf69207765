"""How a connection to a target is made."""

from engine.mysql.link import Link
from tests.engine.mysql.planning.places import address_of
from tests.servers.server import Server
from tests.servers.silence import hears_soon_of_a_silent_end


def test_a_connection_is_told_soon_of_a_silent_end(server: Server) -> None:
    with Link(address_of(server)) as link:
        assert hears_soon_of_a_silent_end(link._connection._sock)  # type: ignore[attr-defined]
