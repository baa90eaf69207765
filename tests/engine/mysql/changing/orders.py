"""A shop with orders, whose quantities are to be wider, and whoever calls for it."""

from engine.base import Change
from tests.engine.driving import Caller
from tests.engine.mysql.changing.plans import Shop

ROWS = 3000
ORDERS = "CREATE TABLE orders (id INT PRIMARY KEY, quantity INT NOT NULL, note VARCHAR(40)) DEFAULT CHARSET utf8mb4"
NUMBERS = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
SELECT i, i % 7, CONCAT('note ', i) FROM n
"""
COLUMNS = (("id", "id"), ("quantity", "quantity"), ("note", "note"))


def filled(shop: Shop, *tables: str, rows: int = ROWS) -> Shop:
    with shop.link(settings={"sql_mode": ""}) as link:
        link.run(
            f"SET {'max_recursive_iterations' if shop.server.flavour == 'mariadb' else 'cte_max_recursion_depth'} = 1000000"
        )
        for table in tables:
            link.run(ORDERS.replace("orders", table))
            link.run(f"INSERT INTO {table} {NUMBERS.format(rows=rows)}")
    return shop


def widened(shop: Shop, table: str = "orders") -> Change:
    return shop.copy(table, "MODIFY quantity BIGINT NOT NULL, ADD INDEX by_note (note)", columns=COLUMNS)


def caller() -> Caller:
    found = Caller()
    found.rests = True
    return found


SUM = (ROWS, sum(i % 7 for i in range(ROWS + 1)))
