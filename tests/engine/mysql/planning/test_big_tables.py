"""Big tables: which changes of them are copied online, and what stands against it."""

import pytest

from engine.base import Strategy
from engine.mysql.planning import how
from engine.mysql.sizes import DIRECT_ROWS
from engine.mysql.spec import Algorithm, Step
from tests.engine.mysql.planning.rig import big, ground
from tests.servers.server import Server


def test_a_big_table_is_copied_online_and_its_renamed_columns_go_along(server: Server) -> None:
    plan, rows = big(
        server,
        "CREATE TABLE t (id INT PRIMARY KEY, a INT, g INT AS (a + 1) VIRTUAL, x VARCHAR(9))",
        "CREATE TABLE t (id BIGINT PRIMARY KEY, a BIGINT, g INT AS (a + 1) VIRTUAL, y VARCHAR(9) -- renamed from: x\n, n INT)",
    )
    (change,) = plan.changes
    step = Step.from_json(change.spec)
    assert change.strategy is Strategy.ONLINE
    assert step.copy is not None
    assert (step.copy.key, step.copy.new_key) == (("id",), ("id",))
    assert step.copy.columns == (("id", "id"), ("a", "a"), ("y", "x"))
    assert step.statements == ()
    assert rows == 30_000


def test_a_big_table_that_gets_a_column_is_changed_at_once(server: Server) -> None:
    plan, rows = big(
        server,
        "CREATE TABLE t (id INT PRIMARY KEY, a INT)",
        "CREATE TABLE t (id INT PRIMARY KEY, a INT, n INT)",
    )
    (change,) = plan.changes
    assert (change.strategy, rows) == (Strategy.INSTANT, 30_000)
    assert [s.algorithm for s in Step.from_json(change.spec).statements] == [Algorithm.INSTANT]


@pytest.mark.parametrize(
    "after",
    [
        "id BIGINT, a BIGINT NOT NULL PRIMARY KEY",
        "id INT, a BIGINT, PRIMARY KEY (a, id), UNIQUE (id) {hidden}",
    ],
)
def test_a_big_table_whose_key_goes_is_not_copied_online(server: Server, after: str) -> None:
    hidden = "IGNORED" if server.is_one("mariadb") else "INVISIBLE"
    plan, _ = big(
        server,
        "CREATE TABLE t (id INT PRIMARY KEY, a INT)",
        f"CREATE TABLE t ({after.format(hidden=hidden)})",
    )
    assert plan.changes[0].strategy is not Strategy.ONLINE
    assert "has no index afterwards" in plan.changes[0].lock


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("BINARY(8)", "BINARY(9)"),
        ("BIGINT", "VARCHAR(30)"),
        ("DECIMAL(9,2)", "DECIMAL(9,1)"),
        ("VARCHAR(9) COLLATE utf8mb4_bin", "CHAR(9) COLLATE utf8mb4_general_ci"),
        ("VARCHAR(9) COLLATE {no_pad}", "CHAR(9) COLLATE {no_pad}"),
        ("VARCHAR(9) COLLATE {no_pad}", "VARCHAR(8) COLLATE {no_pad}"),
    ],
)
def test_a_big_table_whose_key_reads_differently_afterwards_is_not_copied_online(
    server: Server, before: str, after: str
) -> None:
    """Bytes are padded, decimals rounded, spaces cut; a text and a number are compared as floats: many above 2^53 are one."""
    no_pad = "utf8mb4_nopad_bin" if server.flavour == "mariadb" else "utf8mb4_0900_ai_ci"
    plan, _ = big(
        server,
        f"CREATE TABLE t (id {before.format(no_pad=no_pad)} PRIMARY KEY, a INT)",
        f"CREATE TABLE t (id {after.format(no_pad=no_pad)} PRIMARY KEY, a BIGINT)",
    )
    assert plan.changes[0].strategy is not Strategy.ONLINE
    assert (
        "the values of id, by which its rows are found, read differently afterwards" in plan.changes[0].lock
    )


@pytest.mark.parametrize(
    ("before", "after", "online"),
    [
        (("utf8mb4_bin", "DATE", 9), ("utf8mb4_bin", "DATETIME", 8), True),
        (("utf8mb4_bin", "DATETIME", 9), ("utf8mb4_bin", "DATE", 9), False),
        (("utf8mb4_bin", "DATE", 9), ("utf8mb4_general_ci", "DATE", 8), False),
    ],
    ids=["longer", "without_its_time", "shorter_by_its_letters"],
)
def test_a_big_table_with_a_key_of_several_columns_is_copied_online_unless_one_may_lose_what_it_is_found_by(
    server: Server, before: tuple[str, str, int], after: tuple[str, str, int], online: bool
) -> None:
    """Where one text will be compared otherwise all are found by their letters, spaces at the end too."""
    create = (
        "CREATE TABLE t (id INT, a VARCHAR(9) COLLATE {}, d {} DEFAULT '2024-01-02', "
        "s VARCHAR({}) COLLATE utf8mb4_bin DEFAULT 'x', PRIMARY KEY (id, a, d, s))"
    )
    plan, rows = big(server, create.format(*before), create.format(*after))
    assert (plan.changes[0].strategy is Strategy.ONLINE) is online
    assert ("by which its rows are found, read differently" in plan.changes[0].lock) is not online
    assert rows == 30_000


def test_a_big_table_that_gets_a_foreign_key_to_itself_is_not_copied_online(server: Server) -> None:
    plan, rows = big(
        server,
        "CREATE TABLE t (id INT PRIMARY KEY, a INT)",
        "CREATE TABLE t (id INT PRIMARY KEY, a INT, FOREIGN KEY (a) REFERENCES t (id))",
    )
    assert plan.changes[0].strategy is not Strategy.ONLINE
    assert "it is in a foreign key" in plan.changes[0].lock
    assert rows == 30_000


def test_a_big_table_with_checks_is_copied_only_where_their_names_survive(server: Server) -> None:
    plan, rows = big(
        server,
        "CREATE TABLE t (id INT PRIMARY KEY, a INT, CONSTRAINT mine CHECK (a > 0))",
        "CREATE TABLE t (id BIGINT PRIMARY KEY, a INT, CONSTRAINT mine CHECK (a > 0))",
    )
    assert (plan.changes[0].strategy is Strategy.ONLINE) is (server.flavour == "mariadb")
    plan, rows = big(
        server,
        "CREATE TABLE t (id INT PRIMARY KEY, a INT, CHECK (a > 0), CHECK (id > 0))",
        "CREATE TABLE t (id BIGINT PRIMARY KEY, a INT, CHECK (a > 0), CHECK (id > 0))",
    )
    assert plan.changes[0].strategy is Strategy.ONLINE
    assert rows == 30_000


def test_a_new_value_that_only_an_alter_leaves_empty_is_told_of_an_online_copy(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = "POINT" if server.flavour == "mariadb" else "VECTOR(2)"
    with ground(server, "CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)") as here:
        for rows, severity in ((DIRECT_ROWS, "warning"), (-1, "blocked")):
            monkeypatch.setattr(how, "DIRECT_ROWS", rows)
            plan = here.plan(f"CREATE TABLE t (id BIGINT PRIMARY KEY, p {kind} NOT NULL);")
            (found,) = [one for one in plan.findings if one.linter == "not_null"]
            assert found.severity.value == severity
            assert ("an online copy can give the rows that are there no value" in found.message) == (
                rows == -1
            )
