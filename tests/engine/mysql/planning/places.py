"""A schema on a server for a test, and a link to it."""

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from engine.mysql.address import Address, parse_address
from engine.mysql.link import Link
from tests.servers.server import Server

PERMISSIVE = {
    "sql_mode": "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO",
    "lock_wait_timeout": 30,
}


def address_of(server: Server, schema: str = "") -> Address:
    """Where *schema* is."""
    return parse_address(server.url(schema, query="ssl_mode=disabled"))


@contextmanager
def schema_with(server: Server, *statements: str) -> Iterator[tuple[Link, str]]:
    """A new schema in which *statements* ran, and a link that has it selected."""
    name = server.fresh_database()
    try:
        with Link(address_of(server, name), settings=PERMISSIVE) as link:
            run_all(link, statements)
            yield link, name
    finally:
        server.drop_database(name)


def run_all(link: Link, statements: Iterable[str]) -> None:
    """Run them with foreign keys unchecked."""
    link.run("SET foreign_key_checks = 0")
    for statement in statements:
        link.run(statement)
    link.run("SET foreign_key_checks = 1")


@contextmanager
def account(server: Server, *grants: str) -> Iterator[tuple[str, str]]:
    """A user with a password and nothing but *grants*."""
    name, password = f"u{secrets.token_hex(4)}", "Secret-1"
    with Link(address_of(server)) as link:
        link.run(f"CREATE USER '{name}'@'%' IDENTIFIED BY '{password}'")
        try:
            for grant in grants:
                link.run(f"GRANT {grant} TO '{name}'@'%'")
            yield name, password
        finally:
            link.run(f"DROP USER '{name}'@'%'")


def as_user(address: Address, name: str, password: str) -> Address:
    return Address(
        host=address.host, port=address.port, user=name, password=password, database=address.database
    )
