"""A copy by the server makes writers wait: it begins when nobody has the table, and is not thrown away again and again."""

import time

import pytest

from engine.base import Change, Progress, Signal
from engine.errors import Refused
from engine.mysql.changing import statements
from engine.mysql.spec import Algorithm
from engine.mysql.trouble import Lost
from engine.mysql.waiting import lock_retry
from tests.engine.driving import drive
from tests.engine.mysql.changing.application import at_work
from tests.engine.mysql.changing.orders import caller, filled
from tests.engine.mysql.changing.plans import Shop
from tests.engine.striking import At, struck
from tests.servers.server import Server

ROWS = 30_000
ITEMS = "CREATE TABLE items (id INT PRIMARY KEY, order_id INT, FOREIGN KEY (order_id) REFERENCES orders (id))"
LOG = "CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, order_id INT)"
LOGGED = (
    "CREATE TRIGGER logged AFTER INSERT ON orders FOR EACH ROW INSERT INTO log (order_id) VALUES (NEW.id)"
)


@pytest.fixture
def shop(server: Server) -> Shop:
    return filled(Shop(server), "orders", rows=ROWS)


def widened(shop: Shop) -> Change:
    return shop.statements("orders", ("ALTER TABLE {t} MODIFY quantity BIGINT NOT NULL", Algorithm.COPY))


@pytest.mark.parametrize("use", ["SELECT * FROM orders WHERE id = 1", "UPDATE items SET id = 2"])
def test_it_does_not_begin_while_somebody_has_the_table_or_writes_to_its_children(
    shop: Shop, begun: list[str], use: str
) -> None:
    shop.run(ITEMS, "INSERT INTO items VALUES (1, 1)")
    change, control = widened(shop), caller()

    def listen(progress: Progress) -> None:
        if progress.detail.startswith("waiting for a lock on orders") and time.monotonic() - start > 1.5:
            seen.append((len(begun), progress.detail))
            holder.close()

    seen: list[tuple[int, str]] = []
    control.on_report = listen
    with shop.link() as holder, shop.session() as session:
        holder.run("START TRANSACTION")
        holder.run(use)
        start = time.monotonic()
        with at_work(shop, "UPDATE orders SET note = 'b' WHERE id = 7") as stalls:
            assert drive(session, change, control) is Signal.GO
    assert seen[0][0] == 0, "it was begun in vain"
    assert f"held by connection {holder.id} of" in seen[0][1]
    assert len(begun) == 1
    assert max(stalls) < 3.0
    assert shop.left_behind() == []


def test_a_table_that_only_its_triggers_write_to_is_not_waited_for(shop: Shop, begun: list[str]) -> None:
    shop.run(LOG, LOGGED)
    change = widened(shop)
    with shop.link() as holder, shop.session() as session:
        holder.run("START TRANSACTION")
        holder.rows("SELECT * FROM log")
        assert drive(session, change, caller()) is Signal.GO
    assert len(begun) == 1


def test_writers_do_not_wait_for_us_should_we_fall_silent_while_the_table_is_held(shop: Shop) -> None:
    change = widened(shop)
    with At("table_held", lambda: shop.run("UPDATE orders SET note = 'b' WHERE id = 7")):
        with shop.session() as session, pytest.raises(Lost):
            drive(session, change, caller())
        with shop.session(2) as session:
            assert drive(session, change, caller()) is Signal.GO
    assert shop.rows("SELECT note FROM orders WHERE id = 7") == [("b",)]


def test_a_copy_that_was_thrown_away_three_times_is_not_begun_a_fourth(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time that it has begun, somebody reads the table, and goes when it was given up. A quick copy would not be counted."""
    rows, until = 4 * ROWS, time.monotonic() + 60.0
    shop = filled(Shop(server), "orders", rows=rows)
    monkeypatch.setattr(statements, "QUICK_SECONDS", 0.0)
    monkeypatch.setattr(statements, "LOOK_SECONDS", 0.005)
    monkeypatch.setattr(lock_retry, "FIRST_REST_SECONDS", 0.1)
    change, control = widened(shop), caller()
    begun: list[str] = []
    told: list[str] = []
    in_words = r"orders: .*3 times.*connection \d+ of .*the table is as it was"
    with shop.session() as session, shop.link() as reader:

        def read(point: str) -> None:
            if point == "before_statement":
                begun.append(point)
                reader.run("START TRANSACTION")
                reader.rows("SELECT 1 FROM orders LIMIT 1")

        def listen(progress: Progress) -> Signal:
            assert time.monotonic() < until, progress.detail
            told.append(progress.detail)
            if f"thrown away {len(begun)} of 3 times" in progress.detail:
                reader.run("COMMIT")
            return Signal.STOP if len(begun) > 3 else Signal.GO

        control.on_report = listen
        with struck(read), pytest.raises(Refused, match=in_words):
            drive(session, change, control)
    assert len(begun) == 3
    assert any("thrown away 1 of 3 times" in detail for detail in told)
    assert any("thrown away 2 of 3 times" in detail for detail in told)
    assert shop.left_behind() == []
    assert shop.rows("SELECT COUNT(*) FROM orders") == [(rows,)]
