"""A user with the privileges that docs/mysql.md asks for."""

import re
import secrets
from pathlib import Path

from engine.base import Target
from engine.mysql.engine import MysqlEngine
from tests.engine.mysql.changing.plans import Shop
from tests.engine.mysql.journey import ORDERS
from tests.servers.server import Server

PAGE = Path(__file__).resolve().parents[3] / "docs/mysql.md"
PASSWORD = "a-Password-9"


class Account:
    """A user of its own on the server."""

    def __init__(self, server: Server) -> None:
        self.shop = Shop(server, ORDERS)
        self.name = f"u{secrets.token_hex(5)}"
        self.shop.run(f"CREATE USER {self.name}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")

    def grant(self, *leave_out: str) -> None:
        """What the page says."""
        sql = PAGE.read_text().split("```sql")[1].split("```")[0]
        for statement in sql.split(";"):
            found = re.search(r"GRANT.*", statement, re.DOTALL)
            other = "MySQL only" if self.shop.server.flavour == "mariadb" else "MariaDB only"
            if found is None or other in statement:
                continue
            text = (
                found[0]
                .replace("`shop`", f"`{self.shop.database}`")
                .replace("'schemabot'@'%'", f"{self.name}@'127.0.0.1'")
            )
            for privilege in leave_out:
                text = text.replace(f"{privilege}, ", "").replace(f", {privilege}", "")
            if not any(text.startswith(f"GRANT {privilege} ON") for privilege in leave_out):
                self.shop.run(text)

    def engine(self, *, whole_server: bool = False) -> MysqlEngine:
        """An engine on its shop as this user."""
        dsn = self.dsn("" if whole_server else self.shop.database)
        return MysqlEngine(Target(kind="mysql", database="shop", environment="test", dsn=dsn))

    def dsn(self, schema: str) -> str:
        """That of this user, to *schema*."""
        return f"mysql://{self.name}:{PASSWORD}@{self.shop.server.host}:{self.shop.server.port}/{schema}"
