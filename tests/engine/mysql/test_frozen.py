"""A daemon that is stopped (SIGSTOP) while it holds locks of the application's tables, with no other to take over."""

import time
from pathlib import Path

from tests.engine.mysql.changing.plans import Shop
from tests.engine.mysql.daemon import Daemon, dsn_of
from tests.engine.mysql.journey import ORDERS, ROWS, WIDE, columns, files, fill
from tests.servers.server import Server

WRITTEN = 3_000
"""The first rows, which are copied first."""
PATIENCE = {"lock_wait_timeout": 8, "innodb_lock_wait_timeout": 8}
"""The application's, in seconds: the daemon is not woken before its write is through."""


def write(shop: Shop) -> float:
    """Add one to each of the first rows; how long that took. Waited: they were locked for too long."""
    with shop.link(settings=PATIENCE) as link:
        began = time.monotonic()
        link.run(f"UPDATE orders SET quantity = quantity + 1 WHERE id < {WRITTEN}")
        return time.monotonic() - began


def test_an_application_does_not_wait_for_a_daemon_that_is_frozen(server: Server, tmp_path: Path) -> None:
    """In mid-chunk, with rows locked by what is brought over, then with the tables locked right before they are exchanged."""
    shop = Shop(server, ORDERS)
    fill(shop)
    with Daemon(tmp_path, dsn_of(server, shop.database)) as daemon:
        daemon.slow(0.03)
        waited = {}
        daemon.freeze_at("before_commit:chunk")
        apply_id = daemon.apply(files(orders=WIDE))
        for point, following in (
            ("before_commit:chunk", "before_commit:apply"),
            ("before_commit:apply", "before_rename"),
            ("before_rename", ""),
        ):
            daemon.wait_frozen()
            waited[point] = write(shop)
            daemon.freeze_at(following)
            daemon.thaw()
            if following == "before_rename":
                daemon.slow(0)
        daemon.wait(apply_id, "completed")
    assert columns(shop, "orders")["quantity"] == "bigint"
    assert shop.rows("SELECT COUNT(*), SUM(quantity) FROM orders") == [(ROWS, ROWS + len(waited) * WRITTEN)]
    assert shop.left_behind() == []
    print(f"\n{server.title}: " + ", ".join(f"{point} {seconds:.2f} s" for point, seconds in waited.items()))
