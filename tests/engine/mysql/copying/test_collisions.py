"""Rows that meet in a new unique index: one of them is often only stale, and then the copy is not refused."""

import threading
from collections.abc import Sequence

import pytest

from engine.base import Signal
from engine.errors import Refused
from engine.mysql.binlog.watched import Key, TableName
from engine.mysql.capturing import delta_capture, log_capture, stream
from engine.mysql.capturing.stream import Stream
from engine.mysql.copying import opening
from engine.mysql.copying.applier import MOST_COLLISIONS
from engine.mysql.copying.online import OnlineCopy
from engine.mysql.shadow.keys import Literals
from tests.engine.mysql.copying.rig import Rig, Watcher, make_rig, prepare
from tests.servers.numbers import numbers
from tests.servers.server import Server

TABLE = "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, n VARCHAR(9) NOT NULL);; INSERT INTO t VALUES (1, 'a'), (2, 'b')"
CHANGE = ["ADD UNIQUE KEY n (n)"]
MOVED = ("UPDATE t SET n = 'c' WHERE id = 2", "UPDATE t SET n = 'b' WHERE id = 1")
FIRST: Literals = ("1",)


class Gate:
    """Where the reader of the log stops while it is shut, as it would behind a transaction of others that takes it long."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._open = threading.Event()
        self._open.set()
        keys = Stream.keys

        def later(stream: Stream, table: TableName, found: Sequence[Key]) -> None:
            self._open.wait()
            keys(stream, table, found)

        patch.setattr(Stream, "keys", later)

    def __enter__(self) -> None:
        self._open.clear()

    def __exit__(self, *_: object) -> None:
        self._open.set()


def assert_finished(rig: Rig, copy: OnlineCopy) -> None:
    """It gets there, with nothing to mend."""
    watcher = Watcher()
    assert copy.in_step(watcher, "catching up") is Signal.GO
    with rig.locked(copy) as link:
        assert rig.assert_same(link) == 2
    copy.discard(watcher)


def test_a_value_that_moved_to_another_row_is_no_duplicate_before_the_log_is_read(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_capture, "LOOK_SECONDS", 0.01)
    gate = Gate(monkeypatch)
    rig = make_rig(server, TABLE, CHANGE)
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        with gate:
            rig.run(*MOVED)
            copy.capture.requeue([FIRST])
            for _ in range(2 * MOST_COLLISIONS):
                assert copy.follow() == 0
        assert_finished(rig, copy)


def test_a_row_whose_stale_copy_is_in_the_way_need_not_wait_for_whoever_holds_it(server: Server) -> None:
    rig = make_rig(server, TABLE, CHANGE)
    with rig.copying(rig.step()) as copy, rig.link() as holder:
        prepare(copy, Watcher())
        copy.applier._limit = 1
        rig.run(*MOVED)
        holder.run("START TRANSACTION")
        holder.run("SELECT * FROM t WHERE id = 2 FOR UPDATE")
        assert copy.stream.wait_for(copy.stream.end(), 20)
        for _ in range(5):
            copy.follow()
        assert rig.value(f"SELECT n FROM {rig.shadow} WHERE id = 1") == "b"
        holder.run("ROLLBACK")
        assert_finished(rig, copy)


def test_two_rows_that_have_the_same_value_are_found_while_changes_are_applied(server: Server) -> None:
    rig = make_rig(server, TABLE, CHANGE)
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        rig.run("UPDATE t SET n = 'b' WHERE id = 1")
        with pytest.raises(Refused, match="two rows have the same value under the new unique index"):
            copy.in_step(Watcher(), "catching up")
        copy.discard(Watcher())


@pytest.mark.parametrize("by_log", [True, False])
def test_values_that_all_change_places_are_applied_however_few_are_read_at_once(
    server: Server, monkeypatch: pytest.MonkeyPatch, by_log: bool
) -> None:
    """What is in the way of the first keys waits behind more than are read at once."""
    monkeypatch.setattr(stream, "MOST_WAITING", 10)
    monkeypatch.setattr(delta_capture, "LOAD", 10)
    many = ", ".join(f"({n}, '{n}')" for n in range(60))
    rig = make_rig(server, TABLE.split("VALUES")[0] + f"VALUES {many}", CHANGE)
    if not by_log:
        monkeypatch.setattr(opening, "obstacles", lambda *_: ["as if"])
    with server.having(log_bin_trust_function_creators=1), rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        rig.run(*(f"UPDATE t SET n = '{(n + 30) % 60}' WHERE id = {n}" for n in range(60)))
        assert copy.in_step(Watcher(limit=20), "catching up") is Signal.GO
        with rig.locked(copy) as link:
            assert rig.assert_same(link) == 60
        copy.discard(Watcher())


BINARY, BLIND, OTHER = ("utf8mb4_bin", "utf8mb4_general_ci", "utf8mb4_unicode_ci")
OTHERWISE = (
    "CREATE TABLE t (s VARCHAR(20) COLLATE {} NOT NULL, n {} NOT NULL, PRIMARY KEY ({}), v INT NOT NULL)"
)
TURNED = "UPDATE t SET v = v + 1, s = IF(BINARY s = BINARY LOWER(s), UPPER(s), LOWER(s))"
FINER, COARSER, SIDEWAYS = (BLIND, BINARY), (BINARY, BLIND), (BLIND, OTHER)


@pytest.mark.parametrize(
    ("collations", "key"), [(FINER, "s"), (FINER, "n, s"), (COARSER, "s"), (SIDEWAYS, "n, s")]
)
def test_keys_that_change_their_case_are_applied_one_by_one_where_they_will_compare_otherwise(
    server: Server, collations: tuple[str, str], key: str
) -> None:
    before, after = collations
    number = "ENUM('x', 'y', 'z')"  # told by its number, so it has no letters
    rig = make_rig(
        server,
        f"{OTHERWISE.format(before, number, key)};; INSERT INTO t (s, n, v) VALUES ('aß1', 1, 1), ('B2', 2, 2), ('c', 3, 3)",
        [f"MODIFY s VARCHAR(20) COLLATE {after} NOT NULL, MODIFY v BIGINT"],
    )
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        copy.applier._most = copy.applier._limit = 1
        rig.run(f"{TURNED} WHERE n < 3", "UPDATE t SET s = 'c ' WHERE n = 3")
        assert copy.in_step(Watcher(limit=20), "catching up") is Signal.GO
        rig.run(f"{TURNED} WHERE n = 2", "DELETE FROM t WHERE n = 1", "INSERT INTO t VALUES ('Aß1', 1, 9)")
        with rig.locked(copy) as link:
            assert rig.assert_same(link) == 3
        copy.discard(Watcher())


class Turner:
    """Somebody who changes the case of a few keys all the time, while it is entered."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.turns = 0

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with self._rig.link() as link:
            while not self._stop.wait(0.05):
                link.run(f"{TURNED} WHERE s LIKE 'ab{self.turns % 37}x%%'")
                self.turns += 1


