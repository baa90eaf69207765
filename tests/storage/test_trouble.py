"""The file in trouble: locked, full, gone, its process killed or paused; and what the queries look at."""

import subprocess
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest

from storage.base import Store
from storage.errors import Unavailable
from storage.lifecycle.statements import Statements
from storage.records import Apply
from storage.registry import open_store
from storage.sqlite.store import SqliteStore
from storage.states import State
from tests.storage.children import Child
from tests.storage.kinds import known
from tests.storage.scene import a_plan, claimed, now, queued
from tests.waiting import until


class Watch:
    """Keeps the connections a store makes and the statements they run."""

    def __init__(self) -> None:
        self.connections: list[apsw.Connection] = []
        self.statements: list[tuple[str, Any]] = []

    def install(self, connection: apsw.Connection) -> None:
        """Begin to watch; hand it to a SqliteStore as `_on_connect`."""
        self.connections.append(connection)
        connection.exec_trace = self._note

    def _note(self, _cursor: apsw.Cursor, sql: str, values: Any) -> bool:
        self.statements.append((sql, values))
        return True


# -- locked and paused --------------------------------------------------------------------------------------------


def test_17_a_writer_paused_inside_a_transaction_costs_the_others_a_clear_error_and_a_second(
    path: Path,
) -> None:
    with (
        SqliteStore(path, busy_seconds=0.3) as hasty,
        SqliteStore(path, busy_seconds=60.0) as patient,
        Child("stop_inside", path) as paused,
    ):
        hasty.save_plan(a_plan("paused"))
        apply = queued(hasty)
        paused.wait_ready()
        paused.go()
        paused.wait_stopped()
        for call in (hasty.ping, lambda: hasty.claim("worker", 60.0), lambda: queued(hasty, "other")):
            with pytest.raises(Unavailable, match="locked by another process"):
                call()
        assert now(hasty, apply).state is State.PENDING, "readers go on"
        done: list[float] = []

        def wait() -> None:
            patient.set_setting("a", "b")
            done.append(time.monotonic())

        waiting = threading.Thread(target=wait)
        waiting.start()
        resumed = time.monotonic()
        paused.resume()
        waiting.join(30)
        assert done[0] - resumed < 3.0, "the others go on at once (a second, on a machine of their own)"
        assert hasty.apply(paused.heard()).state is State.PENDING
        assert claimed(hasty).apply_id == apply.id


def test_a_store_locked_for_minutes_is_unavailable_within_the_limit(path: Path) -> None:
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    with SqliteStore(path, busy_seconds=0.2) as store:
        began = time.monotonic()
        with pytest.raises(Unavailable, match="locked"):
            store.set_setting("a", "b")
        assert 0.2 <= time.monotonic() - began < 5.0
        assert store.settings() == {}
        other.execute("ROLLBACK")
        store.set_setting("a", "b")
    other.close()


def test_a_thread_that_gets_no_turn_is_told_so(path: Path) -> None:
    failures: list[Exception] = []
    with SqliteStore(path, busy_seconds=0.2) as store:

        def write() -> None:
            try:
                store.set_setting("a", "b")
            except Unavailable as error:
                failures.append(error)

        def keep_the_turn(_transaction: Statements) -> None:
            thread = threading.Thread(target=write)
            thread.start()
            thread.join(30)

        store._database.write(keep_the_turn)
    assert "no turn to write" in str(failures[0])


# -- gone ---------------------------------------------------------------------------------------------------------


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "nowhere" / "store.db")) as store:
        for call in (store.upgrade, store.ping, store.counts):
            with pytest.raises(Unavailable, match=r"the folder .*nowhere does not exist"):
                call()
        (tmp_path / "nowhere").mkdir()
        store.upgrade()


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    with open_store(str(tmp_path)) as store, pytest.raises(Unavailable, match="it is a folder"):
        store.upgrade()


def test_a_closed_store_is_unavailable(path: Path) -> None:
    store = open_store(str(path))
    queued(store)
    claim = claimed(store)
    store.close()
    store.close()
    for call in (store.ping, store.counts, lambda: store.heartbeat([claim])):
        with pytest.raises(Unavailable, match="closed"):
            call()


