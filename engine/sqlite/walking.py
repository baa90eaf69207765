"""Which unique indexes a table can be walked by, a range of keys after the other."""

import apsw


def walkable_indexes(connection: apsw.Connection, table: str) -> list[tuple[str, ...]]:
    """The columns, in their order, of each unique index that `(a, b) > (…)` can walk; the primary key's first.

    An index that compares otherwise than its column does is none: `k > ?` would step over rows the column calls equal.
    Nor is one that goes up by one column and down by another: it would read all rows of one `a`, however many.
    """
    names = connection.execute(
        """
        SELECT name FROM pragma_index_list(?) WHERE "unique" AND NOT partial
         ORDER BY origin <> 'pk', origin <> 'u', name
        """,
        (table,),
    ).fetchall()
    found = (_walked(connection, table, str(name)) for (name,) in names)
    return [columns for columns in found if columns]


def _walked(connection: apsw.Connection, table: str, index: str) -> tuple[str, ...]:
    terms = connection.execute(
        'SELECT name, lower(coll), "desc" FROM pragma_index_xinfo(?) WHERE key ORDER BY seqno', (index,)
    ).fetchall()
    if len({descending for _, _, descending in terms}) > 1:
        return ()
    for name, collation, _ in terms:
        if name is None or connection.column_metadata("main", table, str(name))[1].lower() != collation:
            return ()
    return tuple(str(name) for name, _, _ in terms)


def walking_order(
    connection: apsw.Connection, table: str, columns: tuple[str, ...]
) -> tuple[int, ...] | None:
    """Places in *columns* in the order in which an index over exactly them goes; None: there is no such index."""
    names = [column.lower() for column in columns]
    for index in walkable_indexes(connection, table):
        if sorted(name.lower() for name in index) == sorted(names):
            return tuple(names.index(name.lower()) for name in index)
    return None


def rowid_column(connection: apsw.Connection, table: str) -> str | None:
    """The INTEGER PRIMARY KEY of *table*; None: its rowid, if it has one, is hidden."""
    keys = connection.execute("SELECT name FROM pragma_table_xinfo(?) WHERE pk > 0", (table,)).fetchall()
    indexes = connection.execute(
        "SELECT count(*) FROM pragma_index_list(?) WHERE origin = 'pk'", (table,)
    ).get
    return None if indexes or not keys else str(keys[0][0])
