"""How fast several daemons claim from one store on MariaDB and MySQL, and whether the length of the history matters.

Beside it in the same run, on the same server: the floor (bare transactions of two statements) and huey's SQL storage.
Every figure comes from the same processes and threads, for the same stretch of time; histories take turns in rounds,
since a shared machine changes its pace by the minute. Whether the p99 grows is told by pairs of stretches, with the longest
history and with none, taken within seconds of each other: the median of their ratios, with the interval that holds it
with 95 % certainty. The floor knows no history; its own ratio shows the noise of the run.
"""

import argparse
import statistics
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from bench.crew import NUMBERS, Crew, Mode, Outcome
from bench.machine import describe
from bench.premises import Premises, about, deadlocks
from bench.samples import Growth, milliseconds, quantile
from tests.servers.flavours import FLAVOURS
from tests.servers.private import PrivateServer

DURABLE = (
    "--innodb-flush-log-at-trx-commit=1",
    "--sync-binlog=1",
    "--innodb-flush-method=O_DIRECT",
    "--innodb-buffer-pool-size=1G",
)
LARGER_LOG = {"mariadb": "--innodb-log-file-size=512M", "mysql": "--innodb-redo-log-capacity=512M"}
TARGET_SHARE = 0.7
STEADY = 1.3
"""The p99 is called independent of the history when it grows by no more than this beyond the floor's own noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """How much is measured."""

    histories: tuple[int, ...]
    shapes: tuple[tuple[int, int], ...]
    """(daemons, workers each)"""
    rounds: int
    seconds: float

    @property
    def plans(self) -> int:
        """How many plans the workers need."""
        return max(daemons * workers for daemons, workers in self.shapes) * NUMBERS


FULL = Scope(
    histories=(0, 100_000, 1_000_000),
    shapes=((1, 1), (2, 1), (4, 1), (1, 4), (2, 4), (4, 4), (1, 16), (2, 16), (4, 16)),
    rounds=5,
    seconds=0.3,
)
QUICK = Scope(histories=(0, 20_000), shapes=((1, 1), (1, 4), (4, 4)), rounds=2, seconds=0.25)

Key = tuple[str, Mode, int, int, int]
"""Kind of queue, mode, history, daemons, workers each."""


@dataclass(slots=True)
class Run:
    """Everything measured on one server."""

    scope: Scope
    cells: dict[Key, Outcome] = field(default_factory=lambda: defaultdict(Outcome))
    tails: dict[Key, list[float]] = field(default_factory=lambda: defaultdict(list))
    """The p99 of each stretch."""
    deadlocks: Counter[str] = field(default_factory=Counter)
    rates: dict[str, float] = field(default_factory=lambda: {"store": 3000.0, "bare": 3000.0, "huey": 3000.0})

    def note(self, key: Key, outcome: Outcome) -> None:
        """One stretch is over."""
        self.cells[key].add(outcome)
        self.tails[key].append(quantile(_times(outcome, key[1]), 0.99))

    def rate(self, kind: str, mode: Mode, history: int, shape: tuple[int, int]) -> float:
        """Claims, or cycles, per second."""
        return self.cells[kind, mode, history, *shape].rate

    def errors(self, kind: str) -> list[str]:
        """Whatever calls of that kind of queue raised."""
        return [text for key, cell in self.cells.items() if key[0] == kind for text in cell.errors]

    def growth(self, kind: str, mode: Mode) -> Growth:
        """The p99 with the longest history, as a multiple of the p99 with none."""
        return Growth(
            [
                longest / none
                for shape in self.scope.shapes
                for none, longest in zip(
                    *(self.tails[kind, mode, self.scope.histories[end], *shape] for end in (0, -1)),
                    strict=True,
                )
                if none
            ]
        )


def _times(cell: Outcome, mode: Mode) -> list[float]:
    return cell.durations if mode == "drain" else cell.waits


def measure(port: int, scope: Scope) -> Run:
    """All cells on the server at *port*."""
    run = Run(scope)
    began = time.monotonic()
    premises = [Premises(port, history, scope.plans) for history in scope.histories]
    print(f"histories made in {time.monotonic() - began:.0f} s\n", flush=True)
    with Crew(max(daemons for daemons, _ in scope.shapes)) as crew:
        for shape in scope.shapes:
            for number in range(scope.rounds):
                turn = number % len(premises)
                for place in premises[turn:] + premises[:turn]:
                    for kind in ("bare", "store") if place.history else ("bare", "store", "huey"):
                        _stretch(run, port, crew, place, kind, shape)
    for place in premises:
        place.close()
    return run


def _stretch(run: Run, port: int, crew: Crew, place: Premises, kind: str, shape: tuple[int, int]) -> None:
    """Once a full queue drained, once whole cycles."""
    before = deadlocks(port)
    place.fill(kind, int(run.rates[kind] * run.scope.seconds))
    outcome = crew.work(place.place(kind), "drain", *shape, run.scope.seconds)
    if outcome.empty and place.due(kind):
        outcome.errors.append("an empty answer while rows were due")
    # Twice what was ever claimed in a stretch: enough to last, soon made.
    run.rates[kind] = max(1000.0, 2.0 * outcome.rate)
    run.note((kind, "drain", place.history, *shape), outcome)
    place.clear(kind)
    run.note(
        (kind, "cycle", place.history, *shape),
        crew.work(place.place(kind), "cycle", *shape, run.scope.seconds),
    )
    run.deadlocks[kind] += deadlocks(port) - before
    place.clear(kind)


HEAD = (
    f"{'history':>9} {'daemons':>7} {'workers':>7} | {'claims/s':>8} {'floor/s':>8} {'share':>6} "
    f"{'claim ms p50/p99':>17} {'floor ms p50/p99':>17} | {'enqueue→claimed ms p50/p99':>27} {'floor':>17}"
)
HUEY_HEAD = (
    f"{'daemons':>7} {'workers':>7} | {'huey/s':>8} {'claims/s':>8} {'ratio':>6} {'dequeue ms p50/p99':>19} "
    f"{'enqueue→dequeued ms p50/p99':>28} {'SchemaBot':>17} | {'errors':>6}"
)


def show(run: Run) -> None:
    """Print the two tables."""
    print(HEAD)
    for history in run.scope.histories:
        for shape in run.scope.shapes:
            print(_line(run, history, shape))
    print(f"\n{HUEY_HEAD}")
    for shape in run.scope.shapes:
        print(_huey_line(run, shape))


def _line(run: Run, history: int, shape: tuple[int, int]) -> str:
    store, bare = (run.rate(kind, "drain", history, shape) for kind in ("store", "bare"))
    times = {
        (kind, mode): milliseconds(_times(run.cells[kind, mode, history, *shape], mode), 0.5, 0.99)
        for kind in ("store", "bare")
        for mode in ("drain", "cycle")
    }  # type: dict[tuple[str, str], str]
    return (
        f"{history:>9,} {shape[0]:>7} {shape[1]:>7} | {store:>8,.0f} {bare:>8,.0f} {store / bare:>6.0%} "
        f"{times['store', 'drain']:>17} {times['bare', 'drain']:>17} | {times['store', 'cycle']:>27} "
        f"{times['bare', 'cycle']:>17}"
    )


def _huey_line(run: Run, shape: tuple[int, int]) -> str:
    none = run.scope.histories[0]
    huey, store = (run.rate(kind, "drain", none, shape) for kind in ("huey", "store"))
    drained, cycled = (run.cells["huey", mode, none, *shape] for mode in ("drain", "cycle"))
    waits = milliseconds(run.cells["store", "cycle", none, *shape].waits, 0.5, 0.99)
    return (
        f"{shape[0]:>7} {shape[1]:>7} | {huey:>8,.0f} {store:>8,.0f} {store / huey if huey else 0:>5.1f}× "
        f"{milliseconds(drained.durations, 0.5, 0.99):>19} {milliseconds(cycled.waits, 0.5, 0.99):>28} {waits:>17} | "
        f"{len(drained.errors) + len(cycled.errors):>6}"
    )


def judge(run: Run, title: str) -> bool:
    """Print one line of verdicts; False when the store raised anything."""
    shares = [
        run.rate("store", "drain", history, shape) / run.rate("bare", "drain", history, shape)
        for history in run.scope.histories
        for shape in run.scope.shapes
    ]
    share = statistics.median(shares)
    grown = {
        (kind, mode): run.growth(kind, mode) for kind in ("store", "bare") for mode in ("drain", "cycle")
    }  # type: dict[tuple[str, str], Growth]
    steady = all(
        grown["store", mode].median <= STEADY * max(1.0, grown["bare", mode].median)
        for mode in ("drain", "cycle")
    )
    errors = run.errors("store")
    met = {True: "met", False: "MISSED"}
    print(
        f"\n{title}: claims/s {share:.1%} of the floor (median; {min(shares):.0%} to {max(shares):.0%}), "
        f"target {TARGET_SHARE:.0%} {met[share >= TARGET_SHARE]}, in {sum(s >= TARGET_SHARE for s in shares)} of "
        f"{len(shares)} cells; p99 with the longest history ÷ with none, {grown['store', 'drain'].pairs} pairs: claim "
        f"{grown['store', 'drain']}, floor {grown['bare', 'drain']}; enqueue→claimed {grown['store', 'cycle']}, floor "
        f"{grown['bare', 'cycle']}: "
        f"{met[steady]}; {len(errors)} errors surfaced, {run.deadlocks['store']} deadlocks inside: {met[not errors]}"
    )
    for kind in ("store", "bare", "huey"):
        for text, count in Counter(text[:100] for text in run.errors(kind)).most_common(3):
            print(f"  {kind}: {count} × {text}")
    claims = sum(len(cell.durations) for key, cell in run.cells.items() if key[0] == "store")
    empty = sum(cell.empty for key, cell in run.cells.items() if key[:2] == ("store", "cycle"))
    print(
        f"  {claims:,} claims of the store, {empty} empty answers between enqueue and claim; deadlocks the server saw: "
        + ", ".join(f"{kind} {count}" for kind, count in run.deadlocks.items()),
        flush=True,
    )
    return not errors


def main() -> int:
    """Print the figures; 1 when a call of the store failed or a claim came back empty while something was due."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="small numbers: under a minute")
    options.add_argument("--server", choices=sorted(FLAVOURS), help="only this one")
    given = options.parse_args()
    scope = QUICK if given.quick else FULL
    print(describe())
    well = True
    for name in [given.server] if given.server else list(FLAVOURS):
        began = time.monotonic()
        with PrivateServer(FLAVOURS[name], options=[*DURABLE, LARGER_LOG[name]]) as server:
            told = about(server.port)
            print(
                f"\n{FLAVOURS[name].title} {told.version}; {told.durability}, binary log by row; loopback, no TLS; "
                f"{scope.rounds} rounds of {scope.seconds} s for each figure"
            )
            run = measure(server.port, scope)
        show(run)
        well = judge(run, FLAVOURS[name].title) and well
        print(f"{time.monotonic() - began:.0f} s")
    return 0 if well else 1


if __name__ == "__main__":
    raise SystemExit(main())
