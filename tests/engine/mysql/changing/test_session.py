"""The contract of a session with online copies: idempotent, resumable, obedient, honest about drift, nothing left behind."""

import threading
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace

import pytest

from engine.base import Job, Progress, Signal, Standing, Strategy
from engine.errors import DriftFound, EngineError, Fenced, Refused, TargetHeld, TargetUnavailable
from engine.mysql.capturing import stream
from engine.mysql.changing.session import MysqlSession
from engine.mysql.copying.applier import Applier
from engine.mysql.copying.online import OnlineCopy
from engine.mysql.link import Link
from engine.mysql.planning import how
from engine.mysql.planning.planner import plan_mysql
from engine.mysql.shadow.checkpoints import MOST_BEGINNINGS
from tests.engine.driving import Caller, drive
from tests.engine.mysql.changing.orders import ROWS, SUM, caller, filled, widened
from tests.engine.mysql.changing.plans import Shop
from tests.engine.mysql.planning.places import address_of
from tests.engine.striking import struck
from tests.servers.server import Server

RESET = {"mariadb": "RESET MASTER", "mysql": "RESET BINARY LOGS AND GTIDS"}
GROWTH = (
    "CREATE TABLE ballast (pad VARCHAR(250) NOT NULL)",
    *["INSERT INTO ballast SELECT REPEAT('b', 250) FROM orders"] * 12,
)


@pytest.fixture
def shop(server: Server) -> Shop:
    return filled(Shop(server), "orders")


def test_a_copy_is_made_live_once_and_leaves_nothing_behind(shop: Shop) -> None:
    """RC-4: what is done is found done, and doing it again changes nothing."""
    change = widened(shop)
    control = caller()
    with shop.session() as session:
        session.check_fits([change], {})
        assert session.standing(change) is Standing.FITS
        assert drive(session, change, control) is Signal.GO
        assert session.standing(change) is Standing.DONE
        assert shop.left_behind() == []
        assert drive(session, change, caller()) is Signal.GO
    assert shop.rows("SELECT COUNT(*), SUM(quantity) FROM orders") == [SUM]
    assert shop.left_behind() == []
    copied = [report.rows_copied for report in control.reports]
    assert copied == sorted(copied)
    assert copied[-1] == ROWS


@pytest.mark.parametrize("signal", [Signal.STOP, Signal.HALT])
def test_a_copy_stops_at_any_report_and_goes_on_from_its_checkpoint(shop: Shop, signal: Signal) -> None:
    """Stopped after every few reports: done in the end, and progress never goes backwards."""
    change = widened(shop)
    copied: list[int] = []
    for fence in range(1, 60):
        control = Caller(*[Signal.GO] * fence, signal)
        control.rests = True
        with shop.session(fence) as session:
            found = drive(session, change, control)
        copied += [report.rows_copied for report in control.reports]
        if found is Signal.GO:
            break
        assert found is signal
    else:
        pytest.fail("never finished")
    assert fence > 2
    assert copied == sorted(copied)
    assert shop.rows("SELECT COUNT(*), SUM(quantity) FROM orders") == [SUM]
    assert shop.left_behind() == []


