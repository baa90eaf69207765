"""How a change will run is what the server says on a clone; what is said holds on the live table with rows in it."""

import pytest

from engine.base import Strategy
from engine.mysql.flavour import flavour_of
from engine.mysql.link import Link, Row
from engine.mysql.planning.planner import plan_mysql
from engine.mysql.replication.followers import followers
from engine.mysql.spec import Algorithm
from engine.mysql.trouble import ServerRefused
from tests.engine.mysql.planning.places import address_of, schema_with
from tests.engine.mysql.planning.trial_place import (
    CHILD,
    ROWS,
    USERS,
    Place,
    limited,
    place,
    replica,
)
from tests.servers.server import Server

INSTANT = ("ADD COLUMN z INT", "ADD COLUMN z INT NOT NULL AFTER id", "DROP COLUMN d", "ALTER a SET DEFAULT 5",
           "RENAME COLUMN a TO b", "MODIFY e ENUM('a','b','c')", "MODIFY a INT COMMENT 'x'",
           "ADD COLUMN g INT AS (a + 1) VIRTUAL")  # fmt: skip
CATALOGUE = ("DROP INDEX kv", "RENAME INDEX kv TO kw", "COMMENT='x'", "MODIFY v VARCHAR(40)")
COPIED = ("MODIFY a BIGINT", "MODIFY v VARCHAR(10)", "MODIFY e ENUM('b','a')", "ADD FULLTEXT f (v)",
          "CONVERT TO CHARACTER SET latin1", "MODIFY a INT NOT NULL", "MODIFY n INT", "ROW_FORMAT=COMPACT",
          "ADD COLUMN s INT AS (a + 1) STORED", "PARTITION BY HASH (id) PARTITIONS 3",
          "ADD CONSTRAINT ck CHECK (a > 0)")  # fmt: skip


@pytest.mark.parametrize("clause", INSTANT)
def test_what_the_server_does_instantly_is_planned_and_runs_so(users: Place, clause: str) -> None:
    how = users.how(clause)
    assert (how.strategy, how.alters, how.warning) == (Strategy.INSTANT, ((clause, Algorithm.INSTANT),), "")
    assert "whatever the number of rows" in how.lock
    users.run(how)


@pytest.mark.parametrize("clause", CATALOGUE)
def test_what_only_writes_the_catalogue_runs_in_place_on_a_table_of_any_size(
    users: Place, clause: str
) -> None:
    how = users.how(clause)
    assert how.strategy in (Strategy.IN_PLACE, Strategy.INSTANT)
    assert "only the catalogue is written" in how.lock
    users.run(how)


@pytest.mark.parametrize("clause", COPIED)
def test_what_writes_all_rows_anew_is_copied_online_when_the_table_is_big(users: Place, clause: str) -> None:
    how = users.how(clause)
    assert how.strategy is Strategy.ONLINE
    assert [text for text, _ in how.alters] == [clause]
    assert "in short chunks while readers and writers go on" in how.lock
    assert "3,000,000 rows (700 MiB)" in how.lock


@pytest.mark.parametrize("clause", COPIED)
def test_a_small_table_is_changed_directly(users: Place, clause: str) -> None:
    how = users.how(clause, rows=2, bytes_=16384)
    assert how.strategy in (Strategy.DIRECT, Strategy.IN_PLACE)
    assert (how.strategy is Strategy.DIRECT) == (
        "writers of it wait until it is done; readers go on. It has about 2 rows (16 KiB)." in how.lock
    )
    assert how.warning == ""
    users.run(how)


def test_many_small_rows_or_few_big_ones_are_no_small_table(users: Place) -> None:
    assert users.how("MODIFY a BIGINT", rows=20_001, bytes_=1).strategy is Strategy.ONLINE
    assert users.how("MODIFY a BIGINT", rows=1, bytes_=17 << 20).strategy is Strategy.ONLINE


