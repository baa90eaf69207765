"""Find the ALTERs for one table by trying them on the stage, and choose how they run."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine.base import Strategy
from engine.errors import Refused
from engine.mysql.capture_sources import CaptureSources
from engine.mysql.link import Link
from engine.mysql.planning.alters import Alters, parts_between
from engine.mysql.planning.copied_checks import with_checks_of_its_own
from engine.mysql.planning.copying import DIRECTORY, against_copying, copy_between
from engine.mysql.planning.how import How, LiveTable, choose
from engine.mysql.planning.insistence import check_own_key
from engine.mysql.planning.lock_sentences import Tied
from engine.mysql.planning.order import Key, parent_of
from engine.mysql.planning.parents import why_refused
from engine.mysql.planning.rehearsal import Rehearsal, alter
from engine.mysql.planning.renaming import made_again, make_way, rename_columns, with_nothing_missing
from engine.mysql.planning.scratch import Scratch, Stage
from engine.mysql.planning.settled import SettledTables, settles
from engine.mysql.quoting import quote_name, quote_table
from engine.mysql.spec import Algorithm, Copy, Fingerprints, Statement
from engine.mysql.tables import Table
from engine.mysql.trouble import ServerRefused

_TIED = frozenset({150, 1005, 1215, 1553, 1822, 1828, 1829, 1832, 1833, 1834, 3780})
"""What the server says when a foreign key is in the way."""
_UNFIT = frozenset({1005, 1215, 1822, 3780})
"""Of those what it says of a foreign key that it would have to make."""
_DROP_APART = (
    "where a foreign key is in the way, it can be dropped in a plan before and made again in one after"
)
_RENAME_APART = "columns can be renamed in a plan of their own, what uses them dropped in one before and made again in one after"
_ROUNDS = 3  # what one ALTER leaves undone the next may do

Sizes = Callable[[Key, tuple[str, ...]], tuple[int, int]]
"""Rows and bytes of a live table, or of its partitions of these names."""


class TiedDown(Exception):
    """A table cannot change while foreign keys hold it: they have to be dropped and made again."""

    def __init__(self, key: Key, reason: str, remedy: str) -> None:
        """*remedy*: what to put behind the reason where even that does not help."""
        super().__init__(reason)
        self.key = key
        self.remedy = remedy


@dataclass(slots=True)
class DraftPart:
    """What one table contributes to a change."""

    table: str
    statements: list[Statement]
    ddl: list[str]
    strategy: Strategy
    locks: list[str]
    warnings: list[str] = field(default_factory=list)
    blocking: list[str] = field(default_factory=list)  # why others of a big table would wait
    parts: list[str] = field(default_factory=list)
    rebuilds: bool = False  # rows are written anew, and with them all indexes
    copy: Copy | None = None
    after: Fingerprints = ()  # of an online copy, which has no statements


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How to get from one table to another."""

    apart: bool = False  # one kind of thing after the other
    whole_partitions: bool = False  # they are all taken away, and made again at the end
    cleared: bool = False  # so is what uses computed columns that are made again


