"""Find the step for each difference between the live and the desired tables, and prove it on the stage before it is shown."""

from collections.abc import Mapping, Sequence

from engine.base import Strategy
from engine.errors import Refused
from engine.mysql.planning.altering import Altering, DraftPart
from engine.mysql.planning.columns import remade
from engine.mysql.planning.drafts import Draft
from engine.mysql.planning.lock_sentences import Size, dropped, made_anew
from engine.mysql.planning.naming import CHECK, FOREIGN_KEY
from engine.mysql.planning.order import Key, Ties, Unit, parent_of
from engine.mysql.planning.parents import takes_foreign_keys, why_refused
from engine.mysql.planning.rehearsal import Rehearsal
from engine.mysql.planning.rewriting import counting, same_type, without_checks, without_foreign_keys
from engine.mysql.planning.scratch import Stage, created
from engine.mysql.planning.suspended import suspended_keys
from engine.mysql.quoting import quote_name, quote_table
from engine.mysql.spec import Algorithm, Statement, Step
from engine.mysql.tables import Table
from engine.mysql.trouble import ServerRefused

_ORDER = [Strategy.INSTANT, Strategy.IN_PLACE, Strategy.DIRECT]


class Drafting:
    """The drafts of one plan."""

    def __init__(
        self,
        stage: Stage,
        rehearsal: Rehearsal,
        ties: Ties,
        altering: Altering,
        namespaces: Mapping[str, str],
    ) -> None:
        """*namespaces*: by schema."""
        self._stage = stage
        self._tables = rehearsal
        self._ties = ties
        self._altering = altering
        self._namespaces = namespaces
        self._copied: set[Key] = set()  # online, by what was drafted so far

    def drafts(self) -> list[Draft]:
        """In the order they run. Refused when there is no way; TiedDown when foreign keys have to make way."""
        found = (self._drafted(units) for units in self._ties.groups())
        return [draft for draft in found if draft is not None]

    def _drafted(self, units: Sequence[Unit]) -> Draft | None:
        if len({unit.key[0] for unit in units}) > 1:
            names = ", ".join(".".join(unit.key) for unit in units)
            raise Refused(
                f"foreign keys tie {names} in a ring across schemas: change them in two plans, the first without one of the keys"
            )
        before = self._tables.tables()
        alone = len(units) == 1 and not self._ties.again[units[0].key]
        draft_parts = [
            draft_part for draft_part in (self._one(units[0]) if alone else self._ring(units)) if draft_part
        ]
        return self._draft(units, before, draft_parts) if draft_parts else None

    def _draft(
        self, units: Sequence[Unit], before: Mapping[Key, Table], draft_parts: Sequence[DraftPart]
    ) -> Draft:
        statements = tuple(statement for draft_part in draft_parts for statement in draft_part.statements)
        after = dict(pair for draft_part in draft_parts for pair in draft_part.after)
        after |= dict(pair for statement in statements for pair in statement.after)
        schema = units[0].key[0]
        states = {name: table.fingerprint for name in after if (table := before.get((schema, name)))}
        step = Step(
            schema=schema,
            before=tuple((name, states.get(name)) for name in sorted(after)),
            after=tuple(sorted(after.items())),
            statements=statements,
            copy=next((draft_part.copy for draft_part in draft_parts if draft_part.copy), None),
            suspended=tuple(suspended_keys(self._ties, units, statements)),
            copied_before=tuple(sorted(self._ties.leading(units) & self._copied)) if self._copied else (),
        )
        if step.copy:
            self._copied.update(unit.key for unit in units)
        strategies = [draft_part.strategy for draft_part in draft_parts]
        return Draft(
            namespace=self._namespaces[schema],
            units=tuple(units),
            step=step,
            ddl=tuple(text for draft_part in draft_parts for text in draft_part.ddl),
            strategy=Strategy.ONLINE if step.copy else max(strategies, key=_ORDER.index),
            lock=_lock(draft_parts),
            warnings=tuple(
                dict.fromkeys(warning for draft_part in draft_parts for warning in draft_part.warnings)
            ),
            blocking=tuple(
                dict.fromkeys(reason for draft_part in draft_parts for reason in draft_part.blocking)
            ),
            parts=tuple(part for draft_part in draft_parts for part in draft_part.parts),
            rebuilds=any(draft_part.rebuilds for draft_part in draft_parts),
        )

    # -- one table -----------------------------------------------------------------------------------------------

    def _one(self, unit: Unit) -> list[DraftPart | None]:
        if unit.wanted is None:
            return [self._drop(unit)]
        if unit.now is None:
            return [self._create(unit.wanted)]
        return [self._alter(unit, unit.wanted)]

    def _alter(self, unit: Unit, wanted: Table, no_copy: str = "") -> DraftPart | None:
        """None when what went before has changed it already: a foreign key follows the names it refers to."""
        now = self._tables.table((unit.key[0], wanted.name))
        if now is None and unit.now is not None:
            now = self._tables.table((unit.key[0], unit.now.name))
        assert now is not None
        if now.text == self._altering.settled.as_live(wanted, now).text:
            return None
        draft_part = self._altering.draft_part(
            now, wanted, unit.columns, live_name=(unit.now or wanted).name, no_copy=no_copy
        )
        _check_drops(unit, draft_part.parts)
        return draft_part

    def _drop(self, unit: Unit) -> DraftPart:
        assert unit.now is not None
        key = unit.key
        for child in self._tables.relatives(key):
            refers = any(parent_of(one) == key for one in child.foreign_keys)
            if refers and not self._ties.changes(child):
                raise Refused(
                    f"{key[1]} cannot be dropped: {child.schema}.{child.name} refers to it by a foreign key, "
                    "and is not in the plan: drop that key first"
                )
        self._tables.gone(key)
        rows, size = self._altering.sizes(key, ())
        sql = f"DROP TABLE {quote_table(*key)}"
        lock = dropped(Size(rows=rows, bytes_=size), self._altering.tied(unit.now))
        return DraftPart(
            table=key[1], statements=[Statement(sql=sql, algorithm=Algorithm.PLAIN, after=((key[1], None),))],
            ddl=[f"DROP TABLE {quote_name(key[1])}"], strategy=Strategy.INSTANT, locks=[lock],
        )  # fmt: skip

    def _create(self, wanted: Table) -> DraftPart:
        """Its text is the server's own; that it can be run again was seen when it was read from the files."""
        key = (wanted.schema, wanted.name)
        sql = created(wanted.schema, counting(wanted))
        statement = Statement(sql=sql, algorithm=Algorithm.PLAIN, after=((wanted.name, wanted.fingerprint),))
        rivals = self._tables.rivals(wanted)
        if self._stage.surely_takes(wanted) and self._sure_of_parents(wanted) and not rivals:
            self._tables.put(wanted)
        else:
            self._tables.need([*(parent_of(foreign) for foreign in wanted.foreign_keys), *rivals])
            try:
                statement = self._tables.run(sql, Algorithm.PLAIN, [key])
            except ServerRefused as refused:
                why = f"{self._stage.said(refused)}{why_refused(wanted, self._tables.table)}"
                said = self._tables.clash(wanted) or f": {why}"
                raise Refused(f"{wanted.name}: the server does not take it{said}") from refused
        return DraftPart(
            table=wanted.name, statements=[statement], ddl=[counting(wanted)], strategy=Strategy.INSTANT,
            locks=[made_anew(self._altering.tied(wanted))],
        )  # fmt: skip

    def _sure_of_parents(self, table: Table) -> bool:
        """Whether the server is bound to take its foreign keys: columns of the same types, a key on them, InnoDB throughout."""
        for foreign in table.foreign_keys:
            mine = parent_of(foreign) == (table.schema, table.name)
            parent = table if mine else self._tables.table(parent_of(foreign))
            if parent is None or not (takes_foreign_keys(table) and takes_foreign_keys(parent)):
                return False
            ends = [
                (table.column(one), parent.column(other))
                for one, other in zip(foreign.columns, foreign.parent_columns, strict=True)
            ]
            if not all(one and other and same_type(one, other) for one, other in ends):
                return False
            names = tuple(name.lower() for name in foreign.parent_columns)
            if not any(
                index.unique and tuple(n.lower() for n in index.columns) == names for index in parent.indexes
            ):
                return False
        return True

    # -- several -------------------------------------------------------------------------------------------------

    def _ring(self, units: Sequence[Unit]) -> list[DraftPart | None]:
        """Foreign keys that go first, and names that others are to have, then all else, then foreign keys that come."""
        no_copy = "it changes together with others" if len(units) > 1 else "it is in a foreign key"
        members = {unit.key for unit in units}
        there = [unit for unit in units if unit.now is not None]
        draft_parts = [self._loosened(unit, no_copy) for unit in there]
        for unit in self._ties.parents_first(there):
            if unit.wanted is not None:
                wanted = without_foreign_keys(unit.wanted, self._ties.coming(unit))
                draft_parts.append(self._alter(unit, wanted, no_copy))
        for unit in units:
            if unit.now is None and unit.wanted is not None:
                late = {
                    key.name for key in unit.wanted.foreign_keys if parent_of(key) in members - {unit.key}
                }
                draft_parts.append(self._create(without_foreign_keys(unit.wanted, late)))
        draft_parts += [
            self._tightened(unit, unit.wanted, no_copy) for unit in units if unit.wanted is not None
        ]
        return [*draft_parts, *(self._drop(unit) for unit in units if unit.wanted is None)]

    def _loosened(self, unit: Unit, no_copy: str) -> DraftPart | None:
        """Without the foreign keys that have to go, and without constraints whose names others are to have."""
        current = self._tables.table((unit.key[0], unit.now.name)) if unit.now else None
        if current is None:
            return None
        moving = self._ties.moving(unit)
        keys = {key.name for key in current.foreign_keys if (FOREIGN_KEY, key.name.lower()) in moving}
        checks = {check.name for check in current.checks if (CHECK, check.name.lower()) in moving}
        loose = without_foreign_keys(current, keys | self._ties.going(unit))
        return self._alter(unit, without_checks(loose, checks), no_copy)

    def _tightened(self, unit: Unit, wanted: Table, no_copy: str) -> DraftPart | None:
        """With all of its foreign keys."""
        draft_part = self._alter(unit, wanted, no_copy)
        if draft_part is not None and unit.now is None:
            draft_part.strategy, draft_part.locks = (
                Strategy.INSTANT,
                [],
            )  # the table is as new and empty as it was above
        return draft_part


