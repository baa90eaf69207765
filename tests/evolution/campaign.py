"""Searches until the time is up: a pair from each seed, and each failure once, made as small as there is time for."""

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import HypothesisException

from tests.evolution.journey import travel
from tests.evolution.pair import Pair
from tests.evolution.pairs import pairs
from tests.evolution.wrong import Wrong
from tests.servers.server import Server

SHRINK_SECONDS = 120.0


class Campaign:
    """On one server; `tally` counts what was met, `failures` has each that was found, and its smallest pair."""

    def __init__(self, server: Server, folder: Path, say: Callable[[str], None]) -> None:
        self._server = server
        self._folder = folder
        self._say = say
        self.tally: Counter[str] = Counter()
        self.failures: dict[str, Path] = {}

    def run(self, first_seed: int, seconds: float) -> None:
        """One seed after the other; one at least."""
        until, number = time.monotonic() + seconds, first_seed
        while True:
            found = smallest(number, self._server.flavour, self._journey)
            if found is not None:
                self._note(number, *found)
            number += 1
            if time.monotonic() > until:
                return

    def _journey(self, pair: Pair) -> Wrong | None:
        try:
            travel(self._server, pair, self.tally)
        except Wrong as wrong:
            if wrong.signature not in self.failures:
                return wrong
            self.tally["known failures"] += 1
        return None

    def _note(self, number: int, wrong: Wrong, pair: Pair) -> None:
        path = self._folder / f"{self._server.flavour}-{number}.json"
        pair.save(path)
        self.failures[wrong.signature] = path
        self._say(f"\n=== seed {number}: {wrong}\n{pair}\n--target {self._server.flavour} --replay {path}\n")


class _Enough(BaseException):
    """Ends Hypothesis, which takes it for somebody's ^C."""


def smallest(number: int, flavour: str, journey: Callable[[Pair], Wrong | None]) -> tuple[Wrong, Pair] | None:
    """What is wrong with the pair of that seed, and a small pair with which it is, too; None: nothing is."""
    search = _Search(journey)

    @seed(number)
    @settings(
        max_examples=2,  # the simplest, and one of the seed's own; what follows would be variations of it
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
    )
    @given(pairs(flavour))
    def run(pair: Pair) -> None:
        search.look(pair)

    with suppress(Wrong, _Enough, HypothesisException):
        run()
    return search.found


class _Search:
    """Looks at pairs, each once, and holds on to the first failure."""

    def __init__(self, journey: Callable[[Pair], Wrong | None]) -> None:
        self._journey = journey
        self._seen: dict[Pair, Wrong | None] = {}
        self._until = float("inf")
        self._begun = False
        self.found: tuple[Wrong, Pair] | None = None

    def look(self, pair: Pair) -> None:
        """Raises what is wrong, if it is that."""
        if not self._begun:
            self._begun = True  # the simplest of all, which is always the same
            return
        if time.monotonic() > self._until:
            raise _Enough
        if pair not in self._seen:
            self._seen[pair] = self._journey(pair)
        wrong = self._seen[pair]
        if wrong is None:
            return
        if self.found is None:
            self._until = time.monotonic() + SHRINK_SECONDS
        if self.found is None or self.found[0].signature == wrong.signature:
            self.found = (wrong, pair)
            raise wrong