class Altering:
    """Alters tables on the stage of one plan."""

    def __init__(
        self,
        target: Link,
        scratch: Scratch,
        stage: Stage,
        rehearsal: Rehearsal,
        clones: str,
        sizes: Sizes,
        capture: CaptureSources,
        settled: SettledTables,
    ) -> None:
        """*clones*: a scratch schema in which to ask how an ALTER would run. *sizes*: of the tables as they are live."""
        self._target = target
        self._link = scratch.link
        self._flavour = scratch.flavour
        self._stage = stage
        self._tables = rehearsal
        self._clones = clones
        self.sizes = sizes
        self._capture = capture
        self.settled = settled

    def draft_part(
        self, now: Table, wanted: Table, columns: Mapping[str, str], *, live_name: str, no_copy: str
    ) -> DraftPart:
        """From *now*, on the stage, to *wanted*; *columns* are the renamed ones, by new name.

        *live_name*: of the table by now; *no_copy*: as `choose` has it. Refused with both texts if no way leads there. TiedDown.
        """
        key = (wanted.schema, wanted.name)
        old = (wanted.schema, now.name)
        parents = [parent_of(foreign) for foreign in wanted.foreign_keys]
        self._tables.need([old, *parents, *self._tables.rivals(wanted)])
        opening, ddl = [], []
        if now.name != wanted.name:
            ddl.append(f"RENAME TABLE {quote_name(now.name)} TO {quote_name(wanted.name)}")
            opening.append(self._rename(now, wanted.name))
        start = self._tables.table(key)
        assert start is not None
        start, wanted = _as_live(now, start, self.settled.as_live(wanted, start))
        before = self._tables.snapshot([key, *parents])
        alters = self._find(start, wanted, columns, before)
        if not alters:
            lock = f"Only the name changes, at once.{self.tied(wanted).at_once()}"
            return DraftPart(wanted.name, opening, ddl, Strategy.INSTANT, [lock])
        self._tables.again(before)
        no_copy = (
            no_copy
            or against_copying(now, wanted, columns, self._flavour)
            or self._capture.rules_out_copies(now)
        )
        how = self._how(self._live(start, live_name, parents), alters, no_copy)
        statements = [
            self._tables.run(alter(key, clauses), algorithm, [key])
            for clauses, algorithm in self._as_run(how)
        ]
        self._check(wanted)
        draft_part = DraftPart(
            wanted.name,
            [replace(statement, small=how.small) for statement in (*opening, *statements)],
            [*ddl, *(f"ALTER TABLE {quote_name(wanted.name)} {clauses}" for clauses, _ in how.alters)],
            how.strategy,
            [how.lock],
            parts=[part for one in alters for part in one],
            rebuilds=how.rebuilds,
        )
        if how.warning:
            (draft_part.warnings if how.strategy is Strategy.IN_PLACE else draft_part.blocking).append(
                how.warning
            )
        if how.unseen:
            draft_part.warnings.append(how.unseen)
        if how.strategy is Strategy.ONLINE:
            draft_part.copy = self._copy(now.name, start, wanted, columns, alters)
            draft_part.after = tuple(pair for statement in draft_part.statements for pair in statement.after)
            if settles(wanted) and not self._flavour.mariadb:
                draft_part.after += ((wanted.name, self._tables.settle(key).fingerprint),)
            draft_part.statements = []
        return draft_part

    def _rename(self, now: Table, name: str) -> Statement:
        if clash := self._tables.clash_of_rename(now, name):
            raise Refused(f"{now.name} cannot be renamed to {name}{clash}")
        old, new = (now.schema, now.name), (now.schema, name)
        sql = f"RENAME TABLE {quote_table(*old)} TO {quote_table(*new)}"
        try:
            return self._tables.run(sql, Algorithm.PLAIN, [old, new])
        except ServerRefused as refused:
            raise Refused(f"{now.name} cannot be renamed to {name}: {self._stage.said(refused)}") from refused

    def tied(self, table: Table) -> Tied:
        """The tables that a table refers to, and those that refer to it by now."""
        key = (table.schema, table.name)
        names = {parent_of(foreign) for foreign in table.foreign_keys}
        names |= {(other.schema, other.name) for other in self._tables.relatives(key)}
        return Tied(mariadb=self._flavour.mariadb, all=sorted({name for _, name in names - {key}}))

    # -- finding -------------------------------------------------------------------------------------------------

    def _find(
        self, start: Table, wanted: Table, columns: Mapping[str, str], before: Mapping[Key, Table | None]
    ) -> Alters:
        """ALTERs that lead from *start* to *wanted*: in one if the server takes it, else one kind of thing after the other."""
        refusals: list[ServerRefused] = []
        reached = start
        ways = [_Way(), _Way(apart=True), _Way(apart=True, whole_partitions=True)]
        if made_again(start, wanted):
            ways.append(_Way(cleared=True))
        for way in ways:
            self._tables.again(before)
            try:
                alters, reached = self._tried(start, wanted, columns, way)
            except ServerRefused as refused:
                refusals.append(refused)
                continue
            if reached.text == self.settled.as_live(wanted, reached).text:
                return alters
        if moved := _moved(start, wanted):
            raise Refused(moved)
        clash = self._tables.clash(wanted)
        if refusals and clash:
            raise Refused(f"{wanted.name}: the server does not take the change{clash}") from refusals[-1]
        key = (wanted.schema, wanted.name)
        why = why_refused(wanted, self._tables.table, self._tables.relatives(key))
        tied = next((refused for refused in refusals if refused.code in _TIED), None)
        if tied is not None:
            remedy = "" if why or _is_unfit(tied, wanted) else f"; {_DROP_APART}"
            raise TiedDown(key, self._stage.said(tied) + why, remedy)
        if refusals:
            said = self._stage.said(refusals[-1]) + why
            remedy = f"; {_RENAME_APART}" if columns and not why else ""
            raise Refused(
                f"{wanted.name}: the server does not take the change: {said}{remedy}"
            ) from refusals[-1]
        raise Refused(_unequal(wanted, reached))

    def _tried(
        self, start: Table, wanted: Table, columns: Mapping[str, str], way: _Way
    ) -> tuple[Alters, Table]:
        key = (wanted.schema, wanted.name)
        before = self._tables.snapshot([key])
        alters = renaming = rename_columns(self._tables, start, wanted, columns, self._flavour)
        cleared: Alters = []
        if way.cleared:
            now = self._tables.table(key)
            assert now is not None
            cleared = make_way(self._tables, now, wanted, self._flavour)
            alters = [*alters, *cleared]
        for _ in range(_ROUNDS):
            now = self._tables.table(key)
            assert now is not None
            settled = self.settled.as_live(wanted, now)
            parts = parts_between(now, settled, self._flavour, whole_partitions=way.whole_partitions)
            steps = parts.apart() if way.apart else parts.together()
            alters = [*alters, *(step for step in steps if self._changes(key, step, parts.index_keeps))]
            if not steps:
                break
        reached = self._tables.table(key)
        assert reached is not None
        at_once = 3 if len(renaming) == 2 else 2 if len(cleared) == 1 and not renaming else 0
        settled = self.settled.as_live(wanted, reached)
        if at_once and reached.text == settled.text:
            alters = with_nothing_missing(self._tables, alters, at_once, settled, columns, before)
        return alters, reached

    def _changes(self, key: Key, step: Sequence[str], index_keeps: Collection[str]) -> bool:
        """Run *step*; whether it has to be in the plan: what those before it brought about shows as no change. MySQL renames a
        column in the partitioning by itself. What keeps an index never shows.
        """
        before = self._tables.table(key)
        self._tables.alter(key, step)
        after = self._tables.table(key)
        same = before is not None and after is not None and before.text == after.text
        return not same or not set(index_keeps).isdisjoint(step)

    # -- choosing ------------------------------------------------------------------------------------------------

    def _live(self, start: Table, name: str, parents: Collection[Key]) -> LiveTable:
        """*name*: by now. *parents*: of the foreign keys that it will have."""
        key = (start.schema, start.name)
        others = {(table.schema, table.name): table for table in self._tables.relatives(key)}
        for parent in parents:
            table = self._tables.table(parent)
            if table is not None:
                others[parent] = table
        return LiveTable(
            table=self._placed(start),
            name=name,
            target=self._target,
            flavour=self._flavour,
            sizes=lambda partitions: self.sizes(key, partitions),
            relatives=[self._placed(others[other]) for other in sorted(others) if other != key],
        )

    def _how(self, live: LiveTable, alters: Alters, no_copy: str) -> How:
        placed = [[self._stage.placed(part) for part in parts] for parts in alters]
        how = choose(self._link, self._clones, live, placed, no_copy=no_copy)
        return replace(how, alters=tuple((self._stage.meant(clauses), way) for clauses, way in how.alters))

    def _placed(self, table: Table) -> Table:
        return replace(table, text=self._stage.placed(table.text))

    def _as_run(self, how: How) -> Sequence[tuple[str, Algorithm]]:
        """On the stage a shadow is altered by copying, as it will be."""
        if how.strategy is Strategy.ONLINE:
            return [(clauses, Algorithm.PLAIN) for clauses, _ in how.alters]
        return how.alters

    def _check(self, wanted: Table) -> None:
        reached = self._tables.table((wanted.schema, wanted.name))
        if reached is None or reached.text != self.settled.as_live(wanted, reached).text:
            raise Refused(_unequal(wanted, reached))

    def _copy(
        self, source: str, start: Table, wanted: Table, columns: Mapping[str, str], alters: Alters
    ) -> Copy:
        if not self._flavour.mariadb:
            rests_after = self.settled.rests_after(wanted)
            alters = with_checks_of_its_own(alters, start, wanted, source=source, rests_after=rests_after)
        return copy_between(source, start, wanted, columns, [", ".join(parts) for parts in alters])


