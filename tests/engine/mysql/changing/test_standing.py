"""Where a change stands is found by one look at its tables."""

from typing import Any

import pytest

from engine.base import Standing
from engine.errors import DriftFound
from engine.mysql.changing.standing import standing_of
from engine.mysql.link import Link
from engine.mysql.planning.planner import plan_mysql
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


CHILD = "CREATE TABLE chi (id INT PRIMARY KEY, p INT{}, CONSTRAINT fk FOREIGN KEY (p) REFERENCES par ({}))"
BOTH = f"CREATE TABLE par (\n-- renamed from: id\nnr INT PRIMARY KEY);{CHILD.format(', q INT', 'nr')}"
"""The parent's column renamed, and the child changed."""


def test_changes_of_the_same_table_are_looked_at_as_one(server: Server) -> None:
    """RC-4. The parent's new name stands in the child, too, whose change was reviewed as it is then."""
    shop = Shop(server, "CREATE TABLE par (id INT PRIMARY KEY)", CHILD.format("", "id"))
    changes = plan_mysql(shop.address, {"shop": {"shop.sql": BOTH}}).changes
    assert [change.table for change in changes] == ["par", "chi"]
    with shop.session() as session:
        session.know(changes)
        found = []
        for then in ("ALTER TABLE par RENAME COLUMN id TO nr", "ALTER TABLE chi ADD COLUMN q INT", "DO 0"):
            found.append([session.standing(change) for change in changes])
            shop.run(then)
        assert found == [[Standing.FITS] * 2, [Standing.DONE, Standing.FITS], [Standing.DONE] * 2]
        shop.run("ALTER TABLE chi ADD COLUMN r INT")
        for change in changes:
            with pytest.raises(DriftFound, match="chi was changed"):
                session.standing(change)


def test_a_drift_of_a_table_that_is_done_with_is_none_of_the_next_change(server: Server) -> None:
    shop = Shop(server, "CREATE TABLE par (id INT PRIMARY KEY)", CHILD.format("", "id"))
    changes = plan_mysql(shop.address, {"shop": {"shop.sql": BOTH}}).changes
    shop.run("ALTER TABLE par RENAME COLUMN id TO nr", "ALTER TABLE par ADD COLUMN z INT")
    with shop.session() as session:
        session.know(changes)
        assert session.standing(changes[1]) is Standing.FITS
        with pytest.raises(DriftFound, match="par was changed"):
            session.standing(changes[0])
