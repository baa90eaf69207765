"""Of tables that are copied together, the one that somebody changed is the one that is told of."""

import pytest

from engine.base import Progress
from engine.errors import DriftFound
from tests.engine.mysql.changing.orders import caller, filled, widened
from tests.engine.mysql.changing.plans import Shop
from tests.servers.server import Server


def test_a_table_that_is_changed_while_another_one_is_copied_is_told_by_its_name(server: Server) -> None:
    shop = filled(Shop(server), "alpha", "beta")
    changes, control = [widened(shop, "alpha"), widened(shop, "beta")], caller()

    def listen(progress: Progress) -> None:
        if progress.change.table == "beta" and progress.detail.startswith("copying"):
            control.on_report = None
            shop.run("ALTER TABLE alpha ADD y INT")

    control.on_report = listen
    with shop.session() as session:
        with pytest.raises(DriftFound, match=r"alpha was changed while it was copied .*ALTER TABLE alpha"):
            session.prepare(changes, control)
        session.discard(caller())
    assert shop.left_behind() == []
