"""How large a table is, asked cheaply."""

import apsw

from engine.sqlite.quoting import quote_name

DIRECT_ROWS = 100_000  # up to here a scan or a copy is one transaction; beyond it goes online


def rows_up_to(connection: apsw.Connection, table: str, limit: int) -> int:
    """The rows of *table*, counted no further than *limit* + 1."""
    counted = connection.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM {quote_name(table)} LIMIT ?)",  # noqa: S608
        (limit + 1,),
    ).get
    return int(counted)
