"""The long form: `python -m tests.evolution --target mysql|mariadb [--minutes N] [--seed N]`, or `--replay FILE`.

Random pairs of schemas with rows until the time is up; what was met is counted at the end. Each failure is printed once, with the
smallest pair that was found to have it, and kept in a file that `--replay` runs again. Exit status 1 when there was one.
"""

import argparse
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.evolution.campaign import Campaign
from tests.evolution.journey import travel
from tests.evolution.pair import Pair
from tests.evolution.wrong import Wrong
from tests.servers.flavours import FLAVOURS
from tests.servers.server import Server, open_server


def say(text: str) -> None:
    """At once."""
    print(text, flush=True)


def table(tally: Counter[str]) -> str:
    """What was counted, a line each."""
    return "\n".join(f"{times:7}  {what}" for what, times in sorted(tally.items()))


def search(server: Server, seed: int, minutes: float, folder: Path) -> int:
    """A campaign; how many failures it found."""
    campaign = Campaign(server, folder, say)
    campaign.run(seed, minutes * 60)
    say(f"{server.title} {server.version}, {minutes:g} minutes from seed {seed}\n{table(campaign.tally)}")
    for signature, path in campaign.failures.items():
        say(f"FAILED  {signature}\n        {path}")
    return len(campaign.failures)


def replay(server: Server, pair: Pair) -> int:
    """One pair again."""
    tally: Counter[str] = Counter()
    say(f"{pair}")
    try:
        travel(server, pair, tally)
    except Wrong as wrong:
        say(f"FAILED  {wrong}")
        return 1
    finally:
        say(table(tally))
    return 0


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.evolution", description=__doc__)
    parser.add_argument("--target", choices=sorted(FLAVOURS), required=True)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0, help="the first of them; each round has the next")
    parser.add_argument("--replay", type=Path, help="a file of an earlier run")
    parser.add_argument("--keep", type=Path, help="the folder for pairs that failed")
    asked = parser.parse_args()
    server = open_server(FLAVOURS[asked.target])
    try:
        if asked.replay:
            return replay(server, Pair.load(asked.replay))
        folder = asked.keep or Path(tempfile.mkdtemp(prefix="evolution-"))
        folder.mkdir(parents=True, exist_ok=True)
        return 1 if search(server, asked.seed or random.randrange(10**6), asked.minutes, folder) else 0
    finally:
        server.close()


if __name__ == "__main__":
    sys.exit(main())
