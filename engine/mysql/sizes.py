"""How large a table is, how that is written, and which one is small: what makes others wait is over soon there."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.mysql.link import Link
from engine.mysql.quoting import quote_names, quote_table

DIRECT_ROWS = 20_000
DIRECT_BYTES = 16 * 1024 * 1024
GROWN_ROWS, GROWN_BYTES = 2 * DIRECT_ROWS, 2 * DIRECT_BYTES
"""What was small when its change was planned is so up to here: the server estimates, and tables grow a little all the time."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the server takes a table to have, at the moment or some time ago."""

    rows: int = 0
    bytes: int = 0  # with its indexes
    row_bytes: int = 0


def estimate(link: Link, schema: str, table: str) -> Estimate:
    """Without looking at the rows. Zeros: there is no such table, or nothing is known of it."""
    return _of_table(link, schema, table) or Estimate()


def size_of(
    link: Link, schema: str, table: str, partitions: Sequence[str] = (), *, counted_to: int = DIRECT_ROWS
) -> tuple[int, int]:
    """Rows and bytes of a table, or of some of its *partitions*: rows are counted as far as *counted_to*, and beyond that
    estimated by the server.
    """
    found = _of_partitions(link, schema, table, partitions) if partitions else _of_table(link, schema, table)
    if found is None:
        return 0, 0
    most = counted_to + 1
    some = f" PARTITION ({quote_names(partitions)})" if partitions else ""
    counted = link.value(
        f"SELECT COUNT(*) FROM (SELECT 1 FROM {quote_table(schema, table)}{some} LIMIT {most}) AS some"  # noqa: S608
    )
    rows = int(counted) if int(counted) < most else max(found.rows, most)
    return rows, found.bytes


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


def _of_table(link: Link, schema: str, table: str) -> Estimate | None:
    row = link.row(
        """
        SELECT TABLE_ROWS, DATA_LENGTH + INDEX_LENGTH, AVG_ROW_LENGTH
          FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s
        """,
        schema,
        table,
    )
    return None if row is None else Estimate(*(int(figure or 0) for figure in row))


def _of_partitions(link: Link, schema: str, table: str, partitions: Sequence[str]) -> Estimate:
    """All of them together. Of one with subpartitions the server tells each of those."""
    some = ", ".join(["%s"] * len(partitions))
    (row,) = link.rows(
        f"""
        SELECT SUM(TABLE_ROWS), SUM(DATA_LENGTH + INDEX_LENGTH)
          FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND PARTITION_NAME IN ({some})
        """,  # noqa: S608
        schema,
        table,
        *partitions,
    )
    return Estimate(*(int(figure or 0) for figure in row))
