"""What would stop a copy at its target though the change itself is right: people mend that before the first row is copied."""

from collections.abc import Iterable, Iterator

from engine.base import Finding, Severity
from engine.mysql.link import Link
from engine.mysql.names import names_of
from engine.mysql.planning.drafts import Draft
from engine.mysql.rights import Rights
from engine.mysql.spec import OWN_PREFIX

_TABLES = """
    SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s
       AND (TABLE_NAME IN (%s, %s, %s) OR LEFT(TABLE_NAME, %s) = %s) ORDER BY TABLE_NAME
"""


def hindrances(link: Link, rights: Rights, drafts: Iterable[Draft]) -> Iterator[Finding]:
    """Blocked: a copy could not begin, or would fail when all rows are there."""
    for draft in drafts:
        if draft.step.copy is None:
            continue
        if why := rights.too_few_to_copy(draft.step.schema, draft.name):
            yield _blocked(draft, why)
        if taken := _taken(link, draft.step.schema, draft.step.copy.source):
            why = f"{draft.name} is copied, and {', '.join(taken)} is in the way of that: drop or rename it, then plan again"
            yield _blocked(draft, why)


def _taken(link: Link, schema: str, source: str) -> list[str]:
    """Tables with the names of helpers. Beside tables of our own they may be of an apply, and the next one removes them."""
    names = names_of(source)
    wanted = (names.shadow, names.old, names.delta)
    found = [str(name) for (name,) in link.rows(_TABLES, schema, *wanted, len(OWN_PREFIX), OWN_PREFIX)]
    return [] if any(name.startswith(OWN_PREFIX) for name in found) else found


def _blocked(draft: Draft, message: str) -> Finding:
    return Finding(severity=Severity.BLOCKED, linter="hindrance", message=message, table=draft.name)
