"""What MySQL writes otherwise from the first ALTER of a table on than when it is made: CHECKs, generated columns, and expressions
of indexes.

Constants become of the type that they are compared with: of a BIGINT, `b` > -(5) becomes `b` > -5; of a YEAR, 70 becomes 1970.
Strings get another character set in front. Some rest only after a second ALTER.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from engine.mysql.names import CHECK_MARK, carried
from engine.mysql.planning.desired import TableCache
from engine.mysql.planning.mentions import mentions
from engine.mysql.planning.rewriting import with_columns, with_constraints, with_indexes
from engine.mysql.planning.scratch import Scratch, Stage
from engine.mysql.spec import OWN_PREFIX
from engine.mysql.tables import Check, Column, Index, Table
from engine.mysql.trouble import ServerRefused

_FIGURES = re.compile(r"_(?:ascii|latin1|utf8mb3|utf8mb4)('\d[-:. \d]*')")


class SettledTables:
    """What tables settle to, found out in scratch schemas. Where they read the same no statement is run."""

    def __init__(self, scratch: Scratch, cached: TableCache) -> None:
        self._scratch = scratch
        self._cached = cached
        self._stages: dict[str, Stage] = {}

    def as_live(self, table: Table, now: Table) -> Table:
        """*table* in the words of *now*, where those settle to the same among the columns of *table*: generated columns,
        expressions of indexes, and CHECKs, which keep their names.
        """
        if table.text == now.text or self._scratch.flavour.mariadb:
            return table
        table = self._with_live_checks(table, now)
        live = [self._live_column(table, column, now) or column for column in table.columns]
        table = table if tuple(live) == table.columns else with_columns(table, live)
        indexes = [self._live_index(table, index, now) or index for index in table.indexes]
        return table if tuple(indexes) == table.indexes else with_indexes(table, indexes)

    def rests_after(self, table: Table) -> int:
        """How many ALTERs after it was made *table* reads as it will for good."""
        return len(self._forms_of(table)) - 2 if settles(table) and not self._scratch.flavour.mariadb else 0

    def _live_column(self, table: Table, column: Column, now: Table) -> Column | None:
        other = now.column(column.name)
        if not column.generated or other is None or not other.generated or other.line == column.line:
            return None
        instead = with_columns(table, [other if one == column else one for one in table.columns])
        wanted, live = (self._forms_of(one)[-1].column(column.name) for one in (table, instead))
        return other if wanted and live and _words(wanted.line) == _words(live.line) else None

    def _live_index(self, table: Table, index: Index, now: Table) -> Index | None:
        other = now.index(index.name)
        if not _computed(index) or other is None or not _computed(other) or other.line == index.line:
            return None
        instead = with_indexes(table, [other if one == index else one for one in table.indexes])
        wanted, live = (self._forms_of(one)[-1].index(index.name) for one in (table, instead))
        return other if wanted and live and _words(wanted.line) == _words(live.line) else None

    def _with_live_checks(self, table: Table, now: Table) -> Table:
        gone = {column.name.lower() for column in now.columns if table.column(column.name) is None}
        live = [one for one in now.checks if one not in table.checks and not mentions(one.content, gone)]
        left = [check for check in table.checks if check not in now.checks]
        if not live or not left or _contents(live) == _contents(left):
            return table
        found = {
            check.name: other.named(check.name)
            for check, other in _paired(left, live, self._rests(table, live))
        }
        checks = [found.get(check.name, check) for check in table.checks]
        return with_constraints(table, table.foreign_keys, checks) if found else table

    def _rests(self, table: Table, others: Sequence[Check]) -> Mapping[str, str]:
        """What the CHECKs of *table*, and *others* put beside them, say for good among its columns; by what they say now."""
        beside = [other.named(f"{OWN_PREFIX}check_{at}") for at, other in enumerate(others)]
        whole = with_constraints(table, (), [*table.checks, *beside])
        rests = {check.name: _words(check.content) for check in self._forms_of(whole)[-1].checks}
        return {check.content: rests[check.name] for check in whole.checks}

    def _forms_of(self, table: Table) -> Sequence[Table]:
        """How it reads by and by: as given, as made, after each ALTER; only as given where the server does not take it."""
        key = "\0".join(["settled", str(self._scratch.flavour), table.schema, table.text])
        forms = self._cached.get(key)
        if forms is not None:
            return forms
        stage = self._stage(table.schema)
        try:
            forms = (table, *stage.settled(with_constraints(table, (), table.checks)))
        except ServerRefused:  # so will the change be, which is told with a remedy
            return (table,)
        finally:  # a schema has each name of a CHECK once
            stage.drop(table.schema, table.name)
        self._cached.put(key, forms)
        return forms

    def _stage(self, schema: str) -> Stage:
        """Whatever its defaults: the text of a table says all that they could."""
        if schema not in self._stages:
            self._stages[schema] = Stage(self._scratch, {schema: ("utf8mb4", "utf8mb4_bin")})
        return self._stages[schema]


def settles(table: Table) -> bool:
    """Whether it has what MySQL may write otherwise after an ALTER."""
    return bool(
        table.checks
        or any(column.generated for column in table.columns)
        or any(_computed(index) for index in table.indexes)
    )


def _words(line: str) -> str:
    """*line* without the character set of figures, which MySQL 8.4 leaves to dates as whoever made the table was connected."""
    return _FIGURES.sub(r"\1", line)


def _computed(index: Index) -> bool:
    return any(part.expression for part in index.parts)


def in_words_of(table: Table | None, live: Table | None) -> Table | None:
    """*table* with what settles in the words of *live*, where that has it, whatever the name of each table."""
    if table is None or live is None:
        return table
    words = {column.name: column for column in live.columns if column.generated}
    columns = [words.get(column.name, column) if column.generated else column for column in table.columns]
    indexes = [found if _computed(one) and (found := live.index(one.name)) else one for one in table.indexes]
    named = {carried(check.name, live.name, table.name, CHECK_MARK): check for check in live.checks}
    checks = [named.get(check.name, check).named(check.name) for check in table.checks]
    return with_constraints(with_indexes(with_columns(table, columns), indexes), table.foreign_keys, checks)


def _contents(checks: Sequence[Check]) -> list[str]:
    return sorted(check.content for check in checks)


def _paired(
    checks: Sequence[Check], others: Sequence[Check], rests: Mapping[str, str]
) -> list[tuple[Check, Check]]:
    """Each with one that says the same for good, and each of those once: its namesake, else one in the same words, else any."""
    ways: list[Callable[[Check], object]] = [
        lambda check: (check.name.lower(), rests[check.content]),
        lambda check: check.content,
        lambda check: rests[check.content],
    ]
    found: dict[Check, Check] = {}
    left = list(others)
    for way in ways:
        for check in (one for one in checks if one not in found):
            if other := next((one for one in left if way(one) == way(check)), None):
                left.remove(other)
                found[check] = other
    return list(found.items())
