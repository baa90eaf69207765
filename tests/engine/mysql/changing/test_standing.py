"""Where a change stands is found by one look at its tables."""

from typing import Any

import pytest

from engine.base import Standing
from engine.errors import DriftFound
from engine.mysql.changing.standing import standing_of
from engine.mysql.link import Link
from engine.mysql.spec import Step
from tests.engine.mysql.changing.orders import filled, widened
from tests.engine.mysql.changing.plans import Shop
from tests.servers.server import Server


class Counting(Link):
    """Counts what it asks."""

    asked = 0

    def rows(self, sql: str, *args: object) -> list[tuple[Any, ...]]:
        self.asked += 1
        return super().rows(sql, *args)


def test_a_drift_is_found_at_the_first_look(server: Server) -> None:
    """A table that is not as planned costs no more than one that is."""
    shop = filled(Shop(server), "orders", rows=1)
    step = Step.from_json(widened(shop).spec)
    with Counting(shop.address) as link:
        standing_of(link, step)  # the first asks what holds for the connection, too
        before = link.asked
        assert standing_of(link, step) is Standing.FITS
        one_look = link.asked - before
        shop.run("ALTER TABLE orders ADD COLUMN more INT")
        with pytest.raises(DriftFound, match="orders was changed"):
            standing_of(link, step)
        assert link.asked == before + 2 * one_look
