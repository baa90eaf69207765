"""Which tables differ, and in what order they change: what foreign keys tie together in a ring changes as one."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from heapq import heappop, heappush

from engine.mysql.planning.naming import Name, Naming
from engine.mysql.planning.rewriting import stays_tied
from engine.mysql.spec import ALONE
from engine.mysql.tables import ForeignKey, Table

Key = tuple[str, str]
"""(schema, table)."""
_RANKS = {"rename": 0, "create": 1, "alter": 2, "drop": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A table that differs."""

    key: Key  # with the desired name, or the live one when it is dropped
    now: Table | None
    wanted: Table | None
    columns: Mapping[str, str] = field(default_factory=dict)  # new name (lower case) → live name

    @property
    def kind(self) -> str:
        """rename | create | alter | drop."""
        if self.now is None:
            return "create"
        if self.wanted is None:
            return "drop"
        return "alter" if self.now.name == self.wanted.name else "rename"


@dataclass(slots=True)
class Schemas:
    """Live and desired tables of all schemas of a plan, and the renames between them."""

    live: dict[str, dict[str, Table]]
    wanted: dict[str, dict[str, Table]]
    tables: dict[str, Mapping[str, str]]  # schema → new table → live table
    # Schema → new table → new column (lower) → live column.
    columns: dict[str, Mapping[str, Mapping[str, str]]]

    def units(self) -> dict[Key, Unit]:
        """All differences."""
        found: dict[Key, Unit] = {}
        for schema, wanted in self.wanted.items():
            for name, table in wanted.items():
                now = self.source(schema, name)
                if now is None or now.text != table.text:
                    columns = self.columns[schema].get(name, {})
                    found[schema, name] = Unit(key=(schema, name), now=now, wanted=table, columns=columns)
            for name, table in self._not_wanted(schema).items():
                if not name.startswith(ALONE):
                    found[schema, name] = Unit(key=(schema, name), now=table, wanted=None)
        return found

    def children(self, parent: Key, units: Container[Key]) -> dict[Key, Unit]:
        """The tables that refer to the desired *parent* and stay as they are, as units: their foreign keys are made again."""
        return {
            (schema, name): Unit(
                key=(schema, name), now=now, wanted=table, columns=self.columns[schema].get(name, {})
            )
            for schema, wanted in self.wanted.items()
            for name, table in wanted.items()
            if (now := self.source(schema, name)) and (schema, name) not in units
            if any(parent_of(foreign) == parent for foreign in table.foreign_keys)
        }

    def left_alone(self, schema: str) -> set[str]:
        """Live tables that the files need not know of, and do not: those that tools make for a while are called so."""
        return {name for name in self._not_wanted(schema) if name.startswith(ALONE)}

    def _not_wanted(self, schema: str) -> dict[str, Table]:
        goes_on = {*self.wanted[schema], *self.tables[schema].values()}
        return {name: table for name, table in self.live[schema].items() if name not in goes_on}

    def source(self, schema: str, name: str) -> Table | None:
        """The live table that becomes the desired one of that name."""
        return self.live[schema].get(self.tables[schema].get(name, name))

    def successor(self, key: Key) -> Key:
        """The desired name of a live table."""
        schema, name = key
        return next(((schema, new) for new, old in self.tables.get(schema, {}).items() if old == name), key)

    def column_after(self, key: Key, column: str) -> str:
        """The desired name of a live column, *key* being the table's desired name."""
        renamed = self.columns.get(key[0], {}).get(key[1], {})
        return next((new for new, old in renamed.items() if old.lower() == column.lower()), column.lower())


def parent_of(key: ForeignKey) -> Key:
    """The table that a foreign key refers to."""
    return (key.parent_schema, key.parent)


