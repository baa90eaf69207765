"""What goes over the wire is encrypted where it can be, and the password of a dsn is not told as it is to whoever answers."""

import pytest

from engine.errors import EngineError
from engine.mysql.address import parse_address
from engine.mysql.link import Link
from tests.servers.impostor import IN_CLEAR, impostor
from tests.servers.server import Server


@pytest.mark.parametrize("plugin", IN_CLEAR)
def test_a_server_that_asks_for_it_in_clear_is_not_told_the_password(plugin: str) -> None:
    with impostor(plugin) as peer:
        address = parse_address(f"mysql://u:s3cret@127.0.0.1:{peer.port}/x?ssl_mode=disabled")
        with pytest.raises(EngineError, match="password in clear: say ssl_mode=verify_identity"):
            Link(address)
    assert peer.heard == [b""]


@pytest.mark.parametrize("mode", ["preferred", "required", "verify_ca", "verify_identity"])
def test_tls_is_had_where_it_can_be_and_nothing_is_said_where_it_is_insisted_on_in_vain(
    own_server: Server, mode: str
) -> None:
    """MySQL makes itself a certificate, with an authority of its own and no name in it; MariaDB before 11.4 has none."""
    with Link(parse_address(own_server.url("mysql", query="ssl_mode=disabled"))) as plain:
        rows = plain.rows("SHOW VARIABLES WHERE variable_name IN ('have_ssl', 'ssl_ca')")
    said = {str(name): str(value) for name, value in rows}
    authority = bool(said["ssl_ca"])
    certified = authority or said.get("have_ssl") == "YES"
    file = f"&ssl_ca={own_server.needs_control().folder}/data/ca.pem"
    query = f"ssl_mode={mode}" + (file if authority and mode.startswith("verify") else "")
    address = parse_address(own_server.url("mysql", query=query))
    if mode == "preferred" or {"required": certified, "verify_ca": authority}.get(mode):
        with Link(address) as link:
            assert bool(link.rows("SHOW STATUS LIKE 'Ssl_cipher'")[0][1]) == certified
    else:
        with pytest.raises(EngineError, match=r"TLS|SSL"):
            Link(address)