def test_an_index_is_built_in_place_where_no_replica_waits_for_it(users: Place) -> None:
    how = users.how("ADD INDEX ka (a)")
    assert how.strategy is Strategy.IN_PLACE
    assert "Builds the index in place" in how.lock
    assert "No replica is connected" in how.lock
    users.run(how)


def test_an_index_of_a_small_table_is_built_in_place(users: Place) -> None:
    how = users.how("ADD UNIQUE ka (a)", rows=2, bytes_=16384)
    assert how.strategy is Strategy.IN_PLACE
    users.run(how)


def test_an_index_is_copied_online_where_that_cannot_be_known(server: Server, users: Place) -> None:
    """An account that may not see the replicas has to think that there are some; with PROCESS it sees who reads the log."""
    with limited(server, users, "PROCESS") as link:
        assert users.how("ADD INDEX ka (a)", link=link).strategy is Strategy.IN_PLACE
    with limited(server, users) as link:
        assert followers(link, flavour_of(link)) == "this account may not see whether replicas are connected"
        assert users.how("ADD INDEX ka (a)", link=link).strategy is Strategy.ONLINE


def test_an_index_of_a_big_table_is_copied_online_where_a_replica_follows(
    server: Server, users: Place
) -> None:
    with replica(server):
        how = users.how("ADD INDEX ka (a)")
        small = users.how("ADD INDEX ka (a)", rows=20_000, bytes_=16 << 20)
        dropped = users.how("DROP INDEX kv")
    assert how.strategy is Strategy.ONLINE
    assert "Built in place the index would hold up others (1 replica is connected)" in how.lock
    assert small.strategy is Strategy.IN_PLACE
    assert "1 replica is connected: held up as long" in small.lock
    assert dropped.strategy is Strategy.IN_PLACE


class Blind(Link):
    """A session on a server that does not tell its indexes: MySQL answers so while a table of its dictionary has no file."""

    def rows(self, sql: str, *args: object) -> list[Row]:
        if "innodb_indexes" in sql or "innodb_sys_indexes" in sql:
            raise ServerRefused("Tablespace is missing for table other/fts_1", 1812)
        return super().rows(sql, *args)


def test_an_index_build_is_known_where_the_server_does_not_tell_its_indexes(
    server: Server, users: Place
) -> None:
    with Blind(address_of(server, users.schema)) as link:
        for clause, built in (
            ("ADD INDEX ka (a)", True),
            ("DROP INDEX kv", False),
            ("RENAME INDEX kv TO kw", False),
        ):
            how = users.how(clause, link=link)
            assert how.strategy is not Strategy.ONLINE
            assert ("Builds the index in place" in how.lock) == built, clause


def test_without_the_process_privilege_a_rebuild_is_never_taken_for_harmless(
    server: Server, users: Place
) -> None:
    with limited(server, users) as link:
        assert users.how("ADD COLUMN z INT", link=link).strategy is Strategy.INSTANT
        users.link.run(RANGES.replace("users", "parted"))
        assert users.how("DROP PARTITION `p0`", table="parted", link=link).strategy is Strategy.IN_PLACE
        how = users.how("MODIFY a INT NOT NULL", link=link)
        assert how.strategy is Strategy.ONLINE
        assert "Without the PROCESS privilege" in how.lock
        assert users.how("PARTITION BY HASH (id) PARTITIONS 3", link=link).strategy is Strategy.ONLINE


def test_a_column_and_its_index_go_apart_when_together_they_would_rebuild_the_table(users: Place) -> None:
    how = users.how(["ADD INDEX kz (z)", "ADD COLUMN z INT", "DROP COLUMN d"])
    assert how.strategy is Strategy.IN_PLACE
    assert [text for text, _ in how.alters] == ["ADD COLUMN z INT, DROP COLUMN d", "ADD INDEX kz (z)"]
    assert how.alters[0][1] is Algorithm.INSTANT
    users.run(how)


WIDE = f"CREATE TABLE wide (id INT PRIMARY KEY, {', '.join(f'c{at} INT' for at in range(60))})"


