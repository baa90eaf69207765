"""Read the tables of a schema, live or scratch, as records with their canonical text.

A table reads the same wherever it stands: neither its schema's name nor what SchemaBot puts there for a while is in the record.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from engine.errors import Refused
from engine.mysql.elements import foreign_key_of, index_of
from engine.mysql.link import Link
from engine.mysql.names import is_capture, is_helper_name
from engine.mysql.quoting import quote_table
from engine.mysql.shown import joined, pieces, read_shown, readable
from engine.mysql.spec import DELTA_SUFFIX
from engine.mysql.tables import OWN_KEY, Check, Column, Table
from engine.mysql.trouble import NO_SUCH_PLACE, Tolerated

_BROKEN_VIEW = 1356
_NOT_BASE = hashlib.sha256(b"not a base table").hexdigest()[:32]

_COLUMNS = """
    SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, CHARACTER_SET_NAME,
           COLLATION_NAME, EXTRA, GENERATION_EXPRESSION
    FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s {only} ORDER BY TABLE_NAME, ORDINAL_POSITION
"""
_OWN_COLUMNS = _COLUMNS.replace("{only}", f"AND COLUMN_NAME = '{OWN_KEY}' {{only}}")
_TABLES = """
    SELECT TABLE_NAME, TABLE_TYPE, TABLE_COLLATION
    FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s {only} ORDER BY TABLE_NAME
"""
_TRIGGERS = f"""
    SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME, LOCATE('{DELTA_SUFFIX}', ACTION_STATEMENT)
    FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s {{only}} ORDER BY EVENT_OBJECT_TABLE, TRIGGER_NAME
"""  # noqa: S608


def read_tables(link: Link, schema: str, *, stands_for: Mapping[str, str] | None = None) -> dict[str, Table]:
    """The base tables of *schema* by name, sorted; none of SchemaBot's own.

    *stands_for*: the schemas that scratch ones stand for; the tables are read as if they were there.
    """
    return _read(link, schema, stands_for or {}, None)


def read_table(
    link: Link, schema: str, name: str, *, stands_for: Mapping[str, str] | None = None
) -> Table | None:
    """One table, a helper too; None when there is none. Refused for a view, a sequence or a system-versioned table."""
    found = _read(link, schema, stands_for or {}, name)
    if not found and (kind := _kind(link, schema, name)) is not None:
        raise Refused(f"{name}: a {kind} of that name is in the way; it cannot be changed here")
    return next(iter(found.values()), None)


def fingerprints(link: Link, schema: str, names: Iterable[str]) -> dict[str, str | None]:
    """What each of the tables is now; None: it is not there. A view or the like has a fingerprint that no table has."""
    found: dict[str, str | None] = {}
    for name in names:
        table = next(iter(_read(link, schema, {}, name).values()), None)
        found[name] = table.fingerprint if table else (_kind(link, schema, name) and _NOT_BASE)
    return found


def others(link: Link, schema: str) -> dict[str, str]:
    """What is named like a table in *schema* and is none that a plan changes, as kind by name: all that is not a base table, and
    helper tables that stand about.
    """
    found = {}
    for name, kind, _ in link.rows(_TABLES.format(only=""), schema):
        if kind != "BASE TABLE":
            found[name] = kind.lower().replace("system versioned", "system-versioned table")
        elif is_helper_name(name):
            found[name] = "helper table"
    return found


def unmanaged(link: Link, schema: str) -> tuple[tuple[str, str], ...]:
    """What a plan leaves alone in *schema*, as (kind, name)."""
    found = [(kind, name) for name, kind in others(link, schema).items()]
    found += [("trigger", name) for _, name in _triggers(link, schema, None)]
    for kind, name in link.rows(
        "SELECT LOWER(ROUTINE_TYPE), ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s",
        schema,
    ):
        found.append((kind, name))
    for (name,) in link.rows(
        "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s", schema
    ):
        found.append(("event", name))
    return tuple(sorted(found))


def plainly(link: Link) -> AbstractContextManager[None]:
    """The session as the texts here are read: backticks and backslashes mean what they usually do; an invisible primary key
    that the server made by itself is out of sight, as it is in the files. Texts come as the server has them: where MySQL
    translates them for us, it makes a ? of each byte of what does not fit its own character set of three bytes.

    Not one inside another: it puts back what every connection starts with.
    """
    # SHOW VARIABLES would have the server look at all that it has, for each table that is read.
    mode = link.value("SELECT @@SESSION.sql_mode")
    return link.having(
        {"sql_mode": "NO_AUTO_VALUE_ON_ZERO", "character_set_results": None},
        {"sql_mode": mode, "character_set_results": "utf8mb4"},
        more=(_own_keys(shown=0), _own_keys(shown=1)),
    )


def _own_keys(*, shown: int) -> str:
    """MariaDB has none."""
    return f" /*!80000 , SESSION show_gipk_in_create_table_and_information_schema = {shown} */"


def exists(link: Link, kind: str, schema: str, name: str) -> bool:
    """Whether *schema* has a *kind* (TABLE, of whatever sort, or TRIGGER) of that *name*."""
    found = link.value(
        f"SELECT COUNT(*) FROM information_schema.{kind}S WHERE {kind}_SCHEMA = %s AND {kind}_NAME = %s",  # noqa: S608
        schema,
        name,
    )
    return bool(found)


def told_of(link: Link, schema: str, name: str, column: str) -> str | None:
    """What information_schema.TABLES has in *column* of a table, or whatever has its name; None: nothing, or it is not there."""
    found = link.value(
        f"SELECT {column} FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",  # noqa: S608
        schema,
        name,
    )
    return None if found is None else str(found)


def show_create(link: Link, schema: str, name: str) -> str | None:
    """The server's own text of a table, None when there is none."""
    with Tolerated(*NO_SUCH_PLACE, _BROKEN_VIEW):
        return readable(link.raw_rows(f"SHOW CREATE TABLE {quote_table(schema, name)}")[0][1])
    return None


