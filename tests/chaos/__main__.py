"""The long forms of the fault suite: `make chaos`, or `python -m tests.chaos [--store …] [--target …] [--minutes N] [--seed N]`.

On each store: a campaign with every nemesis for N minutes (and on until it has had its 200 kills and 80 stops), then the
mutation runs: the same with a weakened guard, which must be caught. Prints the table of docs/reliability.md. Exit status 1 on
any violation, any mutation that got away, or a run that proves nothing. With `--target` the tables that are changed are
on a server, which is killed, too; the store is then a SQLite file unless said otherwise.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.machine import describe
from tests.faults.campaign import Campaign
from tests.faults.grounds import KINDS, Ground, ServerGround, SqliteGround
from tests.faults.markets import ServerMarket
from tests.servers.flavours import FLAVOURS
from tests.servers.server import Server, open_server

KILLS, STOPS = 200, 80
"""What a long run must have had."""
LONGEST_FACTOR = 3.0
"""A run ends after so many times its minutes, whatever it has had."""
MUTATION_SECONDS = 60.0
TARGET_ROWS = 60_000
STOPS_THAT_COST_THE_LEASE = (1.2, 2.5)
ROWS = (
    ("kills", "kill -9 of a worker process"),
    ("killed at fault points", "… and at a step of a change on the target"),
    ("stops", "SIGSTOP, 0.2–6 × lease"),
    ("terminations", "SIGTERM"),
    ("server kills", "kill -9 and start of the store's server"),
    ("store locked", "store locked by somebody else"),
    ("connections killed", "connections of the store killed, every 100 ms"),
    ("black holes", "black holes between a process and the store"),
    ("cut commits", "COMMITs cut off before, while or after they ran"),
    ("kill_server", "kill -9 and start of the targets' server"),
    ("kill_connections", "all connections to the targets killed for up to 1 s"),
    ("block_table", "transactions left open on a table for up to 4 s"),
    ("clock steps", "steps of the store's clock, ± 1 h"),
    ("commands", "stops, starts, cancels and cutovers by a person"),
    ("applies", "applies"),
    ("completed", "… completed"),
    ("cancelled", "… cancelled"),
    ("failed", "… given up after their budget of attempts"),
    ("attempts: lease_expired", "leases that ran out"),
    ("attempts: handed_back", "hand-backs"),
    ("refused", "stale writes refused"),
    ("worst stall", "longest write of an application, seconds"),
    ("violations", "violations of I1–I8"),
    ("seconds", "seconds of torment"),
    ("recovery", "seconds from the end of it until everything had ended"),
)
Figures = dict[str, object]


def enough(campaign: Campaign, since: float, seconds: float) -> bool:
    """Long enough, and enough was done to it."""
    figures = campaign.figures
    long_enough = time.monotonic() - since >= seconds
    return long_enough and figures["kills"] >= KILLS and figures["stops"] >= STOPS


def long_run(
    ground: Ground, folder: Path, seed: int, minutes: float, market: ServerMarket | None
) -> tuple[Figures, list[str]]:
    """One campaign; its figures and its violations."""
    campaign = Campaign(ground, folder, seed=seed, stops=(0.2, 6.0), market=market)
    began = time.monotonic()
    try:
        campaign.run(minutes * 60 * LONGEST_FACTOR, lambda found: enough(found, began, minutes * 60))
    finally:
        campaign.close()
    figures: Figures = dict(campaign.figures)
    figures["violations"] = len(campaign.violations)
    figures["seconds"] = f"{time.monotonic() - began - campaign.slowest_recovery:.0f}"
    figures["recovery"] = f"{campaign.slowest_recovery:.1f}"
    if market is not None:
        figures["worst stall"] = f"{market.worst_stall:.2f}"
    for error, times in campaign.failures.most_common():
        print(f"  {times} × failed: {error}", flush=True)
    problems = list(campaign.violations)
    if campaign.figures["kills"] < KILLS or campaign.figures["stops"] < STOPS:
        problems.append(f"too few kills or stops: {campaign.figures['kills']}, {campaign.figures['stops']}")
    if not campaign.figures["refused"]:
        problems.append("no stale write was refused: this run proves nothing")
    return figures, problems


def mutation(ground: Ground, folder: Path, seed: int, guard: str) -> str:
    """How long it took to see the damage that a weaker guard lets through, or ""."""
    campaign = Campaign(
        ground, folder, seed=seed, weights={"stop": 1.0}, stops=STOPS_THAT_COST_THE_LEASE, guard=guard
    )
    began = time.monotonic()
    try:
        caught = campaign.run_until_caught(MUTATION_SECONDS)
    finally:
        campaign.close()
    return f"caught after {time.monotonic() - began:.1f} s" if caught else ""


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="schemabot-chaos-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def serving(kind: str) -> Iterator[Server | None]:
    """A server of that kind, when it needs one."""
    server = open_server(FLAVOURS[kind]) if kind in FLAVOURS else None
    try:
        yield server
    finally:
        if server is not None:
            server.close()


def run_targets(kind: str, store: str, seed: int, minutes: float) -> tuple[str, Figures, list[str]]:
    """A campaign on targets that are on a server of that kind, the store being of another."""
    with serving(kind) as server, serving(store) as store_server, scratch() as folder:
        assert server is not None
        title = f"targets on {server.title} {server.version}"
        print(f"{title}: {minutes:g} minutes, seed {seed}", flush=True)
        ground = SqliteGround(folder) if store_server is None else ServerGround(store_server)
        figures, problems = long_run(ground, folder, seed, minutes, ServerMarket(server, TARGET_ROWS))
    for problem in problems:
        print(f"  {problem}", flush=True)
    return title, figures, problems


def run(kind: str, seed: int, minutes: float) -> tuple[str, Figures, list[str]]:
    """Everything on one store: its title, its figures, its problems."""

    def ground(folder: Path) -> Ground:
        return SqliteGround(folder) if server is None else ServerGround(server)

    with serving(kind) as server:
        with scratch() as folder:
            fresh = ground(folder)
            title = f"{server.title if server else 'SQLite'} {fresh.version}"
            print(f"{title}: {minutes:g} minutes, seed {seed}", flush=True)
            figures, problems = long_run(fresh, folder, seed, minutes, None)
        for guard in ("state", "id"):
            with scratch() as folder:
                figures[guard] = mutation(ground(folder), folder, seed, guard) or "NOT caught"
            if figures[guard] == "NOT caught":
                problems.append(f"the guard weakened to the {guard} was not caught")
    for problem in problems:
        print(f"  {problem}", flush=True)
    return title, figures, problems


def table(found: dict[str, Figures]) -> str:
    """In Markdown, one column per store."""
    rows = [*ROWS, ("state", "mutation: guard by state only"), ("id", "mutation: guard by id only")]
    lines = [f"| | {' | '.join(found)} |", f"|---|{'---|' * len(found)}"]
    for key, text in rows:
        values = [str(figures.get(key, "–")) for figures in found.values()]
        lines.append(f"| {text} | {' | '.join(values)} |")
    return "\n".join(lines)


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--store", choices=[*KINDS, "all"], default="all")
    parser.add_argument("--target", choices=sorted(FLAVOURS))
    parser.add_argument("--minutes", type=float, default=4.0, help="per store")
    parser.add_argument("--seed", type=int, default=0, help="replays a nemesis")
    asked = parser.parse_args()
    seed = asked.seed or random.randrange(1, 10**6)
    machine = describe()
    found: dict[str, Figures] = {}
    problems: list[str] = []
    stores = list(KINDS) if asked.store == "all" else [asked.store]
    for kind in stores[:1] if asked.target else stores:
        title, figures, wrong = (
            run_targets(asked.target, kind, seed, asked.minutes)
            if asked.target
            else run(kind, seed, asked.minutes)
        )
        found[title] = figures
        problems += wrong
    print(f"\nSeed {seed}; {machine}; load after it {os.getloadavg()[0]:.1f}\n\n{table(found)}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
