"""Partitions: lists that grow, shrink and split, counts, all or none, and those that somebody else looks after."""

import pytest

from engine.base import Severity, Strategy
from engine.errors import Refused
from engine.mysql.planning.partitions import named_partitions, partition_alters
from engine.mysql.trouble import ServerRefused
from tests.engine.mysql.planning.rig import ddl, ground
from tests.servers.numbers import numbers
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
        assert bool(plan.changes[0].unsafe) is (lost or "COALESCE" in clause)  # which moves rows, and says so
        removed = "Removes PARTITION `p10` with about 1 row ("
        assert plan.changes[0].lock.startswith(removed) is lost
        assert not (lost and "only the catalogue" in plan.changes[0].lock)


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
        assert here.plan(ranges(20).replace("PARTITION BY", f"\n{note}PARTITION BY")).changes == ()
        assert here.plan(f"{ranges(20)}; {note}").changes == ()
        here.settle(note + ranges(20).replace("a INT", "a BIGINT"))
        assert here.plan(note + HEAD.replace("a INT", "a BIGINT")).changes == ()
        assert here.plan(ranges(20)).changes != ()
    with ground(server) as here:
        (change,) = here.settle(note + ranges(10)).changes
        assert "PARTITION BY RANGE" in change.ddl


@pytest.mark.parametrize("by", ["RANGE ({0} + 1)", "RANGE COLUMNS ({0})"])
def test_partitions_that_are_managed_elsewhere_follow_a_new_name_of_their_column(
    server: Server, by: str
) -> None:
    text = (
        "CREATE TABLE t ({0} INT PRIMARY KEY, a INT) PARTITION BY "
        + by
        + " (PARTITION day VALUES LESS THAN ({1}));"
    )
    with ground(server, text.format("day", 10).rstrip(";"), "INSERT INTO t VALUES (1, 5)") as here:
        here.settle(
            "-- schemabot: partitions managed elsewhere\n"
            + text.format("night", 20).replace("INT PRIMARY KEY", "INT PRIMARY KEY /* renamed from: day */")
        )
        assert here.link.rows("SELECT night, a FROM t PARTITION (day)") == [(1, 5)]


