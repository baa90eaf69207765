"""A change that failed for good: its copy is removed, later where somebody looks at it, and is not made again first."""

import pytest

from engine.base import Signal
from engine.errors import HeldUp, Refused
from engine.mysql.shadow import removal
from tests.engine.driving import drive
from tests.engine.mysql.accounts import shop_account
from tests.engine.mysql.changing.orders import caller, filled, widened
from tests.engine.mysql.changing.plans import Shop
from tests.engine.striking import At
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


def test_no_trigger_outlives_a_bug_amid_the_copy(server: Server) -> None:
    def oops() -> None:
        raise ZeroDivisionError

    with shop_account(server) as account, server.having(log_bin_trust_function_creators=1):
        account.grant("REPLICATION SLAVE", "REPLICATION CLIENT")
        shop = filled(account.shop, "parts")
        change = widened(shop, "parts")
        shop.address = account.address
        with shop.session() as session:
            with At("after_commit:chunk", oops), pytest.raises(ZeroDivisionError):
                session.prepare([change], caller())
            assert "parts__osc_ti" in shop.left_behind()
            session.give_up(WHY)
            assert session.discard(caller()) is Signal.GO
        assert shop.left_behind() == []
