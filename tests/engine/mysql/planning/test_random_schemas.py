"""Whatever two schemas: the plan between them, carried out, leads from one to the other, and then there is nothing to do."""

from random import Random

import pytest

from engine.errors import BadFiles
from tests.engine.mysql.planning.any_schema import KEPT, any_schema
from tests.engine.mysql.planning.rig import Ground, ddl, ground
from tests.servers.server import Server

SEEDS = range(12, 16)
STEPS = 4


@pytest.mark.parametrize("seed", SEEDS)
def test_random_schemas_are_reached_one_after_the_other(server: Server, seed: int) -> None:
    choose = Random(seed)
    with ground(server) as here:
        for number in range(STEPS):
            settle_any(here, choose, number)


def settle_any(here: Ground, choose: Random, number: int) -> None:
    """A random schema that the server takes; some it does not, then another. What has a new name is not made anew."""
    while True:
        text = any_schema(choose, number)
        try:
            plan = here.settle(text)
        except BadFiles:
            continue
        assert not any(f"DROP COLUMN `{KEPT}" in statement for statement in ddl(plan))
        return
