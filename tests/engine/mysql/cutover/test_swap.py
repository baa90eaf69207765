"""The instant of the cutover, under writers: no write slips into the old table, no statement of the application fails."""

import statistics
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pymysql
import pytest

from engine import faults
from engine.errors import EngineError
from engine.mysql.cutover.gated_swap import swap_of
from engine.mysql.link import Link
from engine.mysql.ownership.watch import Watch
from engine.mysql.trouble import Lost, Waited
from tests.engine.mysql.changing.plans import Shop
from tests.engine.mysql.cutover.rig import make, pair, watching
from tests.engine.striking import struck
from tests.servers.server import Server

WRITERS = 16
SWAPS = 12


@dataclass
class Writers:
    """Connections that insert rows as fast as they can."""

    shop: Shop
    tables: tuple[str, ...]
    written: int = 0
    failed: list[str] = field(default_factory=list)
    worst: float = 0.0
    over: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def at_work(self, count: int = WRITERS) -> Iterator["Writers"]:
        threads = [threading.Thread(target=self._write, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self.over.set()
            for thread in threads:
                thread.join()

    def _write(self, number: int) -> None:
        connection = self.shop.server.connect(database=self.shop.database, autocommit=True)
        table = self.tables[number % len(self.tables)]
        with connection, connection.cursor() as cursor:
            while not self.over.is_set():
                began = time.monotonic()
                try:
                    cursor.execute(f"INSERT INTO {table} (writer) VALUES (%s)", (number,))
                except pymysql.MySQLError as error:
                    self.failed.append(str(error))
                    continue
                took = time.monotonic() - began
                with self.lock:
                    self.written += 1
                    self.worst = max(self.worst, took)
                self.over.wait(0.002)


@pytest.mark.parametrize("tables", [("t",), ("t", "ta", "t_b")], ids=["one table", "three tables"])
def test_no_write_slips_past_a_swap_and_none_fails(server: Server, tables: tuple[str, ...]) -> None:
    """B42: every acknowledged row is in the live table after many swaps under many writers."""
    shop = Shop(server)
    make(shop, *tables)
    windows: list[float] = []
    with watching(shop) as watch, Writers(shop, tables).at_work() as writers:
        for _ in range(SWAPS):
            windows.append(until_it_fits(shop, watch, *tables))
    kept = sum(shop.rows(f"SELECT COUNT(*) FROM {table}")[0][0] for table in tables)
    assert writers.failed == []
    assert kept == writers.written
    assert shop.left_behind() == []
    print(
        f"\n{server.title}: {SWAPS} swaps of {len(tables)} under {WRITERS} writers, {kept} rows: window median "
        f"{statistics.median(windows) * 1000:.0f} ms, worst {max(windows) * 1000:.0f} ms; worst stall of a writer "
        f"{writers.worst * 1000:.0f} ms"
    )


def test_no_write_slips_past_where_writes_go_before_the_rename_now_and_then(mariadb: Server) -> None:
    """With max_write_lock_count, after one lock of the other kind."""
    shop = Shop(mariadb)
    make(shop, "t")
    with (
        mariadb.having(max_write_lock_count=1),
        watching(shop) as watch,
        Writers(shop, ("t",)).at_work() as writers,
    ):
        for _ in range(3):
            until_it_fits(shop, watch, "t")
    assert writers.failed == []
    assert shop.rows("SELECT COUNT(*) FROM t") == [(writers.written,)]


def test_who_locks_the_second_table_beside_us_does_not_pass_for_the_rename(mariadb: Server) -> None:
    """Readers keep the RENAME at the first table meanwhile, if they can."""
    shop = Shop(mariadb)
    make(shop, "ta", "tb")
    shop.run("INSERT INTO ta (writer) VALUES (1)")
    over = threading.Event()

    def again_and_again(*statements: str) -> None:
        with mariadb.connect(database=shop.database, autocommit=True) as connection:
            while not over.wait(0.02):
                for statement in statements:
                    connection.query(statement)

    strangers = [
        threading.Thread(target=again_and_again, args=statements)
        for statements in (
            ("LOCK TABLES tb WRITE", "INSERT INTO tb (writer) VALUES (100)", "UNLOCK TABLES"),
            ("SELECT SLEEP(0.3) FROM ta LIMIT 1",),
        )
    ]
    for stranger in strangers:
        stranger.start()
    try:
        with watching(shop) as watch, Writers(shop, ("tb",)).at_work(1) as writers:
            for _ in range(4):
                until_it_fits(shop, watch, "ta", "tb")
    finally:
        over.set()
        for stranger in strangers:
            stranger.join()
    assert writers.failed == []
    assert shop.rows("SELECT COUNT(*) FROM tb WHERE writer < 100") == [(writers.written,)]


@pytest.mark.parametrize(
    "lock", ["FLUSH TABLES WITH READ LOCK", "BACKUP STAGE START; BACKUP STAGE BLOCK_DDL; DO SLEEP(0.1)"]
)
def test_a_rename_that_gives_its_locks_back_for_a_backup_is_ended(mariadb: Server, lock: str) -> None:
    """It would ask for them again when the writes that waited are in the table that goes."""
    shop = Shop(mariadb)
    make(shop, "t")

    def back_up() -> None:
        with shop.link(settings={"lock_wait_timeout": 20}) as stranger:
            for statement in lock.split("; "):
                stranger.run(statement)

    backup = threading.Thread(target=back_up)

    def strike(point: str) -> None:
        if point == "before_rename" and not backup.ident:
            backup.start()
            while not shop.rows(
                "SELECT 1 FROM information_schema.processlist WHERE state = 'Waiting for backup lock'"
            ):
                pass

    with watching(shop) as watch, Writers(shop, ("t",)).at_work(4) as writers, struck(strike):
        until_it_fits(shop, watch, "t")
        backup.join()
    assert writers.failed == []
    assert shop.rows("SELECT COUNT(*) FROM t") == [(writers.written,)]


def test_a_group_waits_for_a_reader_of_its_last_table_no_longer_than_a_single_table_does(
    mariadb: Server,
) -> None:
    shop = Shop(mariadb)
    make(shop, "t", "ta")
    pairs = [pair(shop, "t"), pair(shop, "ta")]
    with watching(shop) as watch, shop.link() as reader, Writers(shop, ("t",)).at_work(1) as writers:
        reader.run("START TRANSACTION")
        reader.rows("SELECT * FROM ta")
        with pytest.raises(Waited):
            swap_of(watch, pairs).attempt()
    assert writers.failed == []
    assert writers.worst < 1.9  # 2.0 with the wait of a RENAME after all tables were let go


def until_it_fits(shop: Shop, watch: Watch, *tables: str) -> float:
    """Swap, as often as it takes; how long the last try took, locks and all."""
    pairs = [pair(shop, table) for table in tables]
    while True:
        began = time.monotonic()
        try:
            swap_of(watch, pairs).attempt()
            break
        except Waited:
            continue
    seconds = time.monotonic() - began
    shop.run(*(f"DROP TABLE {table}__osc_o" for table in tables))
    return seconds


def test_a_rename_that_is_held_up_between_two_tables_lets_no_write_slip(mariadb: Server) -> None:
    """Somebody gets hold of a helper of the first table, so the RENAME comes late to the second: that is not let go then.

    Who gets the helper once the first table is let go, the reader that waits for it or the RENAME, is the server's choice:
    it is tried until it was the reader.
    """
    shop = Shop(mariadb)
    make(shop, "t", "ta")
    with watching(shop) as watch, Writers(shop, ("t", "ta")).at_work(4) as writers:
        for _ in range(20):
            pairs = [pair(shop, "t"), pair(shop, "ta")]
            with reader_of_a_helper(shop, watch) as reading, struck(reading), suppress(Waited):
                swap_of(watch, pairs).attempt()
                shop.run("DROP TABLE t__osc_o, ta__osc_o")
                continue
            break
        else:
            pytest.fail("the reader never got the helper before the RENAME")
        while True:
            try:
                swap_of(watch, pairs).attempt()
                break
            except Waited:
                continue
    kept = sum(shop.rows(f"SELECT COUNT(*) FROM {table}")[0][0] for table in ("t", "ta"))
    assert writers.failed == []
    assert kept == writers.written


@contextmanager
def reader_of_a_helper(shop: Shop, watch: Watch) -> Iterator[faults.Hook]:
    """Waits for the helper of t as soon as that is locked, and keeps it in a transaction until the end."""
    with shop.link(settings={"lock_wait_timeout": 20}) as stranger:
        stranger.run("START TRANSACTION")

        def read() -> None:
            with suppress(EngineError):  # the helper is gone: the RENAME was first
                stranger.rows("SELECT * FROM t__osc_n")

        reading = threading.Thread(target=read)

        def begin(point: str) -> None:
            if point == "locked":
                reading.start()
                waiting = "SELECT COUNT(*) FROM information_schema.processlist WHERE id = %s AND state LIKE 'Waiting for table%%'"
                while not watch.ask(lambda link: link.value(waiting, stranger.id)):
                    threading.Event().wait(0.01)

        yield begin
        if reading.ident:
            reading.join()
        stranger.run("COMMIT")


def test_a_rename_that_nobody_hears_of_any_more_is_over_before_anybody_looks(
    mariadb: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection breaks while it waits: for the gate, or for whoever holds it up, as above."""
    shop = Shop(mariadb)
    make(shop, "t")
    one = pair(shop, "t")
    with watching(shop) as watch:
        watch.state_of(
            watch.hold.link
        )  # have its connection: the last one that is opened is the one that renames
        opened: list[Link] = []
        further = watch.hold.open_link

        def remembered(settings: Mapping[str, object]) -> Link:
            opened.append(further(settings))
            return opened[-1]

        monkeypatch.setattr(watch.hold, "open_link", remembered)
        with reader_of_a_helper(shop, watch) as reading:

            def strike(point: str) -> None:
                reading(point)
                if point == "let_go":
                    opened[-1].hang_up()

            with struck(strike), pytest.raises((Lost, Waited)):
                swap_of(watch, [one]).attempt()
            assert shop.rows(
                "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'RENAME TABLE%'"
            ) == [(0,)]
        swap_of(watch, [one]).attempt()
    shop.run("DROP TABLE t__osc_o")
    assert shop.left_behind() == []


def test_a_swap_that_takes_too_long_lets_go_and_changes_nothing(server: Server) -> None:
    shop = Shop(server)
    make(shop, "t")
    one = pair(shop, "t", delay=1.1)
    with watching(shop) as watch:
        with pytest.raises(Waited, match="longer than the application may wait"):
            swap_of(watch, [one]).attempt()
        shop.run("INSERT INTO t (writer) VALUES (1)")
        assert shop.rows("SHOW TABLES LIKE 't\\_\\_osc\\_o'") == []


@pytest.mark.parametrize(
    "blocker",
    [
        "START TRANSACTION; SELECT COUNT(*) FROM t",
        "LOCK TABLES t READ",
        "LOCK TABLES t WRITE",
        "FLUSH TABLES WITH READ LOCK",
    ],
)
def test_a_lock_that_is_not_to_be_had_is_given_up_in_time(server: Server, blocker: str) -> None:
    shop = Shop(server)
    make(shop, "t")
    one = pair(shop, "t")
    with watching(shop) as watch, shop.link() as holder:
        # Have its connection, which cannot be put on record under a lock of the whole server.
        watch.state_of(watch.hold.link)
        for statement in blocker.split("; "):
            holder.run(statement)
        began = time.monotonic()
        with pytest.raises(Waited):
            swap_of(watch, [one]).attempt()
        assert time.monotonic() - began < 6
        holder.close()
        swap_of(watch, [one]).attempt()
    assert shop.rows("SELECT COUNT(*) FROM t") == [(0,)]


def test_two_hundred_waiting_clients_go_on_with_the_new_table(server: Server) -> None:
    """They queue behind the lock, with prepared statements and without."""
    shop = Shop(server)
    make(shop, "t")
    one = pair(shop, "t", delay=0.3)
    clients = [server.connect(database=shop.database, autocommit=True) for _ in range(200)]
    prepared = "PREPARE p FROM 'INSERT INTO t (writer) VALUES (?)'"
    for client in clients[::2]:
        client.query(prepared)
        client.query("SET @w = 1")
    failed: list[str] = []

    def write(number: int) -> None:
        try:
            clients[number].query(
                "EXECUTE p USING @w" if number % 2 == 0 else "INSERT INTO t (writer) VALUES (2)"
            )
        except pymysql.MySQLError as error:
            failed.append(str(error))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(200)]

    def release(point: str) -> None:
        if point == "locked":
            for thread in threads:
                thread.start()

    with watching(shop) as watch, struck(release):
        swap_of(watch, [one]).attempt()
    for thread in threads:
        thread.join()
    for client in clients:
        client.close()
    assert failed == []
    assert shop.rows("SELECT COUNT(*) FROM t") == [(200,)]


@pytest.mark.parametrize("point", ["locked", "applied", "rename_queued", "before_rename", "sentry_dropped"])
def test_a_connection_that_breaks_in_mid_swap_leaves_the_old_table_or_the_new_one(
    server: Server, point: str
) -> None:
    """Whatever was written is in the live table, and the next try works."""
    shop = Shop(server)
    make(shop, "t")
    shop.run("INSERT INTO t (writer) VALUES (1), (2)")
    one = pair(shop, "t")

    def strike(reached: str) -> None:
        if reached == point:
            shop.run(f"KILL {watch.hold.link.id}")

    broke = False
    with watching(shop) as watch, struck(strike):
        try:
            swap_of(watch, [one]).attempt()
        except (Lost, Waited):
            broke = True
    shop.run("INSERT INTO t (writer) VALUES (3)")
    swapped = not shop.rows("SHOW TABLES LIKE 't\\_\\_osc\\_n'")
    assert broke or swapped  # nothing is told to be done that is not
    with watching(shop, 2) as watch:
        if shop.rows("SHOW TABLES LIKE 't\\_\\_osc\\_n'"):
            swap_of(watch, [one]).attempt()
    assert shop.rows("SELECT writer FROM t ORDER BY writer") == [(1,), (2,), (3,)]
    shop.run("DROP TABLE t__osc_o")
    assert shop.left_behind() == []