class Ties:
    """How foreign keys, and the names of constraints, tie the units of a plan."""

    def __init__(
        self, schemas: Schemas, units: Mapping[Key, Unit], forced: Iterable[Key], naming: Naming
    ) -> None:
        """*forced*: live or desired tables whose foreign keys, on either end, have to be made again."""
        self._schemas = schemas
        self._units = units
        self._forced = set(forced)
        self._heirs = _heirs(units, naming)
        self.again = {key: self._again(unit) for key, unit in units.items()}

    def changes(self, table: Table) -> bool:
        """Whether a table, live or desired, is one of the units."""
        key = (table.schema, table.name)
        return key in self._units or any(
            unit.now is not None and (unit.now.schema, unit.now.name) == key for unit in self._units.values()
        )

    def going(self, unit: Unit) -> set[str]:
        """The live foreign keys of a unit that have to go, for good or for a while."""
        keys = unit.now.foreign_keys if unit.now else ()
        return {key.name for key in keys if key.name in self.again[unit.key] or not self._stays(unit, key)}

    def coming(self, unit: Unit) -> set[str]:
        """The desired foreign keys of a unit that are not there while the others change."""
        going = self.going(unit)
        staying = {
            self._meant(unit, key)
            for key in (unit.now.foreign_keys if unit.now else ())
            if key.name not in going
        }
        keys = unit.wanted.foreign_keys if unit.wanted else ()
        return {key.name for key in keys if _shape(key, parent_of(key)) not in staying}

    def heir(self, unit: Unit, key: ForeignKey) -> ForeignKey | None:
        """The desired foreign key that a live one of the unit is, or else the one of its name."""
        meant, keys = self._meant(unit, key), unit.wanted.foreign_keys if unit.wanted else ()
        same = [other for other in keys if _shape(other, parent_of(other)) == meant]
        named = [other for other in keys if other.name.lower() == key.name.lower()]
        return next(iter([*same, *named]), None)

    def moving(self, unit: Unit) -> set[Name]:
        """The names of live constraints of a unit that another one is to have."""
        return set(self._heirs[unit.key])

    def groups(self) -> list[list[Unit]]:
        """The units in the order in which they change; those of one list change together."""
        found = _ordered(sorted(self._units, key=self._rank), self._edges)
        return [[self._units[key] for key in component] for component in found]

    def parents_first(self, units: Sequence[Unit]) -> list[Unit]:
        """*units* so that where a foreign key stays the table that it refers to comes before its own, as far as that goes: it
        follows the names that change there.
        """
        members = {unit.key: unit for unit in units}
        edges = {
            (parent, unit.key)
            for unit in units
            for foreign in (unit.now.foreign_keys if unit.now else ())
            if foreign.name not in self.going(unit)
            and (parent := self._schemas.successor(parent_of(foreign))) in members
        }
        return [members[key] for component in _ordered(list(members), edges) for key in component]

    def leading(self, units: Iterable[Unit]) -> set[Key]:
        """The other units that have to be live before *units* change."""
        members = {unit.key for unit in units}
        return {first for first, second in self._edges if second in members} - members

    def _rank(self, key: Key) -> tuple[str, int, str]:
        return key[0], _RANKS[self._units[key].kind], key[1]

    @cached_property
    def _edges(self) -> set[tuple[Key, Key]]:
        """(first, second)."""
        found: set[tuple[Key, Key]] = set()
        for key, unit in self._units.items():
            going, coming = self.going(unit), self.coming(unit)
            for foreign in unit.now.foreign_keys if unit.now else ():
                parent = self._schemas.successor(parent_of(foreign))
                if parent in self._units and parent != key:
                    found.add((key, parent) if foreign.name in going else (parent, key))
            for foreign in unit.wanted.foreign_keys if unit.wanted else ():
                parent = parent_of(foreign)
                if parent in self._units and parent != key and foreign.name in coming:
                    found.add((parent, key))
            found |= {(key, heir) for heir in self._heirs[key].values()}
        return found

    def _again(self, unit: Unit) -> set[str]:
        """Foreign keys of the unit that stay and yet have to be dropped meanwhile: a type changes on one of their ends. Of text
        that gets longer they stay: MySQL does that in place, and a server that refuses it has the table forced.
        """
        if unit.now is None or unit.wanted is None:
            return set()
        return {
            foreign.name
            for foreign in unit.now.foreign_keys
            if self._stays(unit, foreign) and self._changes_type(unit, foreign)
        }

    def _changes_type(self, unit: Unit, foreign: ForeignKey) -> bool:
        parent = self._schemas.successor(parent_of(foreign))
        if {unit.key, parent} & self._forced:
            return True
        if _types_differ(self._schemas, unit.key, unit.now, unit.wanted, foreign.columns):
            return True
        schema, name = parent
        now = self._schemas.live.get(foreign.parent_schema, {}).get(foreign.parent)
        wanted = self._schemas.wanted.get(schema, {}).get(name)
        return _types_differ(self._schemas, parent, now, wanted, foreign.parent_columns)

    def _stays(self, unit: Unit, foreign: ForeignKey) -> bool:
        """Whether a live foreign key is a desired one too, renames aside."""
        return unit.wanted is not None and self._meant(unit, foreign) in {
            _shape(other, parent_of(other)) for other in unit.wanted.foreign_keys
        }

    def _meant(self, unit: Unit, foreign: ForeignKey) -> tuple[object, ...]:
        parent = self._schemas.successor(parent_of(foreign))
        after = self._schemas.column_after
        return (
            tuple(after(unit.key, column) for column in foreign.columns), parent,
            tuple(after(parent, column) for column in foreign.parent_columns), _actions(foreign),
        )  # fmt: skip