def test_statements_that_build_on_a_copy_run_once_it_is_live(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies of two schemas are made live together, at the place of the last, but for one that a foreign key needs before."""
    monkeypatch.setattr(how, "DIRECT_ROWS", -1)
    big = "CREATE TABLE {0} (id {1} PRIMARY KEY, n INT)"
    first = Shop(server, big.format("a", "INT"), "INSERT INTO a VALUES (1, 1)", prefix="a_")
    other = Shop(server, big.format("z", "INT"), "INSERT INTO z VALUES (1, 1)", prefix="b_")
    child = (
        f"CREATE TABLE k (id INT PRIMARY KEY, a BIGINT, FOREIGN KEY (a) REFERENCES {first.database}.a (id))"
    )
    files = {
        first.database: {"a.sql": f"{big.format('a', 'BIGINT')};"},
        other.database: {"z.sql": f"{child}; {big.format('z', 'BIGINT')};"},
    }
    everywhere = address_of(server, "")
    plan = plan_mysql(everywhere, files)
    assert [(change.table, change.strategy) for change in plan.changes] == [
        ("a", Strategy.ONLINE), ("k", Strategy.INSTANT), ("z", Strategy.ONLINE),
    ]  # fmt: skip
    job = Job(apply_uid="apply_a", fence=1, owner="host:1:test:1", namespaces=tuple(files))
    with MysqlSession(everywhere, job) as session:
        for step in (session.prepare, session.cut_over):
            assert step(plan.changes, caller()) is Signal.GO
        assert session.tidy(caller()) is Signal.GO
    assert plan_mysql(everywhere, files).changes == ()
    assert first.left_behind() == other.left_behind() == []
    back = plan_mysql(everywhere, plan.original)
    control = caller()
    with (
        MysqlSession(everywhere, job) as session,
        pytest.raises(Refused, match="apply it without --defer-cutover"),
    ):
        session.prepare(back.changes, control)
    assert control.reports == []  # nothing was copied in vain


def test_a_copy_that_gets_the_name_of_a_check_of_another_is_not_deferred(
    mysql: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(how, "DIRECT_ROWS", -1)
    foo = "CONSTRAINT Foo CHECK (n > 0)"
    shop = Shop(
        mysql,
        f"CREATE TABLE a (id INT PRIMARY KEY, n INT, {foo})",
        "CREATE TABLE b (id INT PRIMARY KEY, n INT)",
        "INSERT INTO a VALUES (1, 1)",
        "INSERT INTO b VALUES (1, 1)",
    )
    address = address_of(mysql, shop.database)
    b = f"CREATE TABLE b (id BIGINT PRIMARY KEY, n INT COMMENT 'ADD CONSTRAINT `x', {foo.lower()});"
    files = {shop.database: {"shop.sql": f"CREATE TABLE a (id BIGINT PRIMARY KEY, n INT); {b}"}}
    plan = plan_mysql(address, files)
    assert [(change.table, change.strategy) for change in plan.changes] == [
        ("a", Strategy.ONLINE), ("b", Strategy.ONLINE),
    ]  # fmt: skip
    job = Job(apply_uid="apply_a", fence=1, owner="host:1:test:1", namespaces=tuple(files))
    control = caller()
    with MysqlSession(address, job) as session:
        with pytest.raises(
            Refused, match=r"Foo of its CHECK is taken by one of a: .* without --defer-cutover"
        ):
            session.prepare(plan.changes, control)
        assert control.reports == []  # nothing was copied in vain
        for change in plan.changes:
            assert drive(session, change, caller()) is Signal.GO
    assert plan_mysql(address, files).changes == ()
    assert shop.left_behind() == []


def test_that_a_copy_is_live_is_written_down_although_its_row_was_held(shop: Shop) -> None:
    """By somebody who reads our table; until then it is let go of once, and tried again."""
    change = widened(shop)
    with shop.session() as session, shop.link() as reader:
        assert session.prepare([change], caller()) is Signal.GO
        copies = session._copies
        (copy,) = copies._open.values()
        applying = copy.link.id
        tries = 0

        def hold(point: str) -> None:
            nonlocal tries
            if point == "swapped":
                reader.run("START TRANSACTION")
                reader.rows("SELECT phase FROM _schemabot_copy FOR UPDATE")
                tries = 1
            elif point == "begun:checkpoint" and tries:
                tries += 1
                if tries == 3:
                    reader.run("ROLLBACK")

        with struck(hold):
            assert session.cut_over([change], caller()) is Signal.GO
        assert shop.rows("SELECT phase FROM _schemabot_copy") == [("old",)]
        assert (copies._open, copies._stream.copies) == ({}, [])
        assert applying not in session._hold.connections
        assert session.tidy(caller()) is Signal.GO
    assert shop.left_behind() == []


def test_a_cancelled_copy_leaves_nothing_but_the_live_table(shop: Shop) -> None:
    change = widened(shop)
    control = Caller(*[Signal.GO] * 3, Signal.CANCEL)
    with shop.session() as session:
        assert drive(session, change, control) is Signal.CANCEL
    with shop.session(2) as session:  # of a driver that knows nothing but the cancel
        assert session.discard(caller()) is Signal.GO
        assert shop.left_behind() == []
    assert shop.rows("SELECT COUNT(*), SUM(quantity) FROM orders") == [SUM]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("ALTER TABLE orders DROP COLUMN note", "orders was changed"),
        ("DROP TABLE orders__osc_n", "somebody dropped or renamed a table of ours"),
    ],
)
def test_a_table_altered_or_dropped_in_mid_copy_is_drift(shop: Shop, statement: str, told: str) -> None:
    change = widened(shop)
    control = caller()

    def meddle(progress: Progress) -> None:
        if len(control.reports) == 2:
            shop.run(statement)

    control.on_report = meddle
    with shop.session() as session, pytest.raises(DriftFound, match=told):
        drive(session, change, control)
    assert shop.left_behind() == []


def test_a_copy_that_somebody_altered_never_becomes_live(shop: Shop) -> None:
    change = widened(shop)
    with shop.session() as session:
        assert session.prepare([change], caller()) is Signal.GO
        shop.run("ALTER TABLE orders__osc_n ADD COLUMN theirs INT")
        with pytest.raises(DriftFound, match="our copy of it is not what was reviewed; nothing was changed"):
            session.cut_over([change], caller())
        assert session.discard(caller()) is Signal.GO
    assert quantity_of(shop) == "int"
    assert shop.left_behind() == []


def test_a_copy_that_comes_out_otherwise_than_planned_is_not_even_filled(shop: Shop) -> None:
    """A server that makes something else of the same statement, as after an upgrade."""
    change = widened(shop)
    spec = {**change.spec, "after": [["orders", "of another server"]]}
    control = caller()
    with shop.session() as session, pytest.raises(DriftFound, match="is not what was reviewed"):
        drive(session, replace(change, spec=spec), control)
    assert not any(report.rows_copied for report in control.reports)
    assert quantity_of(shop) == "int"
    assert shop.left_behind() == []


def quantity_of(shop: Shop) -> str:
    """The type of the column as it is live."""
    return {
        str(name): str(kind).partition("(")[0] for name, kind, *_ in shop.rows("SHOW COLUMNS FROM orders")
    }["quantity"]


@pytest.mark.parametrize(
    ("tables", "sees"), [(("orders",), True), (("orders", "parts"), True), (("orders",), False)]
)
def test_a_truncate_that_waits_while_the_tables_are_locked_is_not_undone(
    server: Server, tables: tuple[str, ...], sees: bool
) -> None:
    """MariaDB lets it run before our RENAME, on the table that goes: we see it wait, or without PROCESS only in the log."""
    shop = filled(Shop(server), *tables)
    changes = [widened(shop, table) for table in tables]
    truncating = threading.Thread(target=shop.run, args=("TRUNCATE TABLE orders",))

    def strike(point: str) -> None:
        if point == "applied" and not truncating.ident:
            truncating.start()
            while not shop.rows(
                "SELECT 1 FROM information_schema.PROCESSLIST WHERE INFO = 'TRUNCATE TABLE orders'"
            ):
                pass

    with nullcontext(shop) if sees else without_process(shop) as ours, ours.session() as session:
        assert session.prepare(changes, caller()) is Signal.GO
        with struck(strike), suppress(EngineError):
            session.cut_over(changes, caller())
        truncating.join()
        assert shop.rows("SELECT COUNT(*) FROM orders") == [(0,)]
        session.discard(caller())


def without_process(shop: Shop) -> AbstractContextManager[Shop]:
    """The same for an account that does not see other connections."""
    return shop.of_user(f"ALL ON `{shop.database}`.*", "REPLICATION SLAVE, REPLICATION CLIENT ON *.*")


def test_only_a_definition_that_waits_is_taken_for_one(mariadb: Server) -> None:
    """Rows may be about anything, and expressions be read otherwise by all sessions."""
    shop = filled(Shop(mariadb), "orders", "orders_1")
    for statement, found in (
        ("INSERT INTO orders VALUES (0, 1, 'create what you truncate ')", ""),
        ("/* nightly */ TRUNCATE TABLE orders", "/* nightly */ TRUNCATE TABLE orders"),
        ("OPTIMIZE TABLE orders_1, `orders€`, `€orders`, a, orders$, vorders", ""),
        ("OPTIMIZE TABLE orders_1,ORDERS", "OPTIMIZE TABLE orders_1,ORDERS"),
    ):
        with (
            mariadb.having(default_regex_flags="EXTENDED"),
            shop.session() as session,
            shop.link() as holder,
        ):
            holder.run("LOCK TABLES orders WRITE, orders_1 WRITE")
            waiting = threading.Thread(target=shop.run, args=(statement,))
            waiting.start()
            while not session._watch.ask(
                lambda link: link.rows(
                    "SELECT 1 FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table%'"
                )
            ):
                pass
            assert session._watch.definition_waiting_for(shop.database, "orders", 0) == found
            assert session._watch.definition_waiting_for("another", "orders", 0) == ""
            holder.run("UNLOCK TABLES")
            waiting.join()


def test_a_definition_that_waits_and_names_the_table_is_told_beside_a_guess(mariadb: Server) -> None:
    """Whoever has had a transaction open for long is only a guess, where the performance schema may not be read."""
    shop = filled(Shop(mariadb), "orders", "orders_1", rows=99)
    control = caller()

    def both(progress: Progress) -> Signal | None:
        told = "somebody else waits to change orders (OPTIMIZE TABLE orders_1, orders); perhaps held by connection"
        return Signal.HALT if told in progress.detail else None

    def optimize() -> None:
        with shop.link(settings={"lock_wait_timeout": 30}) as link:
            link.run("OPTIMIZE TABLE orders_1, orders")

    waiting = threading.Thread(target=optimize)
    seeing = f"ALL ON `{shop.database}`.*", "REPLICATION SLAVE, REPLICATION CLIENT, PROCESS ON *.*"
    with shop.of_user(*seeing) as ours, ours.session() as session, shop.link() as holder:
        assert session.prepare([widened(shop)], caller()) is Signal.GO
        holder.run("START TRANSACTION")
        holder.value("SELECT COUNT(*) FROM orders_1")
        waiting.start()
        control.on_report = both
        assert session.cut_over([widened(shop)], control) is Signal.HALT
        holder.run("COMMIT")
        waiting.join()
        session.discard(caller())


def test_tables_of_a_group_become_live_together(server: Server) -> None:
    """CO-5: prepared by one owner, parked, caught up by another, cut over by a third."""
    shop = filled(Shop(server), "orders", "parts", "a")
    changes = [widened(shop, table) for table in ("orders", "parts", "a")]
    with shop.session(1) as session:
        assert session.prepare(changes, caller()) is Signal.GO
        # What waits for its cutover, for days perhaps, asks no replica how far it is behind, over a connection for each table.
        assert [thread.name for thread in threading.enumerate() if thread.name == "replicas"] == []
    shop.run("DELETE FROM parts WHERE id = 5", "UPDATE a SET quantity = 100 WHERE id = 1")
    with shop.session(2) as session:
        assert session.prepare(changes, caller()) is Signal.GO
    shop.run("INSERT INTO orders VALUES (0, 7, 'late')", "DELETE FROM parts WHERE id = 6")
    with shop.session(3) as session:
        assert session.prepare(changes, caller()) is Signal.GO
        assert [session.standing(change) for change in changes] == [Standing.FITS] * 3
        assert session.cut_over(changes, caller()) is Signal.GO
        assert [session.standing(change) for change in changes] == [Standing.DONE] * 3
        assert session.tidy(caller()) is Signal.GO
    assert shop.left_behind() == []
    assert shop.rows("SELECT COUNT(*) FROM orders") == [(ROWS + 1,)]
    assert shop.rows("SELECT COUNT(*) FROM parts") == [(ROWS - 2,)]
    assert shop.rows("SELECT quantity FROM a WHERE id = 1") == [(100,)]


def test_a_group_becomes_live_whatever_sql_mode_all_sessions_have(mariadb: Server) -> None:
    """There each table is locked, and looked at again, on a connection of its own."""
    shop = filled(Shop(mariadb), "orders", "parts", rows=300)
    shop.run("ALTER TABLE parts MODIFY id INT AUTO_INCREMENT")
    changes = [widened(shop, table) for table in ("orders", "parts")]
    with mariadb.having(sql_mode="ANSI_QUOTES,NO_TABLE_OPTIONS"), shop.session() as session:
        assert session.prepare(changes, caller()) is Signal.GO
        shop.run("INSERT INTO parts VALUES (700, 0, '')", "DELETE FROM parts WHERE id = 700")
        assert session.cut_over(changes, caller()) is Signal.GO
        assert session.tidy(caller()) is Signal.GO
    assert shop.left_behind() == []
    assert "AUTO_INCREMENT=701" in shop.rows("SHOW CREATE TABLE parts")[0][1]


def test_a_table_is_begun_although_many_changes_of_another_wait(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader holds back until they are applied."""
    shop = filled(Shop(server), "orders", "parts")
    changes = [widened(shop, table) for table in ("orders", "parts")]
    with shop.session(1) as session:
        assert session.prepare(changes[:1], caller()) is Signal.GO
    shop.run("UPDATE orders SET quantity = quantity + 1")
    monkeypatch.setattr(stream, "MOST_WAITING", 10)
    with shop.session(2) as session:
        assert session.prepare(changes, caller()) is Signal.GO
        assert session.cut_over(changes, caller()) is Signal.GO
        assert session.tidy(caller()) is Signal.GO
    assert shop.rows("SELECT COUNT(*), SUM(quantity) FROM orders") == [(ROWS, SUM[1] + ROWS)]


def test_what_is_written_while_the_tables_are_looked_at_is_not_left_for_the_locks(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look takes MariaDB seconds where there are thousands of tables."""
    shop = filled(Shop(server), "orders", "parts")
    changes = [widened(shop, table) for table in ("orders", "parts")]
    look, step = OnlineCopy.look, Applier.step
    looked: list[str] = []
    left: list[int] = []

    def slow(self: OnlineCopy) -> None:
        look(self)
        shop.run(f"UPDATE {self.copy.source} SET quantity = quantity + 1")
        looked.append(self.copy.source)

    def counted(self: Applier, link: Link, *, locked: bool = False) -> int:
        done = step(self, link, locked=locked)
        left.extend([done] * locked)
        return done

    monkeypatch.setattr(OnlineCopy, "look", slow)
    monkeypatch.setattr(Applier, "step", counted)
    with shop.session() as session:
        assert session.prepare(changes, caller()) is Signal.GO
        assert session.cut_over(changes, caller()) is Signal.GO
        assert session.tidy(caller()) is Signal.GO
    assert left == []
    assert shop.rows("SELECT COUNT(*), SUM(quantity) FROM parts") == [
        (ROWS, SUM[1] + ROWS * looked.count("parts"))
    ]


def test_an_object_of_somebody_else_is_never_touched(shop: Shop) -> None:
    change = widened(shop)
    shop.run("CREATE TABLE orders__osc_o (mine INT)")
    with shop.session() as session, pytest.raises(Refused, match="orders__osc_o is in the way"):
        drive(session, change, caller())
    assert shop.left_behind() == ["orders__osc_o"]


def test_a_trigger_of_somebody_else_is_never_touched_whatever_its_name(shop: Shop) -> None:
    change = widened(shop)
    shop.run(
        "CREATE TABLE other (id INT PRIMARY KEY)",
        "CREATE TRIGGER orders__osc_tu AFTER UPDATE ON other FOR EACH ROW SET @x = 1",
    )
    with shop.session() as session, pytest.raises(Refused, match="trigger orders__osc_tu is in the way"):
        drive(session, change, caller())
    assert shop.left_behind() == ["orders__osc_tu"]


def test_a_dispossessed_apply_is_cleaned_up_after(shop: Shop) -> None:
    """Another apply may come once the first shows no life; what that left is removed, and it learns that it was fenced."""
    change = widened(shop)
    control = Caller(*[Signal.GO] * 3, Signal.HALT)
    with shop.session(1, "apply_a") as session:
        assert drive(session, change, control) is Signal.HALT
    with pytest.raises(TargetHeld, match="apply_a"):
        shop.session(1, "apply_b")
    shop.run("UPDATE _schemabot_connection SET beat_at = beat_at - INTERVAL 2 MINUTE")
    with shop.session(1, "apply_b") as session:
        assert drive(session, change, caller()) is Signal.GO
    assert shop.left_behind() == []
    with shop.session(1, "apply_a") as session:
        assert session.standing(change) is Standing.DONE
    assert shop.left_behind() == []


def test_an_older_fence_is_refused_while_the_apply_has_work_there(shop: Shop) -> None:
    change = widened(shop)
    with shop.session(5) as session:
        assert drive(session, change, Caller(Signal.GO, Signal.HALT)) is Signal.HALT
    with pytest.raises(Fenced, match="older than 5"):
        shop.session(4)


@pytest.mark.parametrize("more", [(), GROWTH], ids=["shorter", "longer"])
def test_a_copy_under_which_the_log_was_reset_begins_anew(shop: Shop, more: tuple[str, ...]) -> None:
    """Whether the new log is shorter than what was read of the old one or has grown past that."""
    shop.run(RESET[shop.server.flavour])
    change = widened(shop)
    with shop.session() as session:
        assert session.prepare([change], caller()) is Signal.GO
        shop.run(RESET[shop.server.flavour], "UPDATE orders SET note = 'after' WHERE id < 100", *more)
        with pytest.raises(TargetUnavailable, match="begins anew"):
            session.cut_over([change], caller())
    with shop.session(2) as session:
        assert drive(session, change, caller()) is Signal.GO
    assert shop.rows("SELECT COUNT(*) FROM orders WHERE note = 'after'") == [(99,)]
    assert shop.left_behind() == []


def test_a_copy_under_which_the_log_is_reset_each_time_is_given_up_and_leaves_nothing(shop: Shop) -> None:
    """However far each of them came."""
    change = widened(shop)
    for fence in range(1, MOST_BEGINNINGS + 2):
        control = caller()
        struck: list[str] = []

        def reset(progress: Progress, struck: list[str] = struck) -> None:
            if progress.detail.startswith("comparing rows") and not struck:
                struck.append(progress.detail)
                shop.run(RESET[shop.server.flavour])

        control.on_report = reset
        said = "begins anew" if fence <= MOST_BEGINNINGS else f"begun anew {MOST_BEGINNINGS} times"
        with (
            shop.session(fence) as session,
            pytest.raises(TargetUnavailable if fence <= MOST_BEGINNINGS else Refused, match=said),
        ):
            drive(session, change, control)
        assert struck
    assert shop.left_behind() == []
    with shop.session(MOST_BEGINNINGS + 2, "apply_b") as session:
        assert drive(session, change, caller()) is Signal.GO
