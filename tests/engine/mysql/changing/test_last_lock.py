"""An index that was built in place waits for its last lock; the work is thrown away only when others would wait too long."""

import threading
import time

import pytest

from engine.base import Change, Progress, Signal
from engine.mysql.changing import statements
from engine.mysql.link import Link
from engine.mysql.process_list import process_list
from engine.mysql.spec import Algorithm
from tests.engine.driving import drive
from tests.engine.mysql.changing.orders import ORDERS, caller, many
from tests.engine.mysql.changing.plans import Shop
from tests.servers.server import Server
from tests.waiting import until

ROWS = 60_000
HELD_SECONDS = 2.5
"""Longer than any statement would wait for a lock by itself."""
PATIENT = {"lock_wait_timeout": 30}
WAITING = "done but for the last moment, waiting for a lock on orders"


@pytest.fixture
def shop(server: Server) -> Shop:
    found = Shop(server, ORDERS.replace("VARCHAR(40)", "VARCHAR(200)"))
    found.run(f"INSERT INTO orders {many(ROWS, note='a note that is long, of number ')}")
    return found


def indexed(shop: Shop) -> Change:
    """It takes a second or more, by far most of it between the two locks."""
    adds = ", ".join(f"ADD INDEX by_note_{n} (note, quantity)" for n in range(6))
    return shop.statements("orders", (f"ALTER TABLE {{t}} {adds}", Algorithm.INPLACE))


class Holder:
    """A transaction of the application's that begins while the index is built, and stays open."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Holder":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._thread.join()

    def end(self) -> None:
        """Commit."""
        self._over.set()

    def _run(self) -> None:
        with self._shop.link() as link:
            while not self._over.is_set() and not self._building(link):
                self._over.wait(0.005)
            link.run("START TRANSACTION")
            link.rows("SELECT 1 FROM orders LIMIT 1")
            self._over.wait()
            link.run("COMMIT")

    def _building(self, link: Link) -> bool:
        state = "SELECT state FROM information_schema.processlist WHERE info LIKE 'ALTER TABLE%by_note%'"
        return str(link.value(state)).startswith("alter")


@pytest.fixture(autouse=True)
def looked_at_from_its_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quick machine builds these indexes before a statement is looked at for the first time."""
    monkeypatch.setattr(statements, "QUICK_SECONDS", 0.0)
    monkeypatch.setattr(statements, "LOOK_SECONDS", 0.02)


def test_a_long_transaction_that_nobody_queues_behind_costs_no_work(shop: Shop, begun: list[str]) -> None:
    change, control = indexed(shop), caller()
    waits: list[float] = []

    def listen(progress: Progress) -> None:
        if progress.detail.startswith(WAITING):
            waits.append(time.monotonic())
        if (waits and waits[-1] - waits[0] > HELD_SECONDS) or len(begun) > 1:
            holder.end()

    control.on_report = listen
    with shop.session() as session, Holder(shop) as holder:
        assert drive(session, change, control) is Signal.GO
    assert begun == ["before_statement"]
    assert waits[-1] - waits[0] > HELD_SECONDS
    assert shop.left_behind() == []


def test_writers_that_queue_behind_the_last_lock_do_not_wait_for_a_long_transaction(
    shop: Shop, begun: list[str]
) -> None:
    change, control = indexed(shop), caller()
    written = threading.Event()

    def write() -> None:
        shop.run("UPDATE orders SET quantity = -1 WHERE id = 7")
        written.set()

    writer = threading.Thread(target=write)

    def listen(progress: Progress) -> None:
        if progress.detail.startswith(WAITING) and writer.ident is None:
            writer.start()
        if progress.detail.startswith("waiting for a lock on orders") and written.is_set():
            holder.end()

    control.on_report = listen
    with shop.session() as session, Holder(shop) as holder:
        assert drive(session, change, control) is Signal.GO
        writer.join()
    # It had not been answered before the transaction ended, had the statement not been given up.
    assert written.is_set()
    assert len(begun) >= 2
    assert shop.rows("SELECT quantity FROM orders WHERE id = 7") == [(-1,)]
    assert shop.left_behind() == []


def test_writers_of_other_tables_do_not_wait_for_a_build_that_a_backup_waits_for(
    shop: Shop, begun: list[str]
) -> None:
    shop.run("CREATE TABLE other (id INT PRIMARY KEY)")
    change, control = indexed(shop), caller()
    written = threading.Event()

    def back_up() -> None:
        with shop.link(settings=PATIENT) as link:
            link.run("FLUSH TABLES WITH READ LOCK")

    def write() -> None:
        with shop.link(settings=PATIENT) as link:
            until("the backup waits", lambda: any("FLUSH" in one.statement for one in process_list(link)))
            link.run("INSERT INTO other VALUES (1)")
        written.set()

    others = [threading.Thread(target=back_up), threading.Thread(target=write)]

    def listen(progress: Progress) -> None:
        for thread in others:
            if progress.detail.startswith(WAITING) and thread.ident is None:
                thread.start()
        if written.is_set():
            holder.end()

    control.on_report = listen
    with shop.session() as session, Holder(shop) as holder:
        assert drive(session, change, control) is Signal.GO
    for thread in others:
        thread.join()
    assert len(begun) >= 2
    assert shop.left_behind() == []