def _read(link: Link, schema: str, stands_for: Mapping[str, str], only: str | None) -> dict[str, Table]:
    with plainly(link):
        shapes = {
            name: collation
            for name, kind, collation in link.rows(*_narrowed(_TABLES, schema, "TABLE_NAME", only))
            if kind == "BASE TABLE" and (only is not None or not is_helper_name(name))
        }
        columns: dict[str, list[Sequence[str | None]]] = {name: [] for name in shapes}
        for row in link.rows(*_narrowed(_COLUMNS, schema, "TABLE_NAME", only)):
            if row[0] in columns:
                columns[row[0]].append(row[1:])
        triggers: dict[str, list[str]] = {}
        for table, trigger in _triggers(link, schema, only):
            triggers.setdefault(table, []).append(trigger)
        found = {}
        for name, collation in shapes.items():
            text = show_create(link, schema, name)
            if text is not None:  # else dropped since it was listed
                found[name] = _table(
                    schema, stands_for, text, columns[name], collation, tuple(triggers.get(name, ()))
                )
    return _with_own_keys(link, schema, found, only)


def _with_own_keys(link: Link, schema: str, tables: dict[str, Table], only: str | None) -> dict[str, Table]:
    """The tables with what `plainly` hides."""
    bare = {name for name, table in tables.items() if not (table.index("PRIMARY") or table.column(OWN_KEY))}
    for row in link.rows(*_narrowed(_OWN_COLUMNS, schema, "TABLE_NAME", only)) if bare else ():
        if row[0] in bare:
            own_key = _column(row[1:], {OWN_KEY: f"`{OWN_KEY}` {row[3]} NOT NULL AUTO_INCREMENT"})
            tables[row[0]] = replace(tables[row[0]], own_key=own_key)
    return tables


def _narrowed(query: str, schema: str, column: str, only: str | None) -> tuple[str, ...]:
    if only is None:
        return query.format(only=""), schema
    return query.format(only=f"AND {column} = %s"), schema, only


def _triggers(link: Link, schema: str, only: str | None) -> list[tuple[str, str]]:
    rows = link.rows(*_narrowed(_TRIGGERS, schema, "EVENT_OBJECT_TABLE", only))
    return [(table, name) for table, name, notes in rows if not (notes and is_capture(table, name))]


def _kind(link: Link, schema: str, name: str) -> str | None:
    found = told_of(link, schema, name, "TABLE_TYPE")
    return found and found.lower()


def _table(
    schema: str,
    stands_for: Mapping[str, str],
    text: str,
    columns: Sequence[Sequence[str | None]],
    collation: str,
    triggers: tuple[str, ...],
) -> Table:
    plain = {str(row[0]) for row in columns if row[6] is not None and row[6] == collation}
    home = stands_for.get(schema, schema)
    shown = read_shown(text, {schema: home, **stands_for}, home, plain)
    return Table(
        schema=home,
        name=shown.name,
        text=shown.text,
        columns=tuple(_column(row, shown.columns) for row in columns if row[0] in shown.columns),
        indexes=tuple(index_of(name, line) for name, line in shown.indexes.items()),
        foreign_keys=tuple(foreign_key_of(name, line, home) for name, line in shown.foreign_keys.items()),
        checks=tuple(Check(name=name, line=line) for name, line in shown.checks.items()),
        options=shown.options,
        partitions=shown.partitions,
        periods=shown.periods,
        counter=shown.counter,
        triggers=triggers,
    )


def _column(row: Sequence[str | None], lines: Mapping[str, str]) -> Column:
    name, data_type, column_type, nullable, default, charset, collation, extra, expression = row
    words = (extra or "").upper()
    return Column(
        name=str(name),
        line=lines[str(name)],
        data_type=str(data_type).lower(),
        column_type=_without_notes(str(column_type)),
        nullable=nullable == "YES",
        default=None
        if default == "NULL" and " DEFAULT NULL" in lines[str(name)]
        else default,  # MariaDB's way
        charset=charset,
        collation=collation,
        generated=next((kind for kind in ("VIRTUAL", "STORED") if f"{kind} GENERATED" in words), ""),
        expression=expression or "",
        auto_increment="AUTO_INCREMENT" in words,
    )


def _without_notes(column_type: str) -> str:
    """datetime /* mariadb-5.3 */ is a datetime."""
    return joined(list(pieces(column_type))) if "/*" in column_type else column_type
