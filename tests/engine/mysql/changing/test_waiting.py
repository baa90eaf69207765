"""A session waits for whoever holds what it needs, says so, and spends no attempts on it."""

import time
from contextlib import ExitStack
from dataclasses import replace

import pytest

from engine.base import Progress, Signal
from engine.errors import HeldUp, Unreachable
from tests.engine.driving import drive
from tests.engine.mysql.changing.application import at_work
from tests.engine.mysql.changing.orders import SUM, caller, filled, widened
from tests.engine.mysql.changing.plans import Shop
from tests.proxy import Proxy
from tests.servers.server import Server

LET_IN = "IDENTIFIED BY 'a-Password-9' ACCOUNT UNLOCK"


@pytest.fixture
def shop(server: Server) -> Shop:
    return filled(Shop(server), "orders")


@pytest.mark.parametrize(
    "holding", ["START TRANSACTION; SELECT COUNT(*) FROM orders", "LOCK TABLES orders READ"]
)
def test_a_cutover_waits_for_whoever_has_the_table_and_says_so(shop: Shop, holding: str) -> None:
    """The application goes on meanwhile, and is never held up for much longer than a second."""
    change = widened(shop)
    control = caller()
    with shop.session() as session, shop.link() as holder:
        assert session.prepare([change], control) is Signal.GO
        for statement in holding.split("; "):
            holder.run(statement)
        told: list[str] = []
        began = time.monotonic()

        def listen(progress: Progress) -> None:
            told.append(progress.detail)
            if time.monotonic() - began > 6:
                holder.close()

        control.on_report = listen
        with at_work(shop, "SELECT COUNT(*) FROM orders WHERE id = 7") as stalls:
            assert session.cut_over([change], control) is Signal.GO
        assert session.tidy(control) is Signal.GO
    who = f"held by connection {holder.id} of"
    # It does not tell who holds a lock, only whose transactions go on for long.
    if shop.server.is_one("mariadb"):
        who = f"perhaps {who}" if holding.startswith("START") else "the server does not tell who holds it"
    assert any(text.startswith("waiting for a lock on orders: ") and who in text for text in told)
    assert max(stalls) < 2.5
    assert len(stalls) > 50
    assert shop.left_behind() == []


@pytest.mark.parametrize("phase", ["opening", "copying rows"])
def test_a_lock_of_the_whole_server_is_waited_for_without_spending_attempts(shop: Shop, phase: str) -> None:
    """FLUSH TABLES WITH READ LOCK, as a backup takes it: said in the progress, or as why it is tried again."""
    change = widened(shop)
    control = caller()
    control.wanted_volume = 1
    told: list[str] = []
    with shop.link() as backup:

        def hear(said: str) -> None:
            if said.startswith(phase) and not told:
                backup.run("FLUSH TABLES WITH READ LOCK")
                told.append(said)
            if "a lock of the whole server (FLUSH TABLES WITH READ LOCK, a backup): " in said:
                backup.run("UNLOCK TABLES")
                told.append(said)

        control.on_report = lambda progress: hear(progress.detail)
        hear("opening")
        for fence in range(1, 9):
            try:
                with shop.session(fence) as session:
                    assert drive(session, change, control) is Signal.GO
                break
            except HeldUp as error:
                hear(str(error))
        else:
            pytest.fail("never finished")
    told_by_mariadb = "the server does not tell who holds it"
    who = told_by_mariadb if shop.server.is_one("mariadb") else f"held by connection {backup.id} of"
    assert who in told[1]
    assert shop.rows("SELECT COUNT(*), SUM(quantity) FROM orders") == [SUM]
    assert shop.left_behind() == []


def test_a_table_that_somebody_keeps_locked_spends_no_attempts_either(shop: Shop) -> None:
    change = widened(shop)
    with shop.link() as holder, shop.session() as session:
        holder.run("LOCK TABLES orders WRITE")
        with pytest.raises(
            HeldUp, match=f"waiting for a lock on orders: (held by connection {holder.id}|.*1205)"
        ):
            session.prepare([change], caller())
        holder.run("UNLOCK TABLES")
        assert drive(session, change, caller()) is Signal.GO
    assert shop.left_behind() == []


def test_tries_are_spaced_whatever_table_of_the_cutover_somebody_has(shop: Shop) -> None:
    """Somebody reads the copy; each try makes the application wait for a second."""
    change = widened(shop)
    control = caller()
    tries: list[float] = []
    with shop.session() as session, shop.link() as reader:
        assert session.prepare([change], control) is Signal.GO
        reader.run("START TRANSACTION")
        reader.rows("SELECT * FROM orders__osc_n LIMIT 1")

        def note() -> Signal | None:
            tries.append(time.monotonic())
            return Signal.STOP if time.monotonic() - tries[0] > 3 else None

        control.on_clear = note
        assert session.cut_over([change], control) is Signal.STOP
        assert len(tries) <= 3
        reader.close()
        control.on_clear = None
        assert session.cut_over([change], control) is Signal.GO
        assert session.tidy(control) is Signal.GO
    assert shop.left_behind() == []


