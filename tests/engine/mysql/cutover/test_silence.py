"""A process that falls silent in the midst of a cutover: the server lets the application go on, and no write is lost.

What strikes at a fault point here does what the application does, on the thread that would have to go on with the cutover:
until the write is through, nothing is heard of the connections that hold the locks.
"""

import pytest

from engine.mysql.capturing import stream
from engine.mysql.cutover import swap
from engine.mysql.cutover.gated_swap import swap_of
from engine.mysql.silence import TABLE_SECONDS, ended_when_silent
from engine.mysql.trouble import Lost, Waited
from tests.engine.mysql.changing.plans import Shop
from tests.engine.mysql.copying.rig import Watcher, make_rig, prepare
from tests.engine.mysql.cutover.rig import make, pair, watching
from tests.engine.striking import struck
from tests.servers.server import Server

PATIENCE = {"lock_wait_timeout": 8}
ONE, TWO = ("t",), ("t", "ta")
MYSQL_POINTS = [
    (tables, point, 1)
    for tables in (ONE, TWO)
    for point in ("locked", "applied", "before_rename", "after_rename")
]
MARIADB_POINTS = [
    *(
        (tables, point, 1)
        for tables in (ONE, TWO)
        for point in ("locked", "applied", "rename_queued", "let_go", "before_rename", "sentry_dropped")
    ),
    (TWO, "let_go", 2),
]


class Silence:
    """Strikes when *point* is reached for the given time."""

    def __init__(self, shop: Shop, tables: tuple[str, ...], point: str, time: int) -> None:
        self._shop = shop
        self._tables = tables
        self._point = point
        self.left = time

    def __call__(self, point: str) -> None:
        """Write to every table, however long that takes. Waited: longer than the application would bear."""
        if point != self._point:
            return
        self.left -= 1
        if self.left == 0:
            with self._shop.link(settings=PATIENCE) as link:
                for table in self._tables:
                    link.run(f"INSERT INTO {table} (writer) VALUES (2)")


def fall_silent(server: Server, tables: tuple[str, ...], point: str, time: int) -> None:
    """Every write is in the live tables, whichever those are by then, and the next owner's try works."""
    shop = Shop(server)
    make(shop, *tables)
    for table in tables:
        shop.run(f"INSERT INTO {table} (writer) VALUES (1)")
    pairs = [pair(shop, table) for table in tables]
    silence = Silence(shop, tables, point, time)
    told = False
    with watching(shop) as watch, struck(silence):
        try:
            swap_of(watch, pairs).attempt()
        except (Lost, Waited):
            told = True
    assert silence.left == 0
    assert told or not ahead(shop)
    for table in tables:
        shop.run(f"INSERT INTO {table} (writer) VALUES (3)")
    with watching(shop, 2) as watch:
        if ahead(shop):
            assert ahead(shop) == len(tables)  # all of them, or none
            swap_of(watch, pairs).attempt()
    for table in tables:
        assert shop.rows(f"SELECT writer FROM {table} ORDER BY writer") == [(1,), (2,), (3,)]
        shop.run(f"DROP TABLE {table}__osc_o")
    assert shop.left_behind() == []


def ahead(shop: Shop) -> int:
    """How many tables still have their shadow beside them."""
    return len(shop.rows("SHOW TABLES LIKE '%\\_\\_osc\\_n'"))


@pytest.mark.parametrize(("tables", "point", "time"), MYSQL_POINTS)
def test_silence_under_the_locks_of_mysql(
    mysql: Server, tables: tuple[str, ...], point: str, time: int
) -> None:
    fall_silent(mysql, tables, point, time)


@pytest.mark.parametrize(("tables", "point", "time"), MARIADB_POINTS)
def test_silence_under_the_locks_of_mariadb(
    mariadb: Server, tables: tuple[str, ...], point: str, time: int
) -> None:
    fall_silent(mariadb, tables, point, time)


def test_who_waits_for_the_second_table_keeps_the_first(
    mariadb: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two connections lock one table each; that nothing is to do on the first is no silence."""
    monkeypatch.setattr(swap, "LOCK_SECONDS", 1.7 * TABLE_SECONDS)
    shop = Shop(mariadb)
    make(shop, *TWO)
    pairs = [pair(shop, table) for table in TWO]
    with watching(shop) as watch:
        with shop.link() as stranger:
            stranger.run("START TRANSACTION")
            stranger.run("INSERT INTO ta (writer) VALUES (1)")
            with pytest.raises(Waited, match=r"not all to be had in time|Lock wait timeout"):
                swap_of(watch, pairs).attempt()
            stranger.run("ROLLBACK")
        swap_of(watch, pairs).attempt()
    assert ahead(shop) == 0


def test_who_waits_for_the_end_of_the_log_keeps_the_locks(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(server, "CREATE TABLE t (id INT PRIMARY KEY);;INSERT INTO t VALUES (1)", ["ADD v INT"])
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        monkeypatch.setattr(stream, "MOST_WAITING", -1)
        while copy.stream.wait_for(copy.stream.end(), 0.5):  # until the reader holds back
            rig.run("INSERT INTO t SELECT MAX(id) + 1 FROM t")
        link = copy.hold.link
        with ended_when_silent(link, TABLE_SECONDS), pytest.raises(Lost, match="did not come to"):
            copy.stream.reach_end(link, 2.5 * TABLE_SECONDS)
        assert link.value("SELECT 1") == 1
