"""Where the log is read: what it does not tell of is found before the cutover, and no row comes back."""

import pytest

from engine.base import Control, Signal
from engine.errors import DriftFound, TargetUnavailable
from engine.mysql.copying import index_build
from engine.mysql.copying.table_copy import TableCopy
from engine.mysql.shadow.checkpoints import Phase
from tests.engine.mysql.capturing.rig import unread
from tests.engine.mysql.copying.rig import Rig, Watcher, make_rig, prepare
from tests.servers.server import Server

CREATE = "CREATE TABLE t (id INT PRIMARY KEY, v INT);; INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)"
UNLOGGED = ("SET sql_log_bin = 0", "TRUNCATE TABLE t", "SET sql_log_bin = 1")
REFILLED = "INSERT INTO t VALUES (1, 7), (3, 7)"


@pytest.fixture
def rig(server: Server) -> Rig:
    return make_rig(server, CREATE, ["MODIFY v BIGINT"])


@pytest.mark.parametrize(
    ("statements", "mended"),
    [((*UNLOGGED, REFILLED), 1), (("OPTIMIZE TABLE t",), 0), (("OPTIMIZE TABLE t__osc_n",), 0)],
    ids=["truncated", "optimized", "copy_optimized"],
)
@pytest.mark.parametrize("driven", [True, False])
def test_rows_are_compared_again_when_the_table_is_not_the_one_they_were_copied_from(
    rig: Rig, statements: tuple[str, ...], mended: int, driven: bool
) -> None:
    step = rig.step()
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
        if driven:
            rig.run(*statements)
            with pytest.raises(TargetUnavailable, match=r"t was truncated or rebuilt .*compared again"):
                copy.look()
    if not driven:
        rig.run(*statements)
    with rig.copying(step) as copy:
        copy.open(Watcher())
        assert copy.checkpoint.phase is Phase.CHECK
        prepare(copy, Watcher())
        assert copy.checkpoint.repairs == mended
        with rig.locked(copy) as link:
            rig.assert_same(link)
    with rig.copying(step) as copy:
        copy.open(Watcher())
        assert copy.checkpoint.phase is Phase.READY


def test_a_table_that_changes_in_silence_begins_anew_where_a_comparison_would_overlook_values(
    server: Server,
) -> None:
    rig, watcher = make_rig(server, CREATE, ["MODIFY v VARCHAR(20)"]), Watcher()
    step = rig.step()
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
    rig.run(*UNLOGGED, REFILLED)
    with rig.copying(step) as copy:
        prepare(copy, watcher)
        with rig.locked(copy) as link:
            assert link.rows(f"SELECT id, v FROM {rig.shadow} ORDER BY id") == [(1, "7"), (3, "7")]
    assert any("t was truncated or rebuilt, so that the log may lack" in said for said in watcher.details())


def test_an_edge_that_goes_in_silence_after_the_last_look_is_drift(rig: Rig) -> None:
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        with (
            pytest.raises(DriftFound, match="lost rows while it was copied without a word in the binary log"),
            rig.locked(copy, *UNLOGGED, "INSERT INTO t VALUES (3, 7)"),
        ):
            pass


@pytest.mark.parametrize("by_log", [True, False])
def test_a_copy_that_somebody_emptied_begins_anew(rig: Rig, by_log: bool) -> None:
    if not by_log:
        unread(rig, "PROCESS")
    step, watcher = rig.step(), Watcher()
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
        rig.run("TRUNCATE TABLE t__osc_n", "UPDATE t SET v = 9 WHERE id = 3")
        with pytest.raises(TargetUnavailable, match="our copy of t was truncated or rebuilt by somebody"):
            copy.look()
    with rig.copying(step) as copy:
        prepare(copy, watcher)
        assert copy.checkpoint.repairs == 0
        with rig.locked(copy) as link:
            assert rig.assert_same(link) == 3
        copy.discard(watcher)
    assert any(
        "from the start again: our copy of t was emptied by somebody" in said for said in watcher.details()
    )


def test_a_copy_that_is_emptied_while_it_gets_its_indexes_is_compared_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(server, CREATE.replace("v INT", "v INT, KEY v (v)"), ["MODIFY v BIGINT"])
    analyse = index_build._analyse

    def emptied(work: TableCopy, control: Control) -> Signal:
        rig.run("TRUNCATE TABLE t__osc_n")
        return analyse(work, control)

    monkeypatch.setattr(index_build, "_analyse", emptied)
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        assert copy.checkpoint.repairs == 3
        with rig.locked(copy) as link:
            assert rig.assert_same(link) == 3


@pytest.mark.parametrize("edge", [1, 3])
def test_a_copy_that_loses_its_first_or_last_row_to_somebody_else_never_becomes_live(
    rig: Rig, edge: int
) -> None:
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        with (
            pytest.raises(
                DriftFound, match=r"our copy of t \(t__osc_n\) lacks the table's first or last row"
            ),
            rig.locked(copy, f"DELETE FROM t__osc_n WHERE id = {edge}"),
        ):
            pass
