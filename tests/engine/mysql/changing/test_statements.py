"""Changes by the server's own algorithms: as reviewed or not at all, in short waits, obedient, found again after a crash."""

import itertools
import re
import threading
import time

import pytest

from engine.base import Change, Progress, Signal, Standing
from engine.errors import DriftFound, Refused, TargetUnavailable
from engine.mysql.spec import Algorithm
from engine.mysql.trouble import Lost
from tests.engine.driving import Caller, drive
from tests.engine.mysql.changing.application import at_work
from tests.engine.mysql.changing.plans import Shop
from tests.servers.numbers import numbers
from tests.servers.server import Server

USERS = "CREATE TABLE users (id INT PRIMARY KEY, name VARCHAR(20), born INT) DEFAULT CHARSET utf8mb4"
ADD_COLUMN = ("ALTER TABLE {t} ADD COLUMN c INT", Algorithm.INSTANT)
ADD_INDEX = ("ALTER TABLE {t} ADD INDEX by_name (name)", Algorithm.INPLACE)
WIDEN = ("ALTER TABLE {t} MODIFY born BIGINT", Algorithm.COPY)


@pytest.fixture
def shop(server: Server) -> Shop:
    return Shop(server, USERS, "INSERT INTO users VALUES (1, 'a', 1), (2, 'b', 2)")


def caller() -> Caller:
    found = Caller()
    found.rests = True
    return found


@pytest.mark.parametrize("kind", ["instant", "in place", "copy", "three", "create", "drop"])
def test_a_change_by_statements_is_made_once_and_leaves_nothing_behind(shop: Shop, kind: str) -> None:
    change = {
        "instant": lambda: shop.statements("users", ADD_COLUMN),
        "in place": lambda: shop.statements("users", ADD_INDEX),
        "copy": lambda: shop.statements("users", WIDEN),
        "three": lambda: shop.statements("users", ADD_COLUMN, ADD_INDEX, WIDEN),
        "create": lambda: shop.statements(
            "orders", ("CREATE TABLE {t} (id INT PRIMARY KEY)", Algorithm.PLAIN)
        ),
        "drop": lambda: shop.statements("users", ("DROP TABLE {t}", Algorithm.PLAIN)),
    }[kind]()
    with shop.session() as session:
        session.check_fits([change], {})
        assert session.standing(change) is Standing.FITS
        assert drive(session, change, caller()) is Signal.GO
        assert session.standing(change) is Standing.DONE
        assert shop.left_behind() == []
        assert drive(session, change, caller()) is Signal.GO
    assert shop.left_behind() == []
    if kind != "drop":
        assert shop.rows("SELECT id, name FROM users") == [(1, "a"), (2, "b")]


def test_statements_that_ran_before_a_crash_are_not_run_again(shop: Shop) -> None:
    """RC-4: the look at the tables tells how far it came."""
    change = shop.statements("users", ADD_COLUMN, ADD_INDEX, WIDEN)
    shop.run("ALTER TABLE users ADD COLUMN c INT")
    with shop.session() as session:
        assert session.standing(change) is Standing.FITS
        assert drive(session, change, caller()) is Signal.GO
        assert session.standing(change) is Standing.DONE


def test_a_table_changed_by_somebody_else_is_drift_and_stays_as_it_is(shop: Shop) -> None:
    """RC-2, RC-3."""
    change = shop.statements("users", ADD_COLUMN)
    shop.run("ALTER TABLE users ADD COLUMN other INT")
    with shop.session() as session:
        for look in (lambda: session.check_fits([change], {}), lambda: session.standing(change)):
            with pytest.raises(DriftFound, match=r"users was changed.*plan again"):
                look()
        with pytest.raises(DriftFound, match="users was changed"):
            drive(session, change, caller())
    assert shop.left_behind() == []
    assert [name for name, *_ in shop.rows("SHOW COLUMNS FROM users")] == ["id", "name", "born", "other"]


def test_a_table_changed_at_the_last_moment_is_drift(shop: Shop) -> None:
    change = shop.statements("users", ADD_COLUMN)
    control = caller()
    control.on_clear = lambda: shop.run("ALTER TABLE users ADD COLUMN other INT")
    with shop.session() as session, pytest.raises(DriftFound, match="users was changed"):
        drive(session, change, control)
    assert shop.left_behind() == []


