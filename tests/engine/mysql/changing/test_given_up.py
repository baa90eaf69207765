"""A change that failed for good while somebody looks at its copy: the copy is removed later, and not made again first."""

import pytest

from engine.errors import HeldUp, Refused
from engine.mysql.shadow import removal
from tests.engine.driving import drive
from tests.engine.mysql.changing.orders import caller, filled, widened
from tests.engine.mysql.changing.plans import Shop
from tests.servers.server import Server

WHY = "orders: a row does not fit"


@pytest.mark.parametrize("looked_at", ["orders__osc_n", "parts__osc_n"])
def test_the_next_owner_fails_with_the_same_before_it_copies_a_row(
    server: Server, looked_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "TRIES", 0)
    shop = filled(Shop(server), "orders", "parts", rows=300)
    changes = [widened(shop, "orders"), widened(shop, "parts")]
    with shop.session(1) as session:
        session.prepare(changes, caller())
    with shop.link() as reader:
        reader.run("BEGIN")
        reader.rows(f"SELECT * FROM {looked_at} LIMIT 1")
        with shop.session(2) as session:
            session.give_up(WHY)
            with pytest.raises(HeldUp):
                session.discard(caller())
        control = caller()
        with shop.session(3) as session, pytest.raises(HeldUp):
            drive(session, changes[0], control)
        reader.run("ROLLBACK")
    with shop.session(4) as session, pytest.raises(Refused, match=WHY):
        drive(session, changes[0], control)
    assert not any("copying" in report.detail for report in control.reports)
    assert shop.left_behind() == []
    with shop.session(5, "another") as session:
        drive(session, changes[0], caller())
    assert shop.left_behind() == []
