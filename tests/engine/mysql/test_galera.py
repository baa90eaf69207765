"""A node of a Galera cluster, as a server without a provider says, too: nothing is copied online, and whoever asks is told."""

from collections.abc import Iterator

import pytest

from engine.base import Strategy, Verdict
from engine.errors import Refused
from engine.mysql.examination import examine_server
from engine.mysql.flavour import flavour_of
from tests.engine.driving import drive
from tests.engine.mysql.changing.orders import caller, filled, widened
from tests.engine.mysql.changing.plans import Shop
from tests.engine.mysql.planning.trial_place import USERS, place
from tests.servers.flavours import FLAVOURS
from tests.servers.private import PrivateServer
from tests.servers.server import Server, server_of


@pytest.fixture(scope="module")
def node() -> Iterator[Server]:
    with PrivateServer(FLAVOURS["mariadb"], options=("--wsrep-on=ON",)) as own:
        yield server_of(own)


def test_a_plan_says_how_else_a_table_is_changed(node: Server) -> None:
    with place(node, USERS) as found:
        how = found.how("MODIFY a BIGINT")
    assert how.strategy is Strategy.DIRECT
    assert "it can not be copied online: it is on a node of a Galera cluster" in how.lock


def test_a_copy_that_was_planned_elsewhere_is_refused_and_leaves_nothing(node: Server) -> None:
    shop = filled(Shop(node), "orders", rows=10)
    change = widened(shop)
    with shop.session() as session, pytest.raises(Refused, match=r"node of a Galera cluster.*plan again"):
        drive(session, change, caller())
    assert shop.left_behind() == []


def test_whoever_asks_beforehand_is_told_of_the_cluster(node: Server) -> None:
    shop = Shop(node)
    with shop.link() as link:
        (seen,) = [
            one for one in examine_server(shop.address, link, flavour_of(link)) if one.subject == "cluster"
        ]
    assert seen.verdict is Verdict.BAD
    assert "no table is copied online" in seen.text