@pytest.mark.parametrize("phase", ["opening", "copying"])
def test_a_server_that_takes_no_writes_is_waited_for_without_spending_attempts(
    shop: Shop, phase: str
) -> None:
    change = widened(shop)
    grants = f"ALL ON `{shop.database}`.*", "PROCESS, REPLICATION SLAVE, REPLICATION CLIENT ON *.*"
    with shop.of_user(*grants) as ours:
        control = caller()
        with ExitStack() as taking_none:

            def take_none(_: Progress | None = None) -> None:
                control.on_report = None
                taking_none.enter_context(shop.server.having(read_only=1))

            if phase == "opening":
                take_none()
            else:
                control.on_report = take_none
            with pytest.raises(HeldUp, match="read-only"), ours.session() as session:
                drive(session, change, control)
        with ours.session() as session:
            assert drive(session, change, control) is Signal.GO
    assert shop.left_behind() == []


def test_a_finished_copy_outlasts_a_server_that_nobody_reaches(shop: Shop) -> None:
    """Its proxy resets new connections, then nobody listens at the port any more."""
    change, address = widened(shop), shop.address
    with Proxy(address.host, address.port) as proxy:
        shop.address = replace(address, port=proxy.port)
        with shop.session() as session:
            assert session.prepare([change], caller()) is Signal.GO
        proxy.refuse()
        with pytest.raises(Unreachable, match=r"gone|reached"):
            shop.session(2)
    with pytest.raises(Unreachable, match="2003: it cannot be reached"):
        shop.session(3)
    shop.address = address
    with shop.session(4) as session:
        assert drive(session, change, caller()) is Signal.GO
    assert shop.rows("SELECT COUNT(*), SUM(quantity) FROM orders") == [SUM]
    assert shop.left_behind() == []


@pytest.mark.parametrize("why", ["password is wrong", "over TLS only"])
def test_a_finished_copy_outlasts_an_account_that_is_not_let_in(server: Server, why: str) -> None:
    """A password was renewed, or the server was restarted and wants it, over TLS, from an account that it let in before."""
    if why == "over TLS only" and server.is_one("mariadb"):
        pytest.skip("no account of its own is like that")
    shop = filled(Shop(server), "orders")
    change = widened(shop)
    with shop.of_user("ALL ON *.*") as users:
        with users.session() as session:
            assert session.prepare([change], caller()) is Signal.GO
        shop.run("FLUSH PRIVILEGES")
        right = users.address
        in_clear, another = replace(right, ssl_mode="disabled"), replace(right, password="another")
        users.address = in_clear if why == "over TLS only" else another
        with pytest.raises(Unreachable, match=why):
            users.session(2)
        users.address = right
        with users.session(3) as session:
            assert drive(session, change, caller()) is Signal.GO
    assert shop.left_behind() == []


@pytest.mark.parametrize("refused", ["ACCOUNT LOCK", "IDENTIFIED BY 'another-Password-9'"])
def test_a_finished_copy_outlasts_a_server_that_lets_nobody_in(shop: Shop, refused: str) -> None:
    change = widened(shop)
    grants = f"ALL ON `{shop.database}`.*", "PROCESS, REPLICATION SLAVE, REPLICATION CLIENT ON *.*"
    with shop.of_user(*grants) as ours:
        with ours.session() as session:
            assert session.prepare([change], caller()) is Signal.GO
        shop.run(f"ALTER USER {ours.address.user}@'%' {refused}")
        with pytest.raises(Unreachable):
            ours.session(2)
        shop.run(f"ALTER USER {ours.address.user}@'%' {LET_IN}")
        with ours.session(3) as session:
            assert drive(session, change, caller()) is Signal.GO
    assert shop.left_behind() == []


def test_a_server_that_lets_one_connection_in_and_no_second_one_is_outlasted_too(shop: Shop) -> None:
    change = widened(shop)
    grants = f"ALL ON `{shop.database}`.*", "PROCESS, REPLICATION SLAVE, REPLICATION CLIENT ON *.*"
    with shop.of_user(*grants) as ours:
        shop.run(f"ALTER USER {ours.address.user}@'%' WITH MAX_USER_CONNECTIONS 1")
        with ours.session() as session, pytest.raises(Unreachable):
            session.prepare([change], caller())