YEARS = f"INSERT INTO t (id, a) SELECT i - 1, i - 1 FROM {numbers(24_000)}"
THIRDS = f"INSERT INTO t (id, a, k) SELECT i - 1, i - 1, 1 + (i - 1) % 3 FROM {numbers(24_000)}"
BY_LIST = "CREATE TABLE t (id INT, a INT, k INT, PRIMARY KEY (id, k)) PARTITION BY LIST (k) "
ROTATIONS = {
    "a window that moves on": (
        (ranges(8_000, 16_000, 24_000, more=True), YEARS), ranges(16_000, 24_000, 32_000, more=True),
        ["DROP PARTITION `p8000`", "REORGANIZE PARTITION `pm` INTO"], "id < 8000",
    ),
    "a list that goes and one that grows": (
        (BY_LIST + "(PARTITION a VALUES IN (1), PARTITION b VALUES IN (2), PARTITION c VALUES IN (3))", THIRDS),
        BY_LIST + "(PARTITION b VALUES IN (2), PARTITION c VALUES IN (3, 4))",
        ["DROP PARTITION `a`", "REORGANIZE PARTITION `c` INTO"], "k = 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ROTATIONS)
def test_of_a_big_table_partitions_go_with_their_rows_and_small_ones_are_split_by_themselves(
    server: Server, name: str
) -> None:
    before, after, clauses, gone = ROTATIONS[name]
    with ground(server, *before) as here:
        staying = here.link.value(f"SELECT COUNT(*) FROM t WHERE NOT ({gone})")
        (change,) = here.settle(after).changes
        lines = change.ddl.split(";\n")
        assert [clause in line for clause, line in zip(clauses, lines, strict=True)] == [True, True]
        assert change.strategy is Strategy.DIRECT
        removed = clauses[0].removeprefix("DROP ")
        assert change.lock.startswith(f"Removes {removed} with about 8,000 rows (")
        assert (
            f") at once. Moves the rows of {clauses[1][11:].removesuffix(' INTO')} in one statement: writers"
            in change.lock
        )
        assert change.unsafe == (f"Unsafe operation detected: {clauses[0]}",)
        assert here.link.row(f"SELECT COUNT(*), COALESCE(SUM({gone}), 0) FROM t") == (staying, 0)


P0 = "PARTITION p0 VALUES LESS THAN (2024), "
COLUMNS = f"PARTITION BY RANGE COLUMNS ({{0}}) ({P0}PARTITION p1 VALUES LESS THAN (MAXVALUE))"
BELOW = f"PARTITION BY RANGE (ABS({{0}})) SUBPARTITION BY KEY ({{0}}) ({P0}PARTITION p1 VALUES LESS THAN MAXVALUE)"
MAKING_WAY = {
    "renamed": ("a INT) " + COLUMNS.format("a"), "\nb INT -- renamed from: a\n) " + COLUMNS.format("b")),
    "a function": (
        "a INT) " + BELOW.format("a"),
        "\n`abs` INT -- renamed from: a\n) " + BELOW.format("`abs`"),
    ),
    "computed": (
        "a INT AS (id) VIRTUAL) " + COLUMNS.format("a"),
        "a INT AS (id) STORED) " + COLUMNS.format("a"),
    ),
}


@pytest.mark.parametrize("name", MAKING_WAY)
def test_a_partition_goes_with_its_rows_also_when_all_have_to_make_way(server: Server, name: str) -> None:
    before, after = (f"CREATE TABLE t (id INT, {rest}" for rest in MAKING_WAY[name])
    rows = "(id) VALUES (2023), (2025)" if name == "computed" else "VALUES (2023, 2023), (2025, 2025)"
    with ground(server, before, f"INSERT INTO t {rows}") as here:
        (change,) = here.settle(after.replace(P0, "")).changes
        assert change.unsafe == ("Unsafe operation detected: DROP PARTITION `p0`",)
        assert here.link.rows("SELECT id FROM t") == [(2025,)]


def test_rows_that_go_with_a_partition_are_never_copied(server: Server) -> None:
    wider = ranges(2_000, 24_000, more=True).replace("a INT", "a BIGINT")
    split = ranges(2_000, 9_000, 24_000, more=True)
    with ground(server, ranges(1_000, 2_000, 24_000, more=True), YEARS) as here:
        for after in (wider, split):
            with pytest.raises(Refused, match=r"t: DROP PARTITION `p1000` .* in a plan of its own, first"):
                here.plan(after)
        here.settle(ranges(2_000, 24_000, more=True))
        for after in (wider, split):
            assert here.plan(after).changes[0].strategy is Strategy.ONLINE
        assert here.link.value("SELECT COUNT(*) FROM t") == 23_000


def test_a_big_partition_that_has_to_be_split_by_itself_says_how_long_writers_wait(server: Server) -> None:
    watch = "CREATE TRIGGER w AFTER INSERT ON t FOR EACH ROW SET @x = 1"
    with ground(server, ranges(1_000, 24_000, more=True), YEARS, watch) as here:
        (change,) = here.plan(ranges(1_000, 9_000, 24_000, more=True)).changes
        assert change.strategy is Strategy.DIRECT
        assert "it can not be copied online: it has triggers (w). Writers of it wait until" in change.lock
        assert "the rows of PARTITION `p24000`" in change.lock
        assert any("its writers wait" in why for why in change.unsafe)


def test_the_names_in_a_clause_are_told() -> None:
    one, other = ("PARTITION BY RANGE (`id`)\n(" + text + ")" for text in (
        "PARTITION a VALUES LESS THAN (1) ENGINE = InnoDB,\n PARTITION b VALUES LESS THAN (2) ENGINE = InnoDB",
        "PARTITION b VALUES LESS THAN (2) ENGINE = InnoDB",
    ))  # fmt: skip
    assert partition_alters(one, other) == [["DROP PARTITION `a`"]]
    assert partition_alters(other, other) == []
    assert named_partitions("REORGANIZE PARTITION `a ``b`, `c` INTO (PARTITION `d` VALUES IN (1))") == (
        "a `b",
        "c",
    )
    assert named_partitions("DROP PARTITION `a`, `b`") == ("a", "b")
    assert named_partitions("REMOVE PARTITIONING") == ()
