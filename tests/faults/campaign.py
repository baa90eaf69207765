"""A campaign: worker processes rebuild tables without an end while a nemesis kills, stops and cuts them off at random.

The seed decides what is struck and when; what the processes are doing at that moment is theirs. The short forms run for
seconds in `make test`, the long ones for minutes in `make chaos`.
"""

import contextlib
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from storage.errors import Conflict, NotFound, Refused, StoreError
from storage.records import Apply
from storage.states import TERMINAL, State
from tests.faults.grounds import Ground, ServerGround, SqliteGround
from tests.faults.markets import Market
from tests.faults.world import Process, World, patient, resume, until
from tests.proxy import Moment, Proxy, is_commit, is_whole

SETTLE_SECONDS = 120.0
"""How long everything may take to come to an end once nothing is broken any more (I6)."""
KEPT = 6
"""Targets of ended applies that are kept, and checked again later: a zombie may wake up."""
DIES_AT_POINTS = 0.25
"""The share of processes that die by themselves, at a fault point of the target."""

WEIGHTS: Mapping[str, float] = {
    "kill": 45,
    "stop": 28,
    "terminate": 4,
    "command": 6,
    "outage": 1.2,
    "turn_clock": 4,
}
"""What happens how often, everywhere."""
NETWORK: Mapping[str, float] = {"cut": 4, "black_hole": 3, "lose_commits": 6}
"""What happens beside it where there is a network."""