def _is_unfit(refused: ServerRefused, table: Table) -> bool:
    """Whether the server names a foreign key that *table* is to have: its two ends do not fit, whatever goes before."""
    said = refused.said
    return refused.code in _UNFIT and any(
        f"'{key.name}'" in said or quote_name(key.name) in said for key in table.foreign_keys
    )


def _as_live(now: Table, start: Table, wanted: Table) -> tuple[Table, Table]:
    """With what the stage does not have of the live table: its triggers, and both with the key that the server made by itself,
    which stays whatever else changes. Refused: it is to have another.
    """
    check_own_key(now, wanted)
    own = now.own_key
    return replace(start, own_key=own, triggers=now.triggers), replace(wanted, own_key=own)


def _moved(start: Table, wanted: Table) -> str:
    """The refusal of another directory, which the server takes in an ALTER TABLE and passes over; empty: it is the same."""
    before, after = (table.options.get(DIRECTORY) for table in (start, wanted))
    if before == after:
        return ""
    return (
        f"{wanted.name}: the directory of its file cannot be changed by ALTER TABLE ({DIRECTORY} is {before or 'the default'}, "
        f"{after or 'the default'} in the files): have the files say what it is"
    )


def _unequal(wanted: Table, reached: Table | None) -> str:
    return (
        f"{wanted.name}: no way was found that leads to the desired table.\n"
        f"Wanted:\n{wanted.text}\nReached:\n{reached.text if reached else '(nothing)'}"
    )
