"""A second connection beside the one that changes tables: shows life, ends a statement, tells how it goes."""

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from engine.base import Control, Progress, Signal
from engine.mysql.blockers import Blockers, blockers, row_blockers
from engine.mysql.link import Link
from engine.mysql.ownership.ending import end
from engine.mysql.ownership.hold import Hold
from engine.mysql.process_list import Process, process_list
from engine.mysql.trouble import Lost, Waited

WAITS_FOR_TABLE = "Waiting for table metadata lock"
_DEFINITION = (
    r"(?si)^(\s|/\*.*?\*/|--[^\n]*\n|#[^\n]*\n)*(SET\s+STATEMENT\s.*?\sFOR\s+)?"
    r"(TRUNCATE|ALTER|DROP|RENAME|CREATE|OPTIMIZE)\b"
)
"""How one begins; a row that is written may contain the words, too. In the PCRE of MariaDB."""
_OF_NAMES = r"[0-9A-Za-z_$\x{80}-\x{10FFFF}]"
"""What a name that is not quoted may be made of."""

BEAT_SECONDS = 5.0

T = TypeVar("T")


class Watch:
    """Opened at first use, and again when it broke; used by the session's thread."""

    def __init__(self, hold: Hold) -> None:
        self.hold = hold
        self._link: Link | None = None
        self._beat_at = time.monotonic()

    def ask(self, call: Callable[[Link], T]) -> T:
        """What *call* makes of the connection; tried on a new one when it turns out to be broken. Fenced, Trouble."""
        try:
            return call(self._opened())
        except Lost:
            self.close()
            return call(self._opened())

    def beat(self) -> None:
        """Show life, now and then. Fenced when a successor has struck us off."""
        if time.monotonic() - self._beat_at >= BEAT_SECONDS:
            self._beat_at = time.monotonic()
            with suppress(Waited):  # somebody holds the whole server, and nobody can take over meanwhile
                self.ask(self.hold.beat)

    def about(self, link: Link, call: Callable[[Link, int], T]) -> T | None:
        """What *call* makes of the connection and of the server's number of *link*, one of ours; None: *link* is gone."""

        def asked(asking: Link) -> T | None:
            number = self.hold.number_of(link, asking)
            return None if number is None else call(asking, number)

        return self.ask(asked)

    def kill_query(self, link: Link) -> None:
        """End what a connection of ours is at, if it is still at it. TargetUnavailable: it commits, which does not end."""
        self.about(link, lambda asking, number: end(asking, "QUERY", number))

    def process_of(self, link: Link) -> Process | None:
        """What the server says a connection of ours is at, None when it is gone."""
        return self.about(link, _process)

    def state_of(self, link: Link) -> str:
        """The state that the server says a connection of ours is in, empty when it is gone."""
        found = self.process_of(link)
        return "" if found is None else found.state

    def blockers(self, tables: Sequence[tuple[str, str]]) -> Blockers:
        """Who but us has held locks on these (schema, table), or on the whole server, for a second or more."""
        return self.ask(lambda link: blockers(link, tables, self.hold.connections))

    def row_blockers(self) -> Blockers:
        """Who but us has had rows of whatever table locked for a second or more."""
        return self.ask(lambda link: row_blockers(link, self.hold.connections))

    def definition_waiting_for(self, schema: str, table: str, ours: int) -> str:
        """A definition of somebody else's that waits and names *table* of *schema*, empty: none is seen. *ours* waits, too.

        For MariaDB: MySQL may refuse that list.
        """
        row = self.ask(
            lambda link: link.row(
                """
                SELECT info FROM information_schema.processlist
                 WHERE state = %s AND id <> %s AND info REGEXP %s
                   AND (LOWER(db) = LOWER(%s) OR info REGEXP %s)
                   AND info REGEXP %s LIMIT 1
                """,
                WAITS_FOR_TABLE,
                ours,
                _as_a_word(table),
                schema,
                _as_a_word(schema),
                _DEFINITION,
            )
        )
        return "" if row is None else " ".join(str(row[0]).split())

    def close(self) -> None:
        """Close it; it opens again at the next use. Nothing is raised."""
        if self._link is not None:
            self.hold.close_link(self._link)
            self._link = None

    def _opened(self) -> Link:
        if self._link is None:
            self._link = self.hold.open_link()
        return self._link


def _process(asking: Link, number: int) -> Process:
    """With nothing in it but the number where the server does not list it."""
    unlisted = Process(id=number, user="", host="", command="", seconds=0, state="", statement="")
    return next((one for one in process_list(asking) if one.id == number), unlisted)


def _as_a_word(name: str) -> str:
    """Finds *name*, quoted or not, but not within a longer one; in the PCRE of MariaDB."""
    return rf"(?i)(?<!{_OF_NAMES}){re.escape(name).replace('`', '``?')}(?!{_OF_NAMES})"


class BeatingControl:
    """A Control that shows life on the target whenever something is reported; implements `engine.base.Control`."""

    def __init__(self, control: Control, watch: Watch) -> None:
        self._control = control
        self._watch = watch

    def report(self, progress: Progress) -> Signal:
        """Pass it on."""
        self._watch.beat()
        return self._control.report(progress)

    def clear_to_cut_over(self) -> Signal:
        """Pass it on."""
        return self._control.clear_to_cut_over()

    def pause(self, seconds: float) -> None:
        """Pass it on."""
        self._control.pause(seconds)

    def volume(self) -> int:
        """Pass it on."""
        return self._control.volume()
