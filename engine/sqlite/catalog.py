"""What a SQLite database holds, read the same way from the live file and from :memory:, and its fingerprints.

Our own objects on a target (OWN_PREFIX tables, anything with HELPER_MARK in its name) and SQLite's internals are invisible.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import apsw

from engine.sqlite.forms import normal_form
from engine.sqlite.spec import HELPER_MARK, OWN_PREFIX


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column as `table_xinfo` tells it."""

    name: str
    type: str
    not_null: bool
    default: str | None  # SQL text
    key: int  # place in the primary key, from 1; 0: not in it
    hidden: int  # 0 plain, 1 hidden (virtual tables), 2 generated virtual, 3 generated stored

    @property
    def generated(self) -> bool:
        """Whether its value is computed."""
        return self.hidden in (2, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignKey:
    """A foreign key; `to` is empty where the parent's primary key is meant."""

    table: str
    columns: tuple[str, ...]
    to: tuple[str, ...]
    rules: tuple[str, str, str]  # on update, on delete, match


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An index or a trigger of a table, or an INSTEAD OF trigger of a view."""

    name: str
    sql: str
    form: str

    def same(self, other: "Part | None") -> bool:
        """Equal in name and normalised text."""
        return other is not None and (self.name, self.form) == (other.name, other.form)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table or view with what belongs to it."""

    kind: str  # table | view | virtual
    name: str
    sql: str
    form: str
    columns: tuple[Column, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    without_rowid: bool = False
    strict: bool = False
    indexes: Mapping[str, Part] = field(default_factory=dict)  # by lower-case name
    triggers: Mapping[str, Part] = field(default_factory=dict)  # by lower-case name

    @property
    def body(self) -> tuple[object, ...]:
        """All that makes the table itself, its indexes and triggers left out. Equal bodies: the same table."""
        columns = tuple(
            (c.name, " ".join(c.type.lower().split()), c.not_null, c.key, c.hidden) for c in self.columns
        )
        keys = tuple(
            (k.table.lower(), tuple(c.lower() for c in k.columns), tuple(c.lower() for c in k.to), k.rules)
            for k in self.foreign_keys
        )
        return (self.kind, self.name, self.form, columns, keys, self.without_rowid, self.strict)

    @property
    def fingerprint(self) -> str:
        """A digest that is equal exactly where body, indexes and triggers are."""
        parts = [
            sorted((part.name, part.form) for part in group.values())
            for group in (self.indexes, self.triggers)
        ]
        return hashlib.sha256(json.dumps([self.body, *parts]).encode()).hexdigest()

    def column(self, name: str) -> Column | None:
        """The column called *name*, letter case aside."""
        lowered = name.lower()
        return next((column for column in self.columns if column.name.lower() == lowered), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """The managed tables and views by lower-case name, and what is left alone (as `kind name`)."""

    relations: Mapping[str, Relation]
    unmanaged: tuple[str, ...] = ()

    def get(self, name: str) -> Relation | None:
        """The table or view called *name* (letter case aside), or None."""
        return self.relations.get(name.lower())

    def fingerprint(self, name: str) -> str | None:
        """Digest of the table with its indexes and triggers, or of the view; None when there is none."""
        found = self.get(name)
        return found.fingerprint if found else None

    def names(self) -> list[str]:
        """Names of all tables and views, sorted."""
        return sorted(relation.name for relation in self.relations.values())

    def fingerprints(self) -> dict[str, str]:
        """Digest of every table and view, by name."""
        return {name: self.relations[name.lower()].fingerprint for name in self.names()}

    def __iter__(self) -> Iterator[Relation]:
        return iter(sorted(self.relations.values(), key=lambda relation: relation.name.lower()))


def read_catalog(connection: apsw.Connection, only: Collection[str] | None = None) -> Catalog:
    """Everything in the main schema of *connection*, or the tables and views named in *only* (faster).

    Reads several tables of the schema: inside a transaction when others may change it meanwhile.
    """
    rows = _schema_rows(connection, only)
    flags = _table_flags(connection, rows if only is not None else None)
    unmanaged = _unmanaged(rows, flags, _modules(connection, rows))
    relations: dict[str, Relation] = {}
    for kind, name, _, sql in rows:
        lowered = name.lower()
        if kind in ("table", "view") and sql is not None and visible(name) and lowered not in unmanaged:
            relations[lowered] = _relation(
                connection, kind, name, sql, flags.get(lowered, ("table", False, False))
            )
    _attach(relations, rows)
    return Catalog(relations=relations, unmanaged=tuple(sorted(unmanaged.values())))


_Row = tuple[str, str, str, str | None]  # kind, name, table, sql


def _schema_rows(connection: apsw.Connection, only: Collection[str] | None) -> list[_Row]:
    # SQLite's lower() knows ASCII only, Python's all of Unicode: with other letters in play everything is read.
    asked = None if only is None or not all(name.isascii() for name in only) else json.dumps(sorted(only))
    found = connection.execute(
        """SELECT type, name, tbl_name, sql FROM sqlite_schema
            WHERE ?1 IS NULL OR lower(tbl_name) IN (SELECT lower(value) FROM json_each(?1))""",
        (asked,),
    )
    return [
        (str(kind), str(name), str(table), None if sql is None else str(sql))
        for kind, name, table, sql in found
    ]


def _modules(connection: apsw.Connection, rows: list[_Row]) -> set[str]:
    """Names of the virtual table modules in this build; not asked when nothing is virtual."""
    if not any(sql is not None and _module(sql) for _, _, _, sql in rows):
        return set()
    return {str(name).lower() for (name,) in connection.execute("SELECT name FROM pragma_module_list")}


def visible(name: str) -> bool:
    """Whether *name* is the user's: not SQLite's own, not one of our helpers."""
    lowered = name.lower()
    return not lowered.startswith(("sqlite_", OWN_PREFIX)) and HELPER_MARK not in lowered


def _table_flags(connection: apsw.Connection, rows: list[_Row] | None) -> dict[str, tuple[str, bool, bool]]:
    """Type, WITHOUT ROWID and STRICT of all tables, or of those among *rows*."""
    if rows is None:
        found = connection.execute(
            "SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main'"
        ).fetchall()
    else:
        found = [
            flags
            for kind, name, _, _ in rows
            if kind == "table"
            for flags in connection.execute(
                "SELECT name, type, wr, strict FROM pragma_table_list(?) WHERE schema = 'main'", (name,)
            )
        ]
    return {str(name).lower(): (str(kind), bool(wr), bool(strict)) for name, kind, wr, strict in found}


def _unmanaged(
    rows: list[tuple[str, str, str, str | None]],
    flags: Mapping[str, tuple[str, bool, bool]],
    modules: set[str],
) -> dict[str, str]:
    found = {}
    for kind, name, _, sql in rows:
        lowered = name.lower()
        if kind == "table" and lowered.startswith("sqlite_"):
            found[lowered] = f"internal table {name}"
        elif flags.get(lowered, ("", False, False))[0] == "shadow":
            found[lowered] = f"shadow table {name}"
        elif sql is not None and (module := _module(sql)) and module not in modules:
            # Without its module the table cannot be read, nor SQLite say which tables are its shadows.
            found[lowered] = f"virtual table {name} (module {module} is not in this build)"
            found.update(
                {other.lower(): f"table {other}" for k, other, _, _ in rows
                 if k == "table" and other.lower().startswith(lowered + "_")}
            )  # fmt: skip
    return found


def _module(sql: str) -> str:
    """The module of a virtual table, lower case; empty for anything else."""
    if "virtual" not in sql[:32].lower():
        return ""
    words = sql.split(None, 2)
    if len(words) < 3 or words[1].upper() != "VIRTUAL":
        return ""
    form = normal_form(sql).split()
    return form[1] if len(form) > 1 and form[0] == "using" else ""


def _relation(
    connection: apsw.Connection, kind: str, name: str, sql: str, flags: tuple[str, bool, bool]
) -> Relation:
    if kind == "view":
        return Relation(
            kind=kind, name=name, sql=sql, form=normal_form(sql, keep_case=True), indexes={}, triggers={}
        )
    columns = tuple(
        Column(name=c, type=t or "", not_null=bool(n), default=d, key=k, hidden=h)
        for c, t, n, d, k, h in connection.execute(
            'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?)', (name,)
        )
    )
    return Relation(
        kind="virtual" if flags[0] == "virtual" else "table",
        name=name,
        sql=sql,
        form=normal_form(sql, frozenset(c.name.lower() for c in columns) | {name.lower()}),
        columns=columns,
        foreign_keys=_foreign_keys(connection, name),
        without_rowid=flags[1],
        strict=flags[2],
        indexes={},
        triggers={},
    )


def _foreign_keys(connection: apsw.Connection, name: str) -> tuple[ForeignKey, ...]:
    keys: dict[int, list[tuple[str, str, str | None, tuple[str, str, str]]]] = {}
    for number, table, column, to, *rules in connection.execute(
        """SELECT id, "table", "from", "to", on_update, on_delete, "match"
             FROM pragma_foreign_key_list(?) ORDER BY id DESC, seq""",
        (name,),
    ):
        keys.setdefault(int(number), []).append((table, column, to, (rules[0], rules[1], rules[2])))
    return tuple(
        ForeignKey(
            table=rows[0][0],
            columns=tuple(column for _, column, _, _ in rows),
            to=tuple(to for _, _, to, _ in rows if to is not None),
            rules=rows[0][3],
        )
        for rows in keys.values()
    )


def _attach(relations: dict[str, Relation], rows: list[_Row]) -> None:
    """Put indexes and triggers into their tables' (still open) mappings. Automatic indexes belong to the body."""
    for kind, name, table, sql in rows:
        owner = relations.get(table.lower())
        if owner is None or sql is None or not visible(name) or kind not in ("index", "trigger"):
            continue
        names = frozenset(column.name.lower() for column in owner.columns) | {owner.name.lower()}
        group = owner.indexes if kind == "index" else owner.triggers
        assert isinstance(group, dict)
        group[name.lower()] = Part(name=name, sql=sql, form=normal_form(sql, names))
