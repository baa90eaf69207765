"""Chunks are compared while the next ones are copied; what that found is trusted as long as nothing changes."""

from collections.abc import Callable

from engine import faults
from tests.engine.mysql.copying.rig import Rig, Watcher, make_rig, prepare
from tests.servers.server import Server

ROWS = 3_000
TABLE = "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, v INT NOT NULL)"
FILL = f"INSERT INTO t VALUES {', '.join(f'({n}, {n})' for n in range(1, ROWS + 1))}"


def rig_of(server: Server) -> Rig:
    return make_rig(server, f"{TABLE};;{FILL}", ["MODIFY v BIGINT NOT NULL"])


def after_chunks(action: Callable[[], None]) -> Callable[[str], None]:
    """*action* after each chunk, before it is compared."""
    return lambda point: action() if point == "after_commit:chunk" else None


def copied(rig: Rig, struck: Callable[[str], None] | None = None) -> tuple[bool, int]:
    """Whether the chunks' own comparison is trusted at the end, and how many rows were mended."""
    with rig.copying(rig.step()) as copy:
        faults.install(struck)
        try:
            prepare(copy, Watcher())
        finally:
            faults.install(None)
        with rig.locked(copy) as link:
            rig.assert_same(link)
        known = copy.compared
        assert known is None or (known.low, known.high) == (("0",), (str(ROWS),))
        return known is not None, copy.checkpoint.repairs


def test_of_a_table_that_nobody_changes_every_chunk_is_compared_when_it_is_copied(server: Server) -> None:
    assert copied(rig_of(server)) == (True, 0)


def test_rows_that_go_wrong_in_a_chunk_are_found_and_mended(server: Server) -> None:
    rig = rig_of(server)
    damage = after_chunks(lambda: rig.run(f"UPDATE {rig.shadow} SET v = -1 WHERE id IN (7, 8)"))
    assert copied(rig, damage) == (False, 2)


def test_a_row_without_an_original_before_the_first_is_found(server: Server) -> None:
    rig = rig_of(server)
    damage = after_chunks(lambda: rig.run(f"REPLACE INTO {rig.shadow} VALUES (-5, 1)"))
    assert copied(rig, damage) == (False, 1)


def test_once_a_row_changed_all_are_compared_at_the_end(server: Server) -> None:
    rig = rig_of(server)
    change = after_chunks(lambda: rig.run("UPDATE t SET v = v + 1 WHERE id = 9"))
    assert copied(rig, change) == (False, 0)
