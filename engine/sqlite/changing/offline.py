"""The rebuild of a small table, and plain statements: all inside the caller's transaction."""

from collections import Counter
from collections.abc import Mapping

import apsw

from engine.errors import Refused
from engine.sqlite.changing.guard import RowGuard
from engine.sqlite.changing.keys import kept_rowid, key_of, rowid_name
from engine.sqlite.changing.misfit import misfit, told_of_rows
from engine.sqlite.changing.orphans import children, compared_as
from engine.sqlite.changing.swap import carry_sequence, drop_triggers, legacy_renames, rename_table
from engine.sqlite.quoting import quote_name
from engine.sqlite.spec import Rebuild


def rebuild_at_once(connection: apsw.Connection, rebuild: Rebuild) -> int:
    """Copy the table into its new form and put that in its place; the number of rows. Refused by any constraint.

    Hidden rowids survive, also as the numbers of a new INTEGER PRIMARY KEY. Foreign keys are off here, so dropping the
    source deletes no rows of its children.
    """
    connection.execute(rebuild.create)
    watched = [rebuild.source]
    if _parent_side_changed(connection, rebuild):
        watched += children(connection, rebuild)
    before = _violations(connection, watched)
    drop_triggers(connection, rebuild.source)
    copied = _copy(connection, rebuild)
    carry_sequence(connection, rebuild)
    connection.execute(f"DROP TABLE {quote_name(rebuild.source)}")
    with legacy_renames(connection):
        rename_table(connection, rebuild.shadow, rebuild.table)
    for index in rebuild.indexes:
        with told_of_rows(rebuild.table, index.sql):
            connection.execute(index.sql)
    for trigger in rebuild.triggers:
        connection.execute(trigger)
    _compare(rebuild, before, _violations(connection, [rebuild.table, *watched[1:]]))
    return copied


def _copy(connection: apsw.Connection, rebuild: Rebuild) -> int:
    new = [quote_name(column) for column, _ in rebuild.columns]
    old = [quote_name(column) for _, column in rebuild.columns]
    kept = kept_rowid(connection, rebuild)
    if kept is not None:
        new, old = [kept[0], *new], [kept[1], *old]
    RowGuard(connection, rebuild).check("true", _shown(connection, rebuild))
    try:
        connection.execute(
            f"""
            INSERT OR ABORT INTO {quote_name(rebuild.shadow)} ({", ".join(new)})
            SELECT {", ".join(old)} FROM {quote_name(rebuild.source)}
            """
        )
    except apsw.ConstraintError as error:
        what = str(error).replace(rebuild.shadow, rebuild.table)
        raise misfit(rebuild.table, what) from error
    return connection.changes()


def _shown(connection: apsw.Connection, rebuild: Rebuild) -> str:
    """SQL that names a row of the source (alias s) for people."""
    if rebuild.key:
        return key_of(rebuild).shown("s")
    rowid = rowid_name(connection, rebuild.source)
    return f"'{rowid} = ' || s.{rowid}" if rowid else "'a hidden rowid'"


# -- foreign keys -----------------------------------------------------------------------------------------------


Violations = Mapping[tuple[str, str], int]
"""How many rows of a table miss their parent in another: (table, parent), both lower case."""


def _violations(connection: apsw.Connection, tables: list[str]) -> Violations:
    found: Counter[tuple[str, str]] = Counter()
    for table in tables:
        try:
            rows = connection.execute(f"PRAGMA foreign_key_check({quote_name(table)})")
            found.update((table.lower(), str(parent).lower()) for _, _, parent, _ in rows)
        except apsw.SQLError:
            found[(table.lower(), "its foreign keys, which do not match")] = 1
    return found


def _compare(rebuild: Rebuild, before: Violations, after: Violations) -> None:
    for (table, parent), rows in after.items():
        earlier = rebuild.source.lower() if table == rebuild.table.lower() else table
        known = before.get((earlier, parent), 0)
        if rows > known:
            raise Refused(
                f"{rebuild.table}: {rows - known} rows of {table} would have no parent in {parent}; "
                "nothing was changed: correct the rows, then plan again"
            )


def _parent_side_changed(connection: apsw.Connection, rebuild: Rebuild) -> bool:
    """Whether children may see other keys than before: checking a large child takes long, so only then."""

    def side(table: str) -> set[tuple[str, str, str, int]]:
        key = connection.execute("SELECT name FROM pragma_table_xinfo(?) WHERE pk ORDER BY pk", (table,))
        places = {str(name).lower(): place for place, (name,) in enumerate(key.fetchall(), 1)}
        compared = compared_as(connection, table)
        return {(name, *kind, places.get(name, 0)) for name, kind in compared.items()}

    return bool(side(rebuild.source) - side(rebuild.shadow))
