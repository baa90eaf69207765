"""The tables of a plan on the stage, as they are at each moment: statements are tried here, and what they did is read back."""

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace

from engine.errors import Refused
from engine.mysql.planning.insistence import remedy
from engine.mysql.planning.naming import Name, Naming
from engine.mysql.planning.order import Key, parent_of
from engine.mysql.planning.present import Present
from engine.mysql.planning.scratch import Stage
from engine.mysql.planning.settled import in_words_of, settles
from engine.mysql.quoting import LONGEST, quote_table
from engine.mysql.spec import Algorithm, Fingerprints, Statement
from engine.mysql.tables import Table
from engine.mysql.trouble import NOT_THAT_WAY, ServerRefused

_INTRODUCER = re.compile(r"\b_[a-z0-9]+(?=')")


class Rehearsal:
    """What the stage holds. Tables are put there when first needed; the statements of a plan run on them in its order."""

    def __init__(self, stage: Stage, live: Mapping[str, Mapping[str, Table]], naming: Naming) -> None:
        self._stage = stage
        self._naming = naming
        self._present = Present(naming)
        for schema, tables in live.items():
            for name, table in tables.items():
                self._present.put((schema, name), table)
        self._staged: dict[Key, str] = {}  # how each reads there

    def table(self, key: Key) -> Table | None:
        """A table as it is by now."""
        return self._present.get(key)

    def tables(self) -> dict[Key, Table]:
        """All tables as they are by now."""
        return self._present.all()

    def relatives(self, key: Key) -> list[Table]:
        """The tables that a table refers to, or that refer to it, as they are by now; in a fixed order."""
        table = self.table(key)
        parents = {parent_of(foreign) for foreign in table.foreign_keys} if table else set()
        others = sorted((parents | self._present.children(key)) - {key})
        return [relative for other in others if (relative := self.table(other))]

    def rivals(self, table: Table) -> list[Key]:
        """Other tables of the schema with a constraint of the name of one of *table*."""
        return self._bearers(table, self._naming.names(table))

    def clash(self, table: Table) -> str:
        """Which name of a constraint of *table* is another table's by now, and what to do about it; empty: none is."""
        return self._clash(self._naming.names(table), self.rivals(table))

    def clash_of_rename(self, table: Table, name: str) -> str:
        """The same of the constraints that are renamed with *table*, or that a name would be too long.

        Never tried: MySQL 9.7 refuses such a RENAME, and dies later of what it left, in a DROP DATABASE for example; MariaDB
        takes names that are too long, and then no ALTER.
        """
        names = self._naming.carried(table, name)
        for kind, long in sorted(names):
            if len(long) > LONGEST:
                return f": its {kind} would be named {long}, which is too long; give it another name in a plan before"
        return self._clash(names, [(table.schema, table.name), *self._bearers(table, names)])

    def _bearers(self, table: Table, names: Set[Name]) -> list[Key]:
        """The other tables of the schema with a constraint of one of these *names*."""
        return sorted(self._present.bearers(table.schema, names) - {(table.schema, table.name)})

    def _clash(self, names: Set[Name], others: Iterable[Key]) -> str:
        for key in others:
            for kind, name in sorted(names & self._naming.names(self.table(key))):
                return (
                    f": the name {name} of its {kind} is taken by one of {key[1]}; give it another name, "
                    f"or take it from {key[1]} in a plan before"
                )
        return ""

    def need(self, keys: Iterable[Key]) -> None:
        """Have these tables and their relatives on the stage."""
        for key in keys:
            for table in (self.table(key), *self.relatives(key)):
                if table is not None and (table.schema, table.name) not in self._staged:
                    self._make(table)

    def put(self, table: Table) -> None:
        """Take *table* as it is given; it goes to the stage when something needs it there."""
        key = (table.schema, table.name)
        self._present.put(key, table)
        self._staged.pop(key, None)

    def gone(self, key: Key) -> None:
        """Have no such table any more."""
        self._present.remove(key)
        if self._staged.pop(key, None) is not None:
            self._stage.drop(*key)

    def run(self, sql: str, algorithm: Algorithm, touched: Iterable[Key]) -> Statement:
        """Run a statement for good; the statement, with what it leaves of each table that it touches or that it changed.

        ServerRefused. *touched* are all tables that it names.
        """
        named = list(touched)
        around = {key for one in named for key in self._around(one)} | set(named)
        try:
            self._stage.run(sql + algorithm.clause)
        except ServerRefused as refused:
            if refused.code not in NOT_THAT_WAY:
                raise
            # The stage is made from the text alone, while the live table may have an old row format.
            self._stage.run(sql)
        after = []
        source = self.table(named[0])
        for key in sorted(around):
            made, before = self._stage.read(*key), self.table(key)
            if key in named or _text(made) != self._staged.get(key):
                table = _as_live(made, before)
                # A RENAME, or a key that follows one, leaves words as they are.
                if len(named) > 1 or key not in named:
                    table = in_words_of(table, before or source)
                after.append((key, table))
                self._note(key, table, made)
        schema, name = named[0]
        if elsewhere := [f"{key[0]}.{key[1]}" for key, _ in after if key[0] != schema]:
            raise Refused(
                f"{name}: {', '.join(elsewhere)} refers to it by a foreign key, which would follow the new name, and no change "
                "can be of two schemas: drop that key in a plan before, and make it again in one after"
            )
        fingerprints: Fingerprints = tuple(
            (key[1], table.fingerprint if table else None) for key, table in after
        )
        return Statement(sql=sql, algorithm=algorithm, after=fingerprints)

    def settle(self, key: Key) -> Table:
        """A table as it reads for good, from now on."""
        *_, table = self._stage.settling(*key)
        self._note(key, table, table)
        return table

    def alter(self, key: Key, parts: Sequence[str]) -> None:
        """Run one ALTER TABLE to see what comes of it. ServerRefused."""
        self.run(alter(key, ", ".join(parts)), Algorithm.PLAIN, [key])

    def again(self, snapshot: Mapping[Key, Table | None]) -> None:
        """Have these tables as they were."""
        differing = [
            (key, table) for key, table in snapshot.items() if _text(self.table(key)) != _text(table)
        ]
        for key, _ in differing:
            # All of them first: a child does not take a parent that is not yet what it refers to.
            self.gone(key)
        for key, table in differing:
            if table is not None and settles(table):
                self._make(table)
                self._present.put(key, table)
            elif table is not None:
                self._stage.make(table)
                self._note(key, table, table)

    def snapshot(self, keys: Iterable[Key]) -> dict[Key, Table | None]:
        """These tables and their relatives as they are by now."""
        found = {key: self.table(key) for key in keys}
        for key in list(found):
            for table in self.relatives(key):
                found[table.schema, table.name] = table
        return found

    def _make(self, table: Table) -> None:
        """Made again it must read the same: else every comparison would be worth nothing."""
        try:
            made = self._made(table)
        except ServerRefused as refused:
            raise Refused(
                f"{table.name}: the live definition, made again in a scratch schema, is refused: {self._stage.said(refused)}"
                f"{remedy(refused)}"
            ) from refused
        alike = made if self._naming.flavour.mariadb else in_words_of(made, table)
        if made is None or alike is None or not _reads_alike(alike, table):
            raise Refused(
                f"{table.name}: the live definition, made again in a scratch schema, does not read the same.\n"
                f"Live:\n{table.text}\nMade again:\n{_text(made)}"
            )
        self._staged[table.schema, table.name] = made.text

    def _made(self, table: Table) -> Table | None:
        """Made again as it reads; as at first where it never does. The words that an ALTER gave it, of which MySQL has others in
        a CREATE, are after the next ALTER those that these are after theirs.
        """
        for made in self._stage.settled(table):
            if _reads_alike(made, table):
                return made
        self._stage.make(table)
        return self._stage.read(table.schema, table.name)

    def _around(self, key: Key) -> list[Key]:
        return [
            other for table in self.relatives(key) if (other := (table.schema, table.name)) in self._staged
        ]

    def _note(self, key: Key, table: Table | None, made: Table | None) -> None:
        if table is None or made is None:
            self._present.remove(key)
            self._staged.pop(key, None)
        else:
            self._present.put(key, table)
            self._staged[key] = made.text


def alter(key: Key, clauses: str) -> str:
    """ALTER TABLE of a table by its full name."""
    return f"ALTER TABLE {quote_table(*key)} {clauses}"


def _as_live(table: Table | None, before: Table | None) -> Table | None:
    """On the stage there are no triggers, and the server makes no key by itself."""
    if table is None or before is None:
        return table
    return replace(table, own_key=before.own_key, triggers=before.triggers)


def _reads_alike(made: Table, table: Table) -> bool:
    """But for the character sets that MySQL puts in front of strings, which it leaves out between two ALTERs."""
    return _INTRODUCER.sub("", made.text) == _INTRODUCER.sub("", table.text)


def _text(table: Table | None) -> str | None:
    return table.text if table else None
