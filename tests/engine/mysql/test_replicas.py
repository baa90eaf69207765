"""Real replicas: the copy waits for one that is behind, says when it cannot know, and leaves the same rows there; what would
stop one is refused beforehand.
"""

import secrets
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import Any

import pytest
from pymysql.constants import COMMAND

from engine.base import Job, Progress, Signal, Verdict
from engine.errors import DriftFound, Refused
from engine.mysql.binlog.dump import Dump
from engine.mysql.binlog.position import end_of_log
from engine.mysql.changing.session import MysqlSession
from engine.mysql.examination import examine_server
from engine.mysql.flavour import flavour_of
from engine.mysql.link import Link
from engine.mysql.replication.lag import LagMonitor, LagStatus
from engine.mysql.spec import Algorithm
from server.control import WAIT
from tests.engine.driving import Caller, drive
from tests.engine.mysql.capturing.rig import unread
from tests.engine.mysql.changing.orders import caller, filled, widened
from tests.engine.mysql.changing.plans import Shop
from tests.engine.mysql.copying.application import TABLE, Application, fill
from tests.engine.mysql.copying.rig import Rig, Watcher, make_rig, prepare
from tests.engine.mysql.cutover.snapshots import SNAPSHOT, Told, amid_the_copy
from tests.engine.mysql.planning.places import address_of
from tests.engine.mysql.replication import LIMIT_SECONDS, Pair, receiving, replicating
from tests.servers.server import Server
from tests.waiting import until

ROWS = 6_000
CHANGE = [
    "MODIFY pad VARCHAR(80) NOT NULL, ADD twice INT AS (ops * 2) STORED, ADD extra INT NOT NULL DEFAULT 7"
]


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A primary and a replica that tells where it is."""
    server: Server = request.getfixturevalue(request.param)
    with replicating(server.flavour, of_replica=("--report-host=127.0.0.1",)) as found:
        found.catch_up()
        yield found


@pytest.fixture
def rig(pair: Pair) -> Rig:
    return make_rig(pair.primary, f"{TABLE};;{fill(ROWS)}", CHANGE)


class Noted:
    """A hook that notes how far the copy was when a detail was told first, and acts then."""

    def __init__(self, word: str, act: Callable[[], object]) -> None:
        self._word = word
        self._act = act
        self.rows: list[int] = []

    def __call__(self, progress: Progress) -> Signal | None:
        if self._word in progress.detail:
            self.rows.append(progress.rows_copied)
            if len(self.rows) == 20:
                self._act()
        return None


def test_a_copy_waits_for_a_replica_that_stands_still_and_goes_on_with_it(pair: Pair, rig: Rig) -> None:
    pair.catch_up()
    pair.stop_applying()
    noted = Noted("does not apply what it gets", pair.go_on_applying)
    watcher = Watcher(noted)
    with rig.copying(rig.step()) as copy:
        prepare(copy, watcher)
        with rig.locked(copy) as link:
            rig.assert_same(link)
    assert len(noted.rows) >= 20
    assert set(noted.rows) == {0}
    waits = [detail for detail in watcher.details() if f"the replica 127.0.0.1:{pair.replica.port}" in detail]
    assert waits
    assert all(WAIT.search(detail) for detail in waits), "then no pace is told"


def test_a_copy_waits_for_a_replica_that_is_behind_and_goes_on_when_it_has_caught_up(
    pair: Pair, rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it is at waits for a lock, so it is the longer behind the longer that lasts."""
    monkeypatch.setattr("engine.mysql.replication.lag.LAG_SECONDS", 1.0)
    rig.run("CREATE TABLE held (id INT PRIMARY KEY)")
    pair.catch_up()
    with Link(address_of(pair.replica, rig.schema)) as holder:
        holder.run("LOCK TABLES held READ")
        rig.run("INSERT INTO held VALUES (1)")
        noted = Noted("s behind, more than 1 s", lambda: holder.run("UNLOCK TABLES"))
        until("it is behind", lambda: _behind(pair) > 1, LIMIT_SECONDS, tell=pair.status)
        with rig.copying(rig.step()) as copy:
            prepare(copy, Watcher(noted))
    assert len(noted.rows) >= 20
    assert set(noted.rows) == {0}


