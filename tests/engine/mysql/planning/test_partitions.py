"""Partitions: lists that grow, shrink and split, counts, all or none, and those that somebody else looks after."""

import pytest

from engine.base import Severity
from engine.mysql.planning.partitions import dropped_partitions, partition_alters
from engine.mysql.trouble import ServerRefused
from tests.engine.mysql.planning.rig import ddl, ground
from tests.servers.server import Server

HEAD = "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, a INT) "


def ranges(*ends: int, more: bool = False) -> str:
    listed = [f"PARTITION p{end} VALUES LESS THAN ({end})" for end in ends]
    listed += ["PARTITION pm VALUES LESS THAN MAXVALUE"] if more else []
    return HEAD + f"PARTITION BY RANGE (id) ({', '.join(listed)})"


def lists(**values: str) -> str:
    return (
        HEAD
        + f"PARTITION BY LIST (id) ({', '.join(f'PARTITION {name} VALUES IN ({v})' for name, v in values.items())})"
    )


def counted(way: str, count: int) -> str:
    return HEAD + f"PARTITION BY {way} (id) PARTITIONS {count}"


CASES = {
    "made": (HEAD, ranges(10, 20), "PARTITION BY RANGE"),
    "taken away": (ranges(10, 20), HEAD, "REMOVE PARTITIONING"),
    "one more at the end": (ranges(10, 20), ranges(10, 20, 30), "ADD PARTITION (PARTITION "),
    "the oldest goes": (ranges(10, 20, 30), ranges(20, 30), "DROP PARTITION `p10`"),
    "the window moves on": (ranges(10, 20), ranges(20, 30), "DROP PARTITION `p10`"),
    "the last is split": (ranges(10, more=True), ranges(10, 20, more=True), "REORGANIZE PARTITION `pm` INTO"),
    "one in the middle is split": (ranges(10, 30), ranges(10, 20, 30), "REORGANIZE PARTITION `p30` INTO"),
    "a list with one more": (lists(a="1, 2", b="3"), lists(a="1, 2", b="3", c="4"), "ADD PARTITION"),
    "a list with other values": (lists(a="1, 2", b="3"), lists(a="1, 2, 5", b="3"), "REORGANIZE PARTITION `a`"),
    "a list that gives a value to another": (lists(a="1, 3", b="2"), lists(a="1", b="2, 3"), "REORGANIZE PARTITION `a`, `b`"),
    "a list gives to one further on": (lists(a="1, 3", b="2", c="4"), lists(a="1", b="2", c="3, 4"), "PARTITION BY LIST"),
    "more by hash": (counted("HASH", 3), counted("HASH", 5), "ADD PARTITION PARTITIONS 2"),
    "fewer by key": (counted("KEY", 5), counted("KEY", 3), "COALESCE PARTITION 2"),
    "another way": (counted("HASH", 3), ranges(10, more=True), "PARTITION BY RANGE"),
    "a column at the same time": (ranges(10), ranges(10, 20).replace("a INT", "a INT, b INT"), "ADD COLUMN `b`"),
    "subpartitions": (
        ranges(10),
        HEAD + "PARTITION BY RANGE (id) SUBPARTITION BY HASH (id) SUBPARTITIONS 2 (PARTITION p10 VALUES LESS THAN (10))",
        "PARTITION BY RANGE",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_partitions_change_and_rows_stay_where_they_may(server: Server, name: str) -> None:
    before, after, clause = CASES[name]
    with ground(server, before, "INSERT INTO t (id, a) VALUES (3, 1)") as here:
        plan = here.settle(after)
        assert any(clause in statement for statement in ddl(plan)), ddl(plan)
        lost = any("DROP PARTITION" in statement for statement in ddl(plan))
        assert bool(here.link.rows("SELECT * FROM t")) is not lost
        assert bool(plan.changes[0].unsafe) is lost or "COALESCE" in clause


def test_a_list_that_loses_a_value_with_rows_is_not_reorganised_which_would_lose_them(server: Server) -> None:
    with ground(server, lists(a="1, 3", b="2"), "INSERT INTO t (id, a) VALUES (3, 1)") as here:
        plan = here.plan(lists(a="1", b="2"))
        assert [f.message for f in plan.findings if f.severity is Severity.BLOCKED] == [
            "PARTITION BY LIST (`id`) with no partition for some rows would fail: 1 row (for example id 3)"
        ]
        with pytest.raises(ServerRefused, match="no partition for value 3"):
            here.carry_out(plan)
        here.run("UPDATE t SET id = 2")
        here.carry_out(plan)


def test_a_value_that_the_default_list_took_moves_with_its_rows(mariadb: Server) -> None:
    listed = lists(a="1").removesuffix(")")
    with ground(mariadb, f"{listed}, PARTITION d DEFAULT)", "INSERT INTO t (id, a) VALUES (3, 1)") as here:
        here.settle(f"{listed}, PARTITION d DEFAULT, PARTITION c VALUES IN (3))")
        assert here.link.rows("SELECT a FROM t WHERE id = 3") == [(1,)]


def test_partitions_that_are_managed_elsewhere_are_left_alone(server: Server) -> None:
    note = "-- schemabot: partitions managed elsewhere\n"
    with ground(server, ranges(10, 20, 30)) as here:
        assert here.plan(note + ranges(20)).changes == ()
        here.settle(note + ranges(20).replace("a INT", "a BIGINT"))
        assert here.plan(note + HEAD.replace("a INT", "a BIGINT")).changes == ()
        assert here.plan(ranges(20)).changes != ()
    with ground(server) as here:
        (change,) = here.settle(note + ranges(10)).changes
        assert "PARTITION BY RANGE" in change.ddl


def test_the_names_of_lost_partitions_are_told() -> None:
    one, other = ("PARTITION BY RANGE (`id`)\n(" + text + ")" for text in (
        "PARTITION a VALUES LESS THAN (1) ENGINE = InnoDB,\n PARTITION b VALUES LESS THAN (2) ENGINE = InnoDB",
        "PARTITION b VALUES LESS THAN (2) ENGINE = InnoDB",
    ))  # fmt: skip
    assert dropped_partitions(one, other) == ("a",)
    assert partition_alters(other, other) == []
