"""A network that breaks just there: before a statement arrives, after it arrived, before its answer comes (RC-4)."""

from dataclasses import replace

import pytest

from engine.base import Change, Job, Signal, Standing
from engine.errors import EngineError
from engine.mysql.changing.session import MysqlSession
from engine.mysql.spec import Algorithm
from tests.engine.driving import Caller, drive
from tests.engine.mysql.changing.orders import filled, widened
from tests.engine.mysql.changing.plans import Shop
from tests.proxy import Moment, Proxy
from tests.servers.server import Server

ROWS = 300


def session_through(proxy: Proxy, shop: Shop, fence: int) -> MysqlSession:
    address = replace(shop.address, host="127.0.0.1", port=proxy.port)
    return MysqlSession(address, Job(apply_uid="apply_a", fence=fence, owner="test"))


def drive_with_a_cut(server: Server, shop: Shop, change: Change, statement: bytes, moment: Moment) -> bool:
    """Whether it came to the end all the same."""
    control = Caller()
    control.rests = True
    with Proxy(server.host, server.port) as proxy:
        proxy.cut_when(lambda request: statement in request[:40], at=moment)
        try:
            with session_through(proxy, shop, 1) as session:
                return drive(session, change, control) is Signal.GO
        except EngineError as error:
            if not error.retryable:
                raise
            return False


def finish(shop: Shop, change: Change) -> None:
    control = Caller()
    control.rests = True
    with shop.session(2) as session:
        if session.standing(change) is Standing.FITS:
            assert drive(session, change, control) is Signal.GO
        else:
            assert session.tidy(control) is Signal.GO
        assert session.standing(change) is Standing.DONE
    assert shop.left_behind() == []


@pytest.mark.parametrize("moment", list(Moment))
@pytest.mark.parametrize("statement", [b"LOCK TABLES", b"RENAME TABLE", b"UNLOCK TABLES", b"DROP TABLE"])
def test_a_copy_is_old_or_new_whatever_answer_is_lost(
    server: Server, statement: bytes, moment: Moment
) -> None:
    """What was written in between is in the live table, and the next owner finds out what happened."""
    shop = filled(Shop(server), "orders", rows=ROWS)
    change = widened(shop)
    drive_with_a_cut(server, shop, change, statement, moment)
    shop.run("UPDATE orders SET note = 'mine' WHERE id = 3", "DELETE FROM orders WHERE id = 4")
    finish(shop, change)
    assert shop.rows("SELECT COUNT(*) FROM orders") == [(ROWS - 1,)]
    assert shop.rows("SELECT note FROM orders WHERE id = 3") == [("mine",)]


@pytest.mark.parametrize("moment", list(Moment))
def test_a_statement_whose_answer_is_lost_is_looked_for(server: Server, moment: Moment) -> None:
    shop = filled(Shop(server), "orders", rows=ROWS)
    change = shop.statements(
        "orders",
        ("ALTER TABLE {t} ADD COLUMN c INT", Algorithm.INSTANT),
        ("ALTER TABLE {t} ADD INDEX by_note (note)", Algorithm.INPLACE),
    )
    assert not drive_with_a_cut(server, shop, change, b"ALTER TABLE", moment)
    finish(shop, change)
    assert [name for name, *_ in shop.rows("SHOW COLUMNS FROM orders")] == ["id", "quantity", "note", "c"]
