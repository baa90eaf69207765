"""What is said of a server whose binary log cannot be read, before anything depends on it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from engine.mysql.address import Address, parse_address
from engine.mysql.binlog.preflight import obstacles
from tests.engine.mysql.binlog.rig import Ground
from tests.servers.flavours import ACCOUNT, FLAVOURS
from tests.servers.private import PrivateServer


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


def test_nothing_is_said_of_a_server_that_logs_by_row(ground: Ground) -> None:
    assert obstacles(ground.address, [ground.schema]) == []


def test_replication_privileges_are_enough(ground: Ground) -> None:
    with user_with(ground, "REPLICATION SLAVE, REPLICATION CLIENT ON *.*") as address:
        assert obstacles(address, [ground.schema]) == []


def test_a_user_who_may_not_see_the_logs_state_is_told_the_grant(ground: Ground) -> None:
    with user_with(ground, "REPLICATION SLAVE ON *.*") as address:
        (said,) = obstacles(address, [])
    assert ("GRANT BINLOG MONITOR" if ground.flavour.mariadb else "GRANT REPLICATION CLIENT") in said


def test_a_user_who_may_not_read_the_log_is_told_the_grant(ground: Ground) -> None:
    with user_with(ground, "REPLICATION CLIENT ON *.*") as address:
        (said,) = obstacles(address, [])
    assert "GRANT REPLICATION SLAVE" in said


def test_a_format_other_than_row_is_told(ground: Ground) -> None:
    ground.run("SET GLOBAL binlog_format = MIXED")
    try:
        (said,) = obstacles(ground.address, [])
    finally:
        ground.run("SET GLOBAL binlog_format = ROW")
    assert "binlog_format is MIXED" in said


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_server_that_keeps_no_log_and_one_that_leaves_schemas_out_are_told(
    flavour: str, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(flavour)  # there is such a server at all
    with PrivateServer(FLAVOURS[flavour], options=["--skip-log-bin"]) as silent:
        (said,) = obstacles(parse_address(f"mysql://{ACCOUNT}@127.0.0.1:{silent.port}/"), [])
    assert "log_bin is OFF" in said
    with PrivateServer(FLAVOURS[flavour], options=["--binlog-ignore-db=secret"]) as choosy:
        (said,) = obstacles(parse_address(f"mysql://{ACCOUNT}@127.0.0.1:{choosy.port}/"), ["shop", "secret"])
    assert "schema secret" in said
