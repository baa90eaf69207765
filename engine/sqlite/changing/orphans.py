"""Rows without a parent: of the copy, where a foreign key is new; of other tables, where the copy compares otherwise.

Parents are not watched while a table is copied, and a row may come before its parent. So a row that lacks one when its
key is applied is only noted, and looked at again when everything else is done.
"""

import apsw

from engine.errors import Refused
from engine.sqlite.catalog import ForeignKey, read_catalog
from engine.sqlite.changing.keys import Key, Names
from engine.sqlite.quoting import quote_name
from engine.sqlite.spec import Rebuild
from engine.sqlite.texts import with_table_name

NOTED = "orphan "
"""What the marks begin with under which the keys of such rows are noted."""


class Orphans:
    """The rows that a filled shadow would leave without a parent."""

    def __init__(self, connection: apsw.Connection, rebuild: Rebuild, names: Names, key: Key) -> None:
        self._connection = connection
        self._rebuild = rebuild
        self._key = key
        self._source = quote_name(rebuild.source)
        self._shadow = quote_name(rebuild.shadow)
        self._delta = quote_name(names.delta)
        self._mark = quote_name(names.mark)
        self._conditions = {
            foreign_key.table: self._missing(foreign_key)
            for foreign_key in new_foreign_keys(connection, rebuild)
        }

    def _missing(self, foreign_key: ForeignKey) -> str:
        """The condition that a row of the copy (alias n) has no parent."""
        own = foreign_key.table.lower() in (self._rebuild.table.lower(), self._rebuild.source.lower())
        parent = self._rebuild.shadow if own else foreign_key.table
        pairs = zip(_referenced(self._connection, parent, foreign_key), foreign_key.columns, strict=True)
        known = " AND ".join(f"n.{quote_name(column)} IS NOT NULL" for column in foreign_key.columns)
        match = " AND ".join(f"p.{quote_name(up)} = +n.{quote_name(down)}" for up, down in pairs)
        return f"({known} AND NOT EXISTS (SELECT 1 FROM {quote_name(parent)} AS p WHERE {match}))"

    def __bool__(self) -> bool:
        return bool(self._conditions)

    def check(self, copies: str, where: str, shown: str) -> None:
        """Refused, naming by *shown* the first such row among those of *copies* (a FROM with alias n) that *where* selects."""
        for parent, condition in self._conditions.items():
            row = self._connection.execute(
                f"SELECT {shown} FROM {copies} WHERE {where} AND {condition} LIMIT 1"
            ).get
            if row is not None:
                self._refuse(f"the row with {row} has no parent in {parent}, as the new foreign key demands")

    def note(self, upto: int) -> None:
        """Note those among the rows whose keys were just applied."""
        if not self._conditions:
            return
        key = self._key
        name = " || ', ' || ".join(f"quote(n.{column})" for column in key.new_columns)
        applied = f"SELECT {key.value_list} FROM {self._delta} WHERE seq <= {upto:d}"
        self._connection.execute(
            f"""
            INSERT OR REPLACE INTO {self._mark} (at, {key.place_list})
            SELECT '{NOTED}' || {name}, {", ".join(key.new_columns)} FROM {self._shadow} AS n
             WHERE {key.new_among(applied)} AND ({" OR ".join(self._conditions.values())})
            """
        )

    def check_noted(self) -> None:
        """Refused when one that was noted is there and has no parent still."""
        key = self._key
        noted = f"SELECT {key.value_list} FROM {self._mark} WHERE at LIKE '{NOTED}%'"
        self.check(f"{self._shadow} AS n", key.new_among(noted), key.new_shown("n"))

    def check_children(self) -> None:
        """Refused when a row of another table finds its parent in the source and will not find it in the copy."""
        old, new = (
            compared_as(self._connection, self._rebuild.source),
            compared_as(self._connection, self._rebuild.shadow),
        )
        names = {source.lower(): column for column, source in self._rebuild.columns}
        for child in children(self._connection, self._rebuild):
            relation = read_catalog(self._connection, {child}).get(child)
            for foreign_key in relation.foreign_keys if relation else ():
                if foreign_key.table.lower() != self._rebuild.source.lower():
                    continue
                to = _referenced(self._connection, self._rebuild.source, foreign_key)
                ups = [(column, names[column.lower()]) for column in to if column.lower() in names]
                if len(ups) == len(to) and any(old[was.lower()] != new[now.lower()] for was, now in ups):
                    self._check_child(child, foreign_key, ups)

    def _check_child(self, child: str, foreign_key: ForeignKey, ups: list[tuple[str, str]]) -> None:
        key = self._key
        downs = [f"+c.{quote_name(column)}" for column in foreign_key.columns]
        found = " AND ".join(
            f"s.{quote_name(was)} = {down}" for (was, _), down in zip(ups, downs, strict=True)
        )
        kept = " AND ".join(
            f"n.{quote_name(now)} = {down}" for (_, now), down in zip(ups, downs, strict=True)
        )
        row = self._connection.execute(
            f"""
            SELECT {key.shown("s")} FROM {quote_name(child)} AS c JOIN {self._source} AS s ON {found}
             WHERE NOT EXISTS (SELECT 1 FROM {self._shadow} AS n WHERE {kept})
               AND ({key.of("s")}) NOT IN (SELECT {key.value_list} FROM {self._delta})
             LIMIT 1
            """
        ).get
        if row is not None:
            self._refuse(f"rows of {child} would not find their parent, the row with {row}, any more")

    def _refuse(self, what: str) -> None:
        raise Refused(
            f"{self._rebuild.table}: {what}; nothing was changed: correct the rows, then plan again"
        )