class Campaign:
    """One nemesis and its victims on one store."""

    def __init__(
        self,
        ground: Ground,
        folder: Path,
        *,
        seed: int,
        lease_seconds: float = 1.0,
        rows: int = 130_000,
        processes: int = 3,
        weights: Mapping[str, float] = WEIGHTS,
        stops: tuple[float, float] = (0.2, 3.0),
        guard: str = "full",
        targets: int = 2_000,
        market: Market | None = None,
    ) -> None:
        self.ground = ground
        self.chance = random.Random(seed)
        self.figures: Counter[str] = Counter()
        self.violations: list[str] = []
        self.failures: Counter[str] = Counter()
        """What applies that failed said of it."""
        self.slowest_recovery = 0.0
        self._stops = stops  # how long, in leases
        self._clock = folder / "clock"
        self._clock.write_text("0")
        orders = {"guard": guard}
        if isinstance(ground, SqliteGround):
            orders["clock"] = str(self._clock)
            ground.clock = self._clock
        self.world = World(
            ground, folder, targets=targets, rows=rows, market=market, lease_seconds=lease_seconds, **orders
        )
        self._stack = ExitStack()
        self._slots: list[Process | None] = [None] * processes
        self._proxies = self._make_proxies(processes)
        self._weights = self._possible(weights)
        self._next = 0
        self._live: dict[str, Apply] = {}
        self._all: list[Apply] = []
        self._ended: list[Apply] = []
        self._timers: list[threading.Timer] = []
        self._looked_at = 0.0
        self._stopped: set[int] = set()

    def _make_proxies(self, count: int) -> list[Proxy]:
        if not isinstance(self.ground, ServerGround):
            return []
        server = self.ground.server
        return [self._stack.enter_context(Proxy(server.host, server.port)) for _ in range(count)]

    def _possible(self, weights: Mapping[str, float]) -> dict[str, float]:
        found = dict(weights)
        if self._proxies:
            found.pop("turn_clock", None)  # no way to turn a server's clock without turning the machine's
            if weights is WEIGHTS:
                found |= NETWORK
        return {**found, **self.world.market.strikes}

    # -- the run ----------------------------------------------------------------------------------------------------

    def run(self, seconds: float, enough: Callable[["Campaign"], bool] = lambda _: False) -> None:
        """Torment for *seconds*, or until *enough*; then heal everything, wait for the ends and check."""
        self._torment(seconds, enough)
        self._heal()
        began = time.monotonic()
        try:
            until("everything at an end", self._all_settled, SETTLE_SECONDS)
        except AssertionError:
            stuck = {apply.apply_uid: self.world.now(apply).state.value for apply in self._live.values()}
            self.violations.append(f"I6: not at an end after {SETTLE_SECONDS:.0f} s: {stuck}")
        self.slowest_recovery = time.monotonic() - began
        self.close()
        self._conclude()

    def run_until_caught(self, seconds: float) -> bool:
        """Torment until the write log shows damage; whether it did. For weakened guards (the power rule)."""
        self._torment(seconds, lambda campaign: bool(campaign.ground.breaches()))
        self._heal()
        self.close()
        self.violations = self.ground.breaches()
        self.figures["refused"] = self.world.told()["refused"]
        return bool(self.violations)

    def _torment(self, seconds: float, enough: Callable[["Campaign"], bool]) -> None:
        end = time.monotonic() + seconds
        self._keep_busy()
        for slot in range(len(self._slots)):
            self._start(slot)
        while time.monotonic() < end and not enough(self):
            self._reap()
            self._keep_busy()
            moves = list(self._weights)
            move = self.chance.choices(moves, [self._weights[name] for name in moves])[0]
            if move in self.world.market.strikes:
                getattr(self.world.market, move)(self.chance)
                self.figures[move] += 1
            else:
                getattr(self, f"_{move}")()
            time.sleep(self.chance.uniform(0.02, 0.35))

    def close(self) -> None:
        """Leave nothing running."""
        for timer in self._timers:
            timer.cancel()
            timer.join()
        self.world.end()
        self._stack.close()

    # -- victims ----------------------------------------------------------------------------------------------------

    def _start(self, slot: int) -> None:
        changed: dict[str, object] = {}
        if isinstance(self.ground, ServerGround):
            changed["store"] = self.ground.through(self._proxies[slot].port)
        if self.chance.random() < DIES_AT_POINTS:
            changed["die_chance"] = 1 / 400
        self._slots[slot] = self.world.start_worker(wait=False, **changed)

    def _reap(self) -> None:
        """Replace those who died at a fault point."""
        for slot, process in enumerate(self._slots):
            if process is not None and process.poll() is not None:
                self.figures["killed at fault points" if process.returncode == -9 else "ended badly"] += 1
                self._replace(slot)

    def _replace(self, slot: int) -> None:
        process = self._slots[slot]
        if process is not None:
            self._stopped.discard(process.pid)
            self.world.kill(process)
        self._start(slot)

    def _any_slot(self) -> int:
        return self.chance.randrange(len(self._slots))

    def _later(self, seconds: float, act: Callable[[], object]) -> None:
        timer = threading.Timer(seconds, act)
        timer.start()
        self._timers = [other for other in self._timers if other.is_alive()]
        self._timers.append(timer)

    # -- work -------------------------------------------------------------------------------------------------------

    def _keep_busy(self) -> None:
        """One live apply per process; those at an end make room for new ones."""
        if time.monotonic() - self._looked_at < 0.3:
            return
        self._looked_at = time.monotonic()
        for database, apply in list(self._live.items()):
            if self._look(apply):
                self._end_of(database)
        while len(self._live) < len(self._slots):
            self._enqueue()

    def _enqueue(self) -> None:
        database = f"db{self._next}"
        self._next += 1
        options = {"defer_cutover": "true"} if self.chance.random() < 0.2 else {}
        apply = self.world.enqueue(database, options=options)
        self.world.shop(database).open_for_business(self.chance.randrange(10**6))
        self._live[database] = apply
        self._all.append(apply)
        self.figures["applies"] += 1

    def _look(self, apply: Apply) -> bool:
        """Whether it is at an end; gives the command it waits for."""
        state = self.world.now(apply).state
        wanted = {State.WAITING_FOR_CUTOVER: "cutover", State.STOPPED: "start"}.get(state)
        if wanted is not None:
            self._request(apply, wanted)
        return state in TERMINAL

    def _request(self, apply: Apply, kind: str) -> None:
        with contextlib.suppress(Refused, NotFound, Conflict, StoreError):
            self.world.store.request(apply.apply_uid, kind, "nemesis")
            self.figures["commands"] += 1

    def _end_of(self, database: str) -> None:
        apply = self._live.pop(database)
        self.world.shop(database).close()
        now = self.world.now(apply)
        self.figures[now.state.value] += 1
        if now.state is State.FAILED:
            self.failures[now.error] += 1
        self.violations += self.world.breaches_of(apply)
        self._ended.append(apply)
        if len(self._ended) > KEPT:
            self._look_again(self._ended.pop(0))

    def _look_again(self, apply: Apply) -> None:
        found = self.world.breaches_of(apply)
        self.violations += [f"later: {breach}" for breach in found if f"{breach}" not in self.violations]
        self.world.shops.pop(apply.database).remove()

    def _all_settled(self) -> bool:
        for slot, process in enumerate(self._slots):
            if process is not None and process.poll() is not None:
                self._replace(slot)
        for database, apply in list(self._live.items()):
            if self._look(apply):
                self._end_of(database)
        return not self._live

    def _conclude(self) -> None:
        for apply in self._ended:
            self._look_again(apply)
        self.violations += self.ground.breaches()
        known = {apply.apply_uid for apply in patient(lambda: self.world.store.recent(10_000))}
        if known != {apply.apply_uid for apply in self._all}:
            self.violations.append(f"I1: {len(self._all)} applies were acknowledged, {len(known)} are known")
        told = self.world.told()
        if told["late"]:
            self.violations.append(f"I2: {told['late']} writes were taken from owners refused before")
        self.figures["refused"] = told["refused"]
        for outcome, count in self.ground.rows("SELECT outcome, count(*) FROM attempts GROUP BY outcome"):
            self.figures[f"attempts: {outcome or 'open'}"] = count
        self.figures["cut commits"] = sum(proxy.cuts for proxy in self._proxies)
        self.world.store.close()

    # -- the nemesis ------------------------------------------------------------------------------------------------

    def _kill(self) -> None:
        self._replace(self._any_slot())
        self.figures["kills"] += 1

    def _stop(self) -> None:
        """SIGSTOP; somebody is left to take over."""
        process = self._slots[self._any_slot()]
        if process is None or process.poll() is not None or process.pid in self._stopped:
            return
        if len(self._stopped) >= len(self._slots) - 1:
            return
        self._stopped.add(process.pid)
        process.send_signal(signal.SIGSTOP)
        seconds = self.chance.uniform(*self._stops) * self.world.orders.lease_seconds
        self._later(seconds, lambda: self._resume(process))
        self.figures["stops"] += 1

    def _resume(self, process: Process) -> None:
        self._stopped.discard(process.pid)
        resume(process)

    def _terminate(self) -> None:
        """SIGTERM; whoever is not gone in time is killed."""
        slot = self._any_slot()
        process = self._slots[slot]
        if process is not None:
            self._slots[slot] = None
            process.terminate()
            self._later(10.0, process.kill)
            self._start(slot)
            self.figures["terminations"] += 1

    def _command(self) -> None:
        if self._live:
            apply = self.chance.choice(sorted(self._live.items()))[1]
            self._request(apply, self.chance.choice(["stop", "stop", "stop", "cancel"]))

    def _outage(self) -> None:
        """The store is away for up to two leases: locked, or its server killed."""
        self.ground.shut()
        time.sleep(self.chance.uniform(0.0, 2.0) * self.world.orders.lease_seconds)
        self.ground.reopen()
        self.figures["server kills" if self.ground.restarts else "store locked"] += 1

    def _turn_clock(self) -> None:
        """The store's clock jumps by an hour, or back to what is right."""
        step = self.chance.choice([-3600.0, 3600.0, 0.0])
        beside = self._clock.with_suffix(".new")
        beside.write_text(str(step))
        beside.rename(self._clock)
        self.figures["clock steps"] += 1

    def _cut(self) -> None:
        """All connections to the store are killed, every 100 ms for a while."""
        assert isinstance(self.ground, ServerGround)
        with self.ground.killed_connections() as counts:
            time.sleep(self.chance.uniform(0.2, 1.5))
        self.figures["connections killed"] += sum(counts)

    def _black_hole(self) -> None:
        """One process can no longer hear or reach the store."""
        proxy = self._proxies[self._any_slot()]
        ways = self.chance.choice([(True, True), (True, False), (False, True)])
        proxy.swallow(to_server=ways[0], to_client=ways[1])
        self._later(self.chance.uniform(0.5, 3.0) * self.world.orders.lease_seconds, proxy.heal)
        self.figures["black holes"] += 1

    def _lose_commits(self) -> None:
        """The next COMMITs of one process are cut off before, while or after they are done."""
        proxy = self._proxies[self._any_slot()]
        moment = self.chance.choice(list(Moment))
        proxy.cut_when(is_commit, is_whole, at=moment, times=self.chance.randint(1, 4))

    def _heal(self) -> None:
        for timer in self._timers:
            timer.cancel()
            timer.join()
        self._timers.clear()
        for proxy in self._proxies:
            proxy.heal()
        self.ground.reopen()
        self.world.market.heal()
        self._clock.write_text("0")
        for process in self.world.processes:
            if process.poll() is None:
                resume(process)
