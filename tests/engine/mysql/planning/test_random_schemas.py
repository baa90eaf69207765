"""Whatever two schemas: the plan between them, carried out, leads from one to the other, and then there is nothing to do."""

from random import Random

import pytest

from engine.errors import BadFiles
from tests.engine.mysql.planning.any_schema import any_schema
from tests.engine.mysql.planning.rig import Ground, ground
from tests.servers.server import Server

SEEDS = range(4)
STEPS = 4


@pytest.mark.parametrize("seed", SEEDS)
def test_random_schemas_are_reached_one_after_the_other(server: Server, seed: int) -> None:
    choose = Random(seed)
    with ground(server) as here:
        for _ in range(STEPS):
            settle_any(here, choose)


def settle_any(here: Ground, choose: Random) -> None:
    """A random schema that the server takes; some it does not, then another."""
    while True:
        text = any_schema(choose)
        try:
            here.settle(text)
        except BadFiles:
            continue
        return