def compared_as(connection: apsw.Connection, table: str) -> dict[str, tuple[str, str]]:
    """By lower-case name, the type and the collation of each column: how a foreign key to it compares."""
    rows = connection.execute("SELECT name, type FROM pragma_table_xinfo(?)", (table,)).fetchall()
    return {
        str(name).lower(): (
            str(kind).upper(),
            connection.column_metadata("main", table, str(name))[1].upper(),
        )
        for name, kind in rows
    }


def children(connection: apsw.Connection, rebuild: Rebuild) -> list[str]:
    """The other tables that refer to the rebuilt one; the shadow may refer to its own future name and is no child."""
    rows = connection.execute(
        """
        SELECT DISTINCT child.name
          FROM sqlite_schema AS child, pragma_foreign_key_list(child.name) AS f
         WHERE child.type = 'table' AND lower(f."table") = lower(:source)
           AND lower(child.name) NOT IN (lower(:source), lower(:shadow))
         ORDER BY child.name
        """,
        {"source": rebuild.source, "shadow": rebuild.shadow},
    ).fetchall()
    return [str(name) for (name,) in rows]


def _referenced(connection: apsw.Connection, parent: str, foreign_key: ForeignKey) -> tuple[str, ...]:
    """The columns of *parent* that the key refers to."""
    if foreign_key.to:
        return foreign_key.to
    rows = connection.execute("SELECT name FROM pragma_table_xinfo(?) WHERE pk > 0 ORDER BY pk", (parent,))
    return tuple(str(name) for (name,) in rows)


def new_foreign_keys(connection: apsw.Connection, rebuild: Rebuild) -> list[ForeignKey]:
    """The foreign keys of the new definition that the source does not have in the same form over columns of one type."""
    scratch = apsw.Connection(":memory:")
    try:
        scratch.execute(with_table_name(rebuild.create, rebuild.table))
        wanted = read_catalog(scratch).get(rebuild.table)
    finally:
        scratch.close()
    live = read_catalog(connection, {rebuild.source}).get(rebuild.source)
    assert wanted is not None
    assert live is not None
    old_names = {new.lower(): old for new, old in rebuild.columns}
    types = {column.name.lower(): column.type.upper() for column in live.columns}
    new_types = {column.name.lower(): column.type.upper() for column in wanted.columns}
    known = {(k.table.lower(), tuple(c.lower() for c in k.columns), tuple(c.lower() for c in k.to))
             for k in live.foreign_keys}  # fmt: skip
    found = []
    for foreign_key in wanted.foreign_keys:
        olds = tuple(old_names.get(column.lower(), "").lower() for column in foreign_key.columns)
        same_types = all(
            types.get(old) == new_types[column.lower()]
            for old, column in zip(olds, foreign_key.columns, strict=True)
        )
        form = (foreign_key.table.lower(), olds, tuple(c.lower() for c in foreign_key.to))
        if form not in known or not same_types:
            found.append(foreign_key)
    return found
