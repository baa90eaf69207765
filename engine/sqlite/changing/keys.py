"""The stable key of a table that is rebuilt: how to walk it, and how to find the same row in the copy."""

from dataclasses import dataclass

import apsw

from engine.sqlite.quoting import quote_name
from engine.sqlite.spec import DELTA_SUFFIX, HELPER_MARK, OLD_SUFFIX, Rebuild
from engine.sqlite.walking import rowid_column

MARK_SUFFIX = f"{HELPER_MARK}w"  # how far the copy and its check have come: keys, kept as SQL values


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Our helper objects around one source table, unquoted."""

    source: str
    shadow: str

    @property
    def old(self) -> str:
        """The replaced table."""
        return self.source + OLD_SUFFIX

    @property
    def delta(self) -> str:
        """The keys that changed."""
        return self.source + DELTA_SUFFIX

    @property
    def mark(self) -> str:
        """How far the copy has come."""
        return self.source + MARK_SUFFIX

    @property
    def key_index(self) -> str:
        """The index by which rows of the shadow are found where its definition has none; removed by tidy."""
        return f"{self.source}{HELPER_MARK}k"

    @property
    def filler(self) -> str:
        """What becomes an index once it is filled."""
        return f"{self.source}{HELPER_MARK}x"

    def trigger(self, moment: str) -> str:
        """A capture trigger: `bi ai bu au ad` (before/after, insert/update/delete)."""
        return f"{self.source}{HELPER_MARK}{moment}"

    @property
    def triggers(self) -> tuple[str, ...]:
        """All capture triggers."""
        return tuple(self.trigger(moment) for moment in ("bi", "ai", "bu", "au", "ad"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """The key as SQL terms, in key order.

    Columns are named bare: they compare as the index that makes them unique does, and beside other columns SQLite finds
    nothing by an index once a COLLATE is written out. `places` are the columns of the delta and mark tables, which have no
    type: the values stay what they are.
    """

    columns: tuple[str, ...]  # quoted names in the source
    new_columns: tuple[str, ...]  # quoted names in the shadow
    places: tuple[str, ...]

    def of(self, alias: str) -> str:
        """The key of *alias* (a table alias, NEW or OLD), as a list."""
        return ", ".join(f"{alias}.{column}" for column in self.columns)

    @property
    def place_list(self) -> str:
        """The columns of the delta and mark tables as a list."""
        return ", ".join(self.places)

    @property
    def value_list(self) -> str:
        """The same as values: a column of no type is not converted in a comparison, an expression is."""
        return ", ".join(f"+{place}" for place in self.places)

    @property
    def column_list(self) -> str:
        """The key in the source, to compare or to sort by."""
        return ", ".join(self.columns)

    @property
    def new_byte_list(self) -> str:
        """The key in the shadow, to compare byte by byte."""
        return ", ".join(f"{column} COLLATE BINARY" for column in self.new_columns)

    def among(self, keys: str) -> str:
        """The condition that a row of the source has one of *keys* (a SELECT)."""
        return f"({self.column_list}) IN ({keys})"

    def new_among(self, keys: str) -> str:
        """The condition that a row of the shadow has one of *keys*, byte for byte; found by its index first."""
        return f"({', '.join(self.new_columns)}) IN ({keys}) AND ({self.new_byte_list}) IN ({keys})"

    def shown(self, alias: str) -> str:
        """The key as text for people, of a row of the source."""
        return _shown(alias, self.columns)

    def new_shown(self, alias: str) -> str:
        """The key as text for people, of a row of the shadow."""
        return _shown(alias, self.new_columns)

    def same_row(self, source: str, shadow: str) -> str:
        """The condition that finds the copy (alias *shadow*) of a row (alias *source*) by an index of the copy.

        The plus takes the type of the source's column away, so that its value is converted as it was when it was copied.
        """
        return _equal(f"{shadow}.", self.new_columns, f"{source}.", self.columns)

    def same_source(self, source: str, shadow: str) -> str:
        """The condition that finds the original of a copied row by an index of the source; for keys of unchanged type."""
        return _equal(f"{source}.", self.columns, f"{shadow}.", self.new_columns)


def _equal(found: str, columns: tuple[str, ...], given: str, values: tuple[str, ...]) -> str:
    """The first comparison is for the index, the second says that not only the case, say, may differ."""
    return " AND ".join(
        f"{found}{column} = +{given}{value} AND {found}{column} COLLATE BINARY = +{given}{value}"
        for column, value in zip(columns, values, strict=True)
    )


def _shown(alias: str, columns: tuple[str, ...]) -> str:
    return " || ', ' || ".join(
        f"'{column.replace(chr(39), chr(39) * 2)} = ' || quote({alias}.{column})" for column in columns
    )


def key_of(rebuild: Rebuild) -> Key:
    """The key of *rebuild*."""
    return Key(
        columns=tuple(quote_name(name) for name in rebuild.key),
        new_columns=tuple(quote_name(name) for name in rebuild.new_key),
        places=tuple(f"k{i}" for i in range(len(rebuild.key))),
    )


def is_rowid(connection: apsw.Connection, table: str, columns: tuple[str, ...]) -> bool:
    """Whether *columns* is the INTEGER PRIMARY KEY of *table*."""
    rowid = rowid_column(connection, table)
    return rowid is not None and [rowid.lower()] == [column.lower() for column in columns]


def rowid_name(connection: apsw.Connection, table: str) -> str | None:
    """A name for the hidden rowid of *table*; None: it has none, or columns took all its names."""
    row = connection.execute(
        "SELECT wr, type FROM pragma_table_list WHERE schema = 'main' AND lower(name) = lower(?)", (table,)
    ).get
    if row is None or row[0] or row[1] != "table":
        return None
    taken = {
        str(name).lower()
        for (name,) in connection.execute("SELECT name FROM pragma_table_xinfo(?)", (table,))
    }
    return next((name for name in ("rowid", "_rowid_", "oid") if name not in taken), None)


def kept_rowid(connection: apsw.Connection, rebuild: Rebuild) -> tuple[str, str] | None:
    """Under which names, in the shadow and in the source, the rows keep their hidden numbers, quoted.

    None: the number is a column that is copied anyway, or one of the tables has none that could be named.
    """
    own = rowid_column(connection, rebuild.shadow)
    if own is not None and own in dict(rebuild.columns):
        return None
    old, hidden = rowid_name(connection, rebuild.source), rowid_name(connection, rebuild.shadow)
    new = hidden if own is None else quote_name(own)
    return (new, old) if new and old else None
