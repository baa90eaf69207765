"""A user with the privileges that docs/mysql.md asks for."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from engine.base import Target
from engine.mysql.address import Address
from engine.mysql.engine import MysqlEngine
from tests.engine.mysql.changing.plans import Shop
from tests.engine.mysql.journey import ORDERS
from tests.engine.mysql.planning.places import account, dsn
from tests.servers.server import Server

PAGE = Path(__file__).resolve().parents[3] / "docs/mysql.md"


@dataclass(frozen=True, slots=True)
class Account:
    """A user of its own, and the shop that it is for."""

    shop: Shop
    address: Address

    @property
    def user(self) -> str:
        """As the server names it in what it tells of its grants."""
        return f"'{self.address.user}'@'%'"

    def grant(self, *leave_out: str) -> None:
        """What the page says."""
        sql = PAGE.read_text().split("```sql")[1].split("```")[0]
        for statement in sql.split(";"):
            found = re.search(r"GRANT.*", statement, re.DOTALL)
            other = "MySQL only" if self.shop.server.flavour == "mariadb" else "MariaDB only"
            if found is None or other in statement:
                continue
            text = found[0].replace("`shop`", f"`{self.shop.database}`").replace("'schemabot'@'%'", self.user)
            for privilege in leave_out:
                text = text.replace(f"{privilege}, ", "").replace(f", {privilege}", "")
            if not any(text.startswith(f"GRANT {privilege} ON") for privilege in leave_out):
                self.shop.run(text)

    def engine(self, *, whole_server: bool = False) -> MysqlEngine:
        """An engine on its shop as this user."""
        address = replace(self.address, database="") if whole_server else self.address
        return MysqlEngine(Target(kind="mysql", database="shop", environment="test", dsn=dsn(address)))


@contextmanager
def shop_account(server: Server) -> Iterator[Account]:
    """Inside, a user who may do nothing yet."""
    shop = Shop(server, ORDERS)
    with account(server, schema=shop.database) as address:
        yield Account(shop, address)
