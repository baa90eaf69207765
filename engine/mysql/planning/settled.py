"""CHECKs as MySQL writes them from the first ALTER of their table on, whatever that changes, and not yet when it is made.

Constants become of the type that they are compared with: of a BIGINT, `b` > -(5) becomes `b` > -5; of a YEAR, 70 becomes 1970.
Strings get another character set in front. Some rest only after a second ALTER.
"""

from collections.abc import Mapping
from contextlib import suppress

from engine.mysql.planning.rewriting import content_of, with_constraints, with_name
from engine.mysql.planning.scratch import Scratch, Stage
from engine.mysql.tables import Check, Table
from engine.mysql.trouble import ServerRefused


class SettledChecks:
    """What the CHECKs of tables settle to, found out in scratch schemas. Where they read the same no statement is run."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._stages: dict[str, Stage] = {}
        self._forms: dict[tuple[str, str], Mapping[str, tuple[str, ...]]] = {}

    def as_live(self, table: Table, now: Table) -> Table:
        """*table*; each CHECK that settles to the same as one of *now* in the words of that one, under the name that it has."""
        said, live = ({content_of(check) for check in one.checks} for one in (table, now))
        left = [check for check in now.checks if content_of(check) not in said]
        if self._scratch.flavour.mariadb or not left:
            return table
        found: dict[str, Check] = {}
        for check in table.checks:
            same = [] if content_of(check) in live else [o for o in left if self._same(table, check, now, o)]
            if same:
                other = next((one for one in same if one.name.lower() == check.name.lower()), same[0])
                left.remove(other)
                found[check.name] = with_name(other, check.name)
        checks = [found.get(check.name, check) for check in table.checks]
        return with_constraints(table, table.foreign_keys, checks) if found else table

    def rests_after(self, table: Table) -> int:
        """How many ALTERs after it was made the CHECKs of *table* read as they will for good."""
        if self._scratch.flavour.mariadb:
            return 0
        return max((len(forms) - 2 for forms in self._forms_of(table).values()), default=0)

    def _same(self, table: Table, check: Check, now: Table, other: Check) -> bool:
        forms = self._forms_of(table)[check.name]
        return content_of(other) in forms or self._forms_of(now)[other.name][-1] == forms[-1]

    def _forms_of(self, table: Table) -> Mapping[str, tuple[str, ...]]:
        """How each of its CHECKs, by name, reads by and by; of a table that the server does not take only as it does."""
        key = (table.schema, table.text)
        if key not in self._forms:
            forms = [table]
            with suppress(ServerRefused):  # so will the change be, which is told with a remedy
                forms += self._stage(table.schema).settled(with_constraints(table, (), table.checks))
            self._forms[key] = {
                check.name: tuple(content_of(form.checks[at]) for form in forms)
                for at, check in enumerate(table.checks)
            }
        return self._forms[key]

    def _stage(self, schema: str) -> Stage:
        """Whatever its defaults: the text of a table says all that they could."""
        if schema not in self._stages:
            self._stages[schema] = Stage(self._scratch, {schema: ("utf8mb4", "utf8mb4_bin")})
        return self._stages[schema]
