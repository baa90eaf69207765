"""A change is in the stream before it is visible: what the engine's locking reads are for (engines.md, B1 and B2).

Semi-synchronous replication that waits for a replica which is not there stalls a commit between the two moments, on both
servers: what happens once in a thousand times otherwise is certain here.
"""

import threading
from collections.abc import Iterator

import pytest

from engine.mysql.link import Link
from engine.mysql.trouble import Waited
from tests.engine.mysql.binlog.rig import Ground, Reading
from tests.servers.server import Server

STALL_MILLISECONDS = 1500


class Stalled:
    """A table that is read, on a server whose next commit stalls after it went into the log."""

    def __init__(self, ground: Ground, reading: Reading) -> None:
        self.ground = ground
        self.reading = reading
        self._writers: list[threading.Thread] = []

    def commit(self, statement: str) -> None:
        """Have another session commit that; back when its key was told and it stalls."""
        semi_sync = semi_sync_of(self.ground)
        self.ground.run(f"SET GLOBAL {semi_sync}_enabled = OFF", f"SET GLOBAL {semi_sync}_enabled = ON")
        before = len(self.reading.sink.found.get((self.ground.schema, "item"), []))
        writer = threading.Thread(target=self._write, args=(statement,))
        self._writers.append(writer)
        writer.start()
        while len(self.reading.sink.found.get((self.ground.schema, "item"), [])) == before:
            assert writer.is_alive(), "it was committed before its key was told"
            threading.Event().wait(0.002)
        assert writer.is_alive()

    def _write(self, statement: str) -> None:
        with Link(self.ground.address) as link:
            link.run(statement)

    def still(self) -> bool:
        """Whether the commit has not been answered yet."""
        return any(writer.is_alive() for writer in self._writers)

    def end(self) -> None:
        for writer in self._writers:
            writer.join()


def semi_sync_of(ground: Ground) -> str:
    """What its variables begin with."""
    return "rpl_semi_sync_master" if ground.flavour.mariadb else "rpl_semi_sync_source"


@pytest.fixture
def stalled(server: Server) -> Iterator[Stalled]:
    server.needs_control()
    ground = Ground(server)
    ground.run(
        "CREATE TABLE item (id INT PRIMARY KEY, n INT)",
        "INSERT INTO item VALUES (1, 1), (2, 2)",
        "CREATE TABLE item__osc_n LIKE item",
    )
    semi_sync = semi_sync_of(ground)
    if not ground.flavour.mariadb:
        ground.run(f"INSTALL PLUGIN {semi_sync} SONAME 'semisync_source.so'")
    settings = {"wait_point": "AFTER_SYNC", "timeout": STALL_MILLISECONDS, "enabled": 0}
    try:
        with (
            server.having(**{f"{semi_sync}_{name}": value for name, value in settings.items()}),
            ground.reading("item") as reading,
        ):
            found = Stalled(ground, reading)
            yield found
            found.end()
    finally:
        if not ground.flavour.mariadb:
            ground.run(f"UNINSTALL PLUGIN {semi_sync}")
        ground.close()


def test_the_row_of_a_told_key_is_not_there_for_a_plain_read_and_is_for_a_locking_one(
    stalled: Stalled,
) -> None:
    link = stalled.ground.link
    stalled.commit("INSERT INTO item VALUES (3, 3)")
    assert stalled.reading.sink.of("item") == {("3",)}
    assert link.rows("SELECT n FROM item WHERE (id) IN ((3))") == []
    assert stalled.still()
    assert link.rows("SELECT n FROM item WHERE (id) IN ((3)) LOCK IN SHARE MODE") == [(3,)]


def test_a_flush_with_a_locking_read_takes_the_new_row_and_a_plain_one_the_old(stalled: Stalled) -> None:
    link = stalled.ground.link
    flush = "REPLACE INTO item__osc_n (id, n) SELECT id, n FROM item WHERE (id) IN ((1))"
    stalled.commit("UPDATE item SET n = 100 WHERE id = 1")
    assert link.rows("SELECT n FROM item WHERE id = 1") == [(1,)]
    assert stalled.still()
    link.run(f"{flush} LOCK IN SHARE MODE")
    assert link.rows("SELECT n FROM item__osc_n WHERE id = 1") == [(100,)]


def test_a_deleted_row_is_gone_for_a_locking_read_only(stalled: Stalled) -> None:
    link = stalled.ground.link
    stalled.commit("DELETE FROM item WHERE id = 2")
    assert link.rows("SELECT id FROM item WHERE (id) IN ((2))") == [(2,)]
    assert stalled.still()
    assert link.rows("SELECT id FROM item WHERE (id) IN ((2)) LOCK IN SHARE MODE") == []


def test_the_end_of_the_key_range_is_found_by_a_locking_read(stalled: Stalled) -> None:
    link = stalled.ground.link
    last = "SELECT id FROM item ORDER BY id DESC LIMIT 1"
    stalled.commit("INSERT INTO item VALUES (50, 5)")
    assert link.rows(last) == [(2,)]
    assert stalled.still()
    assert link.rows(f"{last} LOCK IN SHARE MODE") == [(50,)]


def test_a_prepared_row_behind_the_end_is_waited_for_even_if_it_was_prepared_before_the_reading(
    server: Server,
) -> None:
    ground = Ground(server)
    ground.run("CREATE TABLE item (id INT PRIMARY KEY, n INT)", "INSERT INTO item VALUES (1, 1)")
    with Link(ground.address) as other:
        for statement in ("XA START 'v'", "INSERT INTO item VALUES (9, 9)", "XA END 'v'", "XA PREPARE 'v'"):
            other.run(statement)
        with ground.reading("item") as reading:
            last = "SELECT id FROM item ORDER BY id DESC LIMIT 1"
            assert ground.link.rows(last) == [(1,)]
            with pytest.raises(Waited):
                ground.link.rows(f"{last} LOCK IN SHARE MODE")
            other.run("XA COMMIT 'v'")
            # Its rows were logged at PREPARE, before the reading began.
            assert reading.keys_of("item") == set()
            assert ground.link.rows(f"{last} LOCK IN SHARE MODE") == [(9,)]
    ground.close()
