"""A copy that only triggers can capture for, and what no trigger tells of."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.engine.mysql.copying.rig import Rig


@contextmanager
def unread(found: Rig, *more: str) -> Iterator[None]:
    """Inside, the account of the copy may not read the log, but has *more* privileges, and the server trusts it with triggers."""
    needed = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, TRIGGER, LOCK TABLES"
    grants = (
        f"{needed} ON `{found.schema}`.*",
        "SELECT ON performance_schema.replication_connection_configuration",
        *(f"{privilege} ON *.*" for privilege in more),
    )
    with found.copied_by(*grants), found.server.having(log_bin_trust_function_creators=1):
        yield


def emptied(rig: Rig) -> list[str]:
    """The first and the last key come again."""
    last = rig.value("SELECT MAX(id) FROM t")
    return ["TRUNCATE TABLE t", f"INSERT INTO t (id, pad) VALUES (1, 'new'), ({last}, 'new')"]


def foreign_key(_: Rig) -> list[str]:
    """One to the table."""
    return ["CREATE TABLE child (id BIGINT PRIMARY KEY, FOREIGN KEY (id) REFERENCES t (id))"]
