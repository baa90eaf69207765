"""A shop with orders, whose quantities are to be wider, and whoever calls for it."""

from engine.base import Change
from tests.engine.driving import Caller
from tests.engine.mysql.changing.plans import Shop
from tests.servers.numbers import numbers

ROWS = 3000
ORDERS = "CREATE TABLE orders (id INT PRIMARY KEY, quantity INT NOT NULL, note VARCHAR(40)) DEFAULT CHARSET utf8mb4"
COLUMNS = (("id", "id"), ("quantity", "quantity"), ("note", "note"))


def many(rows: int, note: str = "note ") -> str:
    """SQL of as many orders; each one's note ends with its number."""
    return f"SELECT i, i % 7, CONCAT('{note}', i) FROM {numbers(rows)}"


def filled(shop: Shop, *tables: str, rows: int = ROWS) -> Shop:
    for table in tables:
        shop.run(ORDERS.replace("orders", table), f"INSERT INTO {table} {many(rows)}")
    return shop


def widened(shop: Shop, table: str = "orders") -> Change:
    return shop.copy(table, "MODIFY quantity BIGINT NOT NULL, ADD INDEX by_note (note)", columns=COLUMNS)


def caller() -> Caller:
    found = Caller()
    found.rests = True
    return found


SUM = (ROWS, sum(i % 7 for i in range(ROWS + 1)))
