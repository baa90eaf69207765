"""Where the server's log cannot be read, triggers capture the keys: the same rows in the end, and no trigger left."""

import pytest

from engine.base import Signal
from engine.errors import DriftFound
from tests.engine.mysql.copying.application import TABLE, Application, fill
from tests.engine.mysql.copying.rig import Rig, Watcher, make_rig, prepare
from tests.servers.server import Server

ROWS = 4_000


@pytest.fixture
def rig(server: Server) -> Rig:
    """A table on a server whose log this account may not read."""
    found = make_rig(server, f"{TABLE};;{fill(ROWS)}", ["MODIFY pad VARCHAR(80) NOT NULL"])
    name = f"plain{found.schema[2:14]}"
    found.run(
        f"CREATE USER '{name}'@'127.0.0.1' IDENTIFIED BY 'Secret-1'",
        "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, TRIGGER, LOCK TABLES "
        f"ON `{found.schema}`.* TO '{name}'@'127.0.0.1'",
        "SET GLOBAL log_bin_trust_function_creators = 1",
    )
    found.account = (name, "Secret-1")
    return found


def test_nothing_is_lost_without_the_log(rig: Rig) -> None:
    before = rig.value("SELECT SUM(ops) FROM t")
    step = rig.step()
    watcher = Watcher(volume=1)
    with rig.copying(step) as copy, Application(rig, writers=3, rows=ROWS) as application:
        copy.passes = 1
        prepare(copy, watcher)
        assert any("captured by triggers" in detail for detail in watcher.details())
        with rig.locked(copy) as link:
            rig.assert_same(link)
        application.halt()
        assert copy.checkpoint.repairs == 0
        assert rig.value("SELECT SUM(ops) FROM t") == before + application.sum
        assert copy.discard(Watcher()) is Signal.GO
    assert rig.leftovers() == []


def test_what_changes_while_nobody_drives_is_in_the_delta_table(rig: Rig) -> None:
    step = rig.step()
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
    rig.run("UPDATE t SET pad = 'meanwhile' WHERE id < 40", "DELETE FROM t WHERE id = 50")
    rig.run("UPDATE t SET id = 99999 WHERE id = 51")
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
        with rig.locked(copy) as link:
            rig.assert_same(link)
        copy.discard(Watcher())


def test_a_table_that_is_truncated_behind_the_triggers_is_drift(rig: Rig) -> None:
    step = rig.step()
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
        rig.run("TRUNCATE TABLE t", "INSERT INTO t (id, pad) VALUES (1, 'new')")
        prepare(copy, Watcher())
        with pytest.raises(DriftFound, match="truncated"), rig.locked(copy):
            pass
        copy.discard(Watcher())
    assert rig.leftovers() == []