def _behind(pair: Pair) -> int:
    status = pair.status()
    return int(status.get("Seconds_Behind_Source", status.get("Seconds_Behind_Master")) or 0)


def test_the_rows_on_the_replica_are_those_of_the_primary(pair: Pair, rig: Rig) -> None:
    with rig.copying(rig.step()) as copy, Application(rig, writers=2, rows=ROWS) as application:
        prepare(copy, Watcher(volume=11))
        application.halt()
        with rig.locked(copy) as link:
            rig.assert_same(link)
    assert_replicated(pair, rig)


def test_the_rows_are_the_same_where_triggers_capture(pair: Pair, rig: Rig) -> None:
    """The server logs statements where it may, and rows where a trigger counts."""
    with pair.primary.having(binlog_format="MIXED", log_bin_trust_function_creators=1):
        watcher = Watcher(volume=11)
        with rig.copying(rig.step()) as copy, Application(rig, writers=2, rows=ROWS) as application:
            prepare(copy, watcher)
            application.halt()
            with rig.locked(copy) as link:
                rig.assert_same(link)
        assert any("captured by triggers" in detail for detail in watcher.details())
        assert_replicated(pair, rig)


def assert_replicated(pair: Pair, rig: Rig) -> None:
    """Every table of the rig's schema is on the replica, row by row."""
    pair.catch_up()
    with (
        Link(address_of(pair.primary, rig.schema)) as here,
        Link(address_of(pair.replica, rig.schema)) as there,
    ):
        tables = [str(name) for (name,) in here.rows("SHOW TABLES")]
        assert tables == [str(name) for (name,) in there.rows("SHOW TABLES")]
        assert any("__osc_n" in name for name in tables)
        for name in tables:
            rows = f"SELECT * FROM `{name}`"
            assert sorted(here.rows(rows), key=repr) == sorted(there.rows(rows), key=repr), name


# -- who is asked, and where --------------------------------------------------------------------------------------


@contextmanager
def looking(server: Server, user: str = "") -> Iterator[Callable[[Callable[[LagStatus], bool]], LagStatus]]:
    """Looks at the server's replicas as *user*; gives what waits for a status that a test wants."""
    address = address_of(server, "")
    address = replace(address, user=user or address.user)
    with Link(address) as link:
        replicas = LagMonitor(address, flavour_of(link), {})

    def first(wanted: Callable[[LagStatus], bool]) -> LagStatus:
        assert replicas.looked.wait(LIMIT_SECONDS)

        def found() -> LagStatus | None:
            status = replicas.status
            return status if wanted(status) else None

        return until("it says so", found, LIMIT_SECONDS, tell=lambda: replicas.status)

    try:
        yield first
    finally:
        replicas.close()


@contextmanager
def user_on(*servers: Server, grants: str) -> Iterator[str]:
    """A user that is made on each of these servers by itself."""
    name = f"u{secrets.token_hex(5)}"
    unlogged = "SET sql_log_bin = 0"
    for server in servers:
        run(
            server,
            unlogged,
            f"CREATE USER {name}@'127.0.0.1'",
            f"GRANT {grants} ON *.* TO {name}@'127.0.0.1'",
        )
    yield name
    for server in servers:
        run(server, unlogged, f"DROP USER IF EXISTS {name}@'127.0.0.1'")


def run(server: Server, *statements: str) -> None:
    with server.connect(autocommit=True) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def anything(_: LagStatus) -> bool:
    return True


def test_a_replica_that_is_in_step_holds_nothing_up(pair: Pair) -> None:
    pair.catch_up()
    with looking(pair.primary) as first:
        assert first(lambda found: not found.wait) == LagStatus()


