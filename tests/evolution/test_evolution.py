"""Whatever two schemas: the way from one to the other and back holds what is promised. Long form: `python -m tests.evolution`."""

from collections import Counter

import pytest

from tests.evolution.campaign import smallest
from tests.evolution.journey import travel
from tests.evolution.pair import Pair
from tests.servers.server import Server

SEEDS = (2, 9, 10, 13, 18, 20)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_changes_of_random_schemas_lead_there_and_back(server: Server, seed: int) -> None:
    found: list[Pair] = []
    smallest(seed, server.flavour, found.append)
    (pair,) = found
    print(f"smaller: python -m tests.evolution --target {server.flavour} --seed {seed} --minutes 0\n{pair}")
    travel(server, pair, Counter())
