"""How long others may wait because a statement of ours waits for its table; a statement that is spared costs hours.

An ALTER TABLE in place needs the table for itself for a moment, at its begin and again at its end, when all is built. What waits
for such a lock makes everybody else queue behind it. At the begin nothing is lost by giving up. At the end the whole
build is lost: there it waits on for whoever has the table, and is given up only when others have queued for too long.
"""

import time

from engine.mysql.ownership.watch import WAITS_FOR_TABLE, Watch
from engine.mysql.process_list import Process, process_list
from engine.mysql.rights import rights_of

BUDGET_SECONDS = 1.0
_WAITS = "Waiting for"


class LockBudget:
    """Of one statement of ours that is under way. Used by the session's thread."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._sees_all: bool | None = None  # not asked yet
        self._free_at = time.monotonic()  # when it was last seen that nobody had to wait
        self.worked = False
        """Whether it was seen at work."""
        self.at_the_end = False
        """Whether it waits for its last lock."""

    def spent(self, process: Process) -> bool:
        """Whether it has to be given up, *process* being it; to be called several times a second. TargetUnavailable."""
        now = time.monotonic()
        if not process.state.startswith(_WAITS):
            if self._sees_all is None:
                self._sees_all = self._may_see_all()
            self.worked, self.at_the_end = True, False
            self._free_at = now
            return False
        self.at_the_end = self.worked
        if self.worked and self._sees_all and not self._queued(process):
            self._free_at = now
        return now - self._free_at >= BUDGET_SECONDS

    def _may_see_all(self) -> bool:
        hold = self._watch.hold
        return self._watch.ask(lambda link: not rights_of(link, hold.flavour).missing(("PROCESS",)))

    def _queued(self, behind: Process) -> bool:
        """Whether anybody else waits for a table; for which, not every server tells."""
        found = self._watch.ask(process_list)
        return any(one.state == WAITS_FOR_TABLE and one.id != behind.id for one in found)