@pytest.mark.parametrize(("before", "after"), [FINER, COARSER])
def test_a_key_is_copied_to_another_collation_beside_writers_who_change_its_case(
    server: Server, before: str, after: str
) -> None:
    rig = make_rig(
        server,
        f"{OTHERWISE.format(before, 'INT', 's')};; "
        f"INSERT INTO t SELECT CONCAT('ab', i % 40, 'xß', i), i, i FROM {numbers(900)}",
        [f"MODIFY s VARCHAR(20) COLLATE {after} NOT NULL, MODIFY v BIGINT"],
    )
    turner = Turner(rig)
    with rig.copying(rig.step()) as copy:
        with turner:
            prepare(copy, Watcher())
        with rig.locked(copy) as link:
            assert rig.assert_same(link) == 900
        assert copy.checkpoint.repairs == 0
        copy.discard(Watcher())
    assert turner.turns > 2


def test_two_rows_that_become_one_are_told_as_that(server: Server) -> None:
    rig = make_rig(
        server,
        f"{OTHERWISE.format(BINARY, 'INT', 's')};; INSERT INTO t VALUES ('a', 1, 1), ('b', 2, 2), ('A', 3, 3)",
        [f"MODIFY s VARCHAR(20) COLLATE {BLIND} NOT NULL"],
    )
    with (
        rig.copying(rig.step()) as copy,
        pytest.raises(Refused, match="two rows have the same value under the new unique index PRIMARY"),
    ):
        prepare(copy, Watcher())
