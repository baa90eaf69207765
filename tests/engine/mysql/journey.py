"""What the journeys through a whole daemon or engine share: a shop's tables, more rows than are changed directly, their files."""

from tests.engine.mysql.changing.plans import Shop
from tests.servers.numbers import numbers

USERS = "CREATE TABLE users (id INT NOT NULL PRIMARY KEY, name VARCHAR(20) NOT NULL, born INT) DEFAULT CHARSET utf8mb4"
ORDERS = "CREATE TABLE orders (id INT NOT NULL PRIMARY KEY, quantity INT NOT NULL) DEFAULT CHARSET utf8mb4"
WIDE = ORDERS.replace("quantity INT", "quantity BIGINT")
ROWS = 60_000  # more than may be changed directly


def fill(shop: Shop, table: str = "orders", rows: int = ROWS) -> None:
    """Rows (0, 1), (1, 1), … and the server knows how many they are."""
    shop.run(f"INSERT INTO {table} SELECT i - 1, 1 FROM {numbers(rows)}", f"ANALYZE TABLE {table}")


def files(**tables: str) -> dict[str, dict[str, str]]:
    """Schema files of one namespace, a table each."""
    return {"shop": {f"{name}.sql": f"{text};\n" for name, text in tables.items()}}


def columns(shop: Shop, table: str) -> dict[str, str]:
    """Name → type, without its length."""
    return {
        str(name): str(kind).partition("(")[0] for name, kind, *_ in shop.rows(f"SHOW COLUMNS FROM {table}")
    }