def test_a_replica_that_failed_says_at_what(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.mysql.replication.lag.LOOK_SECONDS", 0.1)
    pair.catch_up()
    with user_on(pair.replica, grants="USAGE") as user, looking(pair.primary) as first:
        run(pair.primary, f"CREATE USER {user}@'127.0.0.1'")
        found = first(lambda found: "does not apply what it gets just now: " in found.wait)
    mariadb = pair.replica.flavour == "mariadb"
    assert f"the replica 127.0.0.1:{pair.replica.port} " in found.wait
    assert (user if mariadb else "performance_schema.replication_applier_status_by_worker") in found.wait
    pair.go_on_applying()
    pair.catch_up()
    run(pair.primary, f"DROP USER {user}@'127.0.0.1'")


def test_a_replica_that_tells_no_address_is_found_by_its_connection(server: Server) -> None:
    with replicating(server.flavour) as pair:
        pair.catch_up()
        with looking(pair.primary) as first:
            assert first(lambda found: not found.wait) == LagStatus()
            pair.stop_applying()
            assert (
                f"the replica 127.0.0.1:{pair.replica.port} does not apply"
                in first(lambda f: bool(f.wait)).wait
            )


def test_a_replica_that_cannot_be_asked_makes_the_copy_gentle(pair: Pair) -> None:
    """The account is not known there."""
    with user_on(pair.primary, grants="ALL") as user, looking(pair.primary, user) as first:
        found = first(anything)
    assert found.wait == ""
    assert f"nobody knows how far the replica 127.0.0.1:{pair.replica.port} is behind" in found.doubt


def test_a_replica_that_cannot_be_asked_any_more_holds_the_copy_up(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.mysql.replication.lag.LOOK_SECONDS", 0.1)
    pair.catch_up()
    with user_on(pair.primary, pair.replica, grants="ALL") as user, looking(pair.primary, user) as first:
        assert first(lambda found: not found.wait) == LagStatus()
        run(pair.replica, "SET sql_log_bin = 0", f"DROP USER {user}@'127.0.0.1'")
        with pair.replica.connect(autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT id FROM information_schema.processlist WHERE user = %s", (user,))
            for (number,) in cursor.fetchall():
                cursor.execute(f"KILL {number}")
        assert "cannot be asked any more" in first(lambda found: bool(found.wait)).wait


def test_an_account_that_may_not_see_replicas_is_told(pair: Pair) -> None:
    with user_on(pair.primary, grants="SELECT") as user, looking(pair.primary, user) as first:
        assert "this account may not see whether replicas follow" in first(anything).doubt
    with user_on(pair.primary, grants="PROCESS") as user, looking(pair.primary, user) as first:
        # It sees who reads the log, but may ask nobody how far it is.
        assert "nobody knows how far the replica 127.0.0.1" in first(anything).doubt


def test_the_examination_tells_how_a_copy_would_go(pair: Pair) -> None:
    pair.catch_up()
    with user_on(pair.primary, grants="ALL") as user:
        for name, verdict in ((None, Verdict.GOOD), (user, Verdict.DOUBTFUL)):
            address = address_of(pair.primary, "")
            address = replace(address, user=name or address.user)
            with Link(address) as link:
                seen = {one.subject: one for one in examine_server(address, link, flavour_of(link))}
            assert seen["replicas"].verdict is verdict, seen["replicas"]


def test_a_server_without_replicas_holds_nothing_up(server: Server) -> None:
    for grants in ("ALL", "PROCESS"):
        with user_on(server, grants=grants) as user, looking(server, user) as first:
            assert first(anything) == LagStatus()


def test_a_copy_on_a_replica_is_refused_where_only_triggers_could_capture(pair: Pair, rig: Rig) -> None:
    """Replication fires none, so that what comes from the primary would be lost, or stale."""
    pair.catch_up()
    there = replace(rig, server=pair.replica)
    with unread(there), there.copying(there.step()) as copy:
        with pytest.raises(
            Refused, match="not triggers, as the server is a replica, and replication fires none"
        ):
            copy.open(Watcher())
        copy.discard(Watcher())
    assert there.leftovers() == []


@pytest.mark.parametrize("by_log", [True, False])
def test_a_server_that_becomes_a_replica_under_a_copy_is_drift_where_changes_go_past_the_capture(
    server: Server, by_log: bool
) -> None:
    rig = make_rig(server, f"{TABLE};;{fill(99)}", CHANGE)
    more = ["SLAVE MONITOR"] if server.flavour == "mariadb" else []
    with (
        nullcontext() if by_log else unread(rig, *more),
        rig.link() as link,
        rig.copying(rig.step()) as copy,
    ):
        prepare(copy, Watcher())
        copy.look()
        with receiving(link):
            if by_log and server.flavour == "mysql":  # it logs what it receives
                copy.look()
            else:
                with pytest.raises(DriftFound, match=r"by replication|does not log what it receives"):
                    copy.look()
        copy.discard(Watcher())


def test_whoever_may_not_see_whether_the_server_is_a_replica_has_no_triggers_for_a_capture(
    mysql: Server,
) -> None:
    """MariaDB tells everybody."""
    rig = make_rig(mysql, f"{TABLE};;{fill(99)}", CHANGE)
    with unread(rig):
        assert rig.account is not None
        told = "performance_schema.replication_connection_configuration"
        rig.run(f"REVOKE SELECT ON {told} FROM {rig.account.user}@'%'")
        with rig.copying(rig.step()) as copy:
            with pytest.raises(Refused, match=r"may not see whether .*GRANT REPLICATION CLIENT"):
                copy.open(Watcher())
            copy.discard(Watcher())


# -- who reads there ----------------------------------------------------------------------------------------------


def test_a_backup_on_a_replica_from_amid_the_copy_reads_all_rows(pair: Pair, shop: Shop) -> None:
    filled(shop, "other", rows=2_000)
    change = widened(shop, "other")
    pair.catch_up()
    with Link(address_of(pair.replica, shop.database)) as reader:
        told = Told(reader)
        with shop.session() as session:
            with amid_the_copy(reader, *SNAPSHOT, "SELECT * FROM orders LIMIT 1"):
                assert session.prepare([change], told) is Signal.GO
            assert session.cut_over([change], told) is Signal.GO
            session.tidy(told)
        assert len(told.heard) >= 3
        assert f"waiting on the replica 127.0.0.1:{pair.replica.port}: the transaction of " in told.heard[0]
        assert f"connection {reader.id} of " in told.heard[0]
        assert all(WAIT.search(detail) for detail in told.heard)
        pair.catch_up()
        assert reader.value("SELECT COUNT(*) FROM other") == 2_000


def test_a_cutover_does_not_wait_for_a_replica_that_stands_still(pair: Pair, shop: Shop) -> None:
    change, control = widened(shop), caller()
    pair.catch_up()
    with shop.session() as session:
        assert session.prepare([change], control) is Signal.GO
        pair.stop_applying()
        assert session.cut_over([change], control) is Signal.GO
        session.tidy(control)
    pair.go_on_applying()
    assert any("nobody knows whether a backup reads" in one.detail for one in control.reports)
    pair.catch_up()


# -- what a replica leaves out ------------------------------------------------------------------------------------


@contextmanager
def ruled(pair: Pair, rule: str, text: str, *, applying: bool = True) -> Iterator[None]:
    """For a while the replica goes by that rule, *applying* or only receiving; *text* is as MariaDB takes it."""
    pair.catch_up()
    mariadb = pair.replica.flavour == "mariadb"
    listed = "({})" if "->" in text else "{}" if rule == "rewrite_db" else "'{}'"
    pairs = [listed.format(one.replace("->", ", ")) for one in text.split(",")]

    def tell(told: str, given: str, start: str) -> None:
        pair.tell(
            "STOP {}" if mariadb else "STOP {} SQL_THREAD",
            f"SET GLOBAL replicate_{rule} = '{told}'"
            if mariadb
            else f"CHANGE REPLICATION FILTER REPLICATE_{rule.upper()} = ({given})",
            start,
        )
        until("the replica to be connected", pair.connected)

    tell(text, ", ".join(pairs), "START {}" if applying else "START {} IO_THREAD")
    try:
        yield
        if applying:
            pair.catch_up()
    finally:
        tell("", "", "START {}")


@pytest.fixture
def shop(pair: Pair) -> Shop:
    return filled(Shop(pair.primary, prefix="kept_"), "orders", rows=10)


def told(shop: Shop) -> tuple[Verdict, str]:
    """What an examination says of the replicas' rules."""
    with shop.link() as link:
        seen = {one.subject: one for one in examine_server(shop.address, link, flavour_of(link))}
    found = seen.get("replicas' rules")
    return (found.verdict, found.text) if found else (Verdict.GOOD, "")


def of_replicas(control: Caller) -> list[str]:
    """What was told of them before a cutover."""
    return [one.detail for one in control.reports if "the replica " in one.detail]


def test_a_table_whose_copy_does_not_get_to_a_replica_is_not_copied(pair: Pair, shop: Shop) -> None:
    change, control = widened(shop), caller()
    what = f"127.0.0.1:{pair.replica.port} keeps orders and leaves orders__osc_n out"
    with ruled(pair, "wild_do_table", r"kept\_%.orders"):
        with shop.session() as session, pytest.raises(Refused, match=what):
            drive(session, change, caller())
        assert shop.left_behind() == []
        verdict, text = told(shop)
    assert verdict is Verdict.BAD
    assert what in text
    with ruled(pair, "wild_do_table", r"kept\_%.orders,kept\_%.orders\_\_osc\__"):
        assert told(shop) == (Verdict.GOOD, "")
        with shop.session() as session:
            assert drive(session, change, control) is Signal.GO
    assert of_replicas(control) == [
        f"nobody knows whether a backup reads on the replica 127.0.0.1:{pair.replica.port}: our own tables do not get there"
    ]
    filled(shop, "other", rows=10)
    change, control = widened(shop, "other"), caller()
    with ruled(pair, "wild_do_table", "elsewhere.%"), shop.session() as session:
        assert drive(session, change, control) is Signal.GO
    assert of_replicas(control) == []


@contextmanager
def silent(server: Server, *numbers: int, host: bytes = b"127.0.0.1") -> Iterator[socket.socket]:
    """Replicas of these server_ids that are listed, and do not answer where they say that they are."""
    with ExitStack() as stack:
        hole = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        hole.setblocking(False)
        port = hole.getsockname()[1]
        for number in numbers:
            connection: Any = stack.enter_context(closing(server.connect()))
            told = struct.pack("<IB", number, len(host)) + host + struct.pack("<BBHII", 0, 0, port, 0, 0)
            connection._execute_command(COMMAND.COM_REGISTER_SLAVE, told)
            connection._read_ok_packet()
        yield hole


def asked(hole: socket.socket) -> int:
    """How often somebody has come to connect."""
    found = 0
    with suppress(BlockingIOError):
        while True:
            hole.accept()[0].close()
            found += 1
    return found


def test_the_examination_asks_each_replica_once_and_names_those_whose_rules_nobody_knows(
    pair: Pair, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.mysql.replication.replicas.ANSWER_SECONDS", 1.0)
    with silent(pair.primary, 1001) as hole:
        verdict, text = told(shop)
        assert asked(hole) == 1
        where = f"127.0.0.1:{hole.getsockname()[1]}"
    assert verdict is Verdict.DOUBTFUL
    assert f"nobody knows what replicas leave out: {where}: " in text


def test_a_replica_whose_report_host_is_no_name_of_a_host_makes_the_copy_gentle(server: Server) -> None:
    with silent(server, 1001, host=b"db2..example.com"), looking(server) as first:
        found = first(anything)
    assert found.wait == ""
    assert "nobody knows how far the replica db2..example.com:" in found.doubt


def test_replicas_that_do_not_answer_hide_no_others_and_are_not_asked_at_each_table(
    pair: Pair, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.mysql.replication.replicas.ANSWER_SECONDS", 1.0)
    monkeypatch.setattr("engine.mysql.replication.lag.LOOK_SECONDS", LIMIT_SECONDS)
    change, control = widened(shop), caller()
    with silent(pair.primary, 1001, 1002) as hole:
        where = f"127.0.0.1:{hole.getsockname()[1]}"
        with (
            ruled(pair, "wild_do_table", r"kept\_%.orders"),
            shop.session() as session,
            pytest.raises(Refused, match="keeps orders and leaves orders__osc_n out"),
        ):
            drive(session, change, caller())
        with shop.session() as session:
            assert drive(session, change, control) is Signal.GO
        assert asked(hole) == 2 * 2, "by each session once"
    details = {one.detail for one in control.reports}
    for what in ("what replicas leave out: ", "whether a backup reads on the replica "):
        assert any(f"nobody knows {what}{where}: " in detail for detail in details)


def test_a_server_whose_log_is_read_on_its_own_host_is_no_replica_of_itself(mariadb: Server) -> None:
    """This account does not see who is a replica: whoever reads the log may be one."""
    shop = filled(Shop(mariadb), "orders", rows=10)
    change, control = widened(shop), caller()
    grants = (
        "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, REFERENCES, TRIGGER, LOCK TABLES, SHOW VIEW, "
        "REPLICATION SLAVE, REPLICATION CLIENT, PROCESS, SLAVE MONITOR"
    )
    with user_on(mariadb, grants=grants) as user, shop.link() as link:
        dump = Dump(shop.address, end_of_log(link, flavour_of(link)))
        address = replace(shop.address, user=user)
        try:
            with MysqlSession(address, Job(apply_uid="apply_a", fence=1, owner="test")) as session:
                assert session.prepare([change], control) is Signal.GO
                assert session.cut_over([change], control) is Signal.GO
                session.tidy(control)
        finally:
            dump.stop()
            dump.close()
    what = f"whether a backup reads on the replica 127.0.0.1:{mariadb.port}: the server itself answers at"
    assert any(what in one.detail for one in control.reports)


@pytest.fixture
def _renames_are_told(pair: Pair) -> None:
    if pair.replica.is_one("mariadb") and not pair.replica.is_one("mariadb 10.11"):
        pytest.skip("MariaDB tells of replicate_rewrite_db, and changes it, since 10.11")


@pytest.mark.usefixtures("_renames_are_told")
def test_a_rule_that_shows_up_amid_an_apply_ends_it_and_keeps_nobody_from_cleaning_up(
    pair: Pair, shop: Shop
) -> None:
    change = widened(shop)
    for fence, uid in ((1, "apply_a"), (3, "apply_c")):
        with shop.session(fence=fence, apply_uid=uid) as session:
            assert session.prepare([change], caller()) is Signal.GO
        with ruled(pair, "rewrite_db", f"{shop.database}->other", applying=False):
            with shop.session(fence=fence + 1, apply_uid=uid) as session:
                if uid == "apply_a":  # else a cancel
                    with pytest.raises(Refused, match=f"has {shop.database} under another name"):
                        session.cut_over([change], caller())
                assert session.discard(caller()) is Signal.GO
            assert shop.left_behind() == []


@pytest.mark.usefixtures("_renames_are_told")
def test_nothing_is_written_where_a_replica_calls_the_schema_otherwise(pair: Pair, shop: Shop) -> None:
    change = shop.statements("orders", ("ALTER TABLE {t} COMMENT 'x'", Algorithm.PLAIN))
    with ruled(pair, "rewrite_db", f"{shop.database}->other"):
        with pytest.raises(Refused, match=f"has {shop.database} under another name"):
            shop.session()
        verdict, text = told(shop)
        assert shop.left_behind() == []
    assert verdict is Verdict.BAD
    assert "no change is made" in text
    with shop.session() as session:
        assert drive(session, change, caller()) is Signal.GO