# -- killed -------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(180)
def test_18_and_i5_every_acknowledged_completion_survives_a_crash_at_any_moment(
    tmp_path: Path, path: Path
) -> None:
    """The file and its log as they stand at arbitrary moments, checkpoints under way included."""
    acknowledged: list[str] = []
    with Child("complete", path) as writer:
        writer.wait_ready()
        hearing = threading.Thread(target=_collect, args=(writer, acknowledged))
        hearing.start()
        writer.go()
        for crash in range(12):
            wanted = len(acknowledged) + crash
            until("more is acknowledged", partial(_longer, acknowledged, wanted))
            writer.stop()
            promised = list(acknowledged)
            copy = tmp_path / f"crash{crash}.db"
            copy.write_bytes(path.read_bytes())
            copy.with_name(copy.name + "-wal").write_bytes(path.with_name(path.name + "-wal").read_bytes())
            writer.resume()
            _check_crashed(copy, promised)
        writer.process.kill()
        hearing.join(30)
    _check_crashed(path, acknowledged)
    assert len(acknowledged) > 50


def _longer(acknowledged: list[str], wanted: int) -> bool:
    return len(acknowledged) > wanted


def _collect(writer: Child, acknowledged: list[str]) -> None:
    assert writer.process.stdout is not None
    acknowledged.extend(
        line.strip().strip('"') for line in iter(writer.process.stdout.readline, "") if line.endswith("\n")
    )


def _check_crashed(copy: Path, promised: list[str]) -> None:
    with open_store(str(copy)) as store:
        store.upgrade()
        for apply_uid in promised:
            assert store.apply(apply_uid).state is State.COMPLETED, "an acknowledged completion is lost"
        for apply in store.recent(3):
            assert len(store.tasks(apply.id)) == 2, "half a transaction"
    connection = apsw.Connection(str(copy))
    assert connection.execute("PRAGMA integrity_check").get == "ok"
    assert connection.execute("PRAGMA foreign_key_check").get is None
    connection.close()


def test_i5_every_writer_is_durable_and_every_reader_cannot_write(path: Path) -> None:
    watch = Watch()
    with SqliteStore(path, _on_connect=watch.install) as store:
        queued(store)
        store.heartbeat([claimed(store)])
        store.counts()
        modes = [
            (c.pragma("query_only"), c.pragma("journal_mode"), c.pragma("synchronous"))
            for c in watch.connections
        ]
    full = 2
    assert [mode for mode in modes if mode[0] == 0] == [(0, "wal", full)] * 2, "for writes and for heartbeats"
    assert [mode[:2] for mode in modes if mode[0] == 1] == [(1, "wal")]


# -- full ---------------------------------------------------------------------------------------------------------


def fill(store: Store) -> int:
    """Enqueue until there is no space left; how many fitted."""
    made: list[Apply] = []
    with pytest.raises(Unavailable, match=r"no space left|does not answer"):
        made.extend(queued(store, f"db{n}", 20) for n in range(2_000))
    return len(made)


def check_whole(store: Store, fitted: int) -> None:
    """Nothing partial: exactly the applies that were acknowledged, each with all its tasks and its event."""
    for n in range(fitted):
        (apply,) = store.history(f"db{n}")
        assert len(store.tasks(apply.id)) == 20
        assert len(store.events(apply.id)) == 1
    assert store.history(f"db{fitted}") == []


