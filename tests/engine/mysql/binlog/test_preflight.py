"""What is said of a server that does not give its binary log, before anything depends on it."""

from engine.mysql.binlog.preflight import obstacles
from tests.engine.mysql.binlog.rig import Ground
from tests.engine.mysql.planning.places import account


def test_nothing_is_said_of_a_server_that_gives_its_log(ground: Ground) -> None:
    assert obstacles(ground.address) == ()


def test_replication_privileges_are_enough(ground: Ground) -> None:
    with account(ground.server, "REPLICATION SLAVE, REPLICATION CLIENT ON *.*") as address:
        assert obstacles(address) == ()


def test_a_user_who_may_not_see_the_logs_state_is_told_the_grant(ground: Ground) -> None:
    with account(ground.server, "REPLICATION SLAVE ON *.*") as address:
        (said,) = obstacles(address)
    assert ("GRANT BINLOG MONITOR" if ground.flavour.mariadb else "GRANT REPLICATION CLIENT") in said.remedy


def test_a_user_who_may_not_read_the_log_is_told_the_grant(ground: Ground) -> None:
    with account(ground.server, "REPLICATION CLIENT ON *.*") as address:
        (said,) = obstacles(address)
    assert "GRANT REPLICATION SLAVE" in said.remedy
