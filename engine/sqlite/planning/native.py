"""SQLite's own ALTER TABLE: what it would take to change a table with it, tried in memory and kept only if it fits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import apsw

from engine.lexer import significant, without_comments
from engine.sqlite.catalog import Column, Relation
from engine.sqlite.planning.scratch import Scratch, blank
from engine.sqlite.quoting import quote_name, quote_names
from engine.table_text import Element, read_table_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Native:
    """Statements that lead to the wanted table; `scans`: their time grows with the rows; `rewrites`: with the size of the
    rows; `frees`: with an index's size.
    """

    statements: tuple[str, ...]
    scans: bool
    rewrites: bool
    frees: bool


@dataclass(slots=True)
class _Trial:
    scratch: Scratch
    statements: list[str] = field(default_factory=list)
    scans: bool = False
    rewrites: bool = False
    frees: bool = False

    def run(self, sql: str, *, scans: bool = False) -> None:
        self.scratch.connection.execute(sql)
        self.statements.append(sql)
        self.scans = self.scans or scans

    def drop_column(self, table: str, column: Column) -> None:
        """Every row is written anew, unless the column is none that is stored."""
        stored = column.hidden != 2
        self.run(f"ALTER TABLE {table} DROP COLUMN {quote_name(column.name)}", scans=stored)
        self.rewrites = self.rewrites or stored


def native_change(
    scratch: Scratch,
    now: Relation,
    wanted: Relation,
    renamed: Mapping[str, str],
    before: Sequence[str] = (),
    after: Sequence[str] = (),
) -> Native | None:
    """The native way from *now* to *wanted*, or None when there is none. Leaves *scratch* as it was.

    *renamed*: new column name (lower case) → old one. *before* and *after* are run around it (views out of the way).
    """
    trial = _Trial(scratch)
    with scratch.trial():
        try:
            for sql in before:
                trial.run(sql)
            fits = _alter(trial, now, wanted, renamed)
            for sql in after if fits else ():
                trial.run(sql)
        except apsw.SQLError:
            return None
    if not fits:
        return None
    return Native(
        statements=tuple(trial.statements), scans=trial.scans, rewrites=trial.rewrites, frees=trial.frees
    )


def _alter(trial: _Trial, now: Relation, wanted: Relation, renamed: Mapping[str, str]) -> bool:
    now = _rename(trial, now, wanted, renamed)
    _drop_parts(trial, now, wanted)
    table = quote_name(wanted.name)
    for column in now.columns:
        if wanted.column(column.name) is None:
            trial.drop_column(table, column)
    _nullability(trial, now, wanted)
    _drop_constraints(trial, now, wanted)
    for column in wanted.columns:
        if now.column(column.name) is None and not _add(trial, now, wanted, column):
            return False
    _add_checks(trial, now, wanted)
    if (current := trial.scratch.get(wanted.name)) is None or current.body != wanted.body:
        return False
    for key, index in sorted(wanted.indexes.items()):
        if not index.same(current.indexes.get(key)):
            trial.run(index.sql, scans=True)
    for key, trigger in sorted(wanted.triggers.items()):
        if not trigger.same(current.triggers.get(key)):
            trial.run(trigger.sql)
    return trial.scratch.fingerprint(wanted.name) == wanted.fingerprint


def _rename(trial: _Trial, now: Relation, wanted: Relation, renamed: Mapping[str, str]) -> Relation:
    table = quote_name(wanted.name)
    if now.name != wanted.name:
        trial.run(f"ALTER TABLE {quote_name(now.name)} RENAME TO {table}")
    for column in wanted.columns:
        old = now.column(renamed.get(column.name.lower(), column.name))
        if old is not None and old.name != column.name:
            trial.run(
                f"ALTER TABLE {table} RENAME COLUMN {quote_name(old.name)} TO {quote_name(column.name)}"
            )
    found = trial.scratch.get(wanted.name)
    assert found is not None
    return found


def _drop_parts(trial: _Trial, now: Relation, wanted: Relation) -> None:
    for key, trigger in sorted(now.triggers.items()):
        if not trigger.same(wanted.triggers.get(key)):
            trial.run(f"DROP TRIGGER {quote_name(trigger.name)}")
    for key, index in sorted(now.indexes.items()):
        if not index.same(wanted.indexes.get(key)):
            trial.run(f"DROP INDEX {quote_name(index.name)}")
            trial.frees = True


def _nullability(trial: _Trial, now: Relation, wanted: Relation) -> None:
    """SET and DROP NOT NULL: young in SQLite; an older library raises here, and the table is rebuilt."""
    table = quote_name(wanted.name)
    for column in wanted.columns:
        old = now.column(column.name)
        if old is None or old.not_null == column.not_null or column.key or old.key:
            continue
        action = "SET" if column.not_null else "DROP"
        trial.run(
            f"ALTER TABLE {table} ALTER COLUMN {quote_name(column.name)} {action} NOT NULL",
            scans=column.not_null,
        )


def _constraints(relation: Relation) -> dict[str, Element]:
    found = (element for element in read_table_text(relation.sql).elements if not element.column)
    return {" ".join(token.text.lower() for token in significant(element.text)): element for element in found}


def _drop_constraints(trial: _Trial, now: Relation, wanted: Relation) -> None:
    """DROP CONSTRAINT: as young. One without a name cannot be dropped; the comparison then tells."""
    kept = _constraints(wanted)
    for form, element in _constraints(now).items():
        if form not in kept and element.has("CONSTRAINT"):
            name = significant(element.text)[1].name
            trial.run(f"ALTER TABLE {quote_name(wanted.name)} DROP CONSTRAINT {quote_name(name)}")


def _add_checks(trial: _Trial, now: Relation, wanted: Relation) -> None:
    """ADD CHECK: SQLite adds no other constraint, and raises."""
    present = _constraints(now)
    for form, element in _constraints(wanted).items():
        if form not in present:
            trial.run(
                f"ALTER TABLE {quote_name(wanted.name)} ADD {without_comments(element.text)}", scans=True
            )


def _add(trial: _Trial, now: Relation, wanted: Relation, column: Column) -> bool:
    element = read_table_text(wanted.sql).column(column.name)
    if element is None or not _fits_rows(now, element):
        return False
    checked = element.has("CHECK") or wanted.strict or (column.generated and column.not_null)
    trial.run(
        f"ALTER TABLE {quote_name(wanted.name)} ADD COLUMN {without_comments(element.text)}", scans=checked
    )
    return True


def _fits_rows(now: Relation, element: Element) -> bool:
    """Whether the column may be added to a table that has rows: SQLite only finds out when there is one."""
    probe = blank()
    try:
        names = [column.name for column in now.columns]
        types = ", ".join(f"{quote_name(name)} ANY" for name in names)
        probe.execute(f"CREATE TABLE {quote_name(now.name)} ({types}){' STRICT' if now.strict else ''}")
        nulls = ", ".join("NULL" for _ in names)
        probe.execute(f"INSERT INTO {quote_name(now.name)} ({quote_names(names)}) VALUES ({nulls})")  # noqa: S608
        probe.execute(f"ALTER TABLE {quote_name(now.name)} ADD COLUMN {without_comments(element.text)}")
    except apsw.Error:
        return False
    finally:
        probe.close()
    return True