def _lock(draft_parts: Sequence[DraftPart]) -> str:
    """What the change locks; of several tables each sentence names its own."""
    several = len({draft_part.table for draft_part in draft_parts}) > 1
    said = (
        f"{draft_part.table}: {lock}" if several else lock
        for draft_part in draft_parts
        for lock in draft_part.locks
    )
    return " ".join(dict.fromkeys(said))


def _check_drops(unit: Unit, parts: Sequence[str]) -> None:
    """Whatever way was found, no column goes whose values stay. Refused."""
    if unit.now is None:
        return
    computed = {column.name.lower() for column in unit.now.columns if column.generated}
    staying = ({old.lower() for old in unit.columns.values()} - computed) | set(unit.columns)
    for column in unit.now.columns:
        after = unit.wanted.column(column.name) if unit.wanted else None
        if not column.generated and after is not None and not remade(column, after):
            staying.add(column.name.lower())
    drops = {f"DROP COLUMN {quote_name(name)}".lower() for name in staying}
    if lost := [part for part in parts if part.lower() in drops]:
        raise Refused(
            f"{unit.now.name}: the way that was found to the desired table would lose a column that stays ({lost[0]}). This is "
            "a bug of SchemaBot, nothing was planned: make the change in two steps, and tell us both definitions"
        )