def test_an_algorithm_that_the_server_refuses_now_is_never_replaced_by_another(shop: Shop) -> None:
    """RC-2: the plan said instant; had the server said no at that time, people would have reviewed something else."""
    change = shop.statements("users", ("ALTER TABLE {t} MODIFY born BIGINT", Algorithm.INSTANT))
    refused = r"ALGORITHM=INSTANT as it did when the plan was made; "
    with shop.session() as session, pytest.raises(Refused, match=f"{refused}nothing was changed: plan again"):
        drive(session, change, caller())
    change = shop.statements(
        "users",
        ("ALTER TABLE {t} ADD COLUMN more INT", Algorithm.INSTANT),
        ("ALTER TABLE {t} MODIFY born BIGINT", Algorithm.INSTANT),
    )
    with (
        shop.session(2) as session,
        pytest.raises(Refused, match=f"{refused}the statements .* have run: plan again"),
    ):
        drive(session, change, caller())
    assert shop.left_behind() == []
    assert shop.rows("SELECT column_type FROM information_schema.columns WHERE column_name = 'born'") != []


@pytest.mark.parametrize(
    "change",
    [
        "ADD UNIQUE u (born)",
        "MODIFY name VARCHAR(20) NOT NULL",
        "MODIFY name VARCHAR(2)",
        "MODIFY born TINYINT",
        "ADD CHECK (born < 7)",
    ],
)
def test_rows_that_do_not_fit_are_refused_and_nothing_is_changed(shop: Shop, change: str) -> None:
    planned = shop.statements("users", (f"ALTER TABLE {{t}} {change}", Algorithm.COPY))
    shop.run("INSERT INTO users VALUES (3, NULL, 1), (4, 'long', 1000)")
    said = (
        f"^users: a row does not fit the new definition: .* {re.escape(change)}; nothing was changed: correct"
    )
    with shop.session() as session, pytest.raises(Refused, match=said):
        drive(session, planned, caller())
    assert shop.left_behind() == []
    assert len(shop.rows("SELECT * FROM users")) == 4


def test_a_value_is_never_bent_to_fit(shop: Shop) -> None:
    """The sessions of a server may be lenient; ours is not."""
    change = shop.statements("users", ("ALTER TABLE {t} MODIFY name VARCHAR(2)", Algorithm.COPY))
    shop.run("INSERT INTO users VALUES (3, 'long', 1)")
    with shop.session() as session, pytest.raises(Refused, match="name"):
        drive(session, change, caller())
    assert shop.rows("SELECT name FROM users WHERE id = 3") == [("long",)]


@pytest.mark.parametrize(
    ("held", "asked"),
    [
        ("SELECT COUNT(*) FROM users", "UPDATE users SET born = born + 1 WHERE id = 1"),
        ("INSERT INTO visits VALUES (1, 2)", "SELECT name FROM users"),
    ],
    ids=["reader", "writer of a child"],
)
def test_a_change_waits_for_a_transaction_in_short_tries(shop: Shop, held: str, asked: str) -> None:
    """The application goes on meanwhile: nobody queues behind our wait for longer than a second at a time."""
    shop.run("CREATE TABLE visits (id INT PRIMARY KEY, who INT, FOREIGN KEY (who) REFERENCES users (id))")
    change = shop.statements("users", ADD_COLUMN)
    control = caller()
    holder = shop.link()
    holder.run("START TRANSACTION")
    holder.run(held)

    def let_go(progress: Progress) -> None:
        if "waiting for a lock on users" in progress.detail and time.monotonic() - began > 4:
            holder.close()

    control.on_report = let_go
    began = time.monotonic()
    with at_work(shop, asked) as stalls, shop.session() as session:
        assert drive(session, change, control) is Signal.GO
    assert max(stalls) < 2.0
    assert len(stalls) > 50
    assert shop.left_behind() == []


def test_people_are_told_who_holds_the_lock(shop: Shop) -> None:
    change = shop.statements("users", ADD_COLUMN)
    shop.run("ANALYZE TABLE users")
    control = caller()
    told: list[str] = []
    totals: set[int] = set()
    with shop.link() as holder:
        holder.run("START TRANSACTION")
        holder.value("SELECT COUNT(*) FROM users FOR UPDATE")

        def listen(progress: Progress) -> Signal | None:
            told.append(progress.detail)
            totals.add(progress.rows_total)
            return Signal.STOP if "idle in a transaction for" in progress.detail else None

        control.on_report = listen
        with shop.session() as session:
            assert session.cut_over([change], control) is Signal.STOP
            assert session.standing(change) is Standing.FITS
        assert f"connection {holder.id} of" in told[-1]
    assert totals == {0}, "no row is copied, so there is none to wait for"
    assert shop.left_behind() == []


