"""About how many rows a table has, without reading much of it."""

import time

import apsw

from engine.sqlite.changing.keys import rowid_name
from engine.sqlite.changing.ownership import Hold
from engine.sqlite.quoting import quote_name

COUNT_SECONDS = 0.05
BELIEVABLE_SPAN = 10**10


def estimate_rows(hold: Hold, table: str) -> int:
    """Exact where counting is quick, else from ANALYZE's figures, else from the span of rowids; 0: nothing is known."""
    with hold.reading():
        exact = _count(hold.connection, table)
        if exact is not None:
            return exact
        return _analyzed(hold.connection, table) or _span(hold.connection, table)


def _count(connection: apsw.Connection, table: str) -> int | None:
    deadline = time.monotonic() + COUNT_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    try:
        rows = connection.execute(
            # LIMIT makes it a loop, which the deadline can end; a bare count(*) is one long instruction.
            f"SELECT count(*) FROM (SELECT 1 FROM {quote_name(table)} LIMIT -1)"
        ).get
        return int(rows)
    except apsw.InterruptError:
        return None
    finally:
        connection.set_progress_handler(None)


def _analyzed(connection: apsw.Connection, table: str) -> int:
    if not connection.table_exists("main", "sqlite_stat1"):
        return 0
    stat = connection.execute(
        "SELECT stat FROM sqlite_stat1 WHERE lower(tbl) = lower(?) ORDER BY idx IS NOT NULL LIMIT 1", (table,)
    ).get
    return int(str(stat).split()[0]) if stat else 0


def _span(connection: apsw.Connection, table: str) -> int:
    rowid = rowid_name(connection, table)
    if rowid is None:
        return 0
    first, last = connection.execute(
        f"""
        SELECT (SELECT {rowid} FROM {quote_name(table)} ORDER BY {rowid} LIMIT 1),
               (SELECT {rowid} FROM {quote_name(table)} ORDER BY {rowid} DESC LIMIT 1)
        """
    ).get
    span = 0 if first is None else int(last) - int(first) + 1
    return span if span < BELIEVABLE_SPAN else 0
