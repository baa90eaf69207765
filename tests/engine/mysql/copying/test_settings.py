"""Whatever the operator set for all sessions, a copy ends with the same rows."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from engine.base import Signal
from engine.errors import Refused
from tests.engine.mysql.copying.application import TABLE, fill
from tests.engine.mysql.copying.rig import Rig, Watcher, make_rig, prepare
from tests.servers.numbers import numbers
from tests.servers.server import Server

SETTINGS: dict[str, dict[str, object]] = {
    "both": {
        "sql_select_limit": 10, "max_join_size": 5, "lc_messages": "de_DE", "completion_type": 1, "unique_checks": 0,
        "sql_safe_updates": 1, "sql_mode": "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH",
    },
    "mariadb": {
        "max_statement_time": 0.001, "tx_read_only": 1, "alter_algorithm": "INSTANT", "sql_if_exists": 1,
        "innodb_compression_default": 1, "default_regex_flags": "EXTENDED",
    },
    "mysql": {
        "max_execution_time": 1, "range_optimizer_max_mem_size": 2000, "transaction_read_only": 1,
        "old_alter_table": 1,
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_copy_does_not_depend_on_the_servers_own_settings(server: Server, kind: str) -> None:
    if kind not in ("both", server.flavour):
        pytest.skip(f"of {kind} only")
    rig = make_rig(server, f"{TABLE};;{fill(3_000)}", ["ADD extra INT NOT NULL DEFAULT 7"])
    step = rig.step()
    with rig.link() as admin, server.having(**SETTINGS[kind]), rig.copying(step) as copy:
        prepare(copy, Watcher())
        admin.run("UPDATE t SET pad = 'changed' WHERE id < 700")
        with rig.locked(copy) as link:
            rig.assert_same(link)
        assert (copy.checkpoint.repairs, copy.checkpoint.rows_copied) == (0, 3_000)


def test_no_check_goes_live_that_rows_violate_where_the_server_is_set_to_look_at_none(
    mariadb: Server,
) -> None:
    rig = make_rig(mariadb, f"{TABLE};;{fill(300)}", ["ADD CONSTRAINT few CHECK (ops > 1)"])
    with mariadb.having(check_constraint_checks=0), rig.copying(rig.step()) as copy:
        with pytest.raises(Refused, match="few"):
            prepare(copy, Watcher())
        copy.discard(Watcher())


def test_under_the_locks_of_a_cutover_no_statement_copies_the_table(server: Server) -> None:
    """The counter is carried over there, by an ALTER TABLE, which a server may be set to run by copying all rows."""
    rig = make_rig(server, f"{TABLE};;{fill(300)}", ["ADD extra INT NOT NULL DEFAULT 7"])
    tables = "innodb_sys_tables" if server.flavour == "mariadb" else "innodb_tables"
    identity = f"SELECT table_id FROM information_schema.{tables} WHERE name LIKE '{rig.schema}/%__osc_n'"
    step = rig.step()
    copying = {"alter_algorithm": "COPY"} if server.flavour == "mariadb" else {"old_alter_table": "ON"}
    with rig.link() as admin, server.having(**copying), rig.copying(step) as copy:
        prepare(copy, Watcher())
        given = "INSERT INTO t (id, pad) VALUES ({0}, ''); DELETE FROM t WHERE id = {0}"
        rig.run(*given.format(7000).split("; "))
        made = rig.value(identity)
        copy.look()  # it takes a while where partitions are many: what can be done before is
        assert "AUTO_INCREMENT=7001" in admin.rows(f"SHOW CREATE TABLE {rig.shadow}")[0][1]
        with rig.locked(copy, *given.format(8000).split("; ")) as link:
            assert "AUTO_INCREMENT=8001" in link.rows(f"SHOW CREATE TABLE {rig.shadow}")[0][1]
        assert rig.value(identity) == made


def test_a_duplicate_is_seen_in_a_new_unique_index_of_any_name(server: Server) -> None:
    create = "CREATE TABLE t (id INT PRIMARY KEY, n VARCHAR(90));; INSERT INTO t VALUES (1, 'for key ''a''')"
    rig = make_rig(server, create + ", (2, 'for key ''a''')", ["ADD UNIQUE KEY `u.n` (n)"])
    with rig.copying(rig.step()) as copy:
        with pytest.raises(Refused, match="same value under the new unique index"):
            prepare(copy, Watcher())
        assert copy.checkpoint.phase == "copy"
        copy.discard(Watcher())


def test_a_server_that_keeps_statistics_of_its_own_does_not_read_all_rows_again_for_them(
    mariadb: Server,
) -> None:
    """use_stat_tables makes ANALYZE TABLE a scan, for which nobody waits at the end of a large copy."""
    rig = make_rig(mariadb, f"{TABLE};;{fill(300)}", ["ADD extra INT NOT NULL DEFAULT 7", "ADD KEY (pad)"])
    with mariadb.having(use_stat_tables="PREFERABLY"), rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        assert rig.value(f"SELECT COUNT(*) FROM mysql.table_stats WHERE db_name = '{rig.schema}'") == 0


@contextmanager
def few_warnings(rig: Rig, most: int) -> Iterator[None]:
    """The server tells each session so many warnings at most, and the account of the copy may not change that."""
    grants = (
        f"ALL ON `{rig.schema}`.*",
        "REPLICATION SLAVE, REPLICATION CLIENT, PROCESS, XA_RECOVER_ADMIN ON *.*",
    )
    with rig.copied_by(*grants), rig.server.having(max_error_count=most):
        yield


def test_a_copy_needs_few_warnings_told(mysql: Server) -> None:
    """Not one for each key of an old character set."""
    create = (
        "CREATE TABLE t (k VARCHAR(20) CHARACTER SET utf8mb3 PRIMARY KEY, n INT);; "
        f"INSERT INTO t SELECT CONCAT('ä', i), i FROM {numbers(300)}"
    )
    rig = make_rig(mysql, create, ["ADD extra INT NOT NULL DEFAULT 7"])
    with few_warnings(rig, 1), rig.copying(rig.step()) as copy:
        watcher = Watcher()
        assert copy.open(watcher) is Signal.GO
        rig.run("UPDATE t SET n = n + 1000 WHERE n % 5 = 0")
        assert copy.catch_up(watcher) is Signal.GO
        prepare(copy, watcher)
        with rig.locked(copy, "UPDATE t SET n = n + 1000 WHERE n % 7 = 0") as link:
            rig.assert_same(link)
        assert not [said for said in watcher.details() if "waiting" in said]


def test_where_no_warning_of_a_row_is_told_that_is_said(mysql: Server) -> None:
    rig = make_rig(mysql, f"{TABLE};;{fill(30)}", ["ADD extra INT NOT NULL DEFAULT 7"])
    with few_warnings(rig, 0), rig.copying(rig.step()) as copy:
        watcher = Watcher()
        assert copy.open(watcher) is Signal.GO
        rig.run("UPDATE t SET pad = 'changed' WHERE id = 7")
        assert copy.catch_up(watcher) is Signal.GO
        with pytest.raises(Refused, match=r"0 of the 1 warnings of a row.*max_error_count"):
            copy.fill(watcher)
