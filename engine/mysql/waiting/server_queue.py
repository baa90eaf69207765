"""Who cannot write anywhere on the server because somebody wants a lock of all of it, and waits with that for us.

FLUSH TABLES WITH READ LOCK waits for every ALTER TABLE that is under way, and whoever writes queues behind it.
"""

import re
import time
from collections.abc import Collection

from engine.mysql.ownership.watch import Watch
from engine.mysql.process_list import Process, process_list

LONG_SECONDS = 1.0
LOOK_SECONDS = 0.25
"""How often the server is asked."""
_WAITS = ("Waiting for global read lock", "Waiting for backup lock")
_NO_WRITER = re.compile(r"(?i)\W*(FLUSH|BACKUP|LOCK|ALTER|CREATE|DROP|RENAME|TRUNCATE|OPTIMIZE)\b")
"""Who asks for the lock, or changes definitions: a backup that keeps nobody but these waiting costs no work of ours."""
_ASKS = re.compile(r"(?i)(?:\W|/\*.*?\*/)*(FLUSH|BACKUP|LOCK\s+INSTANCE|SET)\b")
"""Who wants the lock. A backup that has it already keeps writers waiting whatever we do."""


class ServerQueue:
    """Behind one statement of ours. Used by the session's thread; sees only what the account may see."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._looked_at = float("-inf")
        self._since: float | None = None

    def too_long(self) -> bool:
        """Whether it has been there for longer than others should have to wait; to be called several times a second."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            ours = self._watch.hold.connections
            self._since = (self._since or now) if queued(self._watch.ask(process_list), ours) else None
        return self._since is not None and now - self._since >= LONG_SECONDS


def queued(processes: Collection[Process], ours: Collection[int]) -> bool:
    """Whether any of *processes* but *ours* waits to write, behind one that waits for the lock."""
    waiting = [one.statement for one in processes if one.state in _WAITS and one.id not in ours]
    return any(map(_ASKS.match, waiting)) and not all(map(_NO_WRITER.match, waiting))
