"""Chunks are read without locks: the application waits for none of them, and none brings back what it has changed meanwhile."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engine.base import Progress, Signal
from engine.mysql.address import parse_address
from engine.mysql.copying import opening, rows, worker_pool
from engine.mysql.copying.applier import Applier
from engine.mysql.copying.chunk_sizer import FEWEST_BYTES
from engine.mysql.copying.shared_lock import SharedExclusiveLock
from engine.mysql.copying.sums import Sums
from engine.mysql.copying.verify import Verification
from engine.mysql.flavour import flavour_of
from engine.mysql.link import Link
from engine.mysql.names import names_of
from engine.mysql.visibility import visibility_gaps
from tests.engine.mysql.copying.rig import Rig, Watcher, make_rig, prepare
from tests.engine.mysql.planning.places import account
from tests.engine.striking import At
from tests.servers.server import Server

TABLE = """
CREATE TABLE t (id INT NOT NULL PRIMARY KEY, v VARCHAR(40) NOT NULL);;
INSERT INTO t VALUES (10, 'a'), (20, 'b'), (30, 'c'), (40, 'd'), (50, 'e')
"""
CHANGE = ["MODIFY v VARCHAR(60) NOT NULL"]


def test_chunks_run_together_and_who_applies_goes_first_and_alone() -> None:
    lock = SharedExclusiveLock()
    entered = threading.Event()

    def chunk() -> None:
        with lock.shared():
            entered.set()

    with lock.shared(), lock.shared(), lock.exclusive(0.01) as alone:
        assert not alone
    other = threading.Thread(target=chunk)
    other.start()
    assert not entered.wait(0.1)  # who applies has not had its turn yet
    with lock.exclusive(1.0) as alone:
        assert alone
        assert not entered.wait(0.1)
    assert entered.wait(10)
    other.join()


def test_chunks_go_on_when_nobody_wants_to_apply_any_more() -> None:
    lock = SharedExclusiveLock()
    with lock.shared(), lock.exclusive(0.01) as alone:
        assert not alone
    lock.give_up()
    with lock.shared():
        pass


def test_the_application_does_not_wait_for_a_chunk(server: Server) -> None:
    """Its rows are changed while the chunk that read them is not committed; with locks this would wait for us, and we for it."""
    rig = make_rig(server, TABLE, CHANGE)
    with (
        rig.copying(rig.step()) as copy,
        At("before_commit:chunk", lambda: rig.run("UPDATE t SET v = 'new'", "DELETE FROM t WHERE id = 40")),
    ):
        prepare(copy, Watcher())
        with rig.locked(copy) as link:
            assert rig.assert_same(link) == 4
        assert copy.checkpoint.repairs == 0


def test_of_heavy_rows_few_are_held_or_compared_at_once(server: Server) -> None:
    """However quickly single ones went before."""
    rows, weight = 24, 200_000
    numbers = ", ".join(f"({n}, 0, REPEAT('x', {weight}))" for n in range(rows))
    rig = make_rig(
        server,
        f"CREATE TABLE t (id INT PRIMARY KEY, n INT NOT NULL, v LONGTEXT);; INSERT INTO t VALUES {numbers};; ANALYZE TABLE t",
        ["MODIFY n BIGINT NOT NULL"],
    )
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())

        def lot_after(statement: str) -> int:
            rig.run(statement)
            assert copy.stream.wait_for(copy.stream.end(), 20)
            copy.capture.rotate(copy.link)
            return copy.applier.step(copy.link)

        assert [lot_after(f"UPDATE t SET n = n + 1 WHERE id = {n}") for n in range(5)] == [1] * 5
        assert lot_after("UPDATE t SET n = n + 1") * weight <= FEWEST_BYTES
        chunker = Verification(copy)._chunker(Sums(copy.shape).source, None)
        assert chunker.sizer.rows < rows
        assert copy.catch_up(Watcher()) is Signal.GO
        with rig.locked(copy) as link:
            assert rig.assert_same(link) == rows


class Stuck:
    """Holds a chunk up in the middle of its statement, deletes a row that it has read, and lets it go on."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._holder = rig.link()
        self._thread = threading.Thread(target=self._meanwhile)

    def begin(self) -> None:
        """Somebody else is about to put row 30 into the shadow: the chunk waits there."""
        self._holder.run("START TRANSACTION")
        self._holder.run(f"INSERT INTO {self._rig.shadow} VALUES (30, 'x')")
        self._thread.start()

    def _meanwhile(self) -> None:
        with self._rig.link() as other:
            waits = f"SELECT 1 FROM information_schema.PROCESSLIST WHERE INFO LIKE 'INSERT IGNORE INTO%{names_of('t').shadow}%'"
            while not other.rows(f"{waits} AND ID <> CONNECTION_ID()"):
                pass
            other.value("SELECT SLEEP(0.1)")
        self._rig.run("DELETE FROM t WHERE id = 40")
        with self._rig.link() as other:
            other.value("SELECT SLEEP(0.5)")  # the applier's chance
        self._holder.run("ROLLBACK")

    def end(self) -> None:
        self._thread.join()
        self._holder.close()


