"""Says for whom a copy waits while nothing of it goes on: a lock of the whole server, or rows that somebody holds."""

import time

from engine.mysql.ownership.watch import Watch
from engine.mysql.trouble import Waited

QUIET_SECONDS = 1.0
"""What is over sooner nobody needs to know."""
LOOK_SECONDS = 5.0
"""So often the server is asked, at most."""


class Obstruction:
    """Of one copy; used by the session's thread."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._asked_at = float("-inf")
        self._told = ""

    def told(self, since: float | None, what: str) -> str:
        """Words for *what* has been waited for in vain since then; empty: for nothing, or not for long."""
        now = time.monotonic()
        if since is None or now - since < QUIET_SECONDS:
            self._asked_at = float("-inf")
            return ""
        if now - self._asked_at >= LOOK_SECONDS:
            self._told = self._ask(what)
            self._asked_at = time.monotonic()
        return self._told

    def _ask(self, what: str) -> str:
        if who := self._watch.hold.server_lock():
            return f"waiting for {who}"
        try:
            found = self._watch.row_blockers()
        except Waited:
            return f"waiting for {what}"
        return f"waiting for {what}" + (f", {found}" if found.found else "")
