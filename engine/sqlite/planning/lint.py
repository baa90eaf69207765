"""What a person should know about the shape of a change: losses, keys, renames. Only what the change itself brings in."""

from collections.abc import Iterable, Iterator, Mapping

from engine.annotations import advice
from engine.base import Finding, Severity
from engine.sqlite.catalog import Catalog, Column, ForeignKey, Part, Relation
from engine.sqlite.forms import normal_form
from engine.sqlite.planning.desired import Desired
from engine.sqlite.planning.drafts import Draft
from engine.sqlite.planning.foreign_keys import MISMATCH, unanswered
from engine.sqlite.planning.rebuild_sql import source_column
from engine.sqlite.planning.renames import Renames

_LOST = "its definition, which no file has, is lost"


class Linter:
    """Judges drafts of one plan against the live and the desired schema."""

    def __init__(self, live: Catalog, desired: Desired, renames: Renames) -> None:
        self._live = live
        self._desired = desired
        self._renames = renames

    def judge(self, draft: Draft) -> list[Finding]:
        """The findings about one draft."""
        now = self._live.get(self._renames.source(draft.name))
        wanted = self._desired.catalog.get(draft.name)
        found: list[Finding] = []
        if now is not None and (wanted is None or wanted.kind != now.kind):
            what = f'DROP TABLE "{now.name}"' if now.kind != "view" else f'DROP VIEW "{now.name}" ({_LOST})'
            found.append(self._unsafe(now.name, "", what))
        elif now is not None and wanted is not None:
            found += self._lost_triggers(now, wanted)
        replaced = (
            now is not None and wanted is not None and now.kind == wanted.kind == "table" and draft.replaced
        )
        if now is not None and replaced:
            found.append(
                self._unsafe(draft.name, "", f'DROP TABLE "{now.name}" (the new one has none of its columns)')
            )
        elif wanted is not None and wanted.kind == "table":
            before = now if now is not None and now.kind == "table" else None
            found += self._table(before, wanted)
        if draft.keyless or draft.unseen:
            found.append(self._blocking(draft))
        return found

    def _lost_triggers(self, now: Relation, wanted: Relation) -> Iterator[Finding]:
        """Those that the plan makes again stay, changed or on another table."""
        stay = {name for relation in self._desired.catalog for name in relation.triggers}
        for key, trigger in sorted(now.triggers.items()):
            if key not in stay:
                yield self._unsafe(wanted.name, "", f'DROP TRIGGER "{trigger.name}" ({_LOST})')

    def gone_and_new(self, drafts: Iterable[Draft]) -> list[Finding]:
        """A dropped and a created table of the same columns: perhaps one table with a new name."""
        gone = [self._live.get(draft.name) for draft in drafts if draft.change_type == "drop"]
        new = [self._desired.catalog.get(draft.name) for draft in drafts if draft.change_type == "create"]
        return [
            self._finding(
                Severity.INFO, "rename_table", two.name, "",
                f'table "{one.name}" is dropped and "{two.name}" with the same columns is created: '
                f"if this is a rename, write {advice(one.name)} above it",
            )
            for one in gone if one is not None and one.kind == "table"
            for two in new if two is not None and two.kind == "table" and _column_names(one) == _column_names(two)
        ]  # fmt: skip

    def mismatches(self, before: Mapping[str, str]) -> list[Finding]:
        """Foreign keys without a key to refer to, those of *before* (the live ones) left out.

        On a table that exists they are blocked: its rows could not be checked, and every write to it would fail once an
        application enforces keys. A new table has no rows yet; its author is warned.
        """
        after = unanswered(self._desired.scratch.connection, self._desired.catalog)
        found = []
        for name, reason in sorted(after.items()):
            if before.get(name) != reason:
                lives = self._live.get(self._renames.source(name)) is not None and reason.startswith(MISMATCH)
                severity = Severity.BLOCKED if lives else Severity.WARNING
                found.append(self._finding(severity, "has_foreign_key", name, "", reason))
        return found

    def _table(self, now: Relation | None, wanted: Relation) -> Iterator[Finding]:
        if now is not None:
            yield from self._columns(now, wanted)
        if not any(c.key for c in wanted.columns) and (now is None or any(c.key for c in now.columns)):
            yield self._finding(Severity.WARNING, "primary_key", wanted.name, "", "No primary key defined")
        yield from self._foreign_keys(now, wanted)
        yield from self._redundant_indexes(now, wanted)

    def _columns(self, now: Relation, wanted: Relation) -> Iterator[Finding]:
        renamed = self._renames.of(wanted.name)
        kept: dict[str, Column] = {}
        for column in wanted.columns:
            old = source_column(now, column, renamed)
            if old is None:
                continue
            kept[old.name.lower()] = column
            if column.generated and not old.generated:
                what = f'column "{column.name}" becomes generated, its values are lost'
                yield self._unsafe(wanted.name, column.name, what)
            if old.name.lower() != column.name.lower():
                message = (
                    f'Column rename detected in table "{wanted.name}": "{old.name}" becomes "{column.name}"'
                )
                yield self._finding(Severity.WARNING, "rename_column", wanted.name, column.name, message)
        if now.name.lower() != wanted.name.lower():
            message = f'Table rename detected: "{now.name}" becomes "{wanted.name}"'
            yield self._finding(Severity.WARNING, "rename_table", wanted.name, "", message)
        dropped = [column for column in now.columns if column.name.lower() not in kept]
        for column in dropped:
            if not column.generated:
                yield self._unsafe(wanted.name, column.name, f'DROP COLUMN "{column.name}"')
        yield from self._perhaps_renamed(now, wanted, dropped)

    def _perhaps_renamed(self, now: Relation, wanted: Relation, dropped: list[Column]) -> Iterator[Finding]:
        renamed = self._renames.of(wanted.name)
        added = [column for column in wanted.columns if source_column(now, column, renamed) is None]
        for old in dropped:
            for column in added:
                if (old.type.lower(), old.hidden) == (column.type.lower(), column.hidden):
                    message = (
                        f'column "{old.name}" is dropped and "{column.name}" of the same type is added: '
                        f"if this is a rename, write {advice(old.name)} beside it"
                    )
                    yield self._finding(Severity.INFO, "rename_column", wanted.name, column.name, message)

    def _foreign_keys(self, now: Relation | None, wanted: Relation) -> Iterator[Finding]:
        known = {_key_form(key) for key in now.foreign_keys} if now is not None else set()
        for key in wanted.foreign_keys:
            if _key_form(key) in known:
                continue
            columns = ", ".join(key.columns)
            message = (
                f'Table "{wanted.name}" has FOREIGN KEY constraint on ({columns}) to "{key.table}"'
                if now is None
                else f'Adding foreign key constraint on ({columns}) to "{key.table}" to table "{wanted.name}"'
            )
            yield self._finding(Severity.WARNING, "has_foreign_key", wanted.name, key.columns[0], message)

    def _redundant_indexes(self, now: Relation | None, wanted: Relation) -> Iterator[Finding]:
        for key, index in sorted(wanted.indexes.items()):
            if now is not None and index.same(now.indexes.get(key)):
                continue
            cover = next((other for other in _indexes(wanted, key) if _covers(other, index)), None)
            if cover is not None:
                message = f'Index "{index.name}" is redundant: "{cover.name}" begins with the same columns'
                yield self._finding(
                    Severity.WARNING, "redundant_indexes", wanted.name, "", message, at=index.name
                )

    def _blocking(self, draft: Draft) -> Finding:
        reason = "no stable key (INTEGER PRIMARY KEY, or unique and NOT NULL) that stays as it is"
        if draft.unseen:
            reason = f"the unique index {draft.unseen} over a value that triggers do not see before a REPLACE"
        message = (
            f'table "{draft.name}" is large and has {reason}: '
            "the change runs in one transaction and locks the database for writers all the while"
        )
        return self._finding(Severity.WARNING, "blocking_change", draft.name, "", message)

    def _unsafe(self, table: str, column: str, what: str) -> Finding:
        return self._finding(Severity.ERROR, "unsafe", table, column, f"Unsafe operation detected: {what}")

    def _finding(
        self, severity: Severity, linter: str, table: str, column: str, message: str, *, at: str = ""
    ) -> Finding:
        file, line = self._desired.line(at or table, column)
        return Finding(
            severity=severity, linter=linter, message=message, table=table, column=column, file=file, line=line
        )  # fmt: skip


def _column_names(relation: Relation) -> list[str]:
    return sorted(column.name.lower() for column in relation.columns)


def _key_form(key: ForeignKey) -> tuple[str, tuple[str, ...]]:
    return (key.table.lower(), tuple(column.lower() for column in key.columns))


def _indexes(relation: Relation, but: str) -> list[Part]:
    return [index for key, index in sorted(relation.indexes.items()) if key != but]


def _terms(index: Part) -> list[str]:
    """The terms of a plain index; nothing for a partial one."""
    form = normal_form(index.sql)
    inside = form[form.index("(") + 1 :].strip()
    return [term.strip() for term in inside.removesuffix(")").split(" , ")] if inside.endswith(")") else []


def _covers(other: Part, index: Part) -> bool:
    """Whether a plain *index* adds nothing to *other*."""
    mine, theirs = _terms(index), _terms(other)
    if not mine or index.form.startswith("unique ") or theirs[: len(mine)] != mine:
        return False
    return (
        len(theirs) > len(mine) or index.name.lower() > other.name.lower() or other.form.startswith("unique ")
    )
