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
        self._vain_since: float | None = None

    def defer(self, keys: Iterable[Literals]) -> None:
        """These could not be applied just now."""
        self._keys.update(keys)
        self._vain_since = self._vain_since or time.monotonic()

    def applied(self, keys: Iterable[Literals]) -> None:
        """These are done."""
        self._keys.difference_update(keys)
        self._vain_since = None

    def __contains__(self, key: Literals) -> bool:
        return key in self._keys

    def gives_way(self, applying: Collection[Literals]) -> bool:
        """Whether *applying*, the generation, has been tried for long enough in vain, or but for what could not be applied is
        through: if many are held, each is waited for, and it may take hours until all were tried.

        To be asked before others are begun with; true for an empty generation.
        """
        now = time.monotonic()
        if len(self._keys) < len(applying):
            self._alone_since = None
        else:
            self._alone_since = self._alone_since or now
        sinces = [since for since in (self._alone_since, self._vain_since) if since is not None]
        if applying and now - min(sinces, default=now) < ALONE_SECONDS:
            return False
        self._alone_since = self._vain_since = None
        return True
