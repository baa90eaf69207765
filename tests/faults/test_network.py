"""The network and the server between workers and their store: black holes, lost answers, killed connections, restarts."""

import sqlite3
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.faults.grounds import ServerGround
from tests.faults.shop import Shop, SqliteShop
from tests.faults.world import World, until
from tests.proxy import Moment, Proxy, is_commit, is_whole


@pytest.mark.timeout(120)
@pytest.mark.parametrize("server_ground", ["mysql"], indirect=True)  # the store's code is the same on both
def test_14_a_worker_in_a_black_hole_leaves_its_target_alone_in_time_and_recovers(
    server_ground: ServerGround, tmp_path: Path
) -> None:
    """OW-3: one process hears nothing and reaches nobody, another only hears nothing, for three leases. Nobody helps them."""
    lease = 1.8
    world = World(server_ground, tmp_path, targets=2, rows=200_000, lease_seconds=lease, workers=1)
    server = server_ground.server
    with (
        Proxy(server.host, server.port) as deaf_and_mute,
        Proxy(server.host, server.port) as deaf,
        world.workers(0),
    ):
        applies = [world.enqueue("db0"), world.enqueue("db1")]
        for proxy in (deaf_and_mute, deaf):
            world.start_worker(store=server_ground.through(proxy.port))
        until("both are copied", lambda: all(world.copying(apply) for apply in applies))
        deaf_and_mute.swallow()
        deaf.swallow(to_server=False)
        began = time.time()
        last = 0.0
        while time.time() < began + 3 * lease:
            last = max([last, *(last_write(shop) for shop in world.shops.values())])
            time.sleep(0.1)
        assert last - began < lease, "the target was written to when the lease could have been another's"
        deaf_and_mute.heal()
        deaf.heal()
        until("all completed", lambda: all(world.completed(apply) for apply in applies))
    world.check(*applies)
    world.store.close()


def last_write(shop: Shop) -> float:
    """When a worker wrote to the target for the last time: every transaction of ours leaves that there. 0: it is done."""
    assert isinstance(shop, SqliteShop)
    with closing(sqlite3.connect(shop.path, timeout=10.0)) as connection:
        try:
            found = connection.execute("SELECT max(beat_at) FROM _schemabot_owner").fetchone()
        except sqlite3.OperationalError:
            return 0.0
        return float(found[0] or 0.0)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("server_ground", ["mariadb"], indirect=True)  # the store's code is the same on both
def test_13_lost_answers_to_commit_under_load_cost_no_attempt(
    server_ground: ServerGround, tmp_path: Path
) -> None:
    """Claims are found again by their token, ends by their attempt: with a long lease nothing else explains it."""
    world = World(server_ground, tmp_path, targets=3, rows=130_000, lease_seconds=30.0)
    server = server_ground.server
    with Proxy(server.host, server.port) as proxy, world.workers(0):
        for _ in range(2):
            world.start_worker(store=server_ground.through(proxy.port))
        applies = [world.enqueue(f"db{n}") for n in range(3)]

        def all_done() -> bool:
            proxy.cut_when(is_commit, is_whole, at=Moment.ANSWERED, times=1)
            time.sleep(0.2)
            return all(world.completed(apply) for apply in applies)

        until("all completed", all_done)
        assert proxy.cuts > 2
    for apply in applies:
        assert [attempt.outcome for attempt in world.store.attempts(apply.id)] == ["completed"]
    world.check(*applies)
    world.store.close()


@pytest.mark.timeout(180)
def test_15_killed_connections_and_a_restart_of_the_server_end_no_change(
    server_ground: ServerGround, tmp_path: Path
) -> None:
    """All connections killed every 100 ms, then kill -9 of the server, while rows are copied (AV-1)."""
    world = World(server_ground, tmp_path, targets=3, rows=130_000, lease_seconds=2.0)
    server = server_ground.server
    with ExitStack() as stack:
        proxies = [stack.enter_context(Proxy(server.host, server.port)) for _ in range(2)]
        stack.enter_context(world.workers(0))
        for proxy in proxies:
            world.start_worker(store=server_ground.through(proxy.port))
        applies = [world.enqueue(f"db{n}") for n in range(3)]
        until("rows are copied", lambda: any(world.copying(apply) for apply in applies))
        before = [proxy.accepted for proxy in proxies]
        began = time.monotonic()
        with server_ground.killed_connections(every=0.1) as killed:
            time.sleep(2.0)
        seconds = time.monotonic() - began
        rates = [(proxy.accepted - old) / seconds for proxy, old in zip(proxies, before, strict=True)]
        # Four or five connections each; every one of them comes back about once a second, not ten times.
        assert max(rates) < 12.0
        print(f"{sum(killed)} connections killed; new ones per second and process: {rates}")
        assert sum(killed) > 10
        server.kill()
        time.sleep(1.0)
        server.start()
        until("all completed", lambda: all(world.completed(apply) for apply in applies), 90.0)
    world.check(*applies)
    world.store.close()