WIDER = [f"MODIFY c{at} BIGINT" for at in range(60)]
NEW = [f"ADD COLUMN z{at} INT" for at in range(60)]
INDEXED = [f"ADD INDEX k{at} (z{at})" for at in range(3)]
MIXED = [part for at in range(30) for part in (f"DROP COLUMN c{at}", f"ADD INDEX k{at} (c{at + 30})")]


@pytest.mark.parametrize(
    ("parts", "tries", "apart"),
    [(WIDER, 20, []), ([*NEW, *INDEXED], 30, [", ".join(NEW), ", ".join(INDEXED)]), (MIXED, 90, [])],
)
def test_many_parts_are_looked_at_in_few_tries(
    server: Server, parts: list[str], tries: int, apart: list[str]
) -> None:
    with place(server, WIDE) as found:
        before = altered(found.link)
        how = found.how(parts, table="wide")
        assert altered(found.link) - before < tries
        assert [text for text, _ in how.alters] == (apart or [", ".join(parts)])


def altered(link: Link) -> int:
    """How many ALTERs of tables the session has tried."""
    return int(link.rows("SHOW SESSION STATUS LIKE 'Com_alter_table'")[0][1])


def test_parts_stay_together_when_apart_they_would_be_copied_all_the_same(users: Place) -> None:
    how = users.how(["ADD COLUMN z INT", "MODIFY a BIGINT"], ["ADD INDEX ka (a)"])
    assert how.strategy is Strategy.ONLINE
    assert [text for text, _ in how.alters] == ["ADD COLUMN z INT, MODIFY a BIGINT", "ADD INDEX ka (a)"]


def test_parts_that_lead_elsewhere_when_they_go_apart_stay_together(users: Place) -> None:
    """The instant one would come first, and the columns would stand in another order."""
    parts = ["ADD COLUMN y INT FIRST, ADD INDEX ky (y)", "ADD COLUMN z INT FIRST"]
    how = users.how(parts)
    users.link.run(f"ALTER TABLE users {', '.join(parts)}")
    wanted = [name for (name,) in users.link.rows("SELECT column_name FROM information_schema.columns "
              "WHERE table_schema = DATABASE() ORDER BY ordinal_position")]  # fmt: skip
    assert wanted[:2] == ["z", "y"]
    assert [text for text, _ in how.alters] == [", ".join(parts)]


def test_parts_that_need_each_other_stay_together(users: Place) -> None:
    how = users.how(["RENAME COLUMN a TO b", "ADD COLUMN a INT", "DROP COLUMN v", "DROP INDEX kv"])
    assert how.strategy in (Strategy.IN_PLACE, Strategy.INSTANT, Strategy.ONLINE)
    if how.strategy is not Strategy.ONLINE:
        users.run(how)


FREED = {
    "of an index": (["DROP INDEX kv", "DROP COLUMN v"], [["DROP INDEX kv"], ["DROP COLUMN v"]]),
    "of a foreign key": (
        ["DROP FOREIGN KEY f", "DROP INDEX f", "DROP COLUMN user_id"],
        [["DROP FOREIGN KEY f", "DROP INDEX f"], ["DROP COLUMN user_id"]],
    ),
    "between new ones": (
        ["DROP INDEX kv", "DROP COLUMN v", "DROP COLUMN d", "ADD COLUMN z INT", "ADD INDEX kz (z)"],
        [["DROP COLUMN d", "ADD COLUMN z INT"], ["DROP INDEX kv", "ADD INDEX kz (z)"], ["DROP COLUMN v"]],
    ),
}


