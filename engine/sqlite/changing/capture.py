"""The triggers that note which rows changed while a table is copied.

They append keys to the delta table and do nothing else, so no write of the application can fail because of the copy. The
delta table has no constraint of its own: an `INSERT OR REPLACE` or `OR IGNORE` of the application carries its conflict
clause into our INSERT.

A unique conflict under OR REPLACE removes rows without firing a DELETE trigger (unless recursive_triggers is on). The
BEFORE triggers note the keys of the rows that stand in the way; to note one too many is harmless, for the row is
read again. Rows that another trigger brings in between are noted by its own write.
"""

import apsw

from engine.sqlite.changing.keys import Key, Names, UniqueIndex, rowid_name, unique_indexes
from engine.sqlite.quoting import quote_name
from engine.sqlite.spec import Rebuild
from engine.sqlite.texts import index_text


def capture_triggers(connection: apsw.Connection, rebuild: Rebuild, names: Names, key: Key) -> list[str]:
    """The CREATE TRIGGER statements for the source of *rebuild*."""
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
    select = f"{note} {', '.join(key.columns)} FROM {quote_name(rebuild.source)} WHERE"
    found = []
    for index in unique_indexes(connection, rebuild.source):
        conditions = _conflict(index, rebuild.source, columns)
        if update and not index.partial and all(name for name, _ in index.terms):
            changed = (
                f"NEW.{quote_name(str(name))} IS NOT OLD.{quote_name(str(name))}" for name, _ in index.terms
            )
            conditions.append(f"({' OR '.join(changed)})")
        found.append(f"{select} {' AND '.join(conditions)};")
    rowid = None if rebuild.rowid_key else rowid_name(connection, rebuild.source)
    if rowid is not None:
        changed_rowid = f" AND NEW.{rowid} IS NOT OLD.{rowid}" if update else ""
        found.append(f"{select} {rowid} = NEW.{rowid}{changed_rowid};")
    return found


def _conflict(index: UniqueIndex, source: str, columns: list[str]) -> list[str]:
    """Conditions under which a row stands in the way of NEW in *index*; the index itself can find such rows."""
    text = index_text(index.sql) if index.sql else None
    conditions = []
    for place, (name, collation) in enumerate(index.terms):
        collate = f"COLLATE {quote_name(collation)}"
        if name is not None:
            conditions.append(f"{quote_name(name)} {collate} = NEW.{quote_name(name)}")
        elif text is not None:
            # The expression of the new row: its names are found in a row made of NEW's values first.
            values = ", ".join(f"NEW.{quote_name(c)} AS {quote_name(c)}" for c in columns)
            value = f"SELECT {text.terms[place]} FROM (SELECT {values}) AS {quote_name(source)}"
            conditions.append(f"({text.terms[place]}) {collate} = ({value})")
    if text is not None and text.where is not None:
        conditions.append(f"({text.where})")
    return conditions
