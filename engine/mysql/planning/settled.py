"""CHECKs and generated columns as MySQL writes them from the first ALTER of their table on, and not yet when it is made.

Constants become of the type that they are compared with: of a BIGINT, `b` > -(5) becomes `b` > -5; of a YEAR, 70 becomes 1970.
Strings get another character set in front. Some rest only after a second ALTER.
"""

from collections.abc import Sequence

from engine.mysql.planning.desired import TableCache
from engine.mysql.planning.rewriting import content_of, with_columns, with_constraints, with_name
from engine.mysql.planning.scratch import Scratch, Stage
from engine.mysql.tables import Check, Column, Table
from engine.mysql.trouble import ServerRefused


class SettledTables:
    """What tables settle to, found out in scratch schemas. Where they read the same no statement is run."""

    def __init__(self, scratch: Scratch, cached: TableCache) -> None:
        self._scratch = scratch
        self._cached = cached
        self._stages: dict[str, Stage] = {}

    def as_live(self, table: Table, now: Table) -> Table:
        """*table*; what settles to the same as it does in *now* in the words of that: generated columns, and CHECKs, which keep
        their names.
        """
        if table.text == now.text or self._scratch.flavour.mariadb:
            return table
        table = self._with_live_checks(table, now)
        live = [self._live_column(table, column, now) or column for column in table.columns]
        return table if tuple(live) == table.columns else with_columns(table, live)

    def rests_after(self, table: Table) -> int:
        """How many ALTERs after it was made *table* reads as it will for good."""
        return len(self._forms_of(table)) - 2 if settles(table) and not self._scratch.flavour.mariadb else 0

    def _live_column(self, table: Table, column: Column, now: Table) -> Column | None:
        other = now.column(column.name)
        if not column.generated or other is None or not other.generated or other.line == column.line:
            return None
        forms = self._column_forms(table, column)
        same = other.line in forms or self._column_forms(now, other)[-1] == forms[-1]
        return other if same else None

    def _column_forms(self, table: Table, column: Column) -> list[str]:
        return [found.line for form in self._forms_of(table) if (found := form.column(column.name))]

    def _with_live_checks(self, table: Table, now: Table) -> Table:
        said, live = ({content_of(check) for check in one.checks} for one in (table, now))
        left = [check for check in now.checks if content_of(check) not in said]
        found: dict[str, Check] = {}
        for check in table.checks if left else ():
            same = [] if content_of(check) in live else [o for o in left if self._same(table, check, now, o)]
            if same:
                other = next((one for one in same if one.name.lower() == check.name.lower()), same[0])
                left.remove(other)
                found[check.name] = with_name(other, check.name)
        checks = [found.get(check.name, check) for check in table.checks]
        return with_constraints(table, table.foreign_keys, checks) if found else table

    def _same(self, table: Table, check: Check, now: Table, other: Check) -> bool:
        forms = self._check_forms(table, check)
        return content_of(other) in forms or self._check_forms(now, other)[-1] == forms[-1]

    def _check_forms(self, table: Table, check: Check) -> list[str]:
        at = table.checks.index(check)
        return [content_of(form.checks[at]) for form in self._forms_of(table)]

    def _forms_of(self, table: Table) -> Sequence[Table]:
        """How it reads by and by: as given, as made, after each ALTER; only as given where the server does not take it."""
        key = "\0".join(["settled", str(self._scratch.flavour), table.schema, table.text])
        forms = self._cached.get(key)
        if forms is not None:
            return forms
        try:
            forms = (table, *self._stage(table.schema).settled(with_constraints(table, (), table.checks)))
        except ServerRefused:  # so will the change be, which is told with a remedy
            return (table,)
        self._cached.put(key, forms)
        return forms

    def _stage(self, schema: str) -> Stage:
        """Whatever its defaults: the text of a table says all that they could."""
        if schema not in self._stages:
            self._stages[schema] = Stage(self._scratch, {schema: ("utf8mb4", "utf8mb4_bin")})
        return self._stages[schema]


def settles(table: Table) -> bool:
    """Whether it has what MySQL may write otherwise after an ALTER."""
    return bool(table.checks) or any(column.generated for column in table.columns)
