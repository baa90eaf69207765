"""What a rebuild of a table consists of: the shadow's text, the column mapping, the key to walk by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import apsw

from engine.lexer import significant
from engine.sqlite.affinity import affinity, type_changed
from engine.sqlite.catalog import Column, Part, Relation
from engine.sqlite.forms import name_at
from engine.sqlite.planning.scratch import blank, load_text
from engine.sqlite.quoting import quote_name
from engine.sqlite.spec import SHADOW_SUFFIX, IndexSpec, Rebuild
from engine.sqlite.walking import walkable_indexes


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A unique key over NOT NULL columns, in key order."""

    columns: tuple[str, ...]
    rowid: bool = False  # it is the INTEGER PRIMARY KEY


def make_rebuild(
    now: Relation, wanted: Relation, renamed: Mapping[str, str], keys: Sequence[Key], new_keys: Sequence[Key]
) -> Rebuild:
    """The rebuild of *now*, under the name it has, into *wanted*. *keys*: the stable keys of the live table, best first.

    A rename of the table itself is not part of it (`after_swap`): only SQLite's own RENAME repoints what refers to it.
    """
    columns = copied_columns(now, wanted, renamed)
    new_of = {old.lower(): new for new, old in columns}
    pairs = [(key, tuple(new_of.get(name.lower(), "") for name in key.columns)) for key in keys]
    kept = [(key, names) for key, names in pairs if _still_unique(now, wanted, key, names, new_keys)]
    key, new_key = kept[0] if kept else (Key(columns=()), ())
    table = now.name if now.name.lower() != wanted.name.lower() else wanted.name
    shadow = table + SHADOW_SUFFIX
    return Rebuild(
        source=now.name,
        table=table,
        shadow=shadow,
        create=shadow_text(wanted, shadow),
        columns=columns,
        key=key.columns,
        new_key=new_key,
        rowid_key=key.rowid,
        indexes=tuple(index_spec(index, table, shadow) for _, index in sorted(wanted.indexes.items())),
        triggers=trigger_texts(wanted) if table == wanted.name else (),
        exact=_converted(now, wanted, columns),
    )


def after_swap(now: Relation, wanted: Relation) -> tuple[str, ...]:
    """What follows the rebuild of a table that is renamed, too."""
    if now.name.lower() == wanted.name.lower():
        return ()
    return (f"ALTER TABLE {quote_name(now.name)} RENAME TO {quote_name(wanted.name)}", *trigger_texts(wanted))


def trigger_texts(wanted: Relation) -> tuple[str, ...]:
    """The texts of its triggers, sorted by name."""
    return tuple(trigger.sql for _, trigger in sorted(wanted.triggers.items()))


def _still_unique(
    now: Relation, wanted: Relation, key: Key, new_key: tuple[str, ...], new_keys: Sequence[Key]
) -> bool:
    """Whether the key finds the same rows in the new table: all there, of the same types, and unique."""
    if not all(new_key):
        return False
    pairs = zip(key.columns, new_key, strict=True)
    types = [(now.column(old), wanted.column(new)) for old, new in pairs]
    for old, new in types:
        if (
            old is None
            or new is None
            or affinity(old, strict=now.strict) != affinity(new, strict=wanted.strict)
        ):
            return False
    names = {name.lower() for name in new_key}
    return any({name.lower() for name in other.columns} == names for other in new_keys)


def copied_columns(
    now: Relation, wanted: Relation, renamed: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    """(new column, live column) for every column whose values are taken over."""
    pairs = []
    for column in wanted.columns:
        old = source_column(now, column, renamed)
        if old is not None and not column.generated:
            pairs.append((column.name, old.name))
    return tuple(pairs)


def _converted(now: Relation, wanted: Relation, columns: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """The new columns, of those taken over, whose type may alter values."""
    pairs = [(wanted.column(new), now.column(old)) for new, old in columns]
    return tuple(new.name for new, old in pairs if new and old and type_changed(old, new, now, wanted))


def no_column_stays(now: Relation, wanted: Relation, renamed: Mapping[str, str]) -> bool:
    """Whether the new table takes over no value at all: it is another table of the same name."""
    return not copied_columns(now, wanted, renamed)


def source_column(now: Relation, column: Column, renamed: Mapping[str, str]) -> Column | None:
    """The live column that a desired one takes its values from."""
    return now.column(renamed.get(column.name.lower(), column.name))


def shadow_text(wanted: Relation, shadow: str) -> str:
    """The wanted CREATE TABLE under the shadow's name, written by SQLite itself (renamed in memory and read back).

    With legacy_alter_table only the name changes: a foreign key of the table to itself keeps pointing at the final name.
    """
    connection = blank()
    try:
        load_text(connection, wanted.sql)
        connection.execute("PRAGMA legacy_alter_table = ON")
        connection.execute(f"ALTER TABLE {quote_name(wanted.name)} RENAME TO {quote_name(shadow)}")
        return str(connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (shadow,)).get)
    finally:
        connection.close()


def index_spec(index: Part, table: str, shadow: str) -> IndexSpec:
    """The index under both its names: on *table* as it is called right after the swap, and on the *shadow*."""
    shadow_name = index.name + SHADOW_SUFFIX
    return IndexSpec(
        name=index.name,
        sql=_index_text(index.sql, index.name, table),
        shadow_name=shadow_name,
        shadow_sql=_index_text(index.sql, shadow_name, shadow),
    )


def _index_text(sql: str, name: str, table: str) -> str:
    """The CREATE INDEX text with its own name and its table's replaced, where they differ."""
    found = significant(sql)
    at = name_at(found)
    assert found[at + 1].word == "ON"
    for token, new in ((found[at + 2], table), (found[at], name)):  # from behind: offsets stay true
        if token.name.lower() != new.lower():
            sql = sql[: token.start] + quote_name(new) + sql[token.end :]
    return sql


def stable_keys(connection: apsw.Connection, relation: Relation) -> list[Key]:
    """The keys a table can be walked by, best first: unique, never NULL, walked in the order its columns compare in."""
    if relation.kind != "table":
        return []
    own = [column for column in relation.columns if column.key]
    has_own_index = connection.execute(
        "SELECT count(*) FROM pragma_index_list(?) WHERE origin = 'pk'", (relation.name,)
    ).get
    keys = []
    if (
        len(own) == 1
        and own[0].type.upper() == "INTEGER"
        and not relation.without_rowid
        and not has_own_index
    ):
        keys.append(Key(columns=(own[0].name,), rowid=True))
    walkable = walkable_indexes(connection, relation.name)
    return keys + [Key(columns=names) for names in walkable if all(_stays(relation, name) for name in names)]


def _stays(relation: Relation, name: str) -> bool:
    """Whether a column is one for a key to be copied by: never NULL, and not computed."""
    column = relation.column(name)
    if column is None or column.generated:
        return False
    return column.not_null or (relation.without_rowid and bool(column.key))
