"""The connection of a long statement falls silent, as a firewall forgets one, or a machine loses its power: no word comes of it.

It is over all the same, a stop is obeyed at once, and whoever comes next looks at the table.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from engine.base import Change, Job, Progress, Signal, Standing
from engine.mysql.changing import statements
from engine.mysql.changing.session import MysqlSession
from engine.mysql.spec import Algorithm
from engine.mysql.trouble import Lost
from engine.mysql.waiting import running
from engine.mysql.waiting.running import Running
from tests.engine.driving import drive
from tests.engine.mysql.changing.orders import caller, filled
from tests.engine.mysql.changing.plans import Shop
from tests.proxy import Proxy
from tests.servers.server import Server

INDEX = ("ALTER TABLE {t} ADD INDEX by_note (note)", Algorithm.INPLACE)


@pytest.fixture(autouse=True)
def looked_at_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "QUICK_SECONDS", 0.0)
    monkeypatch.setattr(statements, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(running, "END_SECONDS", 0.05)
    monkeypatch.setattr(running, "UNHEARD_SECONDS", 0.3)


@pytest.fixture
def shop(server: Server) -> Shop:
    return filled(Shop(server), "orders", rows=100)


@contextmanager
def silent_session(shop: Shop, at_its_begin: Callable[[], object] = lambda: None) -> Iterator[MysqlSession]:
    """One whose connection that changes tables hears nothing from its first statement on."""
    with Proxy(shop.address.host, shop.address.port) as proxy, pytest.MonkeyPatch.context() as patch:
        through = replace(shop.address, host="127.0.0.1", port=proxy.port)

        def silenced(*args: Any) -> Running:
            proxy.swallow(to_server=False)
            at_its_begin()
            return Running(*args)

        patch.setattr(statements, "Running", silenced)
        with MysqlSession(through, Job(apply_uid="apply_a", fence=1, owner="test")) as session:
            session._hold.address = shop.address
            yield session


@contextmanager
def reader(shop: Shop) -> Iterator[Callable[[], object]]:
    """Somebody who reads the table, once called, in a transaction that stays open."""
    with shop.link() as link:
        link.run("START TRANSACTION")
        yield lambda: link.run("SELECT 1 FROM orders LIMIT 1")


def finished_by_the_next(shop: Shop, change: Change, standing: Standing) -> None:
    with shop.session(2) as session:
        assert session.standing(change) is standing
        if standing is Standing.FITS:
            assert drive(session, change, caller()) is Signal.GO
        else:
            assert session.tidy(caller()) is Signal.GO
        assert session.standing(change) is Standing.DONE
    assert shop.left_behind() == []


def test_a_statement_that_is_done_without_a_word_is_found_by_whoever_comes_next(shop: Shop) -> None:
    change = shop.statements("orders", INDEX)
    with silent_session(shop) as session, pytest.raises(Lost):
        drive(session, change, caller())
    finished_by_the_next(shop, change, Standing.DONE)


def test_a_statement_of_which_nothing_is_heard_is_stopped(shop: Shop) -> None:
    change, control = shop.statements("orders", INDEX), caller()
    control.on_report = lambda _: Signal.STOP
    with reader(shop) as read, silent_session(shop, read) as session, pytest.raises(Lost):
        drive(session, change, control)
    finished_by_the_next(shop, change, Standing.FITS)


def test_a_stranger_who_has_the_number_now_is_neither_watched_nor_ended(shop: Shop) -> None:
    """As after a restart of the server, of which nothing was heard."""
    change, control = shop.statements("orders", INDEX), caller()
    with shop.link() as stranger, reader(shop) as read, silent_session(shop, read) as session:

        def restart(_: Progress) -> Signal:
            link = session._hold.link
            if link.id != stranger.id:
                shop.run(f"KILL {link.id}")
                while session._hold.number_of(link, stranger) is not None:
                    pass
                link.id = stranger.id
                theirs.start()
            return Signal.STOP if len(control.reports) > 1 else Signal.GO

        slept: list[object] = []
        theirs = threading.Thread(target=lambda: slept.append(stranger.value("SELECT SLEEP(1)")))
        control.on_report = restart
        with pytest.raises(Lost):
            drive(session, change, control)
        theirs.join()
    assert slept == [0]
    assert not any("sleep" in report.detail for report in control.reports)
    finished_by_the_next(shop, change, Standing.FITS)
