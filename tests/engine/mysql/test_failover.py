"""The target's address leads to a promoted replica from some moment on: no row is wrong there, whatever the copy was at."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pymysql
import pytest

from engine.base import Progress, Signal
from engine.errors import TargetUnavailable
from engine.mysql.binlog.errors import PositionRewound
from engine.mysql.binlog.position import end_of_log
from engine.mysql.binlog.reader import KeyReader
from engine.mysql.flavour import flavour_of
from tests.engine.driving import Caller
from tests.engine.mysql.changing.plans import Shop
from tests.engine.mysql.copying.application import TABLE, fill
from tests.engine.mysql.copying.rig import Rig, Watcher, make_rig, prepare
from tests.engine.mysql.planning.places import address_of
from tests.engine.mysql.replication import Pair, replicating
from tests.proxy import Proxy
from tests.servers.server import Server

ROWS = 6_000
CHANGE = ["MODIFY pad VARCHAR(80) NOT NULL, ADD extra INT NOT NULL DEFAULT 7"]


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """For tests that leave both of them what they were."""
    server: Server = request.getfixturevalue(request.param)
    with promotable(server) as found:
        yield found


@contextmanager
def promotable(server: Server) -> Iterator[Pair]:
    """A primary, and a replica that logs what it gets, as one does that may be promoted."""
    logs = "--log-slave-updates=ON" if server.flavour == "mariadb" else "--log-replica-updates=ON"
    trust = "--log-bin-trust-function-creators=1"
    with replicating(server.flavour, logs, trust) as found:
        yield found


@pytest.fixture
def proxy(pair: Pair) -> Iterator[Proxy]:
    with Proxy("127.0.0.1", pair.primary.port) as found:
        yield found


@pytest.fixture
def address(pair: Pair, proxy: Proxy) -> Server:
    """The server at the target's address: at first the primary."""
    return replace(pair.primary, port=proxy.port)


def fail_over(pair: Pair, proxy: Proxy) -> None:
    """As an operator does it: nobody can write, the replica gets the rest, and then the address is its."""
    proxy.refuse()
    proxy.cut()
    pair.promote()
    proxy.lead_to("127.0.0.1", pair.replica.port)
    proxy.heal()


@contextmanager
def writing(address: Server, schema: str) -> Iterator[None]:
    """An application that writes whenever it can."""
    done = threading.Event()

    def write() -> None:
        chance = random.Random(1)
        while not done.is_set():
            with (
                suppress(pymysql.MySQLError, OSError),
                address.connect(database=schema, autocommit=True) as connection,
            ):
                while not done.is_set():
                    with connection.cursor() as cursor:
                        cursor.execute(chance.choice(STATEMENTS), {"id": chance.randint(1, ROWS)})
            done.wait(0.02)

    thread = threading.Thread(target=write, name="application")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


STATEMENTS = (
    "UPDATE t SET ops = ops + 1, u = NULL WHERE id = %(id)s",
    "DELETE FROM t WHERE id = %(id)s",
    "INSERT IGNORE INTO t (id, pad) VALUES (%(id)s, 'again')",
    "INSERT INTO t (pad) VALUES ('new')",
)


def test_a_copy_that_meets_a_promoted_replica_begins_anew_and_ends_with_the_rows_there(
    server: Server,
) -> None:
    """The places in its log are others."""
    with promotable(server) as pair, Proxy("127.0.0.1", pair.primary.port) as proxy:
        details = copied_beside_a_failover(pair, proxy)
    begun_anew = [detail for detail in details if "copying from the start again" in detail]
    assert begun_anew
    assert all("another server answers at this address" in detail for detail in begun_anew)


def test_a_copy_with_triggers_goes_on_on_the_promoted_replica(mariadb: Server) -> None:
    """The keys that wait are rows of a table, and it has them."""
    with promotable(mariadb) as pair, Proxy("127.0.0.1", pair.primary.port) as proxy:
        with pair.primary.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SET GLOBAL binlog_format = MIXED")
        details = copied_beside_a_failover(pair, proxy)
    assert any("captured by triggers" in detail for detail in details)
    assert not any("copying from the start again" in detail for detail in details)


def copied_beside_a_failover(pair: Pair, proxy: Proxy) -> list[str]:
    """Copy a table beside an application, fail over in the middle, and compare in the end; what was told."""
    address = replace(pair.primary, port=proxy.port)
    rig = make_rig(address, f"{TABLE};;{fill(ROWS)}", CHANGE)
    step = rig.step()
    failed_over = threading.Event()

    def strike(progress: Progress) -> Signal | None:
        if progress.rows_copied > ROWS // 4 and not failed_over.is_set():
            failed_over.set()
            fail_over(pair, proxy)
        return None

    watcher = Watcher(strike, volume=2)
    with writing(address, rig.schema):
        while not _copied(rig, step, watcher):
            pass
    assert failed_over.is_set()
    return watcher.details()


def _copied(rig: Rig, step: object, watcher: Watcher) -> bool:
    """Whether the copy came to its end; a driver tries again when it did not."""
    try:
        with rig.copying(step) as copy:  # type: ignore[arg-type]
            prepare(copy, watcher)
            with rig.locked(copy) as link:
                assert rig.assert_same(link) > 0
            assert copy.checkpoint.repairs == 0
    except (
        TargetUnavailable,
        PositionRewound,
    ):  # the latter when the reader notices first: a session passes it on as the former
        return False
    return True


def test_a_copy_goes_on_nowhere_else_while_its_own_connections_last(
    pair: Pair, proxy: Proxy, address: Server
) -> None:
    """Only new connections lead to the replica: what they copied there would be missing here."""
    rig = make_rig(address, f"{TABLE};;{fill(ROWS)}", CHANGE)

    def strike(progress: Progress) -> Signal | None:
        if progress.rows_copied:
            pair.catch_up()
            proxy.lead_to("127.0.0.1", pair.replica.port)
        return None

    with (
        pytest.raises(TargetUnavailable, match="leads to another server now"),
        rig.copying(rig.step()) as copy,
    ):
        prepare(copy, Watcher(strike, volume=2))


def test_no_table_is_swapped_on_a_server_that_the_address_does_not_lead_to(
    pair: Pair, proxy: Proxy, address: Server
) -> None:
    shop = Shop(address, TABLE, fill(1_000))
    columns = [(name, name) for name in ("id", "u", "ops", "pad", "touched")]
    change = shop.copy("t", "MODIFY pad VARCHAR(80) NOT NULL", columns=columns)
    with shop.session() as session:
        assert session.prepare([change], Caller()) is Signal.GO
        pair.catch_up()
        proxy.lead_to("127.0.0.1", pair.replica.port)
        with pytest.raises(TargetUnavailable, match="leads to another server now"):
            session.cut_over([change], Caller())


def test_a_place_in_the_log_of_the_primary_is_none_in_that_of_its_replica(pair: Pair) -> None:
    """Both know the transactions before it, and have files of that name and size."""
    shop = Shop(pair.primary, TABLE, fill(1_000))
    with shop.link() as link:
        start = end_of_log(link, flavour_of(link))
    shop.run("UPDATE t SET ops = ops + 1")
    pair.catch_up()
    with pytest.raises(PositionRewound, match="another server answers at this address"):
        KeyReader(address_of(pair.replica, shop.database), [], start, Nobody())


class Nobody:
    """A sink that nothing comes to."""

    def keys(self, table: object, keys: object) -> None:
        raise AssertionError("nothing should be read")

    def committed(self, position: object) -> None:
        raise AssertionError("nothing should be read")

    def full(self) -> bool:
        return False