def _heirs(units: Mapping[Key, Unit], naming: Naming) -> dict[Key, dict[Name, Key]]:
    """Of each unit: the names of constraints that it loses and another one gets, and which."""
    names = {key: (naming.names(unit.now), naming.names(unit.wanted)) for key, unit in units.items()}
    getting = {(key[0], name): key for key, (now, wanted) in names.items() for name in wanted - now}
    return {
        key: {name: getting[key[0], name] for name in now - wanted if (key[0], name) in getting}
        for key, (now, wanted) in names.items()
    }


def _shape(foreign: ForeignKey, parent: Key) -> tuple[object, ...]:
    return (
        tuple(column.lower() for column in foreign.columns), parent,
        tuple(column.lower() for column in foreign.parent_columns), _actions(foreign),
    )  # fmt: skip


def _actions(foreign: ForeignKey) -> str:
    """What is behind the referred columns: ON DELETE … ON UPDATE …."""
    return foreign.line.rpartition(")")[2].strip()


def _types_differ(
    schemas: Schemas, key: Key, now: Table | None, wanted: Table | None, columns: Sequence[str]
) -> bool:
    for name in columns:
        before = now.column(name) if now else None
        after = wanted.column(schemas.column_after(key, name)) if wanted else None
        if before is not None and after is not None and not stays_tied(before, after):
            return True
    return False


def _ordered(keys: Sequence[Key], edges: Iterable[tuple[Key, Key]]) -> list[list[Key]]:
    """*keys* with the first of each edge before the second; what is tied in a ring in one list."""
    edges = set(edges)
    components = _components(keys, edges)
    of = {key: at for at, component in enumerate(components) for key in component}
    pairs = {(of[first], of[second]) for first, second in edges if of[first] != of[second]}
    return [components[at] for at in _in_order(len(components), pairs)]


def _components(keys: Sequence[Key], edges: Iterable[tuple[Key, Key]]) -> list[list[Key]]:
    """What is tied in rings, each key in one of the lists; these in the order of *keys*, and those by their first."""
    following: dict[Key, list[Key]] = {key: [] for key in keys}
    for first, second in sorted(edges):
        following[first].append(second)
    reached: dict[Key, set[Key]] = {}
    for key in keys:
        seen: set[Key] = set()
        left = list(following[key])
        while left:
            other = left.pop()
            if other not in seen:
                seen.add(other)
                left += following[other]
        reached[key] = seen
    at = {key: number for number, key in enumerate(keys)}
    found: list[list[Key]] = []
    placed: set[Key] = set()
    for key in keys:
        if key not in placed:
            ring = sorted(
                {key, *(other for other in reached[key] if key in reached[other])}, key=at.__getitem__
            )
            found.append(ring)
            placed.update(ring)
    return found


def _in_order(count: int, pairs: Iterable[tuple[int, int]]) -> Iterator[int]:
    """The numbers below *count*, the lowest first that may: of each of *pairs* (no ring) the one before the other."""
    following: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for first, second in pairs:
        following[first].append(second)
        waiting[second] += 1
    free = [at for at in range(count) if not waiting[at]]
    while free:
        at = heappop(free)
        yield at
        for other in following[at]:
            waiting[other] -= 1
            if not waiting[other]:
                heappush(free, other)
