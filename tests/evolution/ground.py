"""A schema on a real server, and what can be seen there: its tables, their rows, and what was left behind."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from engine.base import PlanResult
from engine.errors import Refused
from engine.mysql.address import Address
from engine.mysql.catalog import read_tables
from engine.mysql.link import DDL_SETTINGS, Link
from engine.mysql.planning.desired import TableCache
from engine.mysql.planning.planner import plan_mysql
from engine.mysql.quoting import quote_name
from engine.mysql.tables import Table
from tests.engine.mysql.planning.places import address_of
from tests.servers.server import Server

SETTINGS = {**DDL_SETTINGS, "lock_wait_timeout": 30}
OURS = ("_schemabot_", "__osc_")
GONE_SECONDS = 5.0
_CHECK = re.compile(r" CHECK .*")
Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Contents:
    """The rows of a table."""

    columns: tuple[str, ...]
    rows: list[Row]

    def values(self, column: str) -> list[object]:
        """Of one column."""
        at = self.columns.index(column)
        return [row[at] for row in self.rows]


class Ground:
    """A schema, and a connection like an application's."""

    def __init__(self, server: Server, schema: str, link: Link) -> None:
        self.server = server
        self.schema = schema
        self.address: Address = address_of(server, schema)
        self.link = link

    def fill(self, statements: Sequence[str], rows: Sequence[str]) -> None:
        """Make tables, whatever their order, then rows; those that the server does not take are left out. Refused."""
        self.link.run("SET foreign_key_checks = 0")
        for statement in statements:
            self.link.run(statement)
        self.link.run("SET foreign_key_checks = 1")
        for row in rows:
            with suppress(Refused):
                self.link.run(row)

    def tables(self) -> dict[str, Table]:
        """As the server tells them."""
        return read_tables(self.link, self.schema)

    def texts(self) -> dict[str, str]:
        """How each of them reads, but for the words of CHECKs, which MySQL changes by itself with an ALTER."""
        return {name: _CHECK.sub(_bare, table.text) for name, table in self.tables().items()}

    def contents(self) -> dict[str, Contents]:
        """Of each table."""
        return {name: self._contents(table) for name, table in self.tables().items()}

    def _contents(self, table: Table) -> Contents:
        names = tuple(column.name for column in table.columns)
        listed = ", ".join(_shown(column.name, column.data_type) for column in table.columns)
        return Contents(names, self.link.rows(f"SELECT {listed} FROM {quote_name(table.name)}"))

    def plan(self, file: str | dict[str, str], cached: TableCache) -> PlanResult:
        """The real planner's."""
        files = {"shop.sql": file} if isinstance(file, str) else file
        return plan_mysql(self.address, {"shop": files}, cached=cached)

    def left_behind(self) -> list[str]:
        """Names of everything of SchemaBot's, and its connections, which have its locks."""
        found = [
            *self.link.rows(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
            ),
            *self.link.rows(
                "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
            ),
            *self.link.rows("SELECT schema_name FROM information_schema.schemata"),
        ]
        names = [str(name) for (name,) in found if any(mark in str(name) for mark in OURS)]
        return sorted(names) + self._connections()

    def _connections(self) -> list[str]:
        """Of our account, but for this one; those that were closed just now are given a moment."""
        until = time.monotonic() + GONE_SECONDS
        while True:
            found = self.link.rows(
                "SELECT id, command, info FROM information_schema.processlist "
                "WHERE user = SUBSTRING_INDEX(CURRENT_USER(), '@', 1) AND id <> CONNECTION_ID() "
                r"AND (db IS NULL OR db = DATABASE() OR db LIKE '\_schemabot\_%')"
            )
            if not found or time.monotonic() > until:
                return [f"connection {id_}: {command} {info}" for id_, command, info in found]
            time.sleep(0.01)


def _bare(check: re.Match[str]) -> str:
    """Without parentheses, what tells a string's character set, and capitals."""
    return re.sub(r"[()]|\b_[a-z0-9]+(?=')", "", check[0].lower())


def _shown(name: str, data_type: str) -> str:
    """A column so that two values look alike only if they are."""
    quoted = quote_name(name)
    if data_type == "float":
        return f"CAST({quoted} AS DOUBLE)"
    if data_type in ("vector", "point", "geometry"):
        return f"HEX({quoted})"
    return quoted


@contextmanager
def ground(server: Server) -> Iterator[Ground]:
    """A new, empty schema."""
    schema = server.fresh_database()
    try:
        with Link(address_of(server, schema), settings=SETTINGS) as link:
            yield Ground(server, schema, link)
    finally:
        server.drop_database(schema)