@pytest.mark.parametrize("signal", [Signal.STOP, Signal.CANCEL, Signal.HALT])
def test_a_long_statement_is_ended_by_a_command_in_time(
    shop: Shop, signal: Signal, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = _slow_change(shop)
    control = caller()
    asked: list[float] = []

    def ask(progress: Progress) -> Signal | None:
        asked.append(time.monotonic())
        return signal

    control.on_report = ask
    with shop.session() as session:
        assert session.cut_over([change], control) is signal
        assert time.monotonic() - asked[0] < 5
        assert session.standing(change) is Standing.FITS
        assert session.discard(caller()) is Signal.GO
    assert shop.left_behind() == []


def test_an_index_that_cannot_keep_up_with_the_application_is_built_at_a_calmer_time(shop: Shop) -> None:
    """1799: the server gives up when more is written meanwhile than its log for that holds."""
    _grow(shop)
    change = shop.statements("users", ADD_INDEX)
    over = threading.Event()

    def application() -> None:
        with shop.link() as link:
            for turn in itertools.count():
                if over.is_set():
                    return
                link.run(f"UPDATE users SET name = CONCAT('turn {turn} ', id) WHERE id < 3000")

    writer = threading.Thread(target=application)
    fences = itertools.count(1)
    with shop.server.having(innodb_online_alter_log_max_size=65536):
        writer.start()
        try:
            while (raised := built(shop, change, next(fences))) is None:
                shop.run("DROP INDEX by_name ON users")  # it was quicker than the application: once more
        finally:
            over.set()
            writer.join()
    assert raised.retryable
    assert "innodb_online_alter_log_max_size holds; raise it" in str(raised)
    with shop.session(next(fences)) as session:
        assert drive(session, change, caller()) is Signal.GO
        assert session.standing(change) is Standing.DONE
    assert shop.left_behind() == []


def built(shop: Shop, change: Change, fence: int) -> TargetUnavailable | None:
    """None: it was; else why not."""
    with shop.session(fence) as session:
        try:
            assert drive(session, change, caller()) is Signal.GO
        except TargetUnavailable as error:
            return error
    return None


def _slow_change(shop: Shop) -> Change:
    """A copy of enough rows to take some seconds, however idle the server is."""
    _grow(shop)
    return shop.statements(
        "users",
        ("ALTER TABLE {t} ADD COLUMN s VARCHAR(64) AS (SHA2(CONCAT(name, id), 256)) STORED, ADD INDEX (s), ADD INDEX (born, s)",
         Algorithm.COPY),
    )  # fmt: skip


def _grow(shop: Shop) -> None:
    shop.run(f"INSERT INTO users SELECT i + 2, 'x', 1 FROM {numbers(199_998)}")


def test_a_statement_whose_connection_breaks_is_looked_for_by_the_next_owner(shop: Shop) -> None:
    """Ambiguous: it may have run."""
    change = shop.statements("users", ADD_COLUMN)
    control = caller()
    with shop.session() as session:
        control.on_clear = lambda: shop.run(f"KILL {session._hold.link.id}")
        with pytest.raises(Lost):
            drive(session, change, control)
    with shop.session(2) as session:
        assert session.standing(change) is Standing.FITS
        assert drive(session, change, caller()) is Signal.GO
    assert shop.left_behind() == []


def test_a_lock_of_the_whole_server_is_waited_for(shop: Shop) -> None:
    """FLUSH TABLES WITH READ LOCK, as a backup takes it."""
    change = shop.statements("users", ADD_COLUMN)
    control = caller()
    with shop.link() as backup, shop.session() as session:
        backup.run("FLUSH TABLES WITH READ LOCK")

        def let_go(progress: Progress) -> None:
            if "waiting" in progress.detail:
                backup.run("UNLOCK TABLES")

        control.on_report = let_go
        assert drive(session, change, control) is Signal.GO
    assert shop.left_behind() == []
