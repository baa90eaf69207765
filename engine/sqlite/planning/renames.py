"""Renames, told by a comment (`-- renamed from: old`) and checked against the live schema. Never guessed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from engine.annotations import leads_back, no_way_back, old_name
from engine.base import Finding, Severity
from engine.errors import BadFiles
from engine.sqlite.catalog import Catalog, Relation
from engine.sqlite.planning.desired import Desired


@dataclass(frozen=True, slots=True, kw_only=True)
class Renames:
    """What was asked for and fits: new name → old (live) name, keys in lower case."""

    tables: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # by new table name
    findings: tuple[Finding, ...] = ()

    def source(self, table: str) -> str:
        """The live name of a desired table."""
        return self.tables.get(table.lower(), table)

    def of(self, table: str) -> Mapping[str, str]:
        """Renamed columns of a desired table: new name (lower case) → old name."""
        return self.columns.get(table.lower(), {})


def read_renames(desired: Desired, live: Catalog) -> Renames:
    """The renames that the files tell and the live schema confirms; one that is done already tells nothing.

    BadFiles when one cannot be meant: old and new both desired, or two new names of one old one.
    """
    problems: list[str] = []
    findings: list[Finding] = []
    tables: dict[str, str] = {}
    columns: dict[str, dict[str, str]] = {}
    for wanted in desired.catalog:
        text = desired.text(wanted.name)
        statement = desired.statement(wanted.name)
        if text is None or statement is None:
            continue
        comments = (*statement.comments, *text.comments)
        old = old_name(comments)
        there = live.get(wanted.name) is not None
        if lost := leads_back(comments) and _lost(
            wanted.name, old, there=there, old_there=live.get(old) is not None, empty=not live.relations
        ):
            problems.append(lost)
        elif old and not there:
            kept = desired.catalog.get(old) is not None
            verdict = _verdict(old, exists=_is_table(live.get(old)), kept=kept, taken=tables.values())
            _note(verdict, statement.where(), tables, wanted.name, old, problems)
            if verdict == "unknown" and live.relations:  # an empty database has nothing to rename
                findings.append(_unknown(desired, wanted.name, "", old))
        source = live.get(tables.get(wanted.name.lower(), wanted.name))
        if source is not None:
            columns[wanted.name.lower()] = _columns(desired, wanted, source, problems, findings)
    if problems:
        raise BadFiles(problems)
    return Renames(tables=tables, columns=columns, findings=tuple(findings))


def _is_table(relation: Relation | None) -> bool:
    return relation is not None and relation.kind == "table"


def _columns(
    desired: Desired, wanted: Relation, source: Relation, problems: list[str], findings: list[Finding]
) -> dict[str, str]:
    found: dict[str, str] = {}
    statement = desired.statement(wanted.name)
    for column in wanted.columns:
        element = desired.element(wanted.name, column.name)
        old = old_name(element.comments) if element else ""
        if not old or element is None or statement is None:
            continue
        there, old_there = source.column(column.name) is not None, source.column(old) is not None
        if lost := leads_back(element.comments) and _lost(
            f"{wanted.name}.{column.name}", old, there=there, old_there=old_there
        ):
            problems.append(lost)
        if there or lost:
            continue
        kept = wanted.column(old) is not None
        verdict = _verdict(old, exists=old_there, kept=kept, taken=found.values())
        _note(verdict, statement.where(element.start), found, column.name, old, problems)
        if verdict == "unknown":
            findings.append(_unknown(desired, wanted.name, column.name, old))
    return found


def _lost(name: str, old: str, *, there: bool, old_there: bool, empty: bool = False) -> str:
    """Why a rollback of a rename would not keep the values, or ""."""
    if there and old_there:
        return no_way_back(name, old, f"the database has both {old} and a new {name}")
    if not there and not old_there and not empty:
        return no_way_back(name, old, f"there is no {old} any more")
    return ""


def _verdict(old: str, *, exists: bool, kept: bool, taken: Iterable[str]) -> str:
    if not exists:
        return "unknown"
    if kept:
        return f"cannot be renamed from {old}: {old} is still in the files"
    if old.lower() in {other.lower() for other in taken}:
        return f"cannot be renamed from {old}: another one is renamed from it already"
    return ""


def _note(verdict: str, where: str, found: dict[str, str], new: str, old: str, problems: list[str]) -> None:
    if verdict == "":
        found[new.lower()] = old
    elif verdict != "unknown":
        problems.append(f"{where}: {new} {verdict}")


def _unknown(desired: Desired, table: str, column: str, old: str) -> Finding:
    file, line = desired.line(table, column)
    thing = f'column "{column}"' if column else f'table "{table}"'
    return Finding(
        severity=Severity.INFO,
        linter="rename_column" if column else "rename_table",
        message=f'{thing} says it was renamed from "{old}", but there is no "{old}": it is made new',
        table=table,
        column=column,
        file=file,
        line=line,
    )
