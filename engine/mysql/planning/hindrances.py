"""What would stop an apply at its target though the change itself is right: people mend that before its first statement runs."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from engine.base import Finding, Severity
from engine.errors import Refused
from engine.mysql.capture_sources import CaptureSources
from engine.mysql.flavour import Flavour
from engine.mysql.link import Link
from engine.mysql.names import names_of
from engine.mysql.planning.drafts import Draft
from engine.mysql.planning.order import parent_of
from engine.mysql.problems import Problem, remedies, whats
from engine.mysql.quoting import quote_name
from engine.mysql.rights import COPY, OWN, Rights
from engine.mysql.spec import OWN_PREFIX
from engine.mysql.trouble import LOG_BY_ROW

_TABLES = """
    SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s
       AND (TABLE_NAME IN (%s, %s, %s) OR LEFT(TABLE_NAME, %s) = %s) ORDER BY TABLE_NAME
"""
_ALTERING = ("ALTER TABLE ", "RENAME TABLE ")


def check_log(link: Link) -> None:
    """Refused: what a change writes the server would not take. Of our own session, which logs by row where it may say so."""
    if link.value("SELECT @@log_bin AND @@SESSION.binlog_format = 'STATEMENT'"):
        raise Refused(LOG_BY_ROW)


def hindered(
    link: Link,
    flavour: Flavour,
    rights: Rights,
    capture: CaptureSources,
    drafts: Sequence[Draft],
    home: str,
) -> tuple[list[Draft], list[Finding]]:
    """The drafts with how changed rows will be captured, and what blocks them: it could not begin, or would fail half-way.

    *home*: the schema of our own tables; empty: that of a draft.
    """
    found = [
        *_too_few_rights(flavour, rights, capture, drafts, home),
        *_obstructions(link, capture, drafts),
    ]
    return [_told_how_captured(draft, capture) for draft in drafts], found


def _obstructions(link: Link, capture: CaptureSources, drafts: Sequence[Draft]) -> Iterator[Finding]:
    """Of copies."""
    for draft in drafts:
        if draft.step.copy is None:
            continue
        if why := capture.nothing_tells(_log_problems(draft, capture)):
            yield _blocked(draft, f"{draft.name} is copied, and {why}; then plan again")
        if taken := _taken(link, draft.step.schema, draft.step.copy.source):
            why = f"{draft.name} is copied, and {', '.join(taken)} is in the way of that: drop or rename it, then plan again"
            yield _blocked(draft, why)


def _log_problems(draft: Draft, capture: CaptureSources) -> tuple[Problem, ...]:
    """Why the log does not tell of the rows of a draft that is a copy."""
    now = draft.units[0].now
    assert now is not None
    return capture.log_problems_of(now)


def _told_how_captured(draft: Draft, capture: CaptureSources) -> Draft:
    """With what it says of triggers on the live table where the log does not tell which rows change."""
    problems = () if draft.step.copy is None else _log_problems(draft, capture)
    if not problems or capture.no_triggers:
        return draft
    said = (
        "Rows that change meanwhile are captured by three triggers on the table, in the application's own transactions, as the "
        f"binary log does not tell of them ({whats(problems)}): {remedies(problems)}. The triggers are this user's: whoever "
        "drops or renames the account while they are there stops the application's writes to the table."
    )
    return replace(draft, lock=f"{draft.lock} {said}")


def _too_few_rights(
    flavour: Flavour, rights: Rights, capture: CaptureSources, drafts: Sequence[Draft], home: str
) -> Iterator[Finding]:
    """One for each schema, by the first draft that cannot do without."""
    missing: dict[str, dict[str, Draft]] = {}
    for draft in drafts:
        needs = [
            (home or draft.step.schema, "", OWN),
            (draft.step.schema, _alone(draft), _needs(draft, capture)),
        ]
        if not flavour.mariadb:
            needs += [(schema, table, ("REFERENCES",)) for schema, table in _newly_referred(draft)]
        for schema, table, wanted in needs:
            for privilege in rights.missing(wanted, schema, table):
                missing.setdefault(schema, {}).setdefault(privilege, draft)
    for schema, found in missing.items():
        first = next(iter(found.values()))
        why = f"this user has too few rights for the change of {first.name}"
        yield _blocked(first, f"{why}: {rights.grant(found, schema)}, then plan again")


def _needs(draft: Draft, capture: CaptureSources) -> tuple[str, ...]:
    """Measured: an index, a partition, a key that goes takes no other privilege than ALTER TABLE does."""
    if draft.step.copy is not None:
        return (*COPY, "TRIGGER") if _log_problems(draft, capture) else COPY
    altering = any(statement.sql.startswith(_ALTERING) for statement in draft.step.statements)
    return (*OWN, "ALTER") if altering else OWN


def _alone(draft: Draft) -> str:
    """The table on which privileges of its own would do; a copy has tables beside it."""
    return draft.live_name if draft.step.copy is None else ""


def _newly_referred(draft: Draft) -> Iterator[tuple[str, str]]:
    """The tables that foreign keys will refer to which the draft makes. MariaDB asks for no privilege there."""
    for foreign in (key for unit in draft.units if unit.wanted for key in unit.wanted.foreign_keys):
        made = f"CONSTRAINT {quote_name(foreign.name)} FOREIGN KEY"
        if any(made in statement.sql for statement in draft.step.statements):
            yield parent_of(foreign)


def _taken(link: Link, schema: str, source: str) -> list[str]:
    """Tables with the names of helpers. Beside tables of our own they may be of an apply, and the next one removes them."""
    names = names_of(source)
    wanted = (names.shadow, names.old, names.delta)
    found = [str(name) for (name,) in link.rows(_TABLES, schema, *wanted, len(OWN_PREFIX), OWN_PREFIX)]
    return [] if any(name.startswith(OWN_PREFIX) for name in found) else found


def _blocked(draft: Draft, message: str) -> Finding:
    return Finding(severity=Severity.BLOCKED, linter="hindrance", message=message, table=draft.name)
