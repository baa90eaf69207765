"""The tests would notice: with one rule of the copy switched off, rows are lost in just the way that rule is there for."""

import threading
import time
from collections.abc import Sequence

import pytest

from engine.mysql.binlog.position import Position
from engine.mysql.capturing.changes import Changes
from engine.mysql.capturing.log_capture import LogCapture
from engine.mysql.copying.online import OnlineCopy
from engine.mysql.shadow.keys import Literals
from engine.mysql.shadow.shape import Shape
from tests.engine.mysql.copying.rig import Rig, Watcher, commits_stall, make_rig, prepare
from tests.servers.server import Server

TABLE = """
CREATE TABLE t (id INT NOT NULL PRIMARY KEY, v VARCHAR(40) NOT NULL);;
INSERT INTO t VALUES (10, 'a'), (20, 'b'), (30, 'c')
"""
CHANGE = ["MODIFY v VARCHAR(60) NOT NULL"]


def same_after_a_stalled_insert(server: Server) -> bool:
    """Whether a row whose commit stalls after the log ends up in the copy; not at its ends, which are looked at by themselves."""
    rig = make_rig(server, TABLE, CHANGE)
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        with commits_stall(server, 2_000):
            writer = threading.Thread(target=lambda: rig.run("INSERT INTO t VALUES (25, 'stalled')"))
            writer.start()
            applied_until(copy, 1.0)
            writer.join()
        return same(rig, copy)


def applied_until(copy: OnlineCopy, seconds: float) -> None:
    """Apply whatever the log brings, for so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        copy.follow()
        copy.link.value("SELECT SLEEP(0.01)")


def same(rig: Rig, copy: OnlineCopy) -> bool:
    """Whether both tables hold the same under the lock."""
    with rig.locked(copy) as link:
        return link.rows(f"SELECT id, v FROM {rig.table}") == link.rows(f"SELECT id, v FROM {rig.shadow}")


def test_a_stalled_commit_is_waited_for(mariadb: Server) -> None:
    assert same_after_a_stalled_insert(mariadb)


def test_with_plain_reads_a_stalled_commit_is_lost(mariadb: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Shape.put_in
    monkeypatch.setattr(
        Shape, "put_in", lambda self, keys: whole(self, keys).replace("LOCK IN SHARE MODE", "")
    )
    assert not same_after_a_stalled_insert(mariadb)


def same_after_a_locked_row(server: Server) -> bool:
    """Whether a row that is locked for longer than we wait ends up in the copy."""
    rig = make_rig(server, TABLE, CHANGE)
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        rig.run("UPDATE t SET v = 'changed' WHERE id = 20")
        holder = server.connect(database=rig.schema, autocommit=False)
        with holder.cursor() as cursor:
            cursor.execute("SELECT * FROM t WHERE id = 20 FOR UPDATE")
        applied_until(copy, 4.0)
        holder.rollback()
        holder.close()
        return same(rig, copy)


def test_a_locked_row_is_come_back_to(server: Server) -> None:
    assert same_after_a_locked_row(server)


def test_with_keys_dropped_that_could_not_be_applied_a_row_is_stale(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dropped(self: Changes, keys: Sequence[Literals]) -> None:
        self.applied(keys)

    monkeypatch.setattr(Changes, "defer", dropped)
    assert not same_after_a_locked_row(server)


def same_after_stopping_with_keys_waiting(server: Server) -> bool:
    """Whether a change that was read but not applied when we stopped ends up in the copy."""
    rig = make_rig(server, TABLE, CHANGE)
    step = rig.step()
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
        rig.run("UPDATE t SET v = 'changed' WHERE id = 20")
        assert copy.stream.wait_for(copy.stream.end(), 20)
        copy.place.save()
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
        return same(rig, copy)


def test_what_waited_at_a_stop_is_read_again(server: Server) -> None:
    assert same_after_stopping_with_keys_waiting(server)


def test_with_a_checkpoint_ahead_of_what_is_applied_a_row_is_stale(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ahead(self: LogCapture) -> Position:
        return self._changes._committed

    monkeypatch.setattr(LogCapture, "position", property(ahead))
    assert not same_after_stopping_with_keys_waiting(server)
