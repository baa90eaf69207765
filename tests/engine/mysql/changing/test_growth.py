"""A change that was planned for a small table does not run on one that has grown since; what was accepted for a big one does."""

from dataclasses import replace
from typing import Any

import pytest

from engine.base import Change, Signal, Strategy
from engine.errors import DriftFound
from engine.mysql.planning.planner import plan_mysql
from tests.engine.driving import drive
from tests.engine.mysql.changing.orders import ORDERS, caller, many
from tests.engine.mysql.changing.plans import Shop
from tests.servers.server import Server

WIDE = ORDERS.replace("quantity INT", "quantity BIGINT")
REBUILT = f"{ORDERS} ROW_FORMAT=COMPACT"
RENAMED = f"-- renamed from: orders\n{WIDE.replace('TABLE orders', 'TABLE sales')}"
GROWN = r"orders has grown to about \d\d,\d{3} rows \(\d+(\.\d)? [KM]iB\) since the plan was made.*plan again"


@pytest.fixture
def shop(server: Server) -> Shop:
    return Shop(server, ORDERS)


def grow(shop: Shop, rows: int = 41_000) -> None:
    shop.run(f"INSERT INTO orders {many(rows)}")


def planned(shop: Shop, wanted: str) -> Change:
    (change,) = plan_mysql(shop.address, {shop.database: {"orders.sql": f"{wanted};\n"}}).changes
    return change


def as_stored_before(change: Change) -> Change:
    """By a version that did not look at sizes."""
    spec: dict[str, Any] = {**change.spec, "statements": [dict(one) for one in change.spec["statements"]]}
    for statement in spec["statements"]:
        del statement["small"]
    return replace(change, spec=spec)


@pytest.mark.parametrize("wanted", [WIDE, REBUILT, RENAMED])
def test_it_is_refused_before_anything_begins(shop: Shop, wanted: str) -> None:
    change = planned(shop, wanted)
    assert change.strategy in (Strategy.DIRECT, Strategy.IN_PLACE)
    grow(shop)
    with shop.session() as session:
        with pytest.raises(DriftFound, match=GROWN):
            session.check_fits([change], {})
        session.check_fits([as_stored_before(change)], {})
    assert shop.left_behind() == []


def test_a_table_that_grows_while_its_change_waits_stays_as_it_is(shop: Shop) -> None:
    change, control = planned(shop, WIDE), caller()
    control.on_clear = lambda: grow(shop) if not shop.rows("SELECT 1 FROM orders LIMIT 1") else None
    with shop.session() as session:
        session.check_fits([change], {})
        with pytest.raises(DriftFound, match=GROWN):
            drive(session, change, control)
    assert "bigint" not in str(shop.rows("SHOW COLUMNS FROM orders"))
    assert shop.left_behind() == []


def test_a_few_rows_more_and_what_was_accepted_for_a_big_table_stop_nothing(shop: Shop) -> None:
    grow(shop, rows=15_000)
    small = planned(shop, WIDE)
    shop.run("INSERT INTO orders SELECT id + 100000, quantity, note FROM orders")
    with shop.session() as session:
        session.check_fits([small], {})
        assert drive(session, small, caller()) is Signal.GO
    shop.run(
        "INSERT INTO orders SELECT id + 1000000, quantity, note FROM orders",
        "ALTER TABLE orders ADD COLUMN parent INT, ADD FOREIGN KEY orders_ibfk_1 (parent) REFERENCES orders (id)",
    )
    ((text,),) = [row[1:] for row in shop.rows("SHOW CREATE TABLE orders")]
    accepted = planned(shop, str(text).replace("`quantity` bigint", "`quantity` int"))
    assert accepted.strategy is Strategy.DIRECT
    assert any("can not be copied online" in why for why in accepted.unsafe)
    with shop.session(2) as session:
        session.check_fits([accepted], {})
        assert drive(session, accepted, caller()) is Signal.GO
    assert shop.left_behind() == []
