"""What a worker process tells of its own writes: which ones the store refused, and any it took from an owner it had refused."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from storage.base import Store
from storage.errors import LeaseLost
from storage.records import Claim

GUARDED = frozenset(
    {"advance", "attach", "complete", "fail", "hand_back", "log", "park", "record", "retry_later", "settle"}
    | {"settle_cancel", "settle_stop"}
)


class Witness:
    """Looks over the shoulder of a store. One line per event, appended whole, so that it survives kill -9."""

    def __init__(self, store: Store, file: Path) -> None:
        self._store = store
        self._fd = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._refused: set[str] = set()
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)
        return self._watched(name, call) if name in GUARDED else call

    def heartbeat(self, claims: Iterable[Claim]) -> frozenset[str]:
        """Renew; those proven lost are refused."""
        held = list(claims)
        known = [self._is_refused(claim) for claim in held]
        lost = self._store.heartbeat(held)
        for claim, late in zip(held, known, strict=True):
            self._note("heartbeat", claim, refused=claim.token in lost, late=late)
        return lost

    def _watched(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def write(claim: Claim, *rest: Any, **named: Any) -> Any:
            # Before: the process may be stopped between the write and the note.
            late = self._is_refused(claim)
            try:
                result = call(claim, *rest, **named)
            except LeaseLost:
                self._note(name, claim, refused=True, late=late)
                raise
            self._note(name, claim, refused=False, late=late)
            return result

        return write

    def _is_refused(self, claim: Claim) -> bool:
        with self._lock:
            return claim.token in self._refused

    def _note(self, verb: str, claim: Claim, *, refused: bool, late: bool) -> None:
        if refused:
            with self._lock:
                self._refused.add(claim.token)
            self._say(f"refused {verb}")
        elif late:
            self._say(f"late {verb}")

    def _say(self, line: str) -> None:
        os.write(self._fd, f"{line}\n".encode())


def told(file: Path) -> Counter[str]:
    """How many writes were `refused`, and how many accepted although an earlier one was refused (`late`)."""
    if not file.exists():
        return Counter()
    return Counter(line.split(" ")[0] for line in file.read_text().splitlines())
