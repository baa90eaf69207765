"""An account that the server gives its log to captures by it, whatever its grants are called."""

import pytest

from engine.base import Signal, Target, Verdict
from engine.mysql import capture_sources
from engine.mysql.capturing.log_capture import LogCapture
from engine.mysql.engine import MysqlEngine
from engine.mysql.shadow.checkpoints import Phase
from tests.engine.mysql.copying.rig import Rig, Watcher, make_rig, prepare
from tests.engine.mysql.planning.places import dsn
from tests.servers.server import Server

TABLE = "CREATE TABLE t (id INT PRIMARY KEY, n INT);;INSERT INTO t VALUES (1, 1), (2, 2)"
NEEDED = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, LOCK TABLES"


@pytest.fixture
def rig(server: Server) -> Rig:
    return make_rig(server, TABLE, ["ADD COLUMN x INT"])


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


@pytest.mark.parametrize(
    ("granted", "revoked"), [("SUPER, REPLICATION SLAVE", "USAGE"), ("ALL PRIVILEGES", "REPLICATION CLIENT")]
)
def test_super_is_as_good_as_replication_client_to_doctor_and_copy(
    rig: Rig, granted: str, revoked: str
) -> None:
    if rig.server.is_one("mariadb 11.0"):
        pytest.skip("there SUPER is none")
    with rig.copied_by(f"{granted} ON *.*", f"{NEEDED} ON `{rig.schema}`.*") as address:
        rig.run(f"REVOKE {revoked} ON *.* FROM {address.user}@'%'")
        engine = MysqlEngine(Target(kind="mysql", database="shop", environment="test", dsn=dsn(address)))
        (seen,) = [seen for seen in engine.examine() if seen.subject == "binary log"]
        assert seen.verdict is Verdict.GOOD
        assert_captured_by_the_log(rig)


def test_the_servers_word_is_above_what_grants_are_taken_for(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = "REPLICATION SLAVE, REPLICATION CLIENT ON *.*"
    with rig.copied_by(reading, f"{NEEDED} ON `{rig.schema}`.*"):
        monkeypatch.setattr(capture_sources, "TO_READ_LOGS", ("A PRIVILEGE OF LATER",))
        assert_captured_by_the_log(rig)
