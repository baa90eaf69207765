"""What would stop a copy at its target though the change itself is right: people mend that before the first row is copied."""

from collections.abc import Iterable, Iterator

from engine.base import Finding, Severity, Strategy
from engine.mysql.planning.drafts import Draft
from engine.mysql.rights import COPY, Rights


def hindrances(rights: Rights, drafts: Iterable[Draft]) -> Iterator[Finding]:
    """Blocked: a copy could begin, and would fail when all rows are there."""
    for draft in drafts:
        if draft.strategy is not Strategy.ONLINE:
            continue
        if grant := rights.grant(COPY, draft.step.schema):
            message = (
                f"{draft.name} is copied, for which this user has too few rights: {grant}, then plan again"
            )
            yield Finding(severity=Severity.BLOCKED, linter="rights", message=message, table=draft.name)
