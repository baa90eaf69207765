"""For every test: the database servers, and closing lines that say what the tests ran on."""

from tests.servers.fixtures import mariadb, mysql, own_server, server

__all__ = ["mariadb", "mysql", "own_server", "server"]
