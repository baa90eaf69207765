"""What MySQL tells otherwise from the first ALTER of a table on, CHECKs above all: no difference, and no plan writes it."""

import pytest

from engine.base import Strategy
from engine.mysql.planning import how
from tests.engine.mysql.planning.rig import ddl, ground
from tests.servers.server import Server

COLUMNS = (
    "id BIGINT PRIMARY KEY, b BIGINT, y YEAR, d DATE, ts DATETIME, s VARCHAR(9), g BOOL AS (ts > 20000101) STORED, "
    "h BOOL AS (d > '2020-01-01') STORED"
)
CONDITIONS = (
    "b >= -1000", "b > 1.0", "b < '5'", "y > 70", "d BETWEEN '2000-01-01' AND '2100-12-31'", "ts > 20000101",
    "s IN ('new','paid')",
)  # fmt: skip
ALTERS = ("ALTER TABLE t ADD KEY k (b)", "ALTER TABLE t ADD KEY l (b, id)")


def table(*more: str, name: str = "") -> str:
    """A table with a CHECK of each kind, all with a name or none."""
    checks = [f"{name and f'CONSTRAINT {name}_{at} '}CHECK ({one})" for at, one in enumerate(CONDITIONS)]
    return f"CREATE TABLE t ({', '.join([COLUMNS, *more, *checks])})"


@pytest.fixture
def _no_table_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(how, "DIRECT_ROWS", -1)


@pytest.mark.parametrize(("name", "altered"), [("", 0), ("ck", 1), ("", 2)])
@pytest.mark.usefixtures("_no_table_is_small")
def test_what_the_server_has_written_anew_is_what_the_files_say(
    mysql: Server, name: str, altered: int
) -> None:
    """Made by a connection of an older character set, too."""
    with ground(mysql, "SET NAMES latin1", table(name=name), "SET NAMES utf8mb4", *ALTERS[:altered]) as here:
        keys = ["KEY k (b)", "KEY l (b, id)"][:altered]
        other = "CREATE TABLE other (id INT PRIMARY KEY, b BIGINT, FOREIGN KEY (b) REFERENCES t (id))"
        assert ddl(here.settle(f"{table(*keys, name=name)}; {other};"))[0].startswith("CREATE TABLE `other`")
        plan = here.plan(f"{table(*keys, 'n INT AS (b) VIRTUAL', 'KEY n (n)', name=name)}; {other};")
        assert ddl(plan) == [
            "ALTER TABLE `t` ADD COLUMN `n` int GENERATED ALWAYS AS (`b`) VIRTUAL",
            "ALTER TABLE `t` ADD KEY `n` (`n`)",
        ]


@pytest.mark.usefixtures("_no_table_is_small")
@pytest.mark.parametrize("altered", [0, 1])
def test_checks_without_names_keep_what_they_are_called_and_their_table_is_copied_online(
    mysql: Server, altered: int
) -> None:
    with ground(mysql, table(), *ALTERS[:altered]) as here:
        files = table(*["KEY k (b)"][:altered]).replace("id BIGINT", "id INT")
        plan = here.settle(files)
        assert [change.strategy for change in plan.changes] == [Strategy.ONLINE]
        assert "CHECK" not in plan.changes[0].ddl
        fewer = files.replace("CHECK (b >= -1000), ", "").replace("CHECK (y > 70)", "CHECK (y > 80)")
        others = fewer.replace("s VARCHAR(9)", "r VARCHAR(9) -- renamed from: s\n").replace("(s ", "(r ")
        plan = here.settle(others)
        assert [change.strategy for change in plan.changes] == [Strategy.ONLINE]
        assert "DROP CHECK `t_chk_1`" in plan.changes[0].ddl


@pytest.mark.usefixtures("_no_table_is_small")
def test_a_check_with_a_name_hinders_an_online_copy_until_the_files_leave_it_out_or_have_another(
    mysql: Server,
) -> None:
    named = (
        "CREATE TABLE t (id INT PRIMARY KEY, a INT, s CHAR(9), CONSTRAINT ck CHECK (a > 1), CHECK (s > 'a'))"
    )
    wider = named.replace("id INT", "id BIGINT")
    with ground(mysql, named) as here:
        (change,) = here.plan(wider).changes
        assert change.strategy is Strategy.DIRECT
        assert "the name of its CHECK ck is taken while it lives" in change.lock
        for files in (wider.replace(" ck ", " kc "), named.replace("CONSTRAINT ck ", "")):
            plan = here.settle(files)
            assert [change.strategy for change in plan.changes] == [Strategy.ONLINE]


@pytest.mark.usefixtures("_no_table_is_small")
def test_a_check_whose_name_begins_like_the_servers_own_is_no_obstacle(mysql: Server) -> None:
    """The server has it follow the name of the table."""
    named = "CREATE TABLE t (id INT PRIMARY KEY, a INT, CONSTRAINT t_chk_total CHECK (a > 1), CONSTRAINT t_chk_01 CHECK (a > 2))"
    wider = named.replace("id INT", "id BIGINT")
    more = wider.replace("a INT", "a BIGINT, CONSTRAINT t_chk_new CHECK (a > 3)").replace(
        "BIGINT PRIMARY", "INT PRIMARY"
    )
    with ground(mysql, named) as here:
        for files in (wider, more):
            plan = here.settle(files)
            assert [change.strategy for change in plan.changes] == [Strategy.ONLINE]


