"""How a copied value compares with its original, whatever the types of the two columns."""

from collections.abc import Sequence

import apsw

from engine.sqlite.affinity import affinity
from engine.sqlite.catalog import Column
from engine.sqlite.quoting import quote_name


def affinities(connection: apsw.Connection, table: str) -> dict[str, str]:
    """The affinity of each column of *table*, by lower-case name; helper tables too, which the catalog does not show."""
    strict = connection.execute(
        "SELECT strict FROM pragma_table_list WHERE schema = 'main' AND lower(name) = lower(?)", (table,)
    ).get
    columns = [
        Column(name=str(name), type=str(kind or ""), not_null=False, default=None, key=0, hidden=0)
        for name, kind in connection.execute("SELECT name, type FROM pragma_table_xinfo(?)", (table,))
    ]
    return {column.name.lower(): affinity(column, strict=bool(strict)) for column in columns}


def same_value(old: str, old_kind: str, new: str, new_kind: str) -> str:
    """The condition that column *new* of alias n holds what storing column *old* of alias s there gives.

    Numbers in text are converted by the comparison itself, as they are by storing.
    """
    ours, theirs = f"n.{quote_name(new)}", f"s.{quote_name(old)}"
    value = theirs
    if new_kind != old_kind and new_kind == "TEXT":
        value = (
            f"CASE WHEN typeof({theirs}) IN ('integer', 'real') THEN CAST({theirs} AS TEXT) ELSE {theirs} END"
        )
    elif new_kind != old_kind and new_kind == "REAL":
        value = f"CASE typeof({ours}) WHEN 'real' THEN CAST({theirs} AS REAL) ELSE {theirs} END"
    same = f"{ours} COLLATE BINARY IS {value}"
    if new_kind == old_kind == "BLOB":
        same = f"{same} AND typeof({ours}) = typeof({theirs})"
    return f"({same})"


GROUP = 50
"""SQLite's trees are at most 1,000 deep, and a chain of ANDs is as deep as it is long: 2,000 columns go in groups."""


def all_of(terms: Sequence[str]) -> str:
    """All of *terms*, which may be thousands."""
    groups = [terms[at : at + GROUP] for at in range(0, len(terms), GROUP)]
    return " AND ".join(f"({' AND '.join(group)})" for group in groups)
