"""Who reads as of a moment at which a copy was not complete is waited for: it would find rows missing in what is live then."""

from collections.abc import Iterator

import pytest

from engine.base import Signal
from engine.mysql.link import Link
from tests.engine.mysql.changing.plans import Shop
from tests.engine.mysql.cutover.snapshots import SNAPSHOT, Told, amid_the_copy
from tests.servers.server import Server

ROWS = 2_000


@pytest.fixture
def shop(server: Server) -> Shop:
    shop = Shop(
        server,
        "CREATE TABLE orders (id INT PRIMARY KEY, quantity INT NOT NULL)",
        "CREATE TABLE other (id INT PRIMARY KEY)",
    )
    rows = ", ".join(f"({n}, 1)" for n in range(ROWS))
    shop.run(f"INSERT INTO orders VALUES {rows}")
    return shop


@pytest.fixture
def reader(shop: Shop) -> Iterator[Link]:
    with shop.link() as link:
        yield link


def test_a_snapshot_from_amid_the_copy_reads_the_old_table_or_all_rows(shop: Shop, reader: Link) -> None:
    """A mysqldump --single-transaction that comes to the table later."""
    change = shop.copy(
        "orders", "MODIFY quantity BIGINT NOT NULL", columns=[("id", "id"), ("quantity", "quantity")]
    )
    caller = Told(reader)
    with shop.session() as session:
        with amid_the_copy(reader, *SNAPSHOT, "SELECT * FROM other"):
            assert session.prepare([change], caller) is Signal.GO
        assert session.cut_over([change], caller) is Signal.GO
        session.tidy(caller)
    assert len(caller.heard) >= 3
    assert f"connection {reader.id} of " in caller.heard[0]
    reader.run("START TRANSACTION WITH CONSISTENT SNAPSHOT")
    assert reader.value("SELECT COUNT(*) FROM orders") == ROWS


def test_nobody_waits_for_who_reads_each_statement_anew_or_began_later(shop: Shop, reader: Link) -> None:
    change = shop.copy(
        "orders", "MODIFY quantity BIGINT NOT NULL", columns=[("id", "id"), ("quantity", "quantity")]
    )
    caller = Told(reader)
    with shop.session() as session, shop.link() as later:
        # READ COMMITTED, as all our connections
        with amid_the_copy(reader, "START TRANSACTION", "SELECT * FROM other"):
            assert session.prepare([change], caller) is Signal.GO
        for statement in SNAPSHOT:
            later.run(statement)
        assert session.cut_over([change], caller) is Signal.GO
        assert later.value("SELECT COUNT(*) FROM orders") == ROWS
        later.run("COMMIT")
        session.tidy(caller)
    assert caller.heard == []
