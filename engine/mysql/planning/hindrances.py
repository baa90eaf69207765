"""What would stop an apply at its target though the change itself is right: people mend that before its first statement runs."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from engine.base import Finding, Severity
from engine.mysql.flavour import Flavour
from engine.mysql.link import Link
from engine.mysql.names import names_of
from engine.mysql.noting import Noting, noting_on
from engine.mysql.planning.drafts import Draft
from engine.mysql.planning.order import parent_of
from engine.mysql.quoting import quote_name
from engine.mysql.rights import COPY, OWN, Rights, rights_of
from engine.mysql.spec import OWN_PREFIX

_TABLES = """
    SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s
       AND (TABLE_NAME IN (%s, %s, %s) OR LEFT(TABLE_NAME, %s) = %s) ORDER BY TABLE_NAME
"""
_ALTERING = ("ALTER TABLE ", "RENAME TABLE ")


def hindered(
    link: Link, flavour: Flavour, drafts: Sequence[Draft], home: str
) -> tuple[list[Draft], list[Finding]]:
    """The drafts with how changed rows will be noted, and what blocks them: it could not begin, or would fail half-way.

    *home*: the schema of our own tables; empty: that of a draft.
    """
    rights = rights_of(link, flavour)
    noting = noting_on(link, flavour, rights)
    found = [
        *_too_few_rights(flavour, rights, noting, drafts, home),
        *_obstructions(link, noting, drafts),
    ]
    return [_told_how_noted(draft, noting) for draft in drafts], found


def _obstructions(link: Link, noting: Noting, drafts: Sequence[Draft]) -> Iterator[Finding]:
    """Of copies."""
    for draft in drafts:
        if draft.step.copy is None:
            continue
        if noting.problems and noting.no_triggers:
            yield _blocked(draft, _unnoted(draft, noting))
        if taken := _taken(link, draft.step.schema, draft.step.copy.source):
            why = f"{draft.name} is copied, and {', '.join(taken)} is in the way of that: drop or rename it, then plan again"
            yield _blocked(draft, why)


def _told_how_noted(draft: Draft, noting: Noting) -> Draft:
    """With what it says of triggers on the live table where the log does not tell which rows change."""
    if draft.step.copy is None or noting.by_log or noting.no_triggers:
        return draft
    said = (
        "Rows that change meanwhile are noted by three triggers on the table, in the application's own transactions, as the "
        f"binary log cannot be read ({'; '.join(noting.problems)}): {'; '.join(noting.remedies)}."
    )
    return replace(draft, lock=f"{draft.lock} {said}")


def _too_few_rights(
    flavour: Flavour, rights: Rights, noting: Noting, drafts: Sequence[Draft], home: str
) -> Iterator[Finding]:
    """One for each schema, by the first draft that cannot do without."""
    missing: dict[str, dict[str, Draft]] = {}
    for draft in drafts:
        needs = [
            (home or draft.step.schema, "", OWN),
            (draft.step.schema, _alone(draft), _needs(draft, noting)),
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


def _needs(draft: Draft, noting: Noting) -> tuple[str, ...]:
    """Measured: an index, a partition, a key that goes takes no other privilege than ALTER TABLE does."""
    if draft.step.copy is not None:
        return COPY if noting.by_log else (*COPY, "TRIGGER")
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


def _unnoted(draft: Draft, noting: Noting) -> str:
    return (
        f"{draft.name} is copied, and nothing would tell which of its rows change meanwhile: not the binary log "
        f"({'; '.join(noting.problems)}), and not triggers, as {noting.no_triggers}: "
        f"{'; '.join(filter(None, (*noting.remedies, noting.remedy)))}; then plan again"
    )


def _taken(link: Link, schema: str, source: str) -> list[str]:
    """Tables with the names of helpers. Beside tables of our own they may be of an apply, and the next one removes them."""
    names = names_of(source)
    wanted = (names.shadow, names.old, names.delta)
    found = [str(name) for (name,) in link.rows(_TABLES, schema, *wanted, len(OWN_PREFIX), OWN_PREFIX)]
    return [] if any(name.startswith(OWN_PREFIX) for name in found) else found


def _blocked(draft: Draft, message: str) -> Finding:
    return Finding(severity=Severity.BLOCKED, linter="hindrance", message=message, table=draft.name)
