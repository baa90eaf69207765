"""How large a table is, how that is written, and which one is small: what makes others wait is over soon there."""

from collections.abc import Sequence

from engine.mysql.link import Link, Row
from engine.mysql.quoting import quote_names, quote_table

DIRECT_ROWS = 20_000
DIRECT_BYTES = 16 * 1024 * 1024
GROWN_ROWS, GROWN_BYTES = 2 * DIRECT_ROWS, 2 * DIRECT_BYTES
"""What was small when its change was planned is so up to here: the server estimates, and tables grow a little all the time."""


def size_of(
    link: Link, schema: str, table: str, partitions: Sequence[str] = (), *, counted_to: int = DIRECT_ROWS
) -> tuple[int, int]:
    """Rows and bytes of a table, or of some of its *partitions*: rows are counted as far as *counted_to*, and beyond that
    estimated by the server.
    """
    row = _estimated(link, schema, table, partitions)
    if row is None:
        return 0, 0
    most = counted_to + 1
    some = f" PARTITION ({quote_names(partitions)})" if partitions else ""
    counted = link.value(
        f"SELECT COUNT(*) FROM (SELECT 1 FROM {quote_table(schema, table)}{some} LIMIT {most}) AS some"  # noqa: S608
    )
    rows = int(counted) if int(counted) < most else max(int(row[0] or 0), most)
    return rows, int(row[1] or 0)


def partitions_of(link: Link, schema: str, table: str) -> int:
    """How many partitions a table has, subpartitions counted; 1: it is all in one."""
    found = link.value(
        "SELECT COUNT(*) FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
        schema,
        table,
    )
    return int(found or 1)


def shown_bytes(number: int) -> str:
    """A size for people, in binary units: "1.5 GiB", "700 MiB", at least "1 KiB"."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if number >= size:
            return f"{number / size:,.1f} {unit}".replace(".0 ", " ")
    return f"{max(number // 1024, 1)} KiB"


def _estimated(link: Link, schema: str, table: str, partitions: Sequence[str]) -> Row | None:
    if not partitions:
        return link.row(
            "SELECT TABLE_ROWS, DATA_LENGTH + INDEX_LENGTH FROM information_schema.TABLES"
            " WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
            schema, table,
        )  # fmt: skip
    # Of one with subpartitions it tells each of those.
    return link.row(
        f"""
        SELECT SUM(TABLE_ROWS), SUM(DATA_LENGTH + INDEX_LENGTH) FROM information_schema.PARTITIONS
         WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND PARTITION_NAME IN ({", ".join(["%s"] * len(partitions))})
        """,  # noqa: S608
        schema, table, *partitions,
    )  # fmt: skip
