"""The triggers that note which rows changed while a table is copied.

They append keys to the delta table and do nothing else, so no write of the application can fail because of the copy. The
delta table has no constraint of its own: an `INSERT OR REPLACE` or `OR IGNORE` of the application carries its conflict
clause into our INSERT.

A unique conflict under OR REPLACE removes rows without firing a DELETE trigger (unless recursive_triggers is on). The
BEFORE triggers note the keys of the rows that stand in the way; to note one too many is harmless, for the row is
read again. Rows that another trigger brings in between are noted by its own write.
"""

from collections.abc import Mapping

import apsw

from engine.errors import DriftFound, Refused
from engine.sqlite.changing.keys import Key, Names, rowid_name
from engine.sqlite.quoting import quote_name
from engine.sqlite.replacing import UniqueIndex, late_defaults, unique_indexes, unseen_index
from engine.sqlite.spec import Rebuild
from engine.sqlite.texts import index_text


class Capture:
    """The triggers on the source of one rebuild."""

    def __init__(self, connection: apsw.Connection, rebuild: Rebuild, names: Names, key: Key) -> None:
        self._connection = connection
        self._source = rebuild.source
        self._names = names
        self.triggers = _texts(connection, rebuild, names, key)
        """The CREATE TRIGGER statements."""

    def check_possible(self) -> None:
        """Refused when writes would stay unseen."""
        if unseen := unseen_index(self._connection, self._source):
            raise Refused(
                f"{self._source}: no trigger sees which rows a REPLACE removes by its unique index {unseen}: plan again"
            )

    def check(self) -> None:
        """DriftFound when a trigger is gone: another tool made the table anew, and writes were missed since."""
        if not set(self.triggers) <= self._present():
            raise DriftFound(f"{self._source} was made anew by another tool while it was copied: plan again")

    def is_another(self) -> bool:
        """Whether there are triggers, but those of another release: they may have missed what these would not."""
        present = self._present()
        return bool(present) and present != set(self.triggers)

    def _present(self) -> set[str]:
        rows = self._connection.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND lower(tbl_name) = lower(?)",
            (self._source,),
        )
        return {str(sql) for name, sql in rows if name in self._names.triggers}


def _texts(connection: apsw.Connection, rebuild: Rebuild, names: Names, key: Key) -> list[str]:
    note = f"INSERT INTO {quote_name(names.delta)} ({key.place_list}) SELECT"
    moved = " OR ".join(f"NEW.{c} IS NOT OLD.{c} COLLATE BINARY" for c in key.columns)
    bodies = {
        "ai": ("AFTER INSERT", [f"{note} {key.of('NEW')};"]),
        "au": ("AFTER UPDATE", [f"{note} {key.of('OLD')};", f"{note} {key.of('NEW')} WHERE {moved};"]),
        "ad": ("AFTER DELETE", [f"{note} {key.of('OLD')};"]),
        "bi": ("BEFORE INSERT", _losers(connection, rebuild, note, key, update=False)),
        "bu": ("BEFORE UPDATE", _losers(connection, rebuild, note, key, update=True)),
    }
    source = quote_name(rebuild.source)
    return [
        f"CREATE TRIGGER {quote_name(names.trigger(moment))} {when} ON {source} BEGIN {' '.join(body)} END"
        for moment, (when, body) in bodies.items()
        if body
    ]


def _losers(connection: apsw.Connection, rebuild: Rebuild, note: str, key: Key, *, update: bool) -> list[str]:
    """One INSERT per way in which a row may be replaced by another."""
    columns = [
        str(name)
        for (name,) in connection.execute("SELECT name FROM pragma_table_xinfo(?)", (rebuild.source,))
    ]
    given = {name: f"NEW.{quote_name(name)}" for name in columns}
    defaults = late_defaults(connection, rebuild.source)
    filled = given | {name: f"coalesce({given[name]}, {default})" for name, default in defaults.items()}
    select = f"{note} {', '.join(key.columns)} FROM {quote_name(rebuild.source)} WHERE"
    found = []
    for index in unique_indexes(connection, rebuild.source):
        conditions = _conflict(index, rebuild.source, given)
        if update and not index.partial and all(name for name, _ in index.terms):
            conditions.append(f"({_changed(index)})")
        found.append(f"{select} {' AND '.join(conditions)};")
        late = [name for name in defaults if name.lower() in index.columns | index.computed_from]
        if late:
            conditions = _conflict(index, rebuild.source, filled)
            conditions.append(f"({' OR '.join(f'{given[name]} IS NULL' for name in late)})")
            found.append(f"{select} {' AND '.join(conditions)};")
    rowid = None if rebuild.rowid_key else rowid_name(connection, rebuild.source)
    if rowid is not None:
        changed_rowid = f" AND NEW.{rowid} IS NOT OLD.{rowid}" if update else ""
        found.append(f"{select} {rowid} = NEW.{rowid}{changed_rowid};")
    return found


def _changed(index: UniqueIndex) -> str:
    """Byte by byte: the index may tell apart what its columns call equal."""
    names = [quote_name(str(name)) for name, _ in index.terms]
    return " OR ".join(f"NEW.{name} IS NOT OLD.{name} COLLATE BINARY" for name in names)


def _conflict(index: UniqueIndex, source: str, values: Mapping[str, str]) -> list[str]:
    """Conditions under which a row stands in the way in *index* of one with *values* (by column); the index finds such rows."""
    text = index_text(index.sql) if index.sql else None
    conditions = []
    for place, (name, collation) in enumerate(index.terms):
        collate = f"COLLATE {quote_name(collation)}"
        if name is not None:
            conditions.append(f"{quote_name(name)} {collate} = {values[name]}")
        elif text is not None:
            # The expression of the new row: its names are found in a row made of its values first.
            row = ", ".join(f"{value} AS {quote_name(column)}" for column, value in values.items())
            value = f"SELECT {text.terms[place]} FROM (SELECT {row}) AS {quote_name(source)}"
            conditions.append(f"({text.terms[place]}) {collate} = ({value})")
    if text is not None and text.where is not None:
        conditions.append(f"({text.where})")
    return conditions