def test_19_a_full_store_surfaces_and_recovers(path: Path) -> None:
    watch = Watch()
    with SqliteStore(path, _on_connect=watch.install) as store:
        claimed_before = queued(store, "early")
        claim = claimed(store)
        writer = watch.connections[0]
        limit = int(str(writer.pragma("page_count"))) + 40
        writer.pragma("max_page_count", limit)
        fitted = fill(store)
        assert fitted > 0
        check_whole(store, fitted)
        writer.pragma("max_page_count", limit * 100)
        queued(store, f"db{fitted}", 20)
        store.complete(claim)
        assert now(store, claimed_before).state is State.COMPLETED


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", place], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"no right to mount a small disk here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def test_19_a_full_disk_surfaces_and_recovers(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(512 * 1024))
    with open_store(str(small_disk / "store.db")) as store:
        store.upgrade()
        claim_of = queued(store, "early")
        claim = claimed(store)
        fitted = fill(store)
        assert fitted > 0
        with pytest.raises(Unavailable):
            store.log(claim, "info", "info", "x" * 1_000_000)
        with pytest.raises(Unavailable, match="no space left"):
            store.ping()
        ballast.unlink()
        store.ping()
        check_whole(store, fitted)
        queued(store, f"db{fitted}", 20)
        store.complete(claim)
        assert now(store, claim_of).state is State.COMPLETED


def test_a_disk_that_turned_read_only_surfaces_with_the_path(small_disk: Path) -> None:
    with open_store(str(small_disk / "store.db")) as store:
        store.upgrade()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with open_store(str(small_disk / "store.db")) as store:
        for call in (store.upgrade, store.ping):
            with pytest.raises(Unavailable, match=r"store\.db"):
                call()


@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_removed_or_replaced_while_it_is_open_is_noticed(path: Path, replaced: bool) -> None:
    """It could be written for days, and nothing of it would be found again."""
    with open_store(str(path)) as store, open_store(str(path.with_name("backup.db"))) as backup:
        store.upgrade()
        backup.upgrade()
        store.ping()
        path.unlink()
        if replaced:
            path.with_name("backup.db").rename(path)
        with pytest.raises(Unavailable, match=r"removed or replaced .* restart the daemon"):
            store.ping()


# -- what the queries look at (3) -----------------------------------------------------------------------------------


SORT_A_HANDFUL = ("GROUP BY state", "FROM control_requests", "ORDER BY +id")
"""Marks of statements whose index leaves only live applies, or one apply's open commands, to be sorted."""


@pytest.mark.parametrize("history", [10, 100_000])
def test_3_the_hot_statements_use_their_index_however_long_the_history(path: Path, history: int) -> None:
    watch = Watch()
    with SqliteStore(path, _on_connect=watch.install) as store:
        known(str(path)).generate(store, history=history, live=20)
        watch.statements.clear()
        claim = claimed(store)
        store.next_due()
        store.heartbeat([claim])
        store.expire_retryable()
        store.log(claim, "info", "info", "a word")
        store.active_apply("db1", "local")
        store.latest_apply("db1", "local")
        store.history("db1")
        store.recent()
        store.counts()
        store.pending_requests(claim.apply_id)
        store.events(claim.apply_id)
        store.complete(claim)
    plans = explain(path, watch)
    assert len(plans) > 15
    for sql, plan in plans.items():
        assert "TEMP B-TREE" not in plan or any(mark in sql for mark in SORT_A_HANDFUL), f"{sql}\n{plan}"
        for line in plan.splitlines():
            looked_up = "USING" in line or not line.startswith("SCAN")
            assert looked_up or line in ("SCAN CONSTANT ROW", "SCAN clock"), f"{sql}\n{plan}"
    lives = [plan for sql, plan in plans.items() if "ORDER BY +id" in sql]
    assert "USING INDEX applies_one_live (database_name=? AND environment=?)" in lives[0]
    claims = [plan for sql, plan in plans.items() if "AS waited" in sql]
    assert "SEARCH applies USING INDEX applies_claim (claimable_at<?)" in claims[0]
    guards = [plan for sql, plan in plans.items() if "lease_token = :token" in sql]
    assert "SEARCH applies USING INTEGER PRIMARY KEY (rowid=?)" in guards[0]


def explain(path: Path, watch: Watch) -> dict[str, str]:
    """Each SELECT and UPDATE that was run → its query plan."""
    connection = apsw.Connection(str(path))
    plans = {}
    for sql, values in watch.statements:
        if sql.lstrip().startswith(("SELECT", "UPDATE")) and "sqlite_schema" not in sql:
            steps = connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)
            plans[sql] = "\n".join(str(step[3]) for step in steps)
    connection.close()
    return plans
