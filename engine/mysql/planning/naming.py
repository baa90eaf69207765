"""Names of constraints: which of them a schema has only once."""

from collections.abc import Iterator
from dataclasses import dataclass

from engine.mysql.flavour import Flavour
from engine.mysql.names import CHECK_MARK, KEY_MARK, carried
from engine.mysql.tables import Table

FOREIGN_KEY, CHECK = "foreign key", "check"
Name = tuple[str, str]
"""(kind, name in lower case): the server does not tell them apart by case, and has a list for each kind."""


@dataclass(frozen=True, slots=True)
class Naming:
    """The rules of one kind of server: a schema has a name once for its foreign keys, on MySQL also for its CHECKs."""

    flavour: Flavour

    def names(self, table: Table | None) -> set[Name]:
        """The names of a table's constraints that no other table of the schema may have."""
        return {(kind, name.lower()) for kind, _, name in self._all(table)}

    def carried(self, table: Table, name: str) -> set[Name]:
        """The names that constraints of *table* get with it when it is called *name*."""
        if name.lower() == table.name.lower():
            return set()
        return {
            (kind, after.lower())
            for kind, mark, before in self._all(table)
            if (after := carried(before, table.name, name, mark)) != before
        }

    def _all(self, table: Table | None) -> Iterator[tuple[str, str, str]]:
        """(kind, mark, name) of those constraints."""
        if table is None:
            return
        yield from ((FOREIGN_KEY, KEY_MARK, key.name) for key in table.foreign_keys)
        if not self.flavour.mariadb:
            yield from ((CHECK, CHECK_MARK, check.name) for check in table.checks)
