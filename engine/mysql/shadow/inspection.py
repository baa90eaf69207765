"""Whether the two tables of a copy are what they have to be, found out while the old one still is the live one.

The shadow has to be what was reviewed, under the name that it will have. A look before the locks reads all; one under them only
sees that nothing has changed since, as the application waits meanwhile.
"""

import re
from dataclasses import replace

from engine.errors import DriftFound
from engine.mysql.catalog import read_table, show_create
from engine.mysql.children import has_children
from engine.mysql.link import Link
from engine.mysql.names import CHECK_MARK, carried, names_of
from engine.mysql.ownership.hold import Hold
from engine.mysql.spec import Step
from engine.mysql.tables import Table

_COUNTER_OPTION = re.compile(r" AUTO_INCREMENT=\d+")


class Inspection:
    """The looks at one copy's tables."""

    def __init__(self, hold: Hold, step: Step, source_fingerprint: str) -> None:
        """*source_fingerprint* is what the live table had when the copy began."""
        assert step.copy is not None
        self._hold = hold
        self._step = step
        self._source = step.copy.source
        self._source_fingerprint = source_fingerprint
        self._names = names_of(step.copy.source)
        self._shadow = self._names.shadow
        self._seen: tuple[str, ...] = ()

    def look(self) -> None:
        """DriftFound: somebody changed one of the tables."""
        # The texts first: whoever changes a table after them shows under the locks at the latest.
        self._seen = self._texts(self._hold.link)
        source = read_table(self._hold.link, self._step.schema, self._source)
        if source is None or source.fingerprint != self._source_fingerprint:
            raise DriftFound(f"{self._source} was changed while it was copied: plan again")
        if source.triggers:
            raise DriftFound(
                f"{self._source} got triggers while it was copied ({', '.join(source.triggers)}): plan again"
            )
        if has_children(self._hold.link, self._hold.flavour, self._step.schema, self._source):
            raise DriftFound(f"{self._source} got a foreign key to it while it was copied: plan again")
        read_shadow(self._hold.link, self._step)

    def look_again(self, link: Link) -> None:
        """On the link that holds both tables by LOCK TABLES: DriftFound when one has changed since the look."""
        if self._texts(link) != self._seen:
            raise DriftFound(f"{self._source} or our copy of it was changed at this moment: plan again")

    def _texts(self, link: Link) -> tuple[str, ...]:
        """As the server tells them, but for the counters, which go on."""
        texts = [show_create(link, self._step.schema, name) for name in (self._source, self._shadow)]
        return tuple(_COUNTER_OPTION.sub("", text) for text in texts if text is not None)


def read_shadow(link: Link, step: Step) -> Table:
    """The shadow, all of its indexes made. DriftFound unless it is what the plan promised of the table."""
    assert step.copy is not None
    shadow = read_table(link, step.schema, names_of(step.copy.source).shadow)
    if shadow is None or fingerprint_as(shadow, step.copy.table) != dict(step.after)[step.copy.table]:
        fate = "vanished" if shadow is None else "is not what was reviewed"
        raise DriftFound(f"{step.copy.table}: our copy of it {fate}; nothing was changed: plan again")
    return shadow


def fingerprint_as(table: Table, name: str) -> str:
    """The fingerprint that *table* will have when it is called *name*. Names of CHECKs may follow it, which may bring them behind
    others.
    """
    checks = [check.named(carried(check.name, table.name, name, CHECK_MARK)) for check in table.checks]
    checks.sort(key=lambda check: (check.name.lower(), check.name))
    return replace(table, name=name, checks=tuple(checks)).rewritten().fingerprint
