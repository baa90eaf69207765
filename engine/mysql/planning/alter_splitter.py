"""Cuts the ALTERs of one change so that what the server does instantly goes by itself: asked in lots, few tries are enough."""

from collections.abc import Callable, Iterator, Sequence

from engine.mysql.planning.trial import Clone, Trial
from engine.mysql.spec import Algorithm
from engine.mysql.trouble import ServerRefused

_TRIES = 32  # some tenths of a second each, of a table with many columns


class AlterSplitter:
    """Splits the ALTERs of one change by what is instant of them."""

    def __init__(
        self, clone: Clone, harmless: Callable[[Trial], bool], alters: Sequence[Sequence[str]]
    ) -> None:
        """*alters*: the change, each ALTER as its parts."""
        self._clone = clone
        self._harmless = harmless
        self._alters = alters
        self._parts = [part for parts in alters for part in parts]
        self._left = _TRIES
        self._used = True  # the clone is not as the live table is
        self._refused: list[str] = []  # by themselves
        self._last: set[str] = set()  # instant when all others have run

    def cuts(self) -> Iterator[list[str]]:
        """Ways to run the change that may do no harm, each as ALTERs in order; none when a part does it whatever it goes with."""
        instant = self._instant(self._parts)
        if instant is None:
            return
        yield self._cut(instant)
        late = {part for part in self._refused[: self._left] if self._instantly_at_last(part)}
        if late:
            self._last |= late
            yield self._cut(instant)

    def _cut(self, instant: frozenset[str]) -> list[str]:
        """Of each ALTER what is instant, then the rest; at the end what is instant then."""
        cut = [
            [part for part in parts if part not in self._last and (part in instant) is first]
            for parts in self._alters
            for first in (True, False)
        ]
        cut.append([part for part in self._parts if part in self._last])
        return [", ".join(parts) for parts in cut if parts]

    def _instant(self, parts: Sequence[str]) -> frozenset[str] | None:
        """Those that are, as far as the tries went; None as soon as one is found that does harm whatever it goes with."""
        if self._left <= 0:
            return frozenset()
        self._left -= 1
        if self._instantly(parts):
            return frozenset(parts)
        if len(parts) == 1:
            return None if self._harms(parts[0]) else frozenset()
        middle = len(parts) // 2
        first = self._instant(parts[:middle])
        others = None if first is None else self._instant(parts[middle:])
        return None if first is None or others is None else first | others

    def _instantly(self, parts: Sequence[str]) -> bool:
        self._renew()
        trial = self._clone.instantly(", ".join(parts))
        self._used = trial is not None
        return trial is not None and trial.algorithm is Algorithm.INSTANT

    def _harms(self, part: str) -> bool:
        """One that is refused only needs another one. A column that goes instantly after its index, say, was only held by it."""
        self._renew()
        self._used = True
        try:
            if self._harmless(self._clone.run(part, instant=False)):
                return False
        except ServerRefused:
            self._refused.append(part)
            return False
        if self._instantly_at_last(part):
            self._last.add(part)
            return False
        return True

    def _instantly_at_last(self, part: str) -> bool:
        """Whether it is when all others have run."""
        self._clone.fresh()
        self._used = True
        try:
            for parts in self._alters:
                if others := [other for other in parts if other != part]:
                    self._clone.run(", ".join(others), instant=False)
        except ServerRefused:
            return False
        trial = self._clone.instantly(part)
        return trial is not None and trial.algorithm is Algorithm.INSTANT

    def _renew(self) -> None:
        """Make the clone again, if something was done to it: what is refused leaves no trace."""
        if self._used:
            self._clone.fresh()
