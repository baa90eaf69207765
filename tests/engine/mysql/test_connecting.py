"""How a connection to a target is made."""

import secrets
from dataclasses import replace

from engine.mysql.link import Link
from tests.engine.mysql.planning.places import address_of
from tests.servers.server import Server
from tests.servers.silence import hears_soon_of_a_silent_end


def test_a_connection_is_told_soon_of_a_silent_end(server: Server) -> None:
    with Link(address_of(server)) as link:
        assert hears_soon_of_a_silent_end(link._connection._sock)  # type: ignore[attr-defined]


def test_a_password_may_have_any_letters(server: Server) -> None:
    name = f"u{secrets.token_hex(5)}"
    address = replace(address_of(server), user=name, password="gr\u00fcn\u20ac", ssl_mode="preferred")
    with Link(address_of(server)) as admin:
        admin.run(f"CREATE USER '{name}'@'%' IDENTIFIED BY '{address.password}'")
        try:
            Link(address).close()
        finally:
            admin.run(f"DROP USER '{name}'@'%'")
