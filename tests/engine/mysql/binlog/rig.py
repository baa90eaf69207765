"""A sink that remembers, and a database with tables whose keys are read, for the tests of the key reader."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from engine.mysql.address import Address, parse_address
from engine.mysql.binlog.position import Position, end_of_log
from engine.mysql.binlog.reader import KeyReader
from engine.mysql.binlog.watched import Key, TableName, Watched, watch
from engine.mysql.catalog import read_table
from engine.mysql.flavour import Flavour, flavour_of
from engine.mysql.link import Link
from engine.mysql.quoting import quote_table
from engine.mysql.shadow.keys import row_key
from tests.servers.server import Server
from tests.waiting import until

COMPARING = {
    "sql_mode": "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES",
}
SECONDS = 20.0


class Collector:
    """Remembers every key by table, and every position; `holding` makes it full, `refused` tells that the reader saw it."""

    def __init__(self) -> None:
        self.found: dict[TableName, list[Key]] = {}
        self.positions: list[Position] = []
        self.holding = threading.Event()
        self.refused = threading.Event()
        self.most = 0  # keys that came in one call

    def keys(self, table: TableName, keys: Sequence[Key]) -> None:
        self.found.setdefault(table, []).extend(keys)
        self.most = max(self.most, len(keys))

    def committed(self, position: Position) -> None:
        self.positions.append(position)

    def full(self) -> bool:
        if self.holding.is_set():
            self.refused.set()
        return self.holding.is_set()

    def of(self, table: str) -> set[Key]:
        """The keys of the tables of that name."""
        return {key for (_, name), keys in self.found.items() if name == table for key in keys}


class Ground:
    """A fresh database on a server, with a link to it and what a reader of its tables needs."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.schema = server.fresh_database()
        self.address: Address = parse_address(server.url(self.schema))
        self.connect()
        self.flavour: Flavour = flavour_of(self.link)

    def connect(self) -> None:
        """Connect, anew when the server was away."""
        self.link = Link(self.address, settings=COMPARING)

    def close(self) -> None:
        self.link.close()
        if self.server.own is None or self.server.pid is not None:
            self.server.drop_database(self.schema)

    def run(self, *statements: str) -> None:
        for statement in statements:
            self.link.run(statement)

    def end(self) -> Position:
        return end_of_log(self.link, self.flavour)

    def watched(self, table: str, *key: str) -> Watched:
        found = read_table(self.link, self.schema, table)
        assert found is not None
        return watch(found, row_key(found, key or found.row_key).columns)

    @contextmanager
    def reading(self, *tables: str | Watched, start: Position | None = None) -> Iterator["Reading"]:
        """A reader of these tables from *start*, by default from here on."""
        watched = [self.watched(one) if isinstance(one, str) else one for one in tables]
        sink = Collector()
        with KeyReader(self.address, watched, start or self.end(), sink) as reader:
            yield Reading(self, reader, sink)

    def rows_by(
        self, table: str, key: Sequence[str], keys: set[Key], columns: str = "n"
    ) -> set[tuple[Any, ...]]:
        """The rows that these literals find, as an applier asks for them."""
        return set(self.link.rows(self._query(table, key, keys, columns))) if keys else set()

    def way_to(self, table: str, key: Sequence[str], keys: set[Key]) -> tuple[str, str]:
        """By which index the server finds such rows, and how."""
        explain = "EXPLAIN" if self.flavour.mariadb else "EXPLAIN FORMAT=TRADITIONAL"
        plan = self.link.named(f"{explain} {self._query(table, key, keys, 'n', 'FORCE INDEX (PRIMARY)')}")
        return plan[0]["key"], plan[0]["type"]

    def _query(self, table: str, key: Sequence[str], keys: set[Key], columns: str, hint: str = "") -> str:
        found = read_table(self.link, self.schema, table)
        assert found is not None
        where = row_key(found, key).among(sorted(keys))
        return f"SELECT {columns} FROM {quote_table(self.schema, table)} {hint} WHERE {where}"


class Reading:
    """A running reader and what it has told."""

    def __init__(self, ground: Ground, reader: KeyReader, sink: Collector) -> None:
        self.ground = ground
        self.reader = reader
        self.sink = sink

    def catch_up(self) -> None:
        """Wait until everything that is committed now has been told."""
        assert self.reader.wait_until(self.ground.end(), SECONDS)

    def keys_of(self, table: str) -> set[Key]:
        """All keys of *table* up to now."""
        self.catch_up()
        return self.sink.of(table)


def purge(link: Link) -> None:
    """Have none but a new file of the log left; the server keeps for a moment what is read, or what its recovery may need."""
    link.run("FLUSH BINARY LOGS")
    last = link.rows("SHOW BINARY LOGS")[-1][0]

    def purged() -> bool:
        link.run(f"PURGE BINARY LOGS TO '{last}'")
        return len(link.rows("SHOW BINARY LOGS")) == 1

    until("older files are gone", purged)
