"""A statement by which the server copies a table while writers wait: begun when the table is free, and not in vain for ever.

The server needs the table for itself when the copy is done, and throws it away if somebody else has the table just then. Readers
may come while it copies, so that nothing found at the begin makes sure of the end.
"""

from functools import cached_property

from engine import faults
from engine.errors import Refused
from engine.mysql.blockers import Blockers
from engine.mysql.changing.family import family_of, locked
from engine.mysql.ownership.watch import Watch
from engine.mysql.spec import Algorithm, Statement
from engine.mysql.trouble import NO_PRIVILEGE, ServerRefused, Trouble, Waited

MOST = 3
"""So many copies are thrown away."""


class ServerCopy:
    """One such statement. Used by the session's thread."""

    def __init__(self, watch: Watch, schema: str, table: str) -> None:
        self._watch = watch
        self._hold = watch.hold
        self._schema = schema
        self._table = table
        self._thrown_away = 0

    @cached_property
    def tables(self) -> list[tuple[str, str]]:
        """What the server needs at the end: the table, and those whose foreign keys refer to it, as far as they are beside it."""
        return family_of(self._hold.link, self._schema, self._table)

    def see_free(self) -> None:
        """Waited: somebody has the table; writers queued behind this look for a second at most."""
        try:
            self._have_it()
        except Waited:
            if not self._held_beside():
                raise
        except (ServerRefused, Trouble) as error:
            if isinstance(error, Trouble) and error.code not in NO_PRIVILEGE:  # LOCK TABLES may be missing
                raise
            seen = self._look()
            if seen.sure and seen.found:
                raise Waited(f"somebody has {self._table}", 0) from error

    def thrown_away(self) -> None:
        """Count a copy that came to nothing. Refused: it was the last."""
        self._thrown_away += 1
        if self._thrown_away < MOST:
            return
        found = str(self._look())
        raise Refused(
            f"{self._table}: the server has copied the table {MOST} times while its writers waited, and threw the copy away "
            f"each time, as somebody else had the table when it was done{f' ({found})' if found else ''}; the table is as it "
            "was: end the transactions that stay open on it, or wait for a time without them, then plan again"
        )

    def told(self, detail: str) -> str:
        """*detail*, and what became of the copies before."""
        if not self._thrown_away:
            return detail
        return (
            f"{detail} (the server's copy was thrown away {self._thrown_away} of {MOST} times, as somebody else had "
            f"{self._table} when it was done)"
        )

    def _have_it(self) -> None:
        """Lock all of it as the server will, and let go at once."""
        with locked(self._watch, self.tables):
            faults.reached("table_held")

    def _held_beside(self) -> bool:
        """Whether only a table that the triggers write to is held by somebody: LOCK TABLES locks those too, a copy does not."""
        if not self._hold.link.value(
            "SELECT COUNT(*) FROM information_schema.triggers WHERE event_object_schema = %s AND event_object_table = %s",
            self._schema,
            self._table,
        ):
            return False
        seen = self._look()
        return seen.sure and not seen.found

    def _look(self) -> Blockers:
        return self._watch.blockers(self.tables)


def server_copy(watch: Watch, schema: str, statement: Statement) -> ServerCopy | None:
    """Of a statement that copies a table, or may do so: what takes no algorithm (partitions) does not tell beforehand."""
    table = statement.subject(schema, "ALTER TABLE")
    copies = statement.algorithm in (Algorithm.COPY, Algorithm.PLAIN)
    return ServerCopy(watch, schema, table) if copies and table is not None else None
