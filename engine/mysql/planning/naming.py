"""Names of constraints: which of them a schema has only once."""

from dataclasses import dataclass

from engine.mysql.flavour import Flavour
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
        if table is None:
            return set()
        checks = () if self.flavour.mariadb else table.checks
        return {
            *((FOREIGN_KEY, key.name.lower()) for key in table.foreign_keys),
            *((CHECK, check.name.lower()) for check in checks),
        }

    def carried(self, table: Table, name: str) -> set[Name]:
        """The names that the server gives, when *table* gets another name, to those constraints that it had named itself."""
        if name.lower() == table.name.lower():
            return set()
        before = {FOREIGN_KEY: f"{table.name}_ibfk_".lower(), CHECK: f"{table.name}_chk_".lower()}
        return {
            (kind, name.lower() + given.removeprefix(table.name.lower()))
            for kind, given in self.names(table)
            if given.startswith(before[kind])
        }
