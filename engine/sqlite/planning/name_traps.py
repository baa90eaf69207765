"""Names on a target that a plan must not step on: those it would mix up, and those of our kind that are not ours."""

import re
from collections.abc import Iterable

import apsw

from engine.base import Finding, Severity
from engine.errors import Refused
from engine.sqlite.catalog import Catalog
from engine.sqlite.planning.drafts import Draft
from engine.sqlite.spec import HELPER_MARK, OWN_PREFIX

Stranger = tuple[str, str, str]  # kind, name, table
_ASCII_UPPER = re.compile("[A-Z]")


def refuse_lookalikes(connection: apsw.Connection, catalog: Catalog) -> None:
    """Refused when two names differ only in the case of letters beyond ASCII.

    They are two for SQLite and one for Python's `lower`, by which everything here is found: one would be taken for the other.
    """
    tables = connection.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")
    _refuse_pairs("the tables", (str(name) for (name,) in tables.fetchall()))
    for relation in catalog:
        _refuse_pairs(f"{relation.name}: the columns", (column.name for column in relation.columns))


def _refuse_pairs(what: str, names: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if _sqlite_lower(other) != _sqlite_lower(name):
            raise Refused(
                f"{what} {other} and {name} differ only in the case of letters beyond ASCII and could be "
                "taken for each other: rename one of them"
            )


def _sqlite_lower(name: str) -> str:
    return _ASCII_UPPER.sub(lambda found: found.group().lower(), name)


def strangers(connection: apsw.Connection) -> list[Stranger]:
    """Objects called as our helpers are, where no apply of ours has left anything: the catalogue does not show them."""
    if connection.table_exists("main", f"{OWN_PREFIX}owner"):
        return []
    rows = connection.execute(
        """
        SELECT type, name, tbl_name FROM sqlite_schema
         WHERE instr(lower(name), ?1) OR substr(lower(name), 1, length(?2)) = ?2
         ORDER BY type, name
        """,
        (HELPER_MARK, OWN_PREFIX),
    )
    return [
        (str(kind), str(name), str(table))
        for kind, name, table in rows
        if not str(name).startswith("sqlite_")
    ]


def unmanaged_strangers(found: Iterable[Stranger]) -> tuple[str, ...]:
    """They are left alone, and said to be."""
    return tuple(f"{kind} {name} (a reserved name)" for kind, name, _ in found)


def in_the_way(found: Iterable[Stranger], drafts: Iterable[Draft]) -> list[Finding]:
    """Those that a rebuild would lose (they are not made again) or stumble over."""
    rebuilds = [draft for draft in drafts if draft.step.rebuild is not None]
    return [
        Finding(
            severity=Severity.BLOCKED,
            linter="reserved_name",
            message=f"the {kind} {name} is in the way of the rebuild of {draft.step.source}: names with {HELPER_MARK} in them "
            "are SchemaBot's; rename or drop it",
            table=draft.name,
        )
        for draft in rebuilds
        for kind, name, table in found
        if _touches(draft.step.source.lower(), name.lower(), table.lower())
    ]


def _touches(source: str, name: str, table: str) -> bool:
    return table == source or name.startswith(source + HELPER_MARK)
