"""Foreign keys that a change drops and makes again: from the one statement to the other nobody enforces them."""

from collections.abc import Iterable, Iterator, Sequence

from engine.base import Finding, Severity
from engine.mysql.planning.drafts import Draft
from engine.mysql.planning.order import Ties, Unit
from engine.mysql.quoting import quote_name
from engine.mysql.spec import Statement, SuspendedKey


def suspended_keys(
    ties: Ties, units: Iterable[Unit], statements: Sequence[Statement]
) -> Iterator[SuspendedKey]:
    """Those of *units*, which *statements* change together."""
    for unit in units:
        for key in unit.now.foreign_keys if unit.now else ():
            heir = ties.heir(unit, key)
            if heir is None:
                continue
            drops = [f"DROP FOREIGN KEY {quote_name(name)}" for name in (key.name, heir.name)]
            adds = f"ADD CONSTRAINT {quote_name(heir.name)} FOREIGN KEY"
            dropped = [at for at, one in enumerate(statements, 1) if any(drop in one.sql for drop in drops)]
            made = [at for at, one in enumerate(statements, 1) if adds in one.sql]
            if dropped and made and dropped[0] < made[-1]:
                yield SuspendedKey(
                    table=unit.key[1], name=heir.name, was=key.name, dropped=dropped[0], made=made[-1]
                )


def suspensions(drafts: Iterable[Draft]) -> Iterator[Finding]:
    """Warnings: as long as the change is under way, and after one that ends before its end, rows may come that do not fit."""
    for draft in drafts:
        for key in draft.step.suspended:
            message = (
                f"foreign key {key.name} of {key.table} is not enforced from statement {key.dropped} of the change to statement "
                f"{key.made}: orphans may come, and ON DELETE and ON UPDATE do nothing; should the apply end in between, plan "
                "and apply again, which makes it again"
            )
            yield Finding(severity=Severity.WARNING, linter="suspended_key", message=message, table=key.table)