@pytest.mark.usefixtures("_no_table_is_small")
def test_a_check_that_would_have_too_long_a_name_amid_the_copy_hinders_it(mysql: Server) -> None:
    """MySQL would refuse the RENAME when all is copied."""
    long = "t_chk_" + "x" * 57
    bare = "CREATE TABLE t (id INT PRIMARY KEY, a INT)"
    with ground(mysql, bare.replace("a INT", f"a INT, CONSTRAINT {long} CHECK (a > 1)")) as here:
        (change,) = here.settle(bare.replace("id INT", "id BIGINT")).changes
        assert change.strategy is Strategy.DIRECT
        assert f"its CHECK {long} would be t__osc_o_chk_" in change.lock


@pytest.mark.usefixtures("_no_table_is_small")
def test_a_check_that_keeps_a_name_which_follows_the_table_hinders_the_copy_of_a_renamed_one(
    mysql: Server,
) -> None:
    live = "CREATE TABLE t (id INT PRIMARY KEY, a INT, CHECK (a > 1))"
    files = (
        "-- renamed from: t\nCREATE TABLE u (id BIGINT PRIMARY KEY, a INT, CONSTRAINT t_chk_1 CHECK (a > 1))"
    )
    with ground(mysql, live) as here:
        (change,) = here.settle(files).changes
        assert change.strategy is Strategy.DIRECT
        assert "the name of its CHECK t_chk_1 is taken while it lives" in change.lock
        (change,) = here.settle(live.replace("TABLE t", "TABLE u").replace("a INT", "a BIGINT")).changes
        assert change.strategy is Strategy.ONLINE


@pytest.mark.parametrize(
    ("live", "files"),
    [
        ("c YEAR, CONSTRAINT ck CHECK (c > 70)", "c INT, CONSTRAINT ck CHECK (c > 1970)"),
        ("c DATETIME, CHECK (c > 20200101)", "c VARCHAR(20), CHECK (c > '2020-01-01 00:00:00')"),
        ("c TIME, CHECK (c < '25:00')", "c VARCHAR(20), CHECK (c < TIME'25:00:00')"),
        ("c YEAR, KEY k ((c > 70))", "c INT, KEY k ((c > 1970))"),
        ("c YEAR, g BOOL AS (c > 70) STORED", "c INT, g BOOL AS (c > 1970) STORED"),
        (
            "c YEAR, n INT, CONSTRAINT ck CHECK (c > 70)",
            "c INT, n YEAR, CHECK (n > 70), CONSTRAINT ck CHECK (c > 1970)",
        ),
    ],
)
def test_words_that_mean_the_same_only_among_the_old_columns_are_a_difference(
    mysql: Server, live: str, files: str
) -> None:
    with ground(mysql, f"CREATE TABLE t (id INT PRIMARY KEY, {live})") as here:
        plan = here.settle(f"CREATE TABLE t (id INT PRIMARY KEY, {files});")
        assert len(plan.changes) == 1


@pytest.mark.parametrize("altered", [0, 1])
def test_a_second_check_in_the_same_words_is_added(mysql: Server, altered: int) -> None:
    once = "CREATE TABLE t (id INT PRIMARY KEY, b BIGINT, KEY k (b), CHECK (b > -5)"
    with ground(
        mysql, f"{once})", *["ALTER TABLE t ADD KEY l (b, id)", "ALTER TABLE t DROP KEY l"][: 2 * altered]
    ) as here:
        plan = here.settle(f"{once}, CONSTRAINT c CHECK (b > -5));")
        assert ddl(plan) == ["ALTER TABLE `t` ADD CONSTRAINT `c` CHECK ((`b` > -(5)))"]


@pytest.mark.parametrize("altered", [0, 1, 2])
def test_an_index_of_an_expression_is_no_difference(mysql: Server, altered: int) -> None:
    indexed = "CREATE TABLE t (id INT PRIMARY KEY, b BIGINT, ts DATETIME, KEY e ((ts > 20000101), b)"
    with ground(mysql, f"{indexed})", *ALTERS[:altered]) as here:
        keys = [", KEY k (b)", ", KEY l (b, id)"][:altered]
        files = f"{''.join([indexed, *keys])});"
        assert here.plan(files).changes == ()
        plan = here.settle(files.replace("ts DATETIME", "ts DATETIME, n INT"))
        assert ddl(plan) == ["ALTER TABLE `t` ADD COLUMN `n` int DEFAULT NULL"]


ELSEWHERE = "CREATE TABLE p (id INT PRIMARY KEY)"
REACHED = "CREATE TABLE t (id INT PRIMARY KEY, b BIGINT, CHECK (b <> -5), CONSTRAINT f FOREIGN KEY (id) REFERENCES p (id))"
WANTED = REACHED.replace("BIGINT", "INT")


@pytest.mark.parametrize(
    "files",
    [
        f"{ELSEWHERE}; {WANTED.replace('INT,', 'INT, n INT,')};",
        f"{ELSEWHERE};\n-- renamed from: t\n{WANTED.replace('TABLE t', 'TABLE u')};",
        f"-- renamed from: p\n{ELSEWHERE.replace('TABLE p', 'TABLE q')}; {WANTED.replace('REFERENCES p', 'REFERENCES q')};",
    ],
    ids=["altered", "renamed", "parent_renamed"],
)
def test_words_that_only_an_alter_gives_hinder_no_plan(mysql: Server, files: str) -> None:
    """Of a BIGINT that became an INT: b <> -5, where a CREATE TABLE gives b <> -(5)."""
    with ground(mysql, ELSEWHERE, REACHED, "ALTER TABLE t MODIFY b INT") as here:
        assert "(`b` <> -5)" in str(here.link.rows("SHOW CREATE TABLE t"))
        assert here.settle(files).changes
