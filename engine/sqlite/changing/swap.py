"""Exchange a table for its filled shadow, or take a large table out of sight, inside the caller's transaction.

Renaming is all that happens here, so it takes the same time for any number of rows. Tables are renamed by ALTER TABLE (which
looks after automatic indexes and sqlite_sequence), with legacy_alter_table on: else the references of other tables,
views and triggers would follow the old table. SQLite cannot rename an index, and dropping one takes time that grows with
its rows; so index names, and the foreign keys that a copy must not show, are changed in sqlite_schema itself. The
caller compares the outcome's fingerprint before it commits.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import apsw

from engine.sqlite.changing.keys import Names
from engine.sqlite.quoting import quote_name
from engine.sqlite.spec import HELPER_MARK, OLD_SUFFIX, Rebuild
from engine.sqlite.texts import has_word, with_index_name, with_parents_hidden, with_table_name


def swap(connection: apsw.Connection, rebuild: Rebuild, names: Names) -> None:
    """Make the shadow live under its final name with its indexes and triggers; the source becomes `names.old`."""
    drop_triggers(connection, rebuild.source)
    carry_sequence(connection, rebuild)
    with legacy_renames(connection):
        rename_table(connection, rebuild.source, names.old)
        rename_table(connection, rebuild.shadow, rebuild.table)
    with writable_schema(connection):
        _step_aside(connection, names.old)
        for index in rebuild.indexes:
            _set_index(connection, index.shadow_name, index.name, index.sql)
        if has_word(rebuild.create, "REFERENCES"):
            _set_table(connection, rebuild.table, with_table_name(rebuild.create, rebuild.table))
    connection.execute(f"DROP TABLE {quote_name(names.delta)}")
    connection.execute(f"DROP TABLE {quote_name(names.mark)}")
    for trigger in rebuild.triggers:
        connection.execute(trigger)


def set_aside(connection: apsw.Connection, table: str) -> None:
    """What DROP TABLE does for others, at once: *table* is gone under its name, its rows wait to be removed."""
    drop_triggers(connection, table)
    for statistics in ("sqlite_stat1", "sqlite_stat4"):
        if connection.table_exists("main", statistics):
            connection.execute(f"DELETE FROM {statistics} WHERE tbl = ?", (table,))
    with legacy_renames(connection):
        rename_table(connection, table, table + OLD_SUFFIX)
    with writable_schema(connection):
        _step_aside(connection, table + OLD_SUFFIX)


def rename_table(connection: apsw.Connection, old: str, new: str) -> None:
    """ALTER TABLE … RENAME."""
    connection.execute(f"ALTER TABLE {quote_name(old)} RENAME TO {quote_name(new)}")


def drop_triggers(connection: apsw.Connection, table: str) -> None:
    """Drop all triggers of *table*, the user's and ours."""
    rows = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND lower(tbl_name) = lower(?)", (table,)
    ).fetchall()
    for (name,) in rows:
        connection.execute(f"DROP TRIGGER {quote_name(str(name))}")


def carry_sequence(connection: apsw.Connection, rebuild: Rebuild) -> None:
    """An AUTOINCREMENT counter never goes back: not even below keys of rows that are deleted by now."""
    if not has_word(rebuild.create, "AUTOINCREMENT"):
        return
    last = connection.execute(
        "SELECT max(seq) FROM sqlite_sequence WHERE name IN (?, ?)", (rebuild.source, rebuild.shadow)
    ).get
    if last is not None:
        connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (rebuild.shadow,))
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (rebuild.shadow, last))


@contextmanager
def legacy_renames(connection: apsw.Connection) -> Iterator[None]:
    """Inside, a rename touches nothing but the table itself."""
    connection.execute("PRAGMA legacy_alter_table = ON")
    try:
        yield
    finally:
        connection.execute("PRAGMA legacy_alter_table = OFF")


@contextmanager
def writable_schema(connection: apsw.Connection) -> Iterator[None]:
    """Inside, sqlite_schema may be written; afterwards it is read anew."""
    connection.execute("PRAGMA writable_schema = ON")
    try:
        yield
    finally:
        connection.execute("PRAGMA writable_schema = RESET")


def _step_aside(connection: apsw.Connection, old: str) -> None:
    """Free the names of *old*'s indexes, and take *old* out of all foreign keys."""
    rows = connection.execute(
        """
        SELECT name, sql FROM sqlite_schema
         WHERE type = 'index' AND lower(tbl_name) = lower(?) AND sql IS NOT NULL
        """,
        (old,),
    ).fetchall()
    for name, sql in rows:
        if HELPER_MARK not in str(name):
            helper = f"{name}{OLD_SUFFIX}"
            _set_index(connection, str(name), helper, with_index_name(str(sql), helper))
    create = connection.execute(
        "SELECT sql FROM sqlite_schema WHERE type = 'table' AND lower(name) = lower(?)", (old,)
    ).get
    if has_word(str(create), "REFERENCES"):
        _set_table(connection, old, with_parents_hidden(str(create)))


def _set_index(connection: apsw.Connection, name: str, new_name: str, sql: str) -> None:
    connection.execute(
        "UPDATE sqlite_schema SET name = ?, sql = ? WHERE type = 'index' AND lower(name) = lower(?)",
        (new_name, sql, name),
    )


def _set_table(connection: apsw.Connection, name: str, sql: str) -> None:
    connection.execute(
        "UPDATE sqlite_schema SET sql = ? WHERE type = 'table' AND lower(name) = lower(?)", (sql, name)
    )
