"""What is said of a server that does not give its binary log, before anything depends on it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from engine.mysql.address import Address, parse_address
from engine.mysql.binlog.preflight import obstacles
from tests.engine.mysql.binlog.rig import Ground


@contextmanager
def user_with(ground: Ground, *grants: str) -> Iterator[Address]:
    """A user who may do just that."""
    name = f"u_{secrets.token_hex(4)}"
    ground.run(f"CREATE USER {name}@'127.0.0.1' IDENTIFIED BY 'Secret_1'")
    ground.run(*(f"GRANT {grant} TO {name}@'127.0.0.1'" for grant in grants))
    try:
        yield parse_address(f"mysql://{name}:Secret_1@127.0.0.1:{ground.server.port}/")
    finally:
        ground.run(f"DROP USER {name}@'127.0.0.1'")


def test_nothing_is_said_of_a_server_that_gives_its_log(ground: Ground) -> None:
    assert obstacles(ground.address) == ()


def test_replication_privileges_are_enough(ground: Ground) -> None:
    with user_with(ground, "REPLICATION SLAVE, REPLICATION CLIENT ON *.*") as address:
        assert obstacles(address) == ()


def test_a_user_who_may_not_see_the_logs_state_is_told_the_grant(ground: Ground) -> None:
    with user_with(ground, "REPLICATION SLAVE ON *.*") as address:
        (said,) = obstacles(address)
    assert ("GRANT BINLOG MONITOR" if ground.flavour.mariadb else "GRANT REPLICATION CLIENT") in said.remedy


def test_a_user_who_may_not_read_the_log_is_told_the_grant(ground: Ground) -> None:
    with user_with(ground, "REPLICATION CLIENT ON *.*") as address:
        (said,) = obstacles(address)
    assert "GRANT REPLICATION SLAVE" in said.remedy
