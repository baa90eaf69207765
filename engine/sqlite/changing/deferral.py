"""Which indexes of a rebuilt table are built after its rows were copied, and what they consist of."""

from dataclasses import dataclass

import apsw

from engine.sqlite.changing.keys import Key, rowid_name
from engine.sqlite.quoting import quote_name
from engine.sqlite.spec import IndexSpec, Rebuild

SAMPLE_ROWS = 1_000
MOSTLY = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A column of an index."""

    column: str
    collation: str

    @property
    def value(self) -> str:
        """The column, quoted."""
        return quote_name(self.column)

    @property
    def collate(self) -> str:
        """The collation as a clause."""
        return f"COLLATE {quote_name(self.collation)}"


def deferred_indexes(rebuild: Rebuild) -> dict[str, tuple[Term, ...]]:
    """By name, the terms of each index that can be built from sorted rows.

    That is: of a rowid table, over plain ascending columns that are never NULL (the table which becomes the index can hold
    no NULL in its key), without a WHERE; and not the one by which rows of the shadow are found. The others are there from the
    beginning. Found by creating all in memory; a collation that only the application has stays with the others.
    """
    scratch = apsw.Connection(":memory:")
    try:
        scratch.execute(rebuild.create)
        if rowid_name(scratch, rebuild.shadow) is None:
            return {}
        found = {index.name: _terms(scratch, rebuild, index) for index in rebuild.indexes}
    finally:
        scratch.close()
    return {name: terms for name, terms in found.items() if terms is not None}


def _terms(scratch: apsw.Connection, rebuild: Rebuild, index: IndexSpec) -> tuple[Term, ...] | None:
    try:
        scratch.execute(index.shadow_sql)
    except apsw.SQLError:
        return None
    partial = scratch.execute(
        "SELECT partial FROM pragma_index_list(?) WHERE name = ?", (rebuild.shadow, index.shadow_name)
    ).get
    rows = scratch.execute(
        """
        SELECT i.name, i.coll, i."desc", c."notnull"
          FROM pragma_index_xinfo(?) AS i LEFT JOIN pragma_table_xinfo(?) AS c ON c.cid = i.cid
         WHERE i.key ORDER BY i.seqno
        """,
        (index.shadow_name, rebuild.shadow),
    ).fetchall()
    # The columns that the index has for a rowid or an expression are not among those of the table.
    plain = all(name and not_null and not descending for name, _, descending, not_null in rows)
    names = sorted(str(name).lower() for name, _, _, _ in rows)
    if partial or not plain or names == sorted(name.lower() for name in rebuild.new_key):
        return None
    return tuple(Term(column=str(name), collation=str(collation)) for name, collation, _, _ in rows)


def in_key_order(connection: apsw.Connection, rebuild: Rebuild, key: Key, terms: tuple[Term, ...]) -> bool:
    """Whether the index's values mostly rise with the key, at both ends of the table: then it grows at its end as rows are
    copied, and building it later would only cost more.
    """
    olds = {new.lower(): old for new, old in rebuild.columns}
    columns = [olds.get(term.column.lower()) for term in terms]
    values = [quote_name(column) for column in columns if column is not None]
    if not values:
        return True  # the same value in every row
    return all(_near(connection, rebuild.source, key, values, order) > MOSTLY for order in ("ASC", "DESC"))


def _near(connection: apsw.Connection, source: str, key: Key, values: list[str], order: str) -> float:
    """The share of rows, of a sample from one end, whose place by value is about their place by key."""
    walk = ", ".join(f"{term} {order}" for term in key.columns)
    by_key = key.column_list
    share = connection.execute(
        f"""
        SELECT avg(abs(by_value - by_key) <= {SAMPLE_ROWS // 10}) FROM (
            SELECT row_number() OVER (ORDER BY {", ".join(values)}, {by_key}) AS by_value,
                   row_number() OVER (ORDER BY {by_key}) AS by_key
              FROM (SELECT * FROM {quote_name(source)} ORDER BY {walk} LIMIT {SAMPLE_ROWS})
        )
        """
    ).get
    return 1.0 if share is None else float(share)
