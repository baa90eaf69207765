"""What InnoDB's dictionary has of a live table and SHOW CREATE TABLE does not tell, though it decides how an ALTER can run."""

from dataclasses import dataclass

from engine.mysql.flavour import Flavour
from engine.mysql.innodb_names import table_pattern
from engine.mysql.link import Link, Row
from engine.mysql.planning.rewriting import with_indexes
from engine.mysql.quoting import quote_table
from engine.mysql.tables import Table
from engine.mysql.trouble import ServerRefused, Waited


@dataclass(frozen=True, slots=True)
class Entry:
    """Of one table; zeros where that is not to be seen (`look_up`)."""

    columns: int = 0  # with those that are hidden, without the virtual ones
    row_versions: int = 0  # used up by instant changes; MariaDB has no limit


def look_up(link: Link, view: str, columns: str, where: str, *args: object) -> list[Row] | None:
    """Rows of one of InnoDB's views; None where they are not to be seen: the account lacks the PROCESS privilege, MySQL has a
    table without a file (1812), or somebody waits there to alter, or drop, any table: MySQL locks each for its row.
    """
    try:
        return link.rows(
            f"SELECT /*+ SET_VAR(lock_wait_timeout = 1) */ {columns} FROM information_schema.{view} WHERE {where}",  # noqa: S608
            *args,
        )
    except (ServerRefused, Waited):
        return None


def entry_of(link: Link, flavour: Flavour, schema: str, name: str) -> Entry:
    """The dictionary's entry of a table, or the most of those of its partitions, and of others that its name may stand for."""
    found = look_up(
        link,
        flavour.innodb_view("tables"),
        f"MAX(n_cols), MAX({flavour.row_versions})",
        "name REGEXP %s COLLATE utf8mb4_bin",
        table_pattern(schema, name),
    )
    return Entry(*(int(value or 0) for value in found[0])) if found else Entry()


def in_live_order(link: Link, table: Table, name: str) -> Table:
    """*table* with its indexes in the order of the live one of that *name*, where no key is primary: InnoDB keeps the
    rows by the first unique one of NOT NULL columns.
    """
    if table.own_key or table.index("PRIMARY") or sum(index.unique for index in table.indexes) < 2:
        return table
    names = [str(row[2]) for row in link.rows(f"SHOW INDEX FROM {quote_table(table.schema, name)}")]
    order = {found: at for at, found in enumerate(names)}
    return with_indexes(table, sorted(table.indexes, key=lambda index: order.get(index.name, len(order))))


def old_temporals(link: Link, schema: str, name: str) -> dict[str, str]:
    """Columns, with their types, of a live table of MariaDB that are of the format before 10.1.2: whatever alters the table
    converts them by a copy.
    """
    query = (
        "SELECT COLUMN_NAME, COLUMN_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s"
        " AND DATA_TYPE IN ('datetime', 'time', 'timestamp') AND COLUMN_TYPE LIKE '%%/* mariadb-5.3 */%%'"
    )
    return dict(link.rows(query, schema, name))


def text_column(table: Table) -> str | None:
    """A column that a FULLTEXT index can have, if one has been dropped and left its hidden column; None: that cannot be.

    Only as long as that column is there: what changes its type, or drops it, makes the table anew.
    """
    if table.partitions or any(index.kind == "FULLTEXT" for index in table.indexes):
        return None
    return next(
        (column.name for column in table.columns if column.kind == "text" and column.generated != "VIRTUAL"),
        None,
    )
