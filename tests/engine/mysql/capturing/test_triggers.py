"""Where the server's log cannot be read, triggers capture the keys: the same rows in the end, and no trigger left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from engine.base import Progress, Signal
from engine.errors import DriftFound
from engine.mysql.address import Address
from engine.mysql.binlog.errors import TableChanged
from engine.mysql.link import DDL_SETTINGS, Link
from engine.mysql.names import names_of
from tests.engine.mysql.capturing.rig import emptied, foreign_key, unread
from tests.engine.mysql.copying.application import TABLE, Application, fill
from tests.engine.mysql.copying.rig import NATIVE, Rig, Watcher, make_rig, prepare
from tests.servers.flavours import FLAVOURS
from tests.servers.numbers import numbers
from tests.servers.private import PrivateServer
from tests.servers.server import Server, server_of

ROWS = 4_000


@pytest.fixture
def rig(server: Server) -> Iterator[Rig]:
    """A table on a server whose log this account may not read."""
    found = make_rig(server, f"{TABLE};;{fill(ROWS)}", ["MODIFY pad VARCHAR(80) NOT NULL"])
    with unread(found):
        yield found


def test_nothing_is_lost_without_the_log(rig: Rig) -> None:
    before = rig.value("SELECT SUM(ops) FROM t")
    step = rig.step()
    watcher = Watcher(volume=1)
    with rig.copying(step) as copy, Application(rig, writers=3, rows=ROWS) as application:
        prepare(copy, watcher)
        assert any("captured by triggers" in detail for detail in watcher.details())
        with rig.locked(copy) as link:
            rig.assert_same(link)
        application.halt()
        assert copy.checkpoint.repairs == 0
        assert rig.value("SELECT SUM(ops) FROM t") == before + application.sum
        assert copy.discard(Watcher()) is Signal.GO
    assert rig.leftovers() == []


def test_nothing_is_lost_where_the_log_has_not_the_key(server: Server) -> None:
    table = "CREATE TABLE t (f DOUBLE PRIMARY KEY, id INT NOT NULL UNIQUE, n INT NOT NULL)"
    with server.having(binlog_row_image="MINIMAL"):
        rig = make_rig(
            server, f"{table};;INSERT INTO t SELECT i, i, i FROM {numbers(900)}", ["MODIFY n BIGINT NOT NULL"]
        )
        with rig.copying(rig.step()) as copy:
            prepare(copy, Watcher())
            rig.run("UPDATE t SET n = 3 WHERE id = 7", "DELETE FROM t WHERE id = 8")
            prepare(copy, Watcher())
            with rig.locked(copy) as link:
                rig.assert_same(link)
            copy.discard(Watcher())


def test_what_changes_while_nobody_drives_is_in_the_delta_table(rig: Rig) -> None:
    step = rig.step()
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
    rig.run("UPDATE t SET pad = 'meanwhile' WHERE id < 40", "DELETE FROM t WHERE id = 50")
    rig.run("UPDATE t SET id = 99999 WHERE id = 51")
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
        with rig.locked(copy) as link:
            rig.assert_same(link)
        copy.discard(Watcher())


def test_whether_all_is_applied_is_not_asked_of_the_server_while_notes_are_begun(rig: Rig) -> None:
    """It reads those that are gone, too, as long as somebody's snapshot keeps them."""
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        rig.run("UPDATE t SET pad = 'more' WHERE id < 40")
        copy.capture.mark(copy.link)
        copy.capture.rotate(copy.link)
        nobody = Link.__new__(Link)  # no connection
        rig.run("UPDATE t SET pad = 'behind the mark' WHERE id = 41")
        while not copy.capture.caught_up(nobody if copy.capture.next_batch(1) else copy.link):
            assert copy.applier.step(copy.link)
        assert copy.capture.backlog(copy.link) == 1
        copy.discard(Watcher())


ZONE = (
    "INSERT INTO mysql.time_zone (Time_zone_id, Use_leap_seconds) VALUES (901, 'N')",
    "INSERT INTO mysql.time_zone_name (Name, Time_zone_id) VALUES ('Twice', 901)",
    "INSERT INTO mysql.time_zone_transition_type VALUES (901, 0, 3600, 0, 'CET'), (901, 1, 7200, 1, 'CEST')",
    "INSERT INTO mysql.time_zone_transition VALUES (901, 0, 0), (901, 1585443600, 1), (901, 1603587600, 0)",
)
"""As in Berlin: at 01:00 UTC the hour after two o'clock begins again."""


@pytest.fixture
def twice(server: Server) -> Iterator[str]:
    """A time zone of that name, known to the server."""
    zone = Rig(server=server, schema="mysql", source="", clauses=[])
    zone.run(*ZONE)
    yield "Twice"
    tables = ("time_zone", "time_zone_name", "time_zone_transition_type", "time_zone_transition")
    zone.run(*(f"DELETE FROM {table} WHERE Time_zone_id = 901" for table in tables))


