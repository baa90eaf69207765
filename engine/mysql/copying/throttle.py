"""Whether the target can take more just now: how busy it is, and how far its replicas are behind."""

import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

from engine.errors import EngineError
from engine.mysql.link import Link
from engine.mysql.ownership.hold import Hold

LOOK_SECONDS = 0.5
REPLICA_LOOK_SECONDS = 2.0
BUSY_THREADS = 25
"""With more threads at work the server is at its limit, whatever the machine (our own, a handful, count, too)."""
WRITES_PER_SECOND = 10.0
"""With more statements that write, others than those we use to copy, an application is at work."""
_COUNTED = ("Com_insert", "Com_update", "Com_delete", "Com_replace", "Com_update_multi")
LAG_SECONDS = 5.0


class Throttle:
    """Looked at between chunks; it asks the server now and then only."""

    def __init__(self, hold: Hold) -> None:
        self._hold = hold
        self._looked_at = float("-inf")
        self._replicas_at = float("-inf")
        self._replicas: dict[str, Link] = {}
        self._why = ""
        self._lag = ""
        self._writes: tuple[float, int] | None = None
        self.busy = False
        """Whether an application writes: then the copy is to be gentle."""

    def look(self, link: Link) -> tuple[bool, str]:
        """Whether to begin no further chunk, and why, for people."""
        now = time.monotonic()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            if now - self._replicas_at >= REPLICA_LOOK_SECONDS:
                self._replicas_at = now
                self._lag = self._look_at_replicas(link)
            self._why = self._look_at_server(link) or self._lag
        return bool(self._why), self._why

    def working(self, link: Link) -> bool:
        """Whether an application writes just now; takes a moment."""
        self._look_at_server(link)
        link.value("SELECT SLEEP(%s)", LOOK_SECONDS)
        self._look_at_server(link)
        return self.busy

    def close(self) -> None:
        """Let go of the connections to replicas."""
        for link in self._replicas.values():
            link.close()
        self._replicas = {}

    def _look_at_server(self, link: Link) -> str:
        names = ", ".join(f"'{name}'" for name in ("Threads_running", *_COUNTED))
        found: dict[str, Any] = dict(link.rows(f"SHOW GLOBAL STATUS WHERE Variable_name IN ({names})"))
        self._note(sum(int(found.get(name, 0)) for name in _COUNTED))
        running = int(found["Threads_running"])
        if running <= BUSY_THREADS:
            return ""
        return f"waiting: {running} threads run on the server, more than {BUSY_THREADS}"

    def _note(self, writes: int) -> None:
        """What we write by statements of these kinds is next to nothing."""
        now, before = time.monotonic(), self._writes
        self._writes = (now, writes)
        if before is not None and now > before[0]:
            self.busy = (writes - before[1]) / (now - before[0]) > WRITES_PER_SECOND

    def _look_at_replicas(self, link: Link) -> str:
        """The replicas that told the server where they can be reached; one that cannot be asked does not hold us up."""
        for host, port in self._registered(link):
            lag = self._lag_of(host, port)
            if lag is not None and lag > LAG_SECONDS:
                return (
                    f"waiting: the replica {host}:{port} is {lag:.0f} s behind, more than {LAG_SECONDS:.0f} s"
                )
        return ""

    def _registered(self, link: Link) -> list[tuple[str, int]]:
        statement = "SHOW SLAVE HOSTS" if self._hold.flavour.mariadb else "SHOW REPLICAS"
        with suppress(EngineError):
            return [(str(row["host"]), int(row["port"])) for row in link.named(statement) if row["host"]]
        return []

    def _lag_of(self, host: str, port: int) -> float | None:
        name = f"{host}:{port}"
        try:
            if name not in self._replicas:
                self._replicas[name] = Link(
                    replace(self._hold.address, host=host, port=port, socket=""), schema=""
                )
            status = "SHOW SLAVE STATUS" if self._hold.flavour.mariadb else "SHOW REPLICA STATUS"
            lags = [
                row.get("seconds_behind_source", row.get("seconds_behind_master"))
                for row in self._replicas[name].named(status)
            ]
        except EngineError:
            if name in self._replicas:
                self._replicas.pop(name).close()
            return None
        return max((float(lag) for lag in lags if lag is not None), default=None)
