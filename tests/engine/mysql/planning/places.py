"""A schema on a server for a test, and a link to it."""

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

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
def account(server: Server, *grants: str, schema: str = "") -> Iterator[Address]:
    """Where *schema* is, inside, for a user of its own who has a password and *grants* ("SELECT ON shop.*"), and nothing else."""
    name, password = f"u{secrets.token_hex(5)}", "a-Password-9"
    with server.connect(autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE USER {name}@'%' IDENTIFIED BY '{password}'")
        try:
            for grant in grants:
                cursor.execute(f"GRANT {grant} TO {name}@'%'")
            # With TLS: without it a password that the server has not seen lately does not go over.
            yield replace(parse_address(server.url(schema)), user=name, password=password)
        finally:
            cursor.execute(f"DROP USER {name}@'%'")


def dsn(address: Address) -> str:
    """As a configuration has it."""
    return f"mysql://{address.user}:{address.password}@{address.host}:{address.port}/{address.database}"
