"""An account that the server gives its log to captures by it, whatever its grants are called."""

import secrets

import pytest

from engine.base import Signal, Target, Verdict
from engine.mysql import capture_sources
from engine.mysql.capturing.log_capture import LogCapture
from engine.mysql.engine import MysqlEngine
from engine.mysql.shadow.checkpoints import Phase
from tests.engine.mysql.accounts import PASSWORD
from tests.engine.mysql.copying.rig import Rig, Watcher, make_rig, prepare
from tests.servers.server import Server

TABLE = "CREATE TABLE t (id INT PRIMARY KEY, n INT);;INSERT INTO t VALUES (1, 1), (2, 2)"
NEEDED = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, LOCK TABLES"
EVERYTHING = ("GRANT ALL PRIVILEGES ON *.* TO {}", "REVOKE REPLICATION CLIENT ON *.* FROM {}")


def rig_of(server: Server, *grants: str) -> Rig:
    """Copied by a user who has *grants* and may change the schema."""
    rig, name = make_rig(server, TABLE, ["ADD COLUMN x INT"]), f"u{secrets.token_hex(5)}"
    user = f"{name}@'127.0.0.1'"
    rig.run(
        f"CREATE USER {user} IDENTIFIED BY '{PASSWORD}'",
        *(grant.format(user) for grant in grants),
        f"GRANT {NEEDED} ON `{rig.schema}`.* TO {user}",
    )
    rig.account = (name, PASSWORD)
    return rig


def assert_captured_by_the_log(rig: Rig) -> None:
    """By a new copy, and by one that goes on."""
    step = rig.step()
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
        assert isinstance(copy.capture, LogCapture)
        assert copy.notice == ""
    with rig.copying(step) as copy:
        assert copy.open(Watcher()) is Signal.GO
        assert copy.checkpoint.phase is Phase.READY


@pytest.mark.parametrize("grants", [("GRANT SUPER, REPLICATION SLAVE ON *.* TO {}",), EVERYTHING])
def test_super_is_as_good_as_replication_client_to_doctor_and_copy(
    server: Server, grants: tuple[str, ...]
) -> None:
    if server.is_one("mariadb 11.0"):
        pytest.skip("there SUPER is none")
    rig = rig_of(server, *grants)
    dsn = f"mysql://{':'.join(rig.account or ())}@{server.host}:{server.port}/{rig.schema}"
    engine = MysqlEngine(Target(kind="mysql", database="shop", environment="test", dsn=dsn))
    (seen,) = [seen for seen in engine.examine() if seen.subject == "binary log"]
    assert seen.verdict is Verdict.GOOD
    assert_captured_by_the_log(rig)


def test_the_servers_word_is_above_what_grants_are_taken_for(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = rig_of(server, "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {}")
    monkeypatch.setattr(capture_sources, "TO_READ_LOGS", ("A PRIVILEGE OF LATER",))
    assert_captured_by_the_log(rig)
