"""Makes the shadow of a table, empty and in its new form."""

import re
from collections.abc import Collection, Sequence

from engine.errors import DriftFound, Refused
from engine.mysql.catalog import exists, read_table, show_create
from engine.mysql.children import has_children
from engine.mysql.link import Link
from engine.mysql.names import MOMENTS, names_of
from engine.mysql.ownership.hold import Hold
from engine.mysql.quoting import quote_name, quote_table
from engine.mysql.replication.followers import followers
from engine.mysql.shadow.inspection import read_shadow
from engine.mysql.shown import NAME, STRING, unquoted
from engine.mysql.spec import Copy, Step
from engine.mysql.tables import Table
from engine.mysql.trouble import ServerRefused

_NEXT_ID = re.compile(r"^\) .*?\bAUTO_INCREMENT=(\d+)", re.MULTILINE)
"""On one line: it is looked for while writers wait, in what may be long."""
_COUNTING = re.compile(r"\bAUTO_INCREMENT\b(?!=)")
_NEW_CHECK = re.compile(rf"{STRING}|\bADD CONSTRAINT ({NAME}) CHECK ")
"""Strings are passed over."""
_QUOTED = re.compile(f"{NAME}|{STRING}")


class Staging:
    """The making of one shadow, on the connection that holds the named lock."""

    def __init__(self, hold: Hold, step: Step) -> None:
        assert step.copy is not None
        self._hold = hold
        self._link = hold.link
        self._step = step
        self._copy: Copy = step.copy
        self._names = names_of(step.copy.source)
        self._shadow = quote_table(step.schema, self._names.shadow)
        self._source = quote_table(step.schema, step.copy.source)

    def check_source(self) -> Table:
        """The live table. DriftFound when it is not what was reviewed; Refused when it cannot be copied online."""
        table = read_table(self._link, self._step.schema, self._copy.source)
        wanted = dict(self._step.before).get(self._copy.source)
        if table is None or table.fingerprint != wanted:
            what = "does not exist any more" if table is None else "was changed since the plan was made"
            raise DriftFound(f"{self._copy.source} {what}: plan again")
        if table.triggers:
            raise Refused(
                f"{table.name} has triggers ({', '.join(table.triggers)}), which an online copy would lose: drop them, "
                "or change the table with writers stopped"
            )
        self._check_untied(table)
        return table

    def check_free(self) -> None:
        """Refused when a foreign key has the live table, if there is one, or another table the name of a CHECK of the copy."""
        table = read_table(self._link, self._step.schema, self._copy.source)
        if table is not None:
            self._check_untied(table)
        names = _new_checks(self._copy.clauses)
        if names and not self._hold.flavour.mariadb:
            self._check_unused(names)

    def _check_untied(self, table: Table) -> None:
        if table.foreign_keys or has_children(self._link, self._hold.flavour, self._step.schema, table.name):
            raise Refused(
                f"{table.name} is part of a foreign key and cannot be copied online: plan again, or, where the plan itself drops "
                "that key in another change, apply it without --defer-cutover"
            )

    def _check_unused(self, wanted: Collection[str]) -> None:
        """Refused when a table has a CHECK of one of these names (lower case); on MySQL a schema has each once."""
        for name, other in self._link.rows(
            "SELECT constraint_name, table_name FROM information_schema.table_constraints "
            "WHERE constraint_schema = %s AND constraint_type = 'CHECK'",
            self._step.schema,
        ):
            if name.lower() in wanted and other != self._names.shadow:
                raise Refused(
                    f"{self._copy.source}: the name {name} of its CHECK is taken by one of {other}: plan again, or, where the "
                    "plan itself takes it from there in another change, apply it without --defer-cutover"
                )

    def check_names(self) -> None:
        """Refused when something of somebody else's has a name that we need."""
        tables = (self._names.shadow, self._names.old, self._names.delta)
        triggers = tuple(self._names.trigger(moment) for moment in MOMENTS)
        for kind, names in (("TABLE", tables), ("TRIGGER", triggers)):
            for name in names:
                if exists(self._link, kind, self._step.schema, name):
                    raise Refused(
                        f"the {kind.lower()} {name} is in the way and not of this apply; if no other apply is at work there, "
                        "remove it, then plan again"
                    )

    def make(self) -> Table:
        """Create the shadow and give it its new form. DriftFound when that does not give what was reviewed."""
        with self._link.without_limit():  # many partitions are many files
            self._link.run(f"CREATE TABLE {self._shadow} LIKE {self._source}")
            for clause in self._copy.clauses:
                self._alter(clause)
        self.carry_counter()
        return read_shadow(self._link, self._step)

    def carry_counter(self, link: Link | None = None) -> None:
        """Have the shadow's AUTO_INCREMENT not behind the source's: an id that was given once is never given again."""
        link = link or self._link
        wanted = next_id(show_create(link, self._step.schema, self._copy.source) or "")
        shadow = show_create(link, self._step.schema, self._names.shadow) or ""
        if wanted > next_id(shadow) and _COUNTING.search(_unquoted(shadow)):
            link.run(f"ALTER TABLE {self._shadow} AUTO_INCREMENT = {wanted}")

    def put_off_indexes(self, table: Table) -> tuple[str, ...]:
        """Drop those indexes of the shadow that are built faster when the rows are there; their lines.

        Not where replicas follow: they would do nothing else while they build them.
        """
        lines = {
            index.name: index.line for index in table.indexes if not index.unique and index.kind == "BTREE"
        }
        followed = followers(self._link, self._hold.flavour, but=self._hold.address.user)
        if not lines or followed or _counted_by(table, set(lines)):
            return ()
        drops = ", ".join(f"DROP INDEX {quote_name(name)}" for name in lines)
        with self._link.without_limit():  # as in `make`
            self._link.run(f"ALTER TABLE {self._shadow} {drops}")
        return tuple(lines.values())

    # -- inside -------------------------------------------------------------------------------------------------

    def _alter(self, clause: str) -> None:
        """COPY spares one of the few instant versions a table can have; on an empty table it takes no time."""
        try:
            self._link.run(f"ALTER TABLE {self._shadow} {clause}, ALGORITHM=COPY")
        except ServerRefused:
            # Partitioning clauses take no ALGORITHM; what is really wrong is refused again.
            self._link.run(f"ALTER TABLE {self._shadow} {clause}")


def next_id(text: str) -> int:
    """The number that SHOW CREATE TABLE says will be given next; 0: none was given yet, or there is no such column."""
    found = _NEXT_ID.search(_unquoted(text))
    return int(found[1]) if found else 0


def _new_checks(clauses: Sequence[str]) -> set[str]:
    """The names of the CHECKs that *clauses* add, in lower case."""
    found = {name for clause in clauses for name in _NEW_CHECK.findall(clause)}
    return {unquoted(name).lower() for name in found if name}


def _unquoted(text: str) -> str:
    """*text* without strings and names, in which anything may stand."""
    return _QUOTED.sub("", text)


def _counted_by(table: Table, names: set[str]) -> bool:
    """Whether the AUTO_INCREMENT column has no index but those of *names*."""
    counters = {column.name.lower() for column in table.columns if column.auto_increment}
    return bool(counters) and not any(
        index.columns and index.columns[0].lower() in counters
        for index in table.indexes
        if index.name not in names
    )
