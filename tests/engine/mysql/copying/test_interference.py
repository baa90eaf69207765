"""What others do to a copy and what a copy must not do to them; names, keys and rows that are not what one thinks of first."""

import time
from collections.abc import Sequence

import pytest

from engine.base import DEFAULT_VOLUME, Progress, Signal
from engine.errors import DriftFound
from engine.mysql.capturing.delta_capture import DeltaCapture
from engine.mysql.copying import applier, opening, throttle
from engine.mysql.copying.filling import refresh
from engine.mysql.shadow.checkpoints import Phase
from engine.mysql.shadow.keys import Literals
from engine.mysql.trouble import Waited
from tests.engine.mysql.copying.rig import Rig, Watcher, make_rig, prepare
from tests.engine.striking import At
from tests.servers.server import Server

TABLE = "CREATE TABLE t (id INT PRIMARY KEY, v INT);; INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)"
ADD = ["ADD x INT NOT NULL DEFAULT 1"]


def finish(rig: Rig) -> int:
    """Copy, and look at every row."""
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        with rig.locked(copy) as link:
            return rig.assert_same(link)


def test_an_index_that_is_called_like_its_table_is_built_by_us(server: Server) -> None:
    create = "CREATE TABLE t (id INT PRIMARY KEY, t INT, KEY t (t));; INSERT INTO t VALUES (1, 1), (2, 2)"
    assert finish(make_rig(server, create, ["MODIFY t BIGINT"])) == 2


def test_large_rows_with_gaps_between_their_keys_are_copied(server: Server) -> None:
    """Chunks are small, and counting on from a key finds nothing for millions of steps."""
    rows = ", ".join(f"({1_700_000_000_000_000_000 + n * 4_194_304}, REPEAT('x', 300000))" for n in range(12))
    create = (
        f"CREATE TABLE t (id BIGINT PRIMARY KEY, v LONGTEXT);; INSERT INTO t VALUES {rows};; ANALYZE TABLE t"
    )
    assert finish(make_rig(server, create, ADD)) == 12


@pytest.mark.parametrize(
    ("old", "new", "last"),
    [
        ("VARCHAR(40) CHARACTER SET utf8mb3", "VARCHAR(40) CHARACTER SET utf8mb4", "'3'"),
        ("VARCHAR(9) COLLATE utf8mb4_general_ci", "VARCHAR(20) COLLATE utf8mb4_unicode_ci", "'3'"),
        ("DECIMAL(10,0)", "DECIMAL(20,0)", "3"),
    ],
)
def test_rows_that_are_there_already_are_none_in_the_way_under_a_key_that_changes(
    server: Server, old: str, new: str, last: str
) -> None:
    create = (
        f"CREATE TABLE t (id {old} NOT NULL PRIMARY KEY, v INT);; INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)"
    )
    rig = make_rig(server, create, [f"MODIFY id {new} NOT NULL"])
    step = rig.step()
    with rig.copying(step) as copy:
        assert copy.open(Watcher()) is Signal.GO
        rig.run(f"UPDATE t SET v = 9 WHERE id = {last}")
        assert copy.in_step(Watcher(), "") is Signal.GO  # applied before its chunk is copied
        prepare(copy, Watcher())
        copy.place.save(phase=Phase.COPY, low=None)
    with rig.copying(step) as copy:  # as after a crash before the checkpoint was written
        prepare(copy, Watcher())
        with rig.locked(copy) as link:
            assert rig.assert_same(link) == 3


def test_a_changed_row_does_not_wait_until_all_of_many_held_ones_were_tried(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applier, "BATCH", 4)
    rows = ", ".join(f"({i}, {i})" for i in range(1, 41))
    rig = make_rig(server, f"CREATE TABLE t (id INT PRIMARY KEY, v INT);; INSERT INTO t VALUES {rows}", ADD)
    with rig.copying(rig.step()) as copy, rig.link() as holder:
        prepare(copy, Watcher())
        copy.link.set({"innodb_lock_wait_timeout": 1})
        rig.run("UPDATE t SET v = -1 WHERE id <= 30")
        holder.run("START TRANSACTION")
        holder.run("UPDATE t SET v = -2 WHERE id <= 30")
        tries = count_tries(monkeypatch)
        while not tries:
            copy.turn(Watcher(), "", gather=0.0)
        rig.run("UPDATE t SET v = -3 WHERE id = 40")
        while rig.value(f"SELECT v FROM {rig.shadow} WHERE id = 40") != -3:
            copy.turn(Watcher(), "", gather=0.0)
        assert len(tries) < 10
        holder.run("COMMIT")
        assert copy.catch_up(Watcher()) is Signal.GO
        with rig.locked(copy) as link:
            assert rig.assert_same(link) == 40


