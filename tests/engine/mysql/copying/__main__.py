"""The long form of the fuzz: `python -m tests.engine.mysql.copying --server mariadb|mysql [--minutes N] [--seed N]`.

Round after round: a fresh table, a random change, writers of every kind, and on every second round connections of the copy killed
and the copy stopped and begun again at random. At the end of each, row by row under the lock, nothing mended, every operation
accounted for. Exit status 1 at the first round that is not so; its seed replays it.
"""

import argparse
import random
import sys
import time

from engine.base import Progress, Signal
from engine.errors import Fenced, TargetUnavailable
from engine.mysql.spec import Step
from tests.engine.mysql.copying.application import TABLE, Application, Killer, fill
from tests.engine.mysql.copying.rig import Rig, Watcher, make_rig, prepare
from tests.servers.flavours import FLAVOURS
from tests.servers.server import Server, open_server

CHANGES = (
    "MODIFY pad VARCHAR(80) COLLATE utf8mb4_bin NOT NULL",
    "ADD extra INT NOT NULL DEFAULT 7 FIRST",
    "MODIFY id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT, ADD KEY ops (ops)",
    "DROP KEY pad, ADD KEY both_ (u, pad)",
    "MODIFY u BIGINT NULL",
    "ADD UNIQUE KEY pair (u, id)",
    "ROW_FORMAT=DYNAMIC",
)
LONGEST_ROUND = 300.0


def play(server: Server, seed: int) -> str:
    """One round; one line about it. AssertionError when something is wrong."""
    choose = random.Random(seed)
    rows = choose.choice((500, 5_000, 30_000))
    change = choose.choice(CHANGES)
    rig = make_rig(server, f"{TABLE};;{fill(rows)}", [change])
    before = rig.value("SELECT SUM(ops) FROM t")
    tormented = choose.random() < 0.5
    step = rig.step()
    began = time.monotonic()
    with Application(rig, writers=choose.randint(1, 6), rows=rows, seed=seed) as application:
        tries = killed = 0
        if tormented:
            with Killer(rig, seed=seed, every=0.5) as killer:
                tries = torment(rig, step, choose)
            killed = killer.killed
        compared = finish(rig, step, choose)
        application.halt()
    after = rig.value("SELECT SUM(ops) FROM t")
    assert after == before + application.sum, f"{before} + {application.sum} operations made {after}"
    server.drop_database(rig.schema)
    return (
        f"seed {seed}: {change[:40]:<40} {compared:6} rows, {application.transactions:6} transactions, "
        f"{tries} interruptions, {killed} kills, {time.monotonic() - began:.1f} s"
    )


def torment(rig: Rig, step: Step, choose: random.Random) -> int:
    """Begin, be interrupted, begin again; how often."""
    tries = 0
    for _ in range(choose.randint(1, 5)):
        tries += 1
        moment = choose.randint(1, 40)
        try:
            with rig.copying(step) as copy:
                stopping = Watcher(Stopping(moment), volume=choose.randint(1, 4))
                if copy.open(stopping) is Signal.GO and copy.fill(stopping) is Signal.GO:
                    copy.catch_up(stopping)
        except (TargetUnavailable, Fenced):
            continue
    return tries


class Stopping:
    """Says STOP the n-th time it is asked."""

    def __init__(self, moment: int) -> None:
        self._left = moment

    def __call__(self, _: Progress) -> Signal | None:
        self._left -= 1
        return Signal.STOP if self._left <= 0 else None


def finish(rig: Rig, step: Step, choose: random.Random) -> int:
    """To the end, and compare."""
    with rig.copying(step) as copy:
        prepare(copy, Watcher(volume=choose.randint(1, 8), limit=LONGEST_ROUND))
        with rig.locked(copy) as link:
            compared = rig.assert_same(link)
        assert copy.checkpoint.repairs == 0, f"{copy.checkpoint.repairs} rows had to be mended"
    return compared


def main() -> int:
    """Play until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", choices=sorted(FLAVOURS), required=True)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    server = open_server(FLAVOURS[options.server])
    try:
        deadline, seed, rounds = time.monotonic() + 60 * options.minutes, options.seed, 0
        while time.monotonic() < deadline:
            try:
                print(play(server, seed), flush=True)
            except AssertionError as wrong:
                print(f"seed {seed}: WRONG: {wrong}", flush=True)
                return 1
            seed, rounds = seed + 1, rounds + 1
        print(f"{server.title} {server.version}: {rounds} rounds, nothing lost")
    finally:
        server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
