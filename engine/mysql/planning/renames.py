"""Renames, told by a comment (`-- renamed from: old`) and checked against the live schema. Never guessed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from engine.annotations import no_way_back
from engine.base import Finding, Severity
from engine.errors import BadFiles
from engine.mysql.planning.columns import remade
from engine.mysql.planning.desired import Desired
from engine.mysql.tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Renames:
    """What was asked for in one schema and fits: new name → old (live) name; columns' new names in lower case."""

    tables: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by new table name
    findings: tuple[Finding, ...] = ()

    def source(self, table: str) -> str:
        """The live name of a desired table."""
        return self.tables.get(table, table)

    def of(self, table: str) -> Mapping[str, str]:
        """Renamed columns of a desired table: new name (lower case) → old name."""
        return self.columns.get(table, {})


def read_renames(desired: Desired, live: Mapping[str, Table]) -> Renames:
    """The renames that the files tell and the live schema confirms; one that is done already tells nothing.

    BadFiles when one cannot be meant: old and new both desired, or two new names of one old one.
    """
    reading = _Reading(desired, live)
    for name, wanted in desired.tables.items():
        reading.table(name)
        source = live.get(reading.tables.get(name, name))
        if source is not None:
            reading.columns[name] = reading.columns_of(wanted, source)
    if reading.problems:
        raise BadFiles(reading.problems)
    return Renames(tables=reading.tables, columns=reading.columns, findings=tuple(reading.findings))


class _Reading:
    def __init__(self, desired: Desired, live: Mapping[str, Table]) -> None:
        self._desired = desired
        self._live = live
        self.tables: dict[str, str] = {}
        self.columns: dict[str, dict[str, str]] = {}
        self.problems: list[str] = []
        self.findings: list[Finding] = []

    def table(self, name: str) -> None:
        old = self._as_live(self._desired.renamed_from(name))
        if not old:
            return
        if name in self._live:
            kept = old in self._desired.tables
            if old in self._live and (not kept or self._desired.renamed_from(old) in self._live):
                self._both(name, "", old)
            return
        if old not in self._live:
            if self._live:  # an empty schema has nothing to rename
                self._unknown(name, "", old)
        elif reason := _obstacle(old, kept=old in self._desired.tables, taken=self.tables.values()):
            afresh = f"; if a new {old} is to begin, take it out of the files, and back in for the next plan"
            self.problems.append(
                f"{self._desired.where(name)}: {name} {reason}{afresh if old in self._desired.tables else ''}"
            )
        else:
            self.tables[name] = old

    def _as_live(self, name: str) -> str:
        """As the server has it, which may know no upper case."""
        alike = [live for live in self._live if live.lower() == name.lower()]
        return alike[0] if len(alike) == 1 else name

    def columns_of(self, wanted: Table, source: Table) -> dict[str, str]:
        found: dict[str, str] = {}
        for column in wanted.columns:
            old = self._desired.renamed_from(wanted.name, column.name)
            if old.lower() in ("", column.name.lower()):
                continue  # by upper and lower case alone no two columns differ: it is there by its new name
            before = source.column(old)
            where = self._desired.where(wanted.name, column.name)
            if source.column(column.name) is not None:
                kept = wanted.column(old) is not None
                further = self._desired.renamed_from(wanted.name, old)
                if before is not None and (not kept or source.column(further) is not None):
                    self._both(wanted.name, column.name, old)
            elif before is None:
                self._unknown(wanted.name, column.name, old)
            elif reason := _obstacle(old, kept=wanted.column(old) is not None, taken=found.values()):
                self.problems.append(f"{where}: {column.name} {reason}")
            elif remade(before, column):
                self.problems.append(
                    f"{where}: {column.name} cannot be renamed from {old}: one of them holds values, the other computes them"
                )
            else:
                found[column.name.lower()] = before.name
        return found

    def _unknown(self, table: str, column: str, old: str) -> None:
        if self._desired.leads_back(table, column):
            self._lost(table, column, old, f"there is no {old} any more")
            return
        file, line = self._desired.locate(table, column)
        thing = f'column "{column}"' if column else f'table "{table}"'
        found = Finding(
            severity=Severity.INFO,
            linter="rename_column" if column else "rename_table",
            message=f'{thing} says it was renamed from "{old}", but there is no "{old}": it is made new',
            table=table,
            column=column,
            file=file,
            line=line,
        )
        self.findings.append(found)

    def _both(self, table: str, column: str, old: str) -> None:
        """The old one would go, or get another's values. One that was renamed long ago may have come again: then it stays."""
        name = column or table
        if self._desired.leads_back(table, column):
            self._lost(table, column, old, f"the database has both {old} and a new {name}")
            return
        self.problems.append(
            f"{self._desired.where(table, column)}: {name} cannot be renamed from {old}: the database has both; if {old} is to "
            f"go, take the annotation away, if {name} is to make way, give it another name in a plan before, if two are to swap "
            "their names, do it in two plans by way of a third name"
        )

    def _lost(self, table: str, column: str, old: str, why: str) -> None:
        name = f"{table}.{column}" if column else table
        self.problems.append(no_way_back(name, old, why))


def _obstacle(old: str, *, kept: bool, taken: Iterable[str]) -> str:
    if kept:
        return f"cannot be renamed from {old}: {old} is still in the files"
    if old.lower() in {other.lower() for other in taken}:
        return f"cannot be renamed from {old}: another one is renamed from it already"
    return ""
