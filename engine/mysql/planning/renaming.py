"""The ALTERs that give columns other names: at once where the server takes it, else what uses them makes way; as it does for
computed columns that are dropped and made again.

Which of them work, the stage tells. What makes way is missing afterwards; the ALTERs to the desired table make it again.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain

from engine.mysql.flavour import Flavour
from engine.mysql.planning.alters import Alters, check_drop
from engine.mysql.planning.columns import remade
from engine.mysql.planning.mentions import computed_from, definition_of, goes_by, mentions
from engine.mysql.planning.order import Key
from engine.mysql.planning.partitions import drops_before_all_go
from engine.mysql.planning.rehearsal import Rehearsal
from engine.mysql.quoting import quote_name
from engine.mysql.tables import Index, Table
from engine.mysql.trouble import ServerRefused

Names = Sequence[tuple[str, str]]
"""(old, new)."""


def rename_columns(
    tables: Rehearsal, start: Table, wanted: Table, columns: Mapping[str, str], flavour: Flavour
) -> Alters:
    """The ALTERs that do it, run on the stage; more than one where something had to make way. ServerRefused.

    *columns*: by new name. *wanted* may be something on the way, where a column has its old name still. Names that only get
    other capitals go along where the server takes that: keys stay then. Else it is left to the ALTERs that follow.
    """
    due = [(old, new) for old, new in _spelled(columns, wanted) if start.column(old) is not None]
    capitals = _other_capitals(start, wanted)
    ways = [[_renames([*due, *capitals])]] if capitals else []
    key = (wanted.schema, wanted.name)
    before = tables.snapshot([key])
    refusals: list[ServerRefused] = []
    for way in chain(ways, _ways(start, wanted, due, flavour) if due else ()):
        try:
            for step in way:
                tables.alter(key, step)
        except ServerRefused as refused:
            refusals.append(refused)
            tables.again(before)
            continue
        return way
    if due:
        raise refusals[-1]
    return []


def _spelled(columns: Mapping[str, str], wanted: Table) -> Names:
    """*columns*, by new name in whatever case, with the new names as *wanted* has them."""
    return [(old, column.name) for new, old in sorted(columns.items()) if (column := wanted.column(new))]


def _other_capitals(start: Table, wanted: Table) -> Names:
    return [
        (column.name, after.name)
        for column in start.columns
        if (after := wanted.column(column.name)) and after.name != column.name and not remade(column, after)
    ]


def made_again(start: Table, wanted: Table) -> set[str]:
    """The columns that are computed before and after, and that the server can only drop and add; in lower case."""
    return {
        column.name.lower()
        for column in start.columns
        if column.generated and (after := wanted.column(column.name)) and remade(column, after)
    }


def make_way(tables: Rehearsal, start: Table, wanted: Table, flavour: Flavour) -> Alters:
    """The ALTERs that take away what uses the columns that are made again, run on the stage. ServerRefused."""
    names = made_again(start, wanted)
    computed = computed_from(start, names)
    steps = _making_way(start, names | computed, computed, flavour)
    for step in steps:
        tables.alter((wanted.schema, wanted.name), step)
    return steps


def with_nothing_missing(
    tables: Rehearsal,
    alters: Alters,
    many: int,
    wanted: Table,
    columns: Mapping[str, str],
    before: Mapping[Key, Table | None],
) -> Alters:
    """*alters*, of which the first makes way (and the second renames), with the first *many* in one where the server takes it:
    then what makes way is missing at no time. *before*: the tables as they are before.
    """
    key = (wanted.schema, wanted.name)
    joined = _joined(alters, many, _spelled(columns, wanted))
    tables.again(before)
    try:
        for step in joined:
            tables.alter(key, step)
    except ServerRefused:
        return alters
    reached = tables.table(key)
    return joined if reached is not None and reached.text == wanted.text else alters


def _ways(now: Table, wanted: Table, due: Names, flavour: Flavour) -> Iterator[Alters]:
    """The gentlest first. The last step of each renames."""
    yield [_renames(due)]
    computed = computed_from(now, {old.lower() for old, _ in due})
    names = {old.lower() for old, _ in due} | computed
    steps = _making_way(now, names, computed, flavour)
    left = [(old, new) for old, new in due if old.lower() not in computed]
    if steps:
        yield [*steps, _renames(left)]
    if mentions(now.partitions, names, bare=True):
        after = {old.lower(): new.lower() for old, new in due}
        drops = drops_before_all_go(now.partitions, wanted.partitions, after, wanted.absorbed)
        yield [*drops, ["REMOVE PARTITIONING"], *steps, _renames(left)]


def _joined(alters: Alters, many: int, names: Names) -> Alters:
    """What gets another name and another type in the first *many*, in the one clause for both."""
    first = [part for parts in alters[:many] for part in parts]
    for old, new in names:
        rename, modify = _renames([(old, new)])[0], f"MODIFY COLUMN {quote_name(new)} "
        if rename in first and any(part.startswith(modify) for part in first):
            first.remove(rename)
            change = f"CHANGE COLUMN {quote_name(old)} {quote_name(new)} "
            first = [part.replace(modify, change, 1) if part.startswith(modify) else part for part in first]
    return [first, *alters[many:]]


def _renames(due: Names) -> list[str]:
    return [f"RENAME COLUMN {quote_name(old)} TO {quote_name(new)}" for old, new in due]


def _making_way(now: Table, names: Collection[str], computed: Collection[str], flavour: Flavour) -> Alters:
    """Drops of all that uses *names*. An index goes with the column: what was left of a unique one would forbid more than it did.

    FULLTEXT indexes go one by one, as in `alters`.
    """
    indexes = [index for index in now.indexes if goes_by(index, computed, names)]
    drops = [
        *(check_drop(check.name, flavour) for check in now.checks if mentions(check.line, names)),
        *(_drop(index) for index in indexes if index.kind != "FULLTEXT"),
        *(
            f"ALTER COLUMN {quote_name(column.name)} DROP DEFAULT"
            for column in now.columns
            if not column.generated and mentions(definition_of(column), names)
        ),
        *(
            f"DROP COLUMN {quote_name(column.name)}"
            for column in reversed(now.columns)
            if column.name.lower() in computed
        ),
    ]
    texts = [[_drop(index)] for index in indexes if index.kind == "FULLTEXT"]
    return [*texts, *([drops] if drops else [])]


def _drop(index: Index) -> str:
    return "DROP PRIMARY KEY" if index.name == "PRIMARY" else f"DROP INDEX {quote_name(index.name)}"
