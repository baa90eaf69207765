"""How large a table is, asked cheaply."""

import apsw

from engine.sqlite.quoting import quote_name

DIRECT_ROWS = 100_000  # up to here a scan or a copy is one transaction; beyond it goes online
DIRECT_BYTES = 64 * 1024 * 1024  # the same for few rows that are wide

GROWN_ROWS, GROWN_BYTES = 2 * DIRECT_ROWS, 2 * DIRECT_BYTES
"""What was small when its change was planned is so up to here: tables grow a little all the time."""

DROP_ROWS = 20_000  # a table with more rows is renamed away when it is dropped, and removed in small steps
DROP_BYTES = 16 * 1024 * 1024  # the same for few rows that are wide


def rows_up_to(connection: apsw.Connection, table: str, limit: int) -> int:
    """The rows of *table*, counted no further than *limit* + 1."""
    counted = connection.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM {quote_name(table)} LIMIT ?)",  # noqa: S608
        (limit + 1,),
    ).get
    return int(counted)


def is_wide(connection: apsw.Connection, table: str, limit: int) -> bool:
    """Whether the values of a table of few rows come to more than *limit* bytes. Their lengths are read, not the values."""
    pages, size = (connection.execute(f"PRAGMA {name}").get for name in ("page_count", "page_size"))
    if int(pages) * int(size) <= limit:
        return False
    columns = connection.execute(
        "SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0", (table,)
    ).fetchall()
    lengths = [f"sum(octet_length({quote_name(str(name))}))" for (name,) in columns]
    found = connection.execute(f"SELECT {', '.join(lengths)} FROM {quote_name(table)}")  # noqa: S608
    return sum(int(length or 0) for row in found for length in row) > limit
