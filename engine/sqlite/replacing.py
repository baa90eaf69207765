"""Which rows OR REPLACE removes: what a trigger can know of that before they are gone. They fire no trigger of their own.

Some values SQLite gives a new row only after the BEFORE triggers have seen it: there an automatic INTEGER PRIMARY KEY is -1
still, and a NULL is not yet the default that OR REPLACE puts into a NOT NULL column.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import apsw

from engine.lexer import Kind, significant, without_comments
from engine.sqlite.texts import generated_texts, index_text
from engine.sqlite.walking import rowid_column

_CONSTANTS = {"NULL", "TRUE", "FALSE", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP"}


@dataclass(frozen=True, slots=True, kw_only=True)
class UniqueIndex:
    """A unique index: its terms as (column or None for an expression, collation), and its CREATE text (None: automatic)."""

    name: str
    terms: tuple[tuple[str | None, str], ...]
    sql: str | None
    partial: bool

    @property
    def columns(self) -> set[str]:
        """The columns among its terms, in lower case."""
        return {name.lower() for name, _ in self.terms if name is not None}

    @property
    def computed_from(self) -> set[str]:
        """All names in its expressions, in lower case."""
        if self.sql is None:
            return set()
        texts = index_text(self.sql).terms
        return names_in(texts[place] for place, (name, _) in enumerate(self.terms) if name is None)


def names_in(texts: Iterable[str]) -> set[str]:
    """All that may be names in pieces of SQL, in lower case."""
    tokens = (token for text in texts for token in significant(text))
    return {token.name.lower() for token in tokens if token.kind in (Kind.WORD, Kind.QUOTED)}


def unique_indexes(connection: apsw.Connection, table: str) -> list[UniqueIndex]:
    """All unique indexes of *table*, those that SQLite made for its constraints too."""
    names = connection.execute(
        'SELECT name, partial FROM pragma_index_list(?) WHERE "unique" ORDER BY name', (table,)
    ).fetchall()
    found = []
    for name, partial in names:
        terms = connection.execute(
            "SELECT name, coll FROM pragma_index_xinfo(?) WHERE key ORDER BY seqno", (name,)
        ).fetchall()
        sql = connection.execute("SELECT max(sql) FROM sqlite_schema WHERE name = ?", (name,)).get
        pairs = tuple((None if column is None else str(column), str(coll)) for column, coll in terms)
        found.append(UniqueIndex(name=str(name), terms=pairs, sql=sql, partial=bool(partial)))
    return found


def late_defaults(connection: apsw.Connection, table: str) -> dict[str, str]:
    """By column of *table*, the SQL of the default that may come in the place of a NULL."""
    rows = connection.execute(
        """
        SELECT name, dflt_value FROM pragma_table_xinfo(?)
         WHERE "notnull" AND dflt_value IS NOT NULL AND hidden = 0
        """,
        (table,),
    )
    return {str(name): _expression(str(default)) for name, default in rows}


def _expression(default: str) -> str:
    """Behind DEFAULT, but nowhere else, a word or a name in quotes is a text."""
    first, *rest = significant(default)
    if not rest and (first.kind is Kind.QUOTED or (first.kind is Kind.WORD and first.word not in _CONSTANTS)):
        return "'" + first.name.replace("'", "''") + "'"
    return f"({without_comments(default)})"


def unseen_index(connection: apsw.Connection, table: str) -> str:
    """A unique index of *table* by which a REPLACE removes rows that no trigger can tell; empty: there is none.

    It is computed from the automatic key, or it has a generated column that may be computed from a late value.
    """
    rowid = rowid_column(connection, table)
    automatic = set() if rowid is None else {rowid.lower()}
    computed = _late_columns(
        connection, table, automatic | {name.lower() for name in late_defaults(connection, table)}
    )
    for index in unique_indexes(connection, table):
        if index.columns & computed or index.computed_from & (automatic | computed):
            return index.name
    return ""


def _late_columns(connection: apsw.Connection, table: str, late: set[str]) -> set[str]:
    """The generated columns, in lower case, if one of them is computed from *late* (others may be from that one)."""
    rows = connection.execute("SELECT name FROM pragma_table_xinfo(?) WHERE hidden IN (2, 3)", (table,))
    columns = {str(name).lower() for (name,) in rows}
    create = connection.execute(
        "SELECT sql FROM sqlite_schema WHERE type = 'table' AND lower(name) = lower(?)", (table,)
    ).get
    return columns if columns and names_in(generated_texts(str(create))) & late else set()