def copy_while_stuck(rig: Rig) -> tuple[int, int]:
    """How many rows there are at the end, and how many of them had to be mended."""
    stuck = Stuck(rig)
    try:
        with rig.copying(rig.step()) as copy, At("begun:chunk", stuck.begin):
            prepare(copy, Watcher())
            with rig.locked(copy) as link:
                return rig.assert_same(link), copy.checkpoint.repairs
    finally:
        stuck.end()


def test_a_row_that_is_deleted_while_a_chunk_is_read_does_not_come_back(server: Server) -> None:
    assert copy_while_stuck(make_rig(server, TABLE, CHANGE)) == (4, 0)


def test_without_turns_it_comes_back(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def at_once(self: SharedExclusiveLock, seconds: float) -> Iterator[bool]:
        yield True

    monkeypatch.setattr(SharedExclusiveLock, "exclusive", at_once)
    assert copy_while_stuck(make_rig(server, TABLE, CHANGE)) == (4, 1)


def test_chunks_go_on_while_somebody_holds_a_row_that_is_to_be_applied(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    step = Applier.step

    def counted(self: Applier, link: Link, *, locked: bool = False) -> int:
        steps.append(step(self, link, locked=locked))
        return steps[-1]

    monkeypatch.setattr(Applier, "step", counted)
    rig = make_rig(server, TABLE, CHANGE)
    with rig.copying(rig.step()) as copy, rig.link() as holder:
        prepare(copy, Watcher())
        rig.run("UPDATE t SET v = 'changed' WHERE id = 20")
        holder.run("START TRANSACTION")
        holder.run("SELECT * FROM t WHERE id = 20 FOR UPDATE")
        assert copy.stream.wait_for(copy.stream.end(), 20)
        steps.clear()
        assert copy.follow(gather=0.01) == 0
        assert steps == [0]
        with copy.shadow_lock.shared():
            assert copy.follow(gather=0.01) == 0
        assert steps == [0]  # others had their turn
        holder.run("ROLLBACK")
        assert copy.follow() == 1
        with rig.locked(copy) as link:
            rig.assert_same(link)


@pytest.mark.parametrize("by_log", [True, False])
def test_a_row_that_somebody_holds_keeps_no_other_from_being_applied_and_is_told(
    server: Server, monkeypatch: pytest.MonkeyPatch, by_log: bool
) -> None:
    rig = make_rig(server, TABLE, CHANGE)
    if not by_log:
        monkeypatch.setattr(opening, "obstacles", lambda *_: ["as if"])
    with (
        server.having(log_bin_trust_function_creators=1),
        rig.copying(rig.step()) as copy,
        rig.link() as holder,
    ):
        prepare(copy, Watcher())
        rig.run("UPDATE t SET v = 'changed' WHERE id = 20")
        holder.run("START TRANSACTION")
        holder.run("SELECT * FROM t WHERE id = 20 FOR UPDATE")
        copy.capture.mark(copy.link)
        until = time.monotonic() + 20
        while not copy.applier.held:
            copy.follow()
            assert time.monotonic() < until
        rig.run("UPDATE t SET v = 'later' WHERE id = 10")
        while rig.value(f"SELECT v FROM {rig.shadow} WHERE id = 10") != "later":
            copy.follow()
            assert time.monotonic() < until
        assert not copy.capture.caught_up(copy.link)
        told = f"waiting for the row id = 20 of t, perhaps held by connection {holder.id} of"

        def listen(progress: Progress) -> None:
            if told in progress.detail:
                holder.run("ROLLBACK")

        watcher = Watcher(listen)
        assert copy.in_step(watcher, "catching up") is Signal.GO
        assert any(told in detail for detail in watcher.details())
        with rig.locked(copy) as link:
            assert rig.assert_same(link) == 5
        copy.discard(Watcher())


def test_a_chunk_waits_for_a_prepared_transaction_however_long_it_takes_and_says_so(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_pool, "GIVE_UP_SECONDS", 0.5)
    prepared = Prepared(make_rig(server, TABLE, CHANGE), "long", seconds=60)

    def listen(progress: Progress) -> None:
        if "waiting for rows of t, perhaps held by" in progress.detail:
            prepared.end()

    watcher = Watcher(listen)
    try:
        with prepared.rig.copying(prepared.rig.step()) as copy:
            prepare(copy, watcher)
            with prepared.rig.locked(copy) as link:
                assert prepared.rig.assert_same(link) == 5
    finally:
        prepared.end()
    assert any("waiting for rows of t, perhaps held by" in detail for detail in watcher.details())


class Prepared:
    """A transaction that was prepared before the copy began, and is committed while it runs, or at the `end`."""

    def __init__(self, rig: Rig, name: str, seconds: float = 1.5) -> None:
        self.rig = rig
        self.name = name
        self._open = True
        self._link = rig.link()
        for statement in (
            f"XA START '{name}'", "UPDATE t SET v = 'xa' WHERE id = 30", f"XA END '{name}'", f"XA PREPARE '{name}'",
        ):  # fmt: skip
            self._link.run(statement)
        self._timer = threading.Timer(seconds, self._commit)
        self._timer.start()

    def _commit(self) -> None:
        if self._open:
            self._open = False
            self._link.run(f"XA COMMIT '{self.name}'")

    def end(self) -> None:
        self._timer.cancel()
        self._timer.join()
        self._commit()
        self._link.close()


def repairs_beside_a_prepared_transaction(rig: Rig, name: str, seconds: float = 1.5) -> int:
    """How many rows had to be mended, when it is committed after so long, or as soon as all is copied."""
    prepared = Prepared(rig, name, seconds)
    try:
        with rig.copying(rig.step()) as copy:
            watcher = Watcher()
            assert copy.open(watcher) is Signal.GO
            assert copy.fill(watcher) is Signal.GO
            prepared.end()
            prepare(copy, watcher)
            with rig.locked(copy) as link:
                rig.assert_same(link)
            return copy.checkpoint.repairs
    finally:
        prepared.end()


def test_rows_that_were_prepared_before_the_copy_began_are_waited_for(server: Server) -> None:
    assert repairs_beside_a_prepared_transaction(make_rig(server, TABLE, CHANGE), "waited") == 0


def test_without_waiting_for_them_they_are_stale(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "visibility_gaps", lambda *_: [])
    with pytest.raises(AssertionError, match="stale"):
        repairs_beside_a_prepared_transaction(make_rig(server, TABLE, CHANGE), "stale", seconds=30)


def test_changes_may_hide_behind_a_prepared_transaction(server: Server) -> None:
    rig = make_rig(server, TABLE, CHANGE)
    with rig.link() as link:
        flavour = flavour_of(link)
        assert not visibility_gaps(link, flavour)
        prepared = Prepared(rig, "seen")
        assert visibility_gaps(link, flavour)
        prepared.end()
        assert not visibility_gaps(link, flavour)
        with rig.link() as other:  # as if the statement took its time
            preparing = threading.Thread(target=other.run, args=("DO SLEEP(1) /* XA PREPARE 'x' */",))
            preparing.start()
            while not link.rows(
                "SELECT 1 FROM information_schema.PROCESSLIST WHERE ID = %s AND INFO LIKE 'DO %%'", other.id
            ):
                pass
            assert visibility_gaps(link, flavour)
            preparing.join()


class Preparing(Link):
    """Somebody prepares a transaction right after the first look."""

    meanwhile: Callable[[], None] | None = None

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        found = super().rows(sql, *values)
        if self.meanwhile and ("PROCESSLIST" in sql or "XA RECOVER" in sql):
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        return found


def test_a_transaction_that_is_prepared_between_two_looks_is_seen(server: Server) -> None:
    rig = make_rig(server, TABLE, CHANGE)
    prepared: list[Prepared] = []
    with Preparing(parse_address(server.url(rig.schema))) as link:
        link.meanwhile = lambda: prepared.append(Prepared(rig, "between"))
        assert visibility_gaps(link, flavour_of(link))
    prepared[0].end()


def test_changes_may_hide_where_commits_are_in_no_order_or_the_server_does_not_tell(mysql: Server) -> None:
    rig = make_rig(mysql, TABLE, CHANGE)
    with rig.link() as link:
        flavour = flavour_of(link)
        with mysql.having(binlog_order_commits="OFF"):
            assert visibility_gaps(link, flavour)
        with account(mysql) as address, Link(address) as theirs:
            assert visibility_gaps(theirs, flavour)