@pytest.mark.parametrize(("parts", "apart"), FREED.values(), ids=FREED)
def test_a_column_goes_at_once_when_what_uses_it_went_before(
    mysql: Server, parts: list[str], apart: list[list[str]]
) -> None:
    with place(mysql, USERS, CHILD, ROWS, "INSERT INTO posts VALUES (1, 1, 'x')") as both:
        table, other = ("posts", "users") if "DROP INDEX f" in parts else ("users", "posts")
        how = both.how(parts, table=table, relatives=[other])
        assert [text for text, _ in how.alters] == [", ".join(some) for some in apart]
        assert how.alters[-1][1] is Algorithm.INSTANT
        assert how.strategy is Strategy.IN_PLACE
        assert "Rebuilds" not in how.lock
        both.run(how, table)


RANGES = """
CREATE TABLE users (id INT NOT NULL PRIMARY KEY, a INT)
PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20))"""
HASHES = "CREATE TABLE users (id INT NOT NULL PRIMARY KEY, a INT) PARTITION BY HASH (id) PARTITIONS 3"


@pytest.mark.parametrize(
    ("table", "clause", "strategy"),
    [
        (RANGES, "ADD PARTITION (PARTITION p2 VALUES LESS THAN (30))", Strategy.IN_PLACE),
        (RANGES, "DROP PARTITION p0", Strategy.IN_PLACE),
        (RANGES, "ADD COLUMN z INT", Strategy.INSTANT),
        (RANGES, "REORGANIZE PARTITION `p1` INTO (PARTITION p1 VALUES LESS THAN (15), PARTITION p2 VALUES LESS THAN (20))",
         Strategy.ONLINE),
        (HASHES, "ADD PARTITION PARTITIONS 2", Strategy.ONLINE),
        (HASHES, "COALESCE PARTITION 1", Strategy.ONLINE),
        (HASHES, "REMOVE PARTITIONING", Strategy.ONLINE),
    ],
)  # fmt: skip
def test_partitions_come_and_go_at_once_and_rows_that_move_are_copied_online(
    server: Server, table: str, clause: str, strategy: Strategy
) -> None:
    with place(server, table, "INSERT INTO users VALUES (5, 1), (15, 2)") as found:
        how = found.how(clause)
        assert how.strategy is strategy
        if strategy is not Strategy.ONLINE:
            found.run(how)


def test_a_table_without_row_versions_left_is_not_planned_as_instant(mysql: Server) -> None:
    with place(mysql, USERS, ROWS) as users:
        assert users.how("ADD COLUMN z INT").strategy is Strategy.INSTANT
        with pytest.raises(ServerRefused, match="4092"):
            use_up_row_versions(users.link)
        assert users.how("ADD COLUMN z INT").strategy is Strategy.ONLINE
        assert users.how("ALTER a SET DEFAULT 7").strategy is Strategy.INSTANT
        renamed = "-- renamed from: users\n" + USERS.replace("users", "people").replace(
            "KEY kv", "z INT, KEY kv"
        )
        (change,) = plan_mysql(address_of(mysql, users.schema), {"shop": {"people.sql": renamed}}).changes
        assert change.strategy is Strategy.IN_PLACE
        users.link.run("RENAME TABLE users TO `büchér ℵ-1`")
        assert users.how("ADD COLUMN z INT", table="büchér ℵ-1").strategy is Strategy.ONLINE


def test_a_dropped_fulltext_index_leaves_what_columns_do_not_come_beside_instantly(server: Server) -> None:
    table = "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, b TEXT, FULLTEXT KEY f (b))"
    with place(server, table, "INSERT INTO t VALUES (1, 'x')", "ALTER TABLE t DROP INDEX f") as found:
        assert found.how("ADD COLUMN c INT", table="t").strategy is Strategy.ONLINE
        assert found.how("RENAME COLUMN b TO c", table="t").strategy is Strategy.INSTANT
        how = found.how("ADD COLUMN c INT", table="t", rows=1, bytes_=1)
        found.run(how, "t")
        assert found.how("ADD COLUMN d INT", table="t").strategy is Strategy.INSTANT


