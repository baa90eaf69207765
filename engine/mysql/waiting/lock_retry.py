"""Tries that need a lock on a table for a moment: short, so that the application can bear them, and until one fits."""

import time
from collections.abc import Callable, Sequence

from engine.base import Control, Signal
from engine.mysql.blockers import Blockers, blockers
from engine.mysql.ownership.watch import Watch
from engine.mysql.trouble import Waited

FIRST_REST_SECONDS = 1.0
LONGEST_REST_SECONDS = 60.0
LOOK_SECONDS = 0.25

Say = Callable[[str], Signal]
"""Reports what goes on and tells what is wanted."""


class LockRetry:
    """The tries on some tables."""

    def __init__(
        self,
        watch: Watch,
        control: Control,
        tables: Sequence[tuple[str, str]],
        say: Say,
        *,
        beside: Sequence[tuple[str, str]] = (),
    ) -> None:
        """*beside*: tables that are locked, too, and need not be named."""
        self._watch = watch
        self._control = control
        self._tables = tables
        self._looked_at = (*tables, *beside)
        self._say = say

    def until(self, attempt: Callable[[], Signal]) -> Signal:
        """Repeat *attempt* until it does not raise Waited; what it returned, or the signal that came in between.

        Commands and the lease are looked at before each (CO-1, OW-3). While the server names somebody who has long had a
        lock, most tries are saved: each makes the application queue behind it, and would be in vain.
        """
        rest, why = FIRST_REST_SECONDS, None
        seen = self._look()
        hopeless = seen.sure and bool(seen.found)
        while True:
            signal = self._control.clear_to_cut_over()
            if signal is not Signal.GO:
                return signal
            if not hopeless:
                try:
                    return attempt()
                except Waited as error:
                    why = error
            hopeless = False
            signal = self._rest(rest, why)
            if signal is not Signal.GO:
                return signal
            rest = min(rest * 2, LONGEST_REST_SECONDS)

    def _rest(self, seconds: float, why: Waited | None) -> Signal:
        """Say who is in the way; over at once when nobody is any more. Nobody known all the while: something else is, and what
        the last try said (*why*) is all there is to tell.
        """
        until, known = time.monotonic() + seconds, False
        while time.monotonic() < until:
            seen = self._look()
            names = ", ".join(table for _, table in self._tables)
            said = (
                str(seen)
                if _better_known(seen, why)
                else "; ".join(filter(None, (str(why or ""), str(seen))))
            )
            signal = self._say(f"waiting for a lock on {names}" + (f": {said}" if said else ""))
            if signal is not Signal.GO:
                return signal
            self._control.pause(LOOK_SECONDS)
            if known and seen.sure and not seen.found:
                break
            known = known or bool(seen.found)
        return Signal.GO

    def _look(self) -> Blockers:
        try:
            return self._watch.blockers(self._looked_at)
        except Waited:  # somebody holds the whole server; a connection cannot be put on record now
            hold = self._watch.hold
            return blockers(hold.link, self._looked_at, hold.connections)


def _better_known(seen: Blockers, why: Waited | None) -> bool:
    """Whether who was *seen* says it all. What we found out by ourselves, not the server's error, is told beside a guess."""
    return bool(seen.found) and (seen.sure or why is None or bool(why.code))
