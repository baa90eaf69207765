"""A schema with tables, and a scratch one, to choose at how changes will run."""

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pymysql.constants import COMMAND

from engine.mysql.catalog import read_table
from engine.mysql.flavour import flavour_of
from engine.mysql.link import Link
from engine.mysql.planning.how import How, LiveTable, choose
from tests.engine.mysql.planning.places import account, schema_with
from tests.servers.server import Server

MANY = 3_000_000
MUCH = 700 << 20
USERS = """
CREATE TABLE users (
  id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, a INT DEFAULT NULL, n INT NOT NULL, v VARCHAR(20) DEFAULT NULL,
  d DATETIME DEFAULT NULL, e ENUM('a','b') DEFAULT NULL, KEY kv (v)
) CHARSET utf8mb4"""
CHILD = """
CREATE TABLE posts (id INT NOT NULL PRIMARY KEY, user_id INT, t VARCHAR(20),
  CONSTRAINT f FOREIGN KEY (user_id) REFERENCES users (id)) CHARSET utf8mb4"""
ROWS = "INSERT INTO users VALUES (1, 1, 1, 'a', '2020-01-01', 'a'), (2, 2, 2, 'b', NULL, 'b')"


@dataclass
class Place:
    """A schema with tables, and a scratch one."""

    link: Link
    schema: str
    scratch: str

    def how(
        self,
        *alters: Sequence[str] | str,
        table: str = "users",
        rows: int = MANY,
        bytes_: int = MUCH,
        relatives: Sequence[str] = (),
        no_copy: str = "",
        link: Link | None = None,
    ) -> How:
        found = read_table(self.link, self.schema, table)
        assert found is not None
        others = [read_table(self.link, self.schema, name) for name in relatives]
        live = LiveTable(
            table=found, name=table, target=link or self.link, flavour=flavour_of(self.link),
            sizes=lambda _: (rows, bytes_), relatives=[other for other in others if other],
        )  # fmt: skip
        parts = [[alter] if isinstance(alter, str) else alter for alter in alters]
        return choose(link or self.link, self.scratch, live, parts, no_copy=no_copy)

    def run(self, how: How, table: str = "users") -> None:
        """What the executor does without a shadow table."""
        for clauses, algorithm in how.alters:
            self.link.run(f"ALTER TABLE `{table}` {clauses}{algorithm.clause}")


@contextmanager
def place(server: Server, *statements: str) -> Iterator[Place]:
    with schema_with(server, *statements) as (link, schema):
        scratch = server.fresh_database()
        try:
            yield Place(link, schema, scratch)
        finally:
            server.drop_database(scratch)


@contextmanager
def limited(server: Server, place: Place, *privileges: str) -> Iterator[Link]:
    """A link of an account that has nothing but the two schemas, and *privileges*."""
    everything = [f"ALL ON `{schema}`.*" for schema in (place.schema, place.scratch)]
    seeing = "SELECT ON performance_schema.replication_connection_configuration"
    more = [f"{privilege} ON *.*" for privilege in privileges]
    with account(server, *everything, seeing, *more) as address, Link(address) as link:
        yield link


@contextmanager
def replica(server: Server) -> Iterator[None]:
    """A connection that has registered as a replica does, without reading anything."""
    with server.connect() as connection:
        told = struct.pack("<IBBBHII", 4711, 0, 0, 0, 3306, 0, 0)
        connection._execute_command(COMMAND.COM_REGISTER_SLAVE, told)  # type: ignore[attr-defined]
        connection._read_packet()  # type: ignore[no-untyped-call]
        yield