@pytest.mark.parametrize("clause", ["ADD KEY kw (w)", "MODIFY v VARCHAR(200)"])
def test_what_is_too_long_for_a_table_s_old_row_format_is_copied(server: Server, clause: str) -> None:
    with place(server) as found:
        with server.having(innodb_default_row_format="compact"):
            found.link.run(
                "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, v VARCHAR(100), w VARCHAR(255), KEY (v)) CHARSET utf8mb4"
            )
        assert found.how(clause, table="t").strategy is Strategy.ONLINE
        how = found.how(clause, table="t", rows=1, bytes_=1)
        assert how.strategy is Strategy.DIRECT
        found.run(how, "t")
        assert found.how("ADD COLUMN z INT", table="t").strategy is Strategy.INSTANT


def test_changed_rows_are_not_told_by_a_date_of_an_old_format(mariadb: Server) -> None:
    with place(mariadb) as found:
        with mariadb.having(mysql56_temporal_format="OFF"):
            found.link.run("CREATE TABLE t (id INT NOT NULL PRIMARY KEY, d DATETIME NOT NULL)")
            found.link.run("CREATE TABLE u (d DATETIME NOT NULL PRIMARY KEY)")
            found.link.run("CREATE TABLE v (id INT NOT NULL PRIMARY KEY, d DATETIME(3) NOT NULL)")
        assert found.how("ADD COLUMN n INT", table="t").strategy is Strategy.ONLINE
        for table in ("u", "v"):
            how = found.how("ADD COLUMN n INT", table=table)
            assert how.strategy is Strategy.DIRECT
            assert "d is of an old format" in how.lock


def test_what_the_server_takes_in_no_way_is_refused_with_its_words(users: Place) -> None:
    with pytest.raises(ServerRefused, match="nowhere"):
        users.how("DROP COLUMN nowhere")
    with pytest.raises(ServerRefused, match="INTT"):
        users.how("ADD COLUMN z INTT")


def test_a_clone_is_tied_to_nothing_that_lives_in_another_schema(server: Server) -> None:
    with schema_with(server, USERS) as (_, other):
        child = CHILD.replace("REFERENCES users", f"REFERENCES `{other}`.users")
        with place(server, child) as found:
            assert found.how("ADD COLUMN z INT", table="posts").strategy is Strategy.INSTANT
            assert "nowhere" in str(found.link.row(f"SHOW CREATE TABLE `{found.scratch}`.posts"))
            found.link.run("DROP TABLE posts")
            found.link.run(f"DROP TABLE `{other}`.users")


def test_an_odd_name_and_a_reference_to_itself_do_no_harm(server: Server) -> None:
    odd = "CREATE TABLE `o-d``d é` (id INT NOT NULL PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES `o-d``d é` (id))"
    with place(server, odd) as found:
        if "`o-d``d é_ibfk_1`" not in str(found.link.row("SHOW CREATE TABLE `o-d``d é`")):
            pytest.skip("this MariaDB tells the name of such a foreign key without quoting it")
        how = found.how("ADD COLUMN z INT", table="o-d`d é")
        assert how.strategy is Strategy.INSTANT


def use_up_row_versions(link: Link) -> None:
    for number in range(300):
        link.run(f"ALTER TABLE users ADD COLUMN c{number} INT, ALGORITHM=INSTANT")
        link.run(f"ALTER TABLE users DROP COLUMN c{number}, ALGORITHM=INSTANT")


@pytest.mark.parametrize(("partitions", "long"), [(60, ""), (90, "nobody gets at the table for about 2 s")])
def test_who_has_very_many_partitions_is_told_how_long_their_names_take(
    server: Server, partitions: int, long: str
) -> None:
    table = f"CREATE TABLE users (id INT PRIMARY KEY, n INT) PARTITION BY HASH (id) PARTITIONS {partitions}"
    with place(server, table) as found:
        how = found.how("MODIFY n BIGINT")
    assert how.strategy is Strategy.ONLINE
    assert long in how.lock
    assert long in how.warning
    assert bool(how.warning) is bool(long)
