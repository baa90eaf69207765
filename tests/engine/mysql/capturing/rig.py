"""A copy that only triggers can capture for, and what no trigger tells of."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.engine.mysql.copying.rig import Rig


@contextmanager
def unread(found: Rig, *more: str) -> Iterator[None]:
    """Inside, the account of the copy may not read the log, but has *more* privileges, and the server trusts it with triggers."""
    name = f"plain{found.schema[2:14]}"
    found.run(
        f"CREATE USER '{name}'@'127.0.0.1' IDENTIFIED BY 'Secret-1'",
        "GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX, TRIGGER, LOCK TABLES "
        f"ON `{found.schema}`.* TO '{name}'@'127.0.0.1'",
        f"GRANT SELECT ON performance_schema.replication_connection_configuration TO '{name}'@'127.0.0.1'",
        *(f"GRANT {privilege} ON *.* TO '{name}'@'127.0.0.1'" for privilege in more),
    )
    found.account = (name, "Secret-1")
    with found.server.having(log_bin_trust_function_creators=1):
        yield


def emptied(rig: Rig) -> list[str]:
    """The first and the last key come again."""
    last = rig.value("SELECT MAX(id) FROM t")
    return ["TRUNCATE TABLE t", f"INSERT INTO t (id, pad) VALUES (1, 'new'), ({last}, 'new')"]


def foreign_key(_: Rig) -> list[str]:
    """One to the table."""
    return ["CREATE TABLE child (id BIGINT PRIMARY KEY, FOREIGN KEY (id) REFERENCES t (id))"]
