"""Whether the target can take more just now: how busy it is, and how far its replicas are behind."""

import time
from typing import Any

from engine.base import DEFAULT_VOLUME
from engine.mysql.link import Link
from engine.mysql.ownership.hold import Hold
from engine.mysql.replication.lag import LagMonitor

LOOK_SECONDS = 0.5
FIRST_SECONDS = 1.0
"""So long the first look at the replicas is waited for; it takes milliseconds where all is well."""
BUSY_THREADS = 25
"""With more threads at work no chunk begins (our own, a handful, count, too): at so many pt-online-schema-change pauses, too."""
WRITES_PER_SECOND = 20.0
"""With more statements that write an application is at work. Ours copy by kinds that are not counted; noting connections is.
Not measured: well above what is noted, and what a server does by itself.
"""
_COUNTED = ("Com_insert", "Com_update", "Com_delete", "Com_replace", "Com_update_multi")


class Throttle:
    """Looked at between chunks; it asks the server now and then only."""

    def __init__(self, hold: Hold) -> None:
        self._hold = hold
        self._looked_at = float("-inf")
        self._replicas: LagMonitor | None = None
        self._full = ""
        self._writes: tuple[float, int] | None = None
        self.busy = False
        """Whether an application writes: then the copy is to be gentle."""
        self.gentle = False
        """Whether it is to be gentle, as an application writes or nobody knows how far a replica is behind."""

    def look(self, link: Link, doing: str, volume: int) -> tuple[bool, str]:
        """Whether to begin no further chunk of what one is *doing*, and what to tell people."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            self._full = self._look_at_server(link)
        if self._replicas is None:
            self._replicas = LagMonitor(self._hold.address, self._hold.flavour, self._hold.silent_replicas)
            self._replicas.looked.wait(FIRST_SECONDS)
        found = self._replicas.status
        self.gentle = self.busy or bool(found.doubt)
        if why := (self._full if volume <= DEFAULT_VOLUME else "") or found.wait:
            return True, why
        return False, f"{doing}, {found.doubt}" if found.doubt else doing

    def close(self) -> None:
        """Ask the replicas no more."""
        replicas, self._replicas = self._replicas, None
        if replicas is not None:
            replicas.close()

    def _look_at_server(self, link: Link) -> str:
        names = ", ".join(f"'{name}'" for name in ("Threads_running", *_COUNTED))
        found: dict[str, Any] = dict(link.rows(f"SHOW GLOBAL STATUS WHERE Variable_name IN ({names})"))
        self._note(sum(int(found.get(name, 0)) for name in _COUNTED))
        running = int(found["Threads_running"])
        if running <= BUSY_THREADS:
            return ""
        return (
            f"waiting: {running} threads run on the server, more than {BUSY_THREADS} "
            f"(a volume above {DEFAULT_VOLUME} does not wait for that)"
        )

    def _note(self, writes: int) -> None:
        """What we write by statements of these kinds is next to nothing."""
        now, before = time.monotonic(), self._writes
        self._writes = (now, writes)
        if before is not None and now > before[0]:
            self.busy = (writes - before[1]) / (now - before[0]) > WRITES_PER_SECOND
