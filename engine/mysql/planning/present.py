"""The tables of a plan as they are at one moment: by name, by what they refer to, by the names of their constraints.

A plan asks these for every table: that must not cost a look at all the others.
"""

from collections import defaultdict
from collections.abc import Iterable

from engine.mysql.planning.naming import Name, Naming
from engine.mysql.planning.order import Key, parent_of
from engine.mysql.tables import Table


class Present:
    """Holds tables under their names."""

    def __init__(self, naming: Naming) -> None:
        self._naming = naming
        self._tables: dict[Key, Table] = {}
        self._children: dict[Key, set[Key]] = defaultdict(set)
        self._bearers: dict[tuple[str, Name], set[Key]] = defaultdict(set)

    def all(self) -> dict[Key, Table]:
        """All of them, as they are now."""
        return dict(self._tables)

    def get(self, key: Key) -> Table | None:
        """The table of that name."""
        return self._tables.get(key)

    def put(self, key: Key, table: Table) -> None:
        """Have *table*, whatever was there by its name."""
        self.remove(key)
        self._tables[key] = table
        for foreign in table.foreign_keys:
            self._children[parent_of(foreign)].add(key)
        for name in self._naming.names(table):
            self._bearers[key[0], name].add(key)

    def remove(self, key: Key) -> None:
        """Have no table of that name."""
        table = self._tables.pop(key, None)
        for foreign in table.foreign_keys if table else ():
            self._children[parent_of(foreign)].discard(key)
        for name in self._naming.names(table):
            self._bearers[key[0], name].discard(key)

    def children(self, key: Key) -> set[Key]:
        """The tables that refer to one."""
        return set(self._children.get(key, ()))

    def bearers(self, schema: str, names: Iterable[Name]) -> set[Key]:
        """The tables of *schema* with a constraint of one of these *names*."""
        return {key for name in names for key in self._bearers.get((schema, name), ())}