def test_moments_of_an_hour_that_comes_twice_are_told_apart(server: Server, twice: str) -> None:
    rig = make_rig(
        server,
        "CREATE TABLE t (ts TIMESTAMP(3) NOT NULL DEFAULT '2020-01-01' PRIMARY KEY, v INT);;"
        "INSERT INTO t VALUES (0, 1), ('2020-10-25 00:30:00.125', 1), ('2020-10-25 01:30:00.125', 1), ('2020-10-25 12:00', 1),"
        " ('2020-10-25 00:40:00', 1), ('2020-10-25 00:50:00', 1)",
        ["MODIFY v BIGINT"],
    )
    with unread(rig), rig.copying(rig.step()) as copy:
        copy.hold.link.set(DDL_SETTINGS)  # as in a session: the triggers keep its sql_mode
        prepare(copy, Watcher())
        with rig.link(settings={**NATIVE, "time_zone": twice}) as link:
            link.run("UPDATE t SET v = 2 WHERE ts < NOW()")
            link.run(
                "UPDATE t SET ts = FROM_UNIXTIME(UNIX_TIMESTAMP(ts) + 3600) WHERE ts = '2020-10-25 02:40'"
            )
            link.run("DELETE FROM t WHERE ts = '2020-10-25 02:50'")
        with rig.locked(copy) as link:
            assert rig.assert_same(link) == 5
        assert copy.checkpoint.repairs == 0
        assert copy.discard(Watcher()) is Signal.GO


CODED = (
    "CREATE TABLE t (e ENUM('x😀', 'y', 'z🦊') NOT NULL, s SET('a', 'b🦊', 'c') NOT NULL, v INT, PRIMARY KEY (e, s)) "
    "CHARSET utf8mb4;;"
    "INSERT INTO t VALUES ('x😀', 'a', 1), ('x😀', 'a,b🦊', 1), ('y', '', 1), ('z🦊', 'b🦊,c', 1), ('z🦊', 'c', 1)"
)


def test_keys_of_members_that_the_catalog_does_not_tell(server: Server) -> None:
    """It has question marks for letters beyond the BMP; the application's writes are never refused."""
    rig = make_rig(server, CODED, ["MODIFY v BIGINT"])
    with unread(rig), rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        rig.run(
            "UPDATE t SET v = 2 WHERE e = 'x😀'",
            "INSERT INTO t VALUES ('z🦊', 'a,b🦊,c', 3)",
            "UPDATE t SET e = 'y', s = 'b🦊' WHERE s = 'c'",
            "UPDATE t SET s = 'a' WHERE e = 'y' AND s = ''",
            "DELETE FROM t WHERE e = 'z🦊' AND s = 'b🦊,c'",
        )
        with rig.locked(copy) as link:
            assert rig.assert_same(link) == 5
        assert copy.checkpoint.repairs == 0
        assert copy.discard(Watcher()) is Signal.GO


@pytest.mark.parametrize("logged", [True, False])
def test_what_comes_after_the_last_look_is_seen(rig: Rig, logged: bool) -> None:
    """As a cutover on MariaDB asks when the locks are let go; by the log just as by triggers."""
    rig.account = None if logged else rig.account
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        for write in ("", "DELETE FROM t WHERE id = 7", "UPDATE t SET pad = 'late' WHERE id = 8"):
            with rig.locked(copy):
                pass
            if write:
                rig.run(write)
            assert copy.nothing_came(copy.hold.link, 5.0) is not bool(write)
        if logged:  # an account without PROCESS is told of it by the log only
            with rig.locked(copy):
                pass
            rig.run("TRUNCATE TABLE t")
            with pytest.raises(TableChanged):
                copy.nothing_came(copy.hold.link, 5.0)
        copy.discard(Watcher())


@contextmanager
def holding(rig: Rig) -> Iterator[Callable[[Progress], None]]:
    """A transaction that has the table, until it is told that somebody waits for it."""
    with rig.link() as holder:
        holder.run("START TRANSACTION")
        holder.value("SELECT COUNT(*) FROM t")

        def let_go(progress: Progress) -> None:
            if "waiting for a lock on t" in progress.detail:
                holder.close()

        yield let_go


def test_triggers_are_made_and_dropped_when_nobody_has_the_table(rig: Rig) -> None:
    """In short tries with rests between them: the application queues behind whoever waits for such a lock."""
    with rig.copying(rig.step()) as copy:
        with holding(rig) as let_go:
            prepare(copy, Watcher(let_go))
        with rig.locked(copy) as link:
            rig.assert_same(link)
        with holding(rig) as let_go:
            assert copy.discard(Watcher(let_go)) is Signal.GO
    assert rig.leftovers() == []


