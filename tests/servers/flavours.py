"""What differs between MariaDB and MySQL as far as having one for tests is concerned."""

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ACCOUNT = "schemabot"

# The account for tests may do everything and needs no password: the server listens on loopback only, for
# one test run. Servers do not resolve names, so the two hosts are the TCP port and the socket.
ACCOUNT_SQL = f"""
CREATE USER '{ACCOUNT}'@'127.0.0.1';
GRANT ALL ON *.* TO '{ACCOUNT}'@'127.0.0.1' WITH GRANT OPTION;
CREATE USER '{ACCOUNT}'@'localhost';
GRANT ALL ON *.* TO '{ACCOUNT}'@'localhost' WITH GRANT OPTION;
"""

# Small and quick, but with everything on that production has and that can be in the way: binary log by
# row, performance schema. A commit reaches the kernel before it is answered, so it survives kill -9 of
# the server; it is not forced to the disk, which only the loss of power would show.
COMMON_OPTIONS = (
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--character-set-server=utf8mb4",
    "--innodb-buffer-pool-size=64M",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-flush-method=nosync",
    "--sync-binlog=0",
    "--server-id=1",
    "--log-bin=binlog",
    "--binlog-format=ROW",
    "--performance-schema=ON",
    "--max-connections=500",
    # Fault tests break many handshakes; the default of 100 would lock their host out.
    "--max-connect-errors=1000000000",
    "--secure-file-priv=",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """One kind of server: how it is named, found, installed, given an empty data folder and started."""

    name: str
    title: str
    variable: str
    programs: tuple[str, ...]
    oldest: tuple[int, int]
    package: str
    suite: str | None  # of Debian, or lines of a sources.list; None for whichever this machine uses
    folder: str  # in the cache
    only_cached: bool  # whatever else this machine has
    options: tuple[str, ...]
    empty_options: tuple[str, ...]
    empty_input: Callable[[Path], str]  # of the folder with the server's own SQL files


def _mariadb_system_tables(share: Path) -> str:
    """What mariadb-install-db feeds to the server, without that script's search of the machine."""
    # MariaDB 11 put its own name before them.
    prefix = "mariadb" if (share / "mariadb_system_tables.sql").exists() else "mysql"
    files = ("system_tables", "performance_tables", "system_tables_data", "sys_schema")
    parts = ["CREATE DATABASE mysql;", "USE mysql;", "SET @auth_root_socket=NULL;"]
    parts += [(share / f"{prefix}_{name}.sql").read_text() for name in files]
    return "\n".join([*parts, "FLUSH PRIVILEGES;", ACCOUNT_SQL])


def _suite(flavour: str, usual: str | None) -> dict[str, Any]:
    """From where a flavour comes: SCHEMABOT_TEST_<FLAVOUR>_SUITE, since other suites have other versions, or *usual*."""
    named = os.environ.get(f"SCHEMABOT_TEST_{flavour.upper()}_SUITE", "")
    mark = named if re.fullmatch("[a-z]*", named) else hashlib.sha256(named.encode()).hexdigest()[:12]
    return {"suite": named or usual, "folder": f"{flavour}-{mark}".strip("-"), "only_cached": bool(named)}


MARIADB = Flavour(
    name="mariadb",
    title="MariaDB",
    variable="SCHEMABOT_TEST_MARIADB",
    programs=("mariadbd", "mysqld"),
    oldest=(10, 6),
    package="mariadb-server-core",
    **_suite("mariadb", None),
    options=("--innodb-log-file-size=32M",),
    empty_options=("--bootstrap",),
    empty_input=_mariadb_system_tables,
)

MYSQL = Flavour(
    name="mysql",
    title="MySQL",
    variable="SCHEMABOT_TEST_MYSQL",
    programs=("mysqld",),
    oldest=(8, 4),
    package="mysql-server-core",
    **_suite("mysql", "sid"),
    options=("--mysqlx=OFF", "--innodb-redo-log-capacity=32M"),
    empty_options=("--initialize-insecure",),
    empty_input=lambda _share: "",
)

FLAVOURS = {flavour.name: flavour for flavour in (MARIADB, MYSQL)}
