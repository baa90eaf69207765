"""How long others may wait because a statement of ours waits for its tables; a statement that is spared costs hours.

A statement may need more than one table for itself, with the foreign keys that tie them: the server takes one lock after the
other, keeps what it has, and waits for each as long as its own limit allows. Here they have one second together.

An ALTER TABLE in place needs the table for itself for a moment, at its begin and again at its end, when all is built. What waits
for such a lock makes everybody else queue behind it. At the begin nothing is lost by giving up. At the end the whole
build is lost: there it waits on for whoever has the table, and is given up only when others have queued for too long. In between
nobody queues, unless somebody wants a lock of the whole server.
"""

import time

from engine.mysql.ownership.ending import COMMITTING
from engine.mysql.ownership.watch import WAITS_FOR_TABLE, Watch
from engine.mysql.process_list import Process, process_list
from engine.mysql.rights import rights_of
from engine.mysql.waiting.server_queue import ServerQueue, queued

BUDGET_SECONDS = 1.0
_WAITS = "Waiting for"
SURE_SECONDS = 0.02
"""Who is seen at work again so soon is at work; once may be between two locks."""


class LockBudget:
    """Of one statement of ours that is under way. Used by the session's thread."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._server_queue = ServerQueue(watch)
        self._sees_all: bool | None = None  # not asked yet
        self._free_at = time.monotonic()  # when it was last sure that nobody had to wait
        self._looks_at_work = 0
        self.worked = False
        """Whether it was seen at work."""
        self.at_the_end = False
        """Whether it waits for its last lock."""
        self.keeps_server_waiting = False
        """Whether it was spent because writers of the whole server wait for it."""

    def next_look(self, seconds: float) -> float:
        """When to look again: after so many *seconds*, or sooner, to be sure that it is at work, or when it may be spent."""
        if self._looks_at_work == 1:
            return min(seconds, SURE_SECONDS)
        left = self._free_at + BUDGET_SECONDS - time.monotonic()
        return min(seconds, left) if left > 0 else seconds

    def spent(self, process: Process) -> bool:
        """Whether it has to be given up, *process* being it; to be called several times a second. TargetUnavailable."""
        now = time.monotonic()
        if not process.state.startswith(_WAITS) or process.state in COMMITTING:
            self._looks_at_work += 1
            self.at_the_end = False
            if self._looks_at_work > 1:
                if self._sees_all is None:
                    self._sees_all = self._may_see_all()
                self.worked = True
                self._free_at = now
            self.keeps_server_waiting = self._server_queue.too_long()
            return self.keeps_server_waiting
        self._looks_at_work = 0
        self.at_the_end = self.worked
        if self.worked and self._sees_all and not self._queued(process):
            self._free_at = now
        return now - self._free_at >= BUDGET_SECONDS

    def _may_see_all(self) -> bool:
        hold = self._watch.hold
        return self._watch.ask(lambda link: not rights_of(link, hold.flavour).missing(("PROCESS",)))

    def _queued(self, behind: Process) -> bool:
        """Whether anybody else waits for a table, for which, not every server tells, or for a lock of the whole server."""
        found = self._watch.ask(process_list)
        of_tables = any(one.state == WAITS_FOR_TABLE and one.id != behind.id for one in found)
        return of_tables or queued(found, self._watch.hold.connections)