def test_whoever_waits_to_make_triggers_can_be_stopped(rig: Rig) -> None:
    step = rig.step()
    with rig.copying(step) as copy, holding(rig):
        stopping = Watcher(
            lambda progress: Signal.STOP if "waiting for a lock on t" in progress.detail else None
        )
        assert copy.open(stopping) is Signal.STOP
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
        assert copy.discard(Watcher()) is Signal.GO
    assert rig.leftovers() == []


def altered(_: Rig) -> list[str]:
    return ["ALTER TABLE t ADD COLUMN theirs INT"]


def replaced_triggers(rig: Rig) -> list[str]:
    name = names_of("t").trigger("i")
    return [
        f"DROP TRIGGER `{name}`",
        f"CREATE TRIGGER `{name}` AFTER INSERT ON t FOR EACH ROW SET @nothing = 1",
    ]


def triggers_made_again(rig: Rig) -> list[str]:
    """As they were, but a row went past them."""
    name = names_of("t").trigger("i")
    with rig.link() as link:
        row = link.row(f"SHOW CREATE TRIGGER `{name}`")
    assert row is not None
    return [f"DROP TRIGGER `{name}`", "INSERT INTO t (pad) VALUES ('past')", str(row[2])]


def one_more_trigger(_: Rig) -> list[str]:
    return ["CREATE TRIGGER theirs AFTER INSERT ON t FOR EACH ROW SET @theirs = 1"]


@pytest.mark.parametrize(
    ("attack", "told"),
    [
        (emptied, "t was truncated or rebuilt"),
        (altered, "t or our copy of it was changed at this moment"),
        (replaced_triggers, "t got other triggers"),
        (triggers_made_again, "t got other triggers"),
        (one_more_trigger, "t got other triggers"),
        (foreign_key, "t got a foreign key to it"),
    ],
)
def test_what_no_trigger_tells_is_found_before_the_swap(
    rig: Rig, attack: Callable[[Rig], list[str]], told: str
) -> None:
    """Somebody gets in between the last look and the locks of the cutover; the account has PROCESS, as it should."""
    assert rig.account is not None
    rig.run(f"GRANT PROCESS ON *.* TO {rig.account.user}@'%'")
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        with pytest.raises(DriftFound, match=told), rig.locked(copy, *attack(rig)):
            pass


@pytest.mark.parametrize("name", ["kürse", "日本-Ä", "aux"])
def test_a_table_of_any_name_is_seen_to_be_truncated(server: Server, name: str) -> None:
    """InnoDB has letters beyond ASCII by codes of its own, and more of the names of devices."""
    rig = make_rig(
        server,
        f"CREATE TABLE `{name}` (id INT PRIMARY KEY, v INT);; INSERT INTO `{name}` VALUES (1, 1), (2, 1), (3, 1)",
        ["MODIFY v BIGINT"],
        source=name,
    )
    with unread(rig, "PROCESS"), rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        attack = [f"TRUNCATE TABLE `{name}`", f"INSERT INTO `{name}` VALUES (1, 1), (3, 1)"]
        with pytest.raises(DriftFound, match="was truncated or rebuilt"), rig.locked(copy, *attack):
            pass


def test_what_was_done_to_the_table_while_nobody_drove_is_found(rig: Rig) -> None:
    """The next owner knows from the checkpoint what the triggers were put on."""
    step = rig.step()
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
    rig.run(*triggers_made_again(rig))
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
        with pytest.raises(DriftFound, match="t got other triggers"), rig.locked(copy):
            pass
        copy.discard(Watcher())
    assert rig.leftovers() == []


def test_a_table_that_is_truncated_behind_the_triggers_is_drift(rig: Rig) -> None:
    step = rig.step()
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
        rig.run("TRUNCATE TABLE t", "INSERT INTO t (id, pad) VALUES (1, 'new')")
        prepare(copy, Watcher())
        with pytest.raises(DriftFound, match="truncated"), rig.locked(copy):
            pass
        copy.discard(Watcher())
    assert rig.leftovers() == []


class Apart(Rig):
    """The dsn names another schema, so that our own tables are there."""

    def _address(self) -> Address:
        return replace(super()._address(), database="apart")


def test_the_log_must_tell_of_our_own_schema_too(server: Server) -> None:
    """The marker of the copy's beginning is written there; were it kept out of the log, nobody would know that all was read."""
    with PrivateServer(FLAVOURS[server.flavour], options=["--binlog-ignore-db=apart"]) as own:
        choosy = server_of(own)
        rig = Apart(server=choosy, schema=choosy.fresh_database(), source="t", clauses=["MODIFY v BIGINT"])
        rig.run(
            "CREATE DATABASE apart",
            "CREATE TABLE t (id INT PRIMARY KEY, v INT)",
            "INSERT INTO t VALUES (1, 1)",
        )
        watcher = Watcher()
        with rig.copying(rig.step()) as copy:
            prepare(copy, watcher)
            assert "captured by triggers: binlog_ignore_db leaves out apart" in watcher.details()[-1]
            assert copy.discard(watcher) is Signal.GO
