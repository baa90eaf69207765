"""Which parts of an ALTER the server does instantly: asked in lots, so that few tries are enough for many parts."""

from collections.abc import Callable, Sequence

from engine.mysql.planning.trial import Clone, Trial
from engine.mysql.spec import Algorithm
from engine.mysql.trouble import ServerRefused

_TRIES = 32  # some tenths of a second each, of a table with many columns


class Sieve:
    """Sifts the parts of one change."""

    def __init__(self, clone: Clone, harmless: Callable[[Trial], bool]) -> None:
        self._clone = clone
        self._harmless = harmless
        self._left = _TRIES
        self._used = True  # the clone is not as the live table is

    def instant(self, parts: Sequence[str]) -> frozenset[str] | None:
        """Those that are, as far as the tries went; None as soon as one is found that does harm whatever it goes with."""
        if self._left <= 0:
            return frozenset()
        self._left -= 1
        if self._instantly(parts):
            return frozenset(parts)
        if len(parts) == 1:
            return None if self._harms(parts[0]) else frozenset()
        middle = len(parts) // 2
        first = self.instant(parts[:middle])
        others = None if first is None else self.instant(parts[middle:])
        return None if first is None or others is None else first | others

    def _instantly(self, parts: Sequence[str]) -> bool:
        self._renew()
        trial = self._clone.instantly(", ".join(parts))
        self._used = trial is not None
        return trial is not None and trial.algorithm is Algorithm.INSTANT

    def _harms(self, part: str) -> bool:
        """One that is refused only needs another one."""
        self._renew()
        self._used = True
        try:
            return not self._harmless(self._clone.run(part, instant=False))
        except ServerRefused:
            return False

    def _renew(self) -> None:
        """Make the clone again, if something was done to it: what is refused leaves no trace."""
        if self._used:
            self._clone.fresh()
