"""Foreign keys that refer to nothing they could: every write to such a table fails once an application enforces keys."""

from collections.abc import Iterable

import apsw

from engine.sqlite.catalog import Catalog, Relation
from engine.sqlite.quoting import quote_name

MISMATCH = "foreign key mismatch"  # how SQLite's message begins


def foreign_key_mismatches(connection: apsw.Connection, relations: Iterable[Relation]) -> dict[str, str]:
    """Tables whose foreign keys name no unique key of an existing parent: name → SQLite's reason."""
    found = {}
    for relation in relations:
        if relation.kind == "table" and relation.foreign_keys:
            try:
                connection.execute(f"PRAGMA foreign_key_check({quote_name(relation.name)})").fetchall()
            except apsw.SQLError as error:
                found[relation.name] = str(error)
    return found


def unanswered(connection: apsw.Connection, catalog: Catalog) -> dict[str, str]:
    """The mismatches, and the tables whose parent does not exist: name → reason. *connection* should hold no rows."""
    found = foreign_key_mismatches(connection, catalog)
    for relation in catalog:
        missing = sorted({key.table for key in relation.foreign_keys if catalog.get(key.table) is None})
        if missing:
            found[relation.name] = f"{relation.name} refers to {', '.join(missing)}, which does not exist"
    return found
