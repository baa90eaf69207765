"""A statement in a thread of its own: what comes out of it, and that it is over though its connection fell silent."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from engine.base import Job
from engine.mysql.link import Link
from engine.mysql.ownership.hold import Hold
from engine.mysql.ownership.watch import Watch
from engine.mysql.trouble import Lost
from engine.mysql.waiting import running as module
from engine.mysql.waiting.running import Running
from tests.engine.mysql.planning.places import address_of
from tests.proxy import Proxy
from tests.servers.server import Server


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy(server.host, server.port) as proxy:
        yield proxy


@pytest.fixture
def watch(server: Server, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """Of a hold whose own connection goes through the proxy, unlike all others."""
    monkeypatch.setattr(module, "END_SECONDS", 0.05)
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(module, "UNHEARD_SECONDS", 0.2)
    direct = address_of(server, server.fresh_database())
    hold = Hold(replace(direct, host="127.0.0.1", port=proxy.port), Job(apply_uid="a", fence=1, owner="t"))
    hold.take()
    hold.address = direct
    watch = Watch(hold)
    yield watch
    watch.close()
    hold.close()


def under_way(running: Running) -> int:
    """Wait until the server has the statement; the number of its connection."""
    while True:
        found = running.look()
        assert found is not None
        if found.command == "Query":
            return found.id


def ended(running: Running) -> None:
    """Wait for its end."""
    while not running.finished:
        running.over(0.02)


def test_what_ends_a_statement_comes_out_whatever_it_is(watch: Watch) -> None:
    with Running(watch.hold.link, "DO '\ud800'", watch) as running, pytest.raises(UnicodeEncodeError):
        running.outcome()


def test_a_statement_whose_answer_is_lost_is_over_when_the_server_is_through_with_it(
    watch: Watch, proxy: Proxy
) -> None:
    proxy.swallow(to_server=False)
    with Running(watch.hold.link, "DO SLEEP(0.5)", watch) as running:
        under_way(running)
        with pytest.raises(Lost):
            ended(running)


def test_a_statement_that_takes_long_is_not_taken_for_one_whose_answer_is_lost(watch: Watch) -> None:
    with Running(watch.hold.link, "DO SLEEP(1)", watch) as running:
        ended(running)


def test_a_statement_is_ended_though_nothing_is_heard_of_that(watch: Watch, proxy: Proxy) -> None:
    proxy.swallow(to_server=False)
    with Running(watch.hold.link, "DO SLEEP(60)", watch) as running:
        under_way(running)
        running.end()
        with pytest.raises(Lost):
            running.outcome()


def test_a_stranger_who_has_the_number_of_a_connection_that_is_gone_is_left_alone(
    server: Server, watch: Watch, proxy: Proxy
) -> None:
    """As after a restart of the server."""
    link = watch.hold.link
    slept: list[object] = []
    with Link(address_of(server)) as stranger, Running(link, "DO SLEEP(60)", watch) as running:
        number = under_way(running)
        proxy.swallow()
        stranger.run(f"KILL {number}")
        while watch.process_of(link) is not None:
            assert not running.over(0.02)
        link.id = stranger.id
        with Running(stranger, lambda other: slept.append(other.value("SELECT SLEEP(0.7)")), watch) as theirs:
            running.end()
            theirs.outcome()
    assert slept == [0]
    with pytest.raises(Lost):
        running.outcome()
