"""Keys that could not be applied at once, as somebody holds their rows: others must not wait for them for long."""

import time
from collections.abc import Collection, Iterable

from engine.mysql.shadow.keys import Literals

ALONE_SECONDS = 1.0
"""So long they are tried again before others go first."""


class DeferredKeys:
    """Of one generation of keys."""

    def __init__(self) -> None:
        self._keys: set[Literals] = set()
        self._alone_since: float | None = None

    def defer(self, keys: Iterable[Literals]) -> None:
        """These could not be applied just now."""
        self._keys.update(keys)

    def applied(self, keys: Iterable[Literals]) -> None:
        """These are done."""
        self._keys.difference_update(keys)

    def __contains__(self, key: Literals) -> bool:
        return key in self._keys

    def gives_way(self, applying: Collection[Literals]) -> bool:
        """Whether of *applying*, the generation, nothing is left but what has been tried for long enough in vain.

        To be asked before others are begun with; true for an empty generation.
        """
        if len(self._keys) < len(applying):
            self._alone_since = None
            return False
        now = time.monotonic()
        if self._alone_since is None:
            self._alone_since = now
        if applying and now - self._alone_since < ALONE_SECONDS:
            return False
        self._alone_since = None
        return True
