"""A copy that another release began goes on only where its rows are stored as they are now."""

from contextlib import nullcontext

import pytest

from engine.base import Signal
from engine.errors import Refused
from engine.mysql.quoting import quote_name
from engine.mysql.shadow import shape
from engine.mysql.shadow.checkpoints import Phase
from tests.engine.mysql.capturing.rig import unread
from tests.engine.mysql.copying.rig import Watcher, make_rig, prepare
from tests.servers.server import Server

TABLE = (
    "CREATE TABLE t (id INT PRIMARY KEY, z INT(6) ZEROFILL);;INSERT INTO t VALUES (1, 5), (2, 60), (3, NULL)"
)
UNMARK = "UPDATE _schemabot_copy SET state = JSON_REMOVE(state, '$.values')"


@pytest.mark.parametrize(
    ("wanted", "marked", "triggers", "anew"),
    [
        ("VARCHAR(12)", False, False, True),
        ("VARCHAR(12)", True, False, True),
        ("VARCHAR(12)", True, True, True),
        ("BIGINT", False, False, False),
    ],
)
def test_a_copy_begins_anew_if_a_release_that_stored_its_values_otherwise_began_it(
    server: Server, monkeypatch: pytest.MonkeyPatch, wanted: str, marked: bool, triggers: bool, anew: bool
) -> None:
    """Of a number that became a text no comparison would tell; releases that did not note it copied 5 of 000005."""
    rig = make_rig(server, TABLE, [f"MODIFY z {wanted}"])
    with unread(rig) if triggers else nullcontext():
        step, watcher = rig.step(), Watcher()
        with monkeypatch.context() as earlier, rig.copying(step) as copy:
            earlier.setattr(shape, "_as_stored", lambda old, _new: quote_name(old.name))
            prepare(copy, Watcher())
        rig.run("INSERT INTO t VALUES (4, 7)", *([] if marked else [UNMARK]))
        with rig.copying(step) as copy:
            assert copy.open(watcher) is Signal.GO
            assert copy.checkpoint.phase is (Phase.COPY if anew else Phase.READY)
            prepare(copy, watcher)
        rig.assert_as_altered()
        assert anew == any(
            "from the start again: another release began the copy, which stored some values otherwise"
            in detail
            for detail in watcher.details()
        )
        with rig.copying(step) as copy:
            assert copy.open(Watcher()) is Signal.GO
            assert copy.checkpoint.phase is Phase.READY


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("DATETIME", "DATE"),
        ("VARCHAR(20) COLLATE {minding}", "VARCHAR(10) COLLATE {minding}"),
        ("VARCHAR(20) COLLATE utf8mb4_bin", "VARCHAR(10) COLLATE utf8mb4_unicode_ci"),
    ],
    ids=["without_its_time", "shorter", "shorter_by_its_letters"],
)
@pytest.mark.parametrize("begun", [False, True], ids=["planned", "begun"])
def test_a_copy_of_another_release_is_refused_where_deleted_rows_would_not_be_found(
    server: Server, monkeypatch: pytest.MonkeyPatch, before: str, after: str, begun: bool
) -> None:
    """The copy has no time of day, or lost spaces that its index minds: a row with them that is deleted would come back."""
    minding = "utf8mb4_unicode_nopad_ci" if server.flavour == "mariadb" else "utf8mb4_0900_ai_ci"
    create = f"CREATE TABLE t (k {before.format(minding=minding)} PRIMARY KEY, v INT)"
    rig = make_rig(
        server,
        f"{create};; INSERT INTO t VALUES ('2024-01-02', 1)",
        [f"MODIFY k {after.format(minding=minding)} NOT NULL"],
    )
    rig.unsafe = True
    step = rig.step()
    if begun:
        with monkeypatch.context() as earlier, rig.copying(step) as copy:
            earlier.setattr(shape, "bent", lambda _key: "")
            prepare(copy, Watcher())
    with (
        rig.copying(step) as copy,
        pytest.raises(Refused, match="the values of k, by which rows are found, read otherwise in the copy"),
    ):
        prepare(copy, Watcher())
    assert rig.value("SELECT COUNT(*) FROM t") == 1


def test_a_copy_that_another_release_began_goes_on_where_deleted_rows_are_found(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key becomes shorter, too, but its collation minds no spaces at the end."""
    collation = "CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NOT NULL"
    create = f"CREATE TABLE t (k VARCHAR(20) {collation} PRIMARY KEY, v INT);; INSERT INTO t VALUES ('a', 1)"
    rig = make_rig(server, create, [f"MODIFY k VARCHAR(10) {collation}"])
    rig.unsafe = True
    step = rig.step()
    with monkeypatch.context() as earlier, rig.copying(step) as copy:
        earlier.setattr(shape, "bent", lambda _key: "")
        prepare(copy, Watcher())
    rig.run("INSERT INTO t VALUES ('b ', 2)")
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
        rig.run("DELETE FROM t WHERE v = 2")
        copy.in_step(Watcher(), "")
        assert rig.value(f"SELECT GROUP_CONCAT(v) FROM {rig.shadow}") == "1"
