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

    def given(self, table: Table) -> tuple[str, str]:
        """How names begin that the server itself gives to the constraints of a table; a rename of it takes them along."""
        return f"{table.name}_ibfk_".lower(), f"{table.name}_chk_".lower()
