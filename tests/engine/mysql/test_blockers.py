"""Who is said to be in the way of a lock on a table."""

from engine.mysql.address import parse_address
from engine.mysql.blockers import Blockers, blockers
from engine.mysql.link import Link
from tests.engine.mysql.changing.plans import Shop
from tests.servers.server import Server
from tests.waiting import until


def found(link: Link, shop: Shop) -> Blockers:
    """Once what holds it has done so for a second."""

    def seen() -> Blockers | None:
        told = blockers(link, [(shop.database, "orders")], ())
        return told if told.found else None

    return until("somebody holds it", seen)


def test_a_prepared_transaction_without_a_connection_that_only_locked_rows_is_named(mysql: Server) -> None:
    shop = Shop(mysql, "CREATE TABLE orders (id INT PRIMARY KEY)", "INSERT INTO orders VALUES (7)")
    name = f"'{shop.database}'"
    with shop.link() as link:
        for statement in (
            f"XA START {name}",
            "SELECT * FROM orders WHERE id = 7 FOR UPDATE",
            f"XA END {name}",
            f"XA PREPARE {name}",
        ):
            link.run(statement)
    with shop.link() as link:
        try:
            told = found(link, shop)
        finally:
            link.run(f"XA ROLLBACK {name}")
    assert str(told) == "held by a prepared XA transaction (XA RECOVER tells them) for 1 s or more"


def test_a_lock_of_a_backup_is_told_apart_from_one_of_the_table(mysql: Server) -> None:
    shop = Shop(mysql, "CREATE TABLE orders (id INT PRIMARY KEY)")
    with Link(parse_address(mysql.url(""))) as backup, shop.link() as link:
        backup.run("LOCK INSTANCE FOR BACKUP")
        told = str(found(link, shop))
    assert told.startswith(
        f"held by connection {backup.id} of {mysql.user}, with LOCK INSTANCE FOR BACKUP for "
    )