def count_tries(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many keys each try in vain was of."""
    put_off = applier.Applier._put_off
    tries: list[int] = []

    def counted(self: applier.Applier, keys: Sequence[Literals]) -> None:
        tries.append(len(keys))
        put_off(self, keys)

    monkeypatch.setattr(applier.Applier, "_put_off", counted)
    return tries


def test_who_holds_rows_for_a_batch_does_not_wait_for_the_next(server: Server) -> None:
    """Whoever held the one and waited for the other would make others wait, or be the other half of a deadlock."""
    rig = make_rig(server, TABLE, ADD)
    with rig.copying(rig.step()) as copy, rig.link() as holder:
        prepare(copy, Watcher())
        holder.run("START TRANSACTION")
        holder.run("SELECT * FROM t WHERE id = 3 FOR UPDATE")
        copy.link.set({"innodb_lock_wait_timeout": 50})
        began = time.monotonic()
        with pytest.raises(Waited), copy.hold.transaction(copy.link, "apply"):
            refresh(copy.link, copy.shape, [("1",), ("2",), ("3",)])
        assert time.monotonic() - began < 25
        holder.run("ROLLBACK")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER audit AFTER INSERT ON t FOR EACH ROW SET @seen = NEW.id",
        "CREATE TABLE child (id INT PRIMARY KEY, t INT, FOREIGN KEY (t) REFERENCES t (id))",
    ],
)
def test_what_comes_before_the_log_is_read_is_found_before_the_cutover(
    server: Server, statement: str
) -> None:
    rig = make_rig(server, TABLE, ADD)
    with rig.copying(rig.step()) as copy, At("shadow:begin", lambda: rig.run(statement)):
        prepare(copy, Watcher())
        with pytest.raises(DriftFound, match=r"got (triggers|a foreign key)"):
            copy.look()


def test_a_copy_whose_log_does_not_tell_any_more_begins_anew_by_triggers(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(server, TABLE, ADD)
    step = rig.step()
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
    monkeypatch.setattr(opening, "obstacles", lambda *_: ["the schema is left out of the log"])
    with server.having(log_bin_trust_function_creators=1), rig.copying(step) as copy:
        prepare(copy, Watcher())
        assert isinstance(copy.capture, DeltaCapture)
        rig.run("UPDATE t SET v = 9 WHERE id = 2")
        with rig.locked(copy) as link:
            assert rig.assert_same(link) == 3
        copy.discard(Watcher())


def test_rows_that_are_longer_than_a_packet_are_compared(server: Server) -> None:
    create = "CREATE TABLE t (id INT PRIMARY KEY, a LONGTEXT, b LONGTEXT, v INT)"
    row = "INSERT INTO t SELECT 1, REPEAT('a', 600000), REPEAT('b', 600000), 1"
    with server.having(max_allowed_packet=1 << 20):
        rig = make_rig(server, f"{create};; {row}", ADD)
        spoil = f"UPDATE {rig.shadow} SET v = 99"
        with rig.copying(rig.step()) as copy, At("after_commit:chunk", lambda: rig.run(spoil)):
            prepare(copy, Watcher())
            assert copy.checkpoint.repairs == 1


def test_a_copy_that_goes_on_has_made_no_progress_by_that(server: Server) -> None:
    """A failure that comes again and again would never use up the attempts."""
    rig = make_rig(server, TABLE, ADD)
    step = rig.step()
    with rig.copying(step) as copy:
        assert copy.open(Watcher()) is Signal.GO
        copy.place.save()
    told: list[Progress] = []
    with rig.copying(step) as copy:
        assert copy.open(Watcher()) is Signal.GO
        copy.place.save()
        assert copy.in_step(Watcher(lambda progress: told.append(progress)), "") is Signal.GO
        copy.report(Watcher(lambda progress: told.append(progress)), "copying")
    assert [progress.durable for progress in told] == [False] * len(told)
    assert told


def test_a_server_at_its_limit_holds_the_copy_up_unless_people_want_it_quick(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "BUSY_THREADS", -1)
    rig = make_rig(server, TABLE, ADD)
    with rig.copying(rig.step()) as copy:
        held = Watcher(lambda progress: Signal.HALT if "threads run" in progress.detail else None)
        assert copy.open(held) is Signal.GO
        assert copy.fill(held) is Signal.HALT
    with rig.copying(rig.step()) as copy:
        watcher = Watcher(volume=DEFAULT_VOLUME + 1)
        prepare(copy, watcher)
        assert not any("threads run" in detail for detail in watcher.details())
        copy.discard(watcher)


def test_an_open_transaction_on_the_last_row_is_waited_for_with_words(server: Server) -> None:
    rig = make_rig(server, TABLE, ADD)
    with rig.copying(rig.step()) as copy, rig.link() as holder:
        holder.run("START TRANSACTION")
        holder.run("UPDATE t SET v = 7 WHERE id = 3")

        def told(progress: Progress) -> None:
            if (
                f"waiting for the first or the last row, perhaps held by connection {holder.id} "
                in progress.detail
            ):
                holder.run("COMMIT")

        watcher = Watcher(told)
        prepare(copy, watcher)
        assert any("waiting for the first or the last row" in detail for detail in watcher.details())
        with rig.locked(copy) as link:
            assert rig.assert_same(link) == 3
