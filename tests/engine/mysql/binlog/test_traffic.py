"""Every way in which rows change: the reader tells the keys, and finds the end of each transaction."""

import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from engine.errors import Refused
from engine.mysql.binlog import compression
from engine.mysql.binlog.errors import KeyMissing, StatementLogged, TableChanged
from engine.mysql.binlog.watched import Key, TableName
from engine.mysql.capture_sources import CaptureSources
from engine.mysql.catalog import read_table
from engine.mysql.link import Link
from engine.mysql.shadow.keys import row_key
from engine.mysql.trouble import Waited
from tests.engine.mysql.binlog.rig import COMPARING, SECONDS, Collector, Ground, Reading

TABLE = "CREATE TABLE item (id INT PRIMARY KEY, u INT UNIQUE, n INT, note VARCHAR(2000))"
ROWS = "INSERT INTO item VALUES (1, 1, 1, 'a'), (2, 2, 2, 'b'), (3, 3, 3, 'c')"


def ids(*numbers: int) -> set[tuple[str, ...]]:
    return {(str(number),) for number in numbers}


@pytest.fixture
def reading(ground: Ground) -> Iterator[Reading]:
    """A table of three rows that is being read."""
    ground.run(TABLE, ROWS)
    with ground.reading("item") as found:
        yield found


def test_replace_tells_the_row_it_put_out_and_the_one_it_put_in(reading: Reading) -> None:
    reading.ground.run("REPLACE INTO item VALUES (9, 2, 0, '')")
    assert reading.keys_of("item") == ids(2, 9)


def test_insert_on_duplicate_key_update_tells_what_it_updated(reading: Reading) -> None:
    reading.ground.run(
        "INSERT INTO item VALUES (1, 7, 0, ''), (5, 5, 5, '') ON DUPLICATE KEY UPDATE id = id + 100"
    )
    assert reading.keys_of("item") == ids(1, 101, 5)


def test_load_data_tells_every_row(reading: Reading, tmp_path: Path) -> None:
    file = tmp_path / "rows.txt"
    file.write_text("".join(f"{n}\t{n}\t{n}\tx\n" for n in range(10, 60)))
    tmp_path.chmod(0o755)
    for parent in list(tmp_path.parents)[:3]:
        parent.chmod(0o755)
    reading.ground.run(f"LOAD DATA INFILE '{file}' INTO TABLE item")
    assert reading.keys_of("item") == ids(*range(10, 60))


def test_one_update_of_several_tables_tells_the_keys_of_each(ground: Ground) -> None:
    ground.run(
        TABLE,
        ROWS,
        "CREATE TABLE other (a INT, b INT, PRIMARY KEY (b, a))",
        "INSERT INTO other VALUES (1, 10), (2, 20)",
    )
    with ground.reading("item", "other") as reading:
        ground.run("UPDATE item, other SET item.n = 0, other.a = -other.a WHERE item.id = other.a")
        assert reading.keys_of("item") == ids(1, 2)
        assert reading.sink.of("other") == {("10", "1"), ("10", "-1"), ("20", "2"), ("20", "-2")}


def test_rows_changed_by_another_tables_trigger_are_told(ground: Ground) -> None:
    ground.run(
        TABLE,
        ROWS,
        "CREATE TABLE source (i INT PRIMARY KEY)",
        "CREATE TRIGGER t AFTER INSERT ON source FOR EACH ROW UPDATE item SET n = 0 WHERE id = NEW.i",
    )
    with ground.reading("item") as reading:
        ground.run("INSERT INTO source VALUES (2)")
        assert reading.keys_of("item") == ids(2)


def test_a_transaction_is_told_at_its_commit_and_a_rolled_back_one_never(reading: Reading) -> None:
    ground = reading.ground
    with Link(ground.address) as other:
        other.run("BEGIN")
        other.run("UPDATE item SET n = 9 WHERE id = 1")
        ground.run("UPDATE item SET n = 9 WHERE id = 2")
        assert reading.keys_of("item") == ids(2)
        other.run("COMMIT")
        assert reading.keys_of("item") == ids(1, 2)
        other.run("BEGIN")
        other.run("UPDATE item SET n = 10 WHERE id = 3")
        other.run("ROLLBACK")
        assert reading.keys_of("item") == ids(1, 2)


def test_what_is_kept_beside_a_rolled_back_savepoint_is_told(reading: Reading) -> None:
    for statement in (
        "BEGIN",
        "UPDATE item SET n = 5 WHERE id = 1",
        "SAVEPOINT here",
        "UPDATE item SET n = 5 WHERE id = 2",
        "ROLLBACK TO here",
        "UPDATE item SET n = 5 WHERE id = 3",
        "RELEASE SAVEPOINT here",
        "COMMIT",
    ):
        reading.ground.run(statement)
    assert reading.keys_of("item") >= ids(1, 3)


def test_a_prepared_transaction_is_told_at_prepare_and_a_locking_read_waits_for_its_commit(
    reading: Reading,
) -> None:
    ground = reading.ground
    with Link(ground.address) as other:
        for statement in (
            "XA START 'x'",
            "UPDATE item SET n = 77 WHERE id = 2",
            "XA END 'x'",
            "XA PREPARE 'x'",
        ):
            other.run(statement)
        assert reading.keys_of("item") == ids(2)
        prepared = reading.reader.position
        with pytest.raises(Waited):
            ground.link.rows("SELECT n FROM item WHERE (id) IN ((2)) LOCK IN SHARE MODE")
        ground.run("UPDATE item SET n = 78 WHERE id = 3")
        assert reading.keys_of("item") == ids(2, 3)
        other.run("XA COMMIT 'x'")
    reading.catch_up()
    assert reading.reader.position.order > prepared.order
    assert ground.link.rows("SELECT n FROM item WHERE (id) IN ((2)) LOCK IN SHARE MODE") == [(77,)]


def test_a_prepared_transaction_that_is_rolled_back_does_no_harm(reading: Reading) -> None:
    with Link(reading.ground.address) as other:
        for statement in (
            "XA START 'y'",
            "DELETE FROM item WHERE id = 2",
            "XA END 'y'",
            "XA PREPARE 'y'",
            "XA ROLLBACK 'y'",
        ):
            other.run(statement)
        for statement in (
            "XA START 'z'",
            "DELETE FROM item WHERE id = 3",
            "XA END 'z'",
            "XA COMMIT 'z' ONE PHASE",
        ):
            other.run(statement)
    assert reading.keys_of("item") == ids(2, 3)


def test_compressed_transactions_and_events_are_read(reading: Reading) -> None:
    ground = reading.ground
    compressing = (
        {"log_bin_compress": 1, "log_bin_compress_min_len": 10}
        if ground.flavour.mariadb
        else {"binlog_transaction_compression": 1}
    )
    with ground.server.having(**compressing), Link(ground.address) as other:
        other.run("BEGIN")
        other.run("UPDATE item SET note = REPEAT('x', 2000)")
        other.run("INSERT INTO item VALUES (4, 4, 4, REPEAT('y', 2000)), (5, 5, 5, REPEAT('y', 1000))")
        other.run("DELETE FROM item WHERE id = 2")
        other.run("COMMIT")
        assert reading.keys_of("item") == ids(1, 2, 3, 4, 5)
        other.run(f"ALTER TABLE item ADD COLUMN c INT COMMENT '{'x' * 300}'")
        with pytest.raises(TableChanged, match="item"):
            reading.catch_up()


def test_a_packed_transaction_is_held_back_between_its_pieces(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many keys it has; and who ends the reading meanwhile does not wait for the rest."""
    ground, sink, keys = reading.ground, reading.sink, Collector.keys
    if ground.flavour.mariadb:
        pytest.skip("only MySQL has it")

    def filling(sink: Collector, table: TableName, found: Sequence[Key]) -> None:
        keys(sink, table, found)
        sink.holding.set()

    def insert(first: int) -> None:
        sink.refused.clear()
        rows = ", ".join(f"({n}, NULL, 0, REPEAT('x', 90))" for n in range(first, first + 1_000))
        with monkeypatch.context() as patch:
            patch.setattr(Collector, "keys", filling)
            ground.run(f"INSERT INTO item VALUES {rows}")
            assert sink.refused.wait(SECONDS)

    monkeypatch.setattr(compression, "CHUNK", 4096)
    ground.run("SET SESSION binlog_transaction_compression = ON")
    insert(1_000)
    assert 0 < len(sink.of("item")) < 200
    sink.holding.clear()
    assert reading.keys_of("item") == ids(*range(1_000, 2_000))
    insert(2_000)
    reading.reader.close()
    assert 1_000 < len(sink.of("item")) < 1_200


def test_json_that_is_logged_as_differences_is_walked_over(ground: Ground) -> None:
    if ground.flavour.mariadb:
        pytest.skip("only MySQL has it")
    ground.run("CREATE TABLE doc (j JSON, k JSON, id INT PRIMARY KEY, l JSON)")
    document = json.dumps({"a": "x" * 200, "b": 1})
    ground.run(*(f"INSERT INTO doc VALUES ('{document}', '1', {n}, '{document}')" for n in range(3)))
    with ground.reading("doc") as reading, Link(ground.address) as other:
        other.run("SET SESSION binlog_row_value_options = PARTIAL_JSON")
        other.run("UPDATE doc SET j = JSON_SET(j, '$.b', id), l = JSON_REMOVE(l, '$.b')")
        assert reading.keys_of("doc") == ids(0, 1, 2)


@pytest.mark.parametrize("image", ["FULL", "NOBLOB", "MINIMAL"])
def test_every_row_image_has_the_primary_key(ground: Ground, image: str) -> None:
    ground.run(
        "CREATE TABLE pair (note TEXT, b CHAR(5) COLLATE utf8mb4_bin, n INT, a INT, PRIMARY KEY (a, b))",
        "INSERT INTO pair VALUES ('t', 'x', 1, 1), ('t', 'y', 2, 2)",
    )
    with (
        ground.reading("pair") as reading,
        Link(ground.address, settings={"binlog_row_image": image}) as other,
    ):
        other.run("UPDATE pair SET a = 10 WHERE n = 1")
        other.run("UPDATE pair SET n = 3 WHERE a = 2")
        other.run("INSERT INTO pair (a, b) VALUES (4, 'z')")
        other.run("DELETE FROM pair WHERE a = 4")
        found = {tuple(ground.link.row(f"SELECT {a}, {b}") or ()) for a, b in reading.keys_of("pair")}
    assert found == {(1, "x"), (10, "x"), (2, "y"), (4, "z")}


def test_an_image_without_the_key_ends_the_reading(ground: Ground) -> None:
    ground.run(
        "CREATE TABLE item (id INT PRIMARY KEY, u INT NOT NULL UNIQUE, n INT)",
        "INSERT INTO item VALUES (1, 1, 1)",
    )
    with (
        ground.reading(ground.watched("item", "u")) as reading,
        Link(ground.address, settings={"binlog_row_image": "MINIMAL"}) as other,
    ):
        other.run("UPDATE item SET n = 2")
        with pytest.raises(KeyMissing, match="binlog_row_image"):
            reading.catch_up()


MINIMAL = CaptureSources(
    of_log=(), unread=(), do_db=frozenset(), ignore_db=frozenset(), home="", no_triggers=None, minimal=True
)


@pytest.mark.parametrize(
    ("columns", "whole"),
    [
        ("f INT AUTO_INCREMENT PRIMARY KEY, u INT NOT NULL UNIQUE", True),
        ("f INT UNIQUE, u INT NOT NULL UNIQUE", True),
        ("f INT, u VARCHAR(20) NOT NULL, UNIQUE (u(1)), UNIQUE (u)", True),
        ("f DOUBLE NOT NULL UNIQUE, u INT NOT NULL UNIQUE", False),
        ("f DOUBLE PRIMARY KEY, u INT NOT NULL UNIQUE", False),
        ("f INT DEFAULT 7, u INT NOT NULL, PRIMARY KEY (f, u)", False),
    ],
)
def test_minimal_images_have_the_key_of_just_those_tables_of_which_a_plan_believes_it(
    ground: Ground, columns: str, whole: bool
) -> None:
    named = "u, n" if "INT DEFAULT" in columns or "AUTO_INC" in columns else "f, u, n"
    ground.run(f"CREATE TABLE item (n INT, {columns})", "INSERT INTO item (f, u, n) VALUES (1, 1, 1)")
    table = read_table(ground.link, ground.schema, "item")
    assert table is not None
    assert (MINIMAL.log_problems_of(table) == ()) is whole
    with (
        ground.reading("item") as reading,
        Link(ground.address, settings={"binlog_row_image": "MINIMAL"}) as other,
    ):
        other.run(f"INSERT INTO item ({named}) VALUES ({', '.join('2' for _ in named.split(','))})")
        other.run("UPDATE item SET n = 3 WHERE u = 1")
        if whole:
            assert len(reading.keys_of("item")) == 2
        else:
            with pytest.raises(KeyMissing):
                reading.catch_up()


@pytest.mark.parametrize(
    "statement",
    ["UPDATE item SET n = 2", "UPDATE unrelated SET i = i + 1", "LOAD DATA INFILE '{file}' INTO TABLE item"],
)
def test_a_statement_logged_as_text_ends_the_reading(ground: Ground, statement: str, tmp_path: Path) -> None:
    (file := tmp_path / "rows.txt").write_text("8\t8\t8\tx\n")
    for place in [tmp_path, *list(tmp_path.parents)[:3]]:
        place.chmod(0o755)
    ground.run(TABLE, ROWS, "CREATE TABLE unrelated (i INT PRIMARY KEY)", "INSERT INTO unrelated VALUES (1)")
    # REPEATABLE READ: InnoDB does not log statements of READ COMMITTED.
    with ground.reading("item") as reading, Link(ground.address) as other:
        other.set({"binlog_format": "STATEMENT"})
        other.run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        other.run(statement.format(file=file))
        with pytest.raises(StatementLogged, match=statement.split()[0]):
            reading.catch_up()


@pytest.mark.parametrize("statement", ["UPDATE seen SET n = 2", "INSERT INTO source VALUES (1)"])
def test_a_text_that_reaches_the_table_from_another_schema_ends_the_reading(
    ground: Ground, statement: str
) -> None:
    ground.run(TABLE, ROWS)
    elsewhere = ground.server.fresh_database()
    update = f"UPDATE {ground.schema}.item SET n = 2 WHERE id = NEW.i"
    with Link(ground.address, schema=elsewhere) as other:
        other.run(f"CREATE VIEW seen AS SELECT * FROM {ground.schema}.item")
        other.run("CREATE TABLE source (i INT PRIMARY KEY)")
        other.run(f"CREATE TRIGGER t AFTER INSERT ON source FOR EACH ROW {update}")
        other.set({"binlog_format": "STATEMENT"})
        other.run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        with ground.reading("item") as reading:
            other.run(statement)
            with pytest.raises(StatementLogged, match=re.escape(statement)):
                reading.catch_up()


def test_definitions_of_other_things_do_no_harm(reading: Reading) -> None:
    reading.ground.run(
        "CREATE TABLE item__osc_n LIKE item",
        "ALTER TABLE item__osc_n ADD COLUMN c INT",
        "CREATE TABLE other AS SELECT * FROM item",
        "CREATE VIEW seen AS SELECT * FROM item",
        "DROP VIEW seen",
        "TRUNCATE other",
        "DROP TABLE other, item__osc_n",
        "ANALYZE TABLE item",
        "FLUSH TABLES",
        "UPDATE item SET n = 4 WHERE id = 1",
    )
    assert reading.keys_of("item") == ids(1)


def test_invisible_and_generated_columns_keep_their_places(ground: Ground) -> None:
    ground.run(
        "CREATE TABLE item (a VARCHAR(9) GENERATED ALWAYS AS (CONCAT('v', n)) VIRTUAL, n INT, i INT INVISIBLE DEFAULT 5, "
        "s VARCHAR(9) GENERATED ALWAYS AS (CONCAT('s', n)) STORED, id INT PRIMARY KEY, INDEX (a))",
    )
    with ground.reading("item") as reading:
        ground.run(
            "INSERT INTO item (n, id) VALUES (1, 10), (NULL, 11)", "UPDATE item SET n = 7 WHERE id = 10"
        )
        assert reading.keys_of("item") == ids(10, 11)


def test_a_generated_column_can_be_the_key(ground: Ground) -> None:
    if ground.flavour.mariadb:
        pytest.skip("MariaDB has no NOT NULL generated columns, so none can be in a key of ours")
    ground.run(
        "CREATE TABLE solid (n INT, g INT GENERATED ALWAYS AS (n * 2) STORED, t VARCHAR(9), PRIMARY KEY (g))",
        "CREATE TABLE virtual_one (n INT, t VARCHAR(9), g INT GENERATED ALWAYS AS (n * 2) VIRTUAL NOT NULL, UNIQUE (g))",
    )
    with ground.reading("solid", "virtual_one") as reading:
        for table in ("solid", "virtual_one"):
            ground.run(f"INSERT INTO {table} (n) VALUES (4), (-5)", f"UPDATE {table} SET n = 6 WHERE n = 4")
            assert reading.keys_of(table) == ids(8, -10, 12)


def test_random_rows_of_a_key_of_many_columns_are_found_again(ground: Ground) -> None:
    key = ("d", "b", "v", "t", "e", "w")
    ground.run(
        "CREATE TABLE wide (x0 TEXT, d DECIMAL(12,3) NOT NULL, x1 INT, b BINARY(8) NOT NULL, "
        "v VARCHAR(40) COLLATE utf8mb4_bin NOT NULL, "
        "x2 DOUBLE, t DATETIME(3) NOT NULL, e ENUM('p','q','r') NOT NULL, x3 BIT(11), w BIGINT UNSIGNED NOT NULL, n INT, "
        f"PRIMARY KEY ({', '.join(key)})) CHARSET utf8mb4"
    )
    source = random.Random(7)
    with ground.reading("wide") as reading:
        for n in range(120):
            values = (
                source.choice(["NULL", f"'{'text' * source.randint(0, 99)}'"]),
                f"{source.randint(-(10**8), 10**8)}.{source.randint(0, 999):03}",
                source.choice(["NULL", "5"]),
                f"x'{source.randbytes(source.randint(0, 8)).hex()}'",
                f"'{'ä€𝄞 z'[: source.randint(0, 5)]}'",
                source.choice(["NULL", "1.5"]),
                f"'20{source.randint(10, 99)}-01-01 00:00:0{source.randint(0, 9)}.{source.randint(0, 999):03}'",
                str(source.randint(1, 3)),
                source.choice(["NULL", "3"]),
                str(source.getrandbits(64)),
                str(n),
            )
            ground.run(f"INSERT INTO wide VALUES ({', '.join(values)})")
        reading.catch_up()
        told = list(reading.sink.found[ground.schema, "wide"])
        assert len(told) == 120
        assert ground.rows_by("wide", key, set(told[::3])) == {(n,) for n in range(0, 120, 3)}
        assert ground.way_to("wide", key, set(told[:2])) == ("PRIMARY", "range")
        reading.sink.found.clear()
        ground.run("UPDATE wide SET n = n + 1000 WHERE n % 2")
        assert reading.keys_of("wide") == set(told[1::2])


def test_a_key_that_the_server_made_by_itself_does_not_shift_the_others(ground: Ground) -> None:
    if ground.flavour.mariadb:
        pytest.skip("only MySQL makes one")
    with Link(ground.address, settings={"sql_generate_invisible_primary_key": 1}) as other:
        other.run("CREATE TABLE bare (a INT, u INT NOT NULL)")
    ground.run("ALTER TABLE bare ADD UNIQUE (u)")
    table = read_table(ground.link, ground.schema, "bare")
    assert table is not None
    assert table.own_key is not None  # newer servers make none beside a UNIQUE one
    with ground.reading(ground.watched("bare", "u")) as reading:
        ground.run("INSERT INTO bare (a, u) VALUES (1, 10), (2, 20)")
        assert reading.keys_of("bare") == ids(10, 20)


@pytest.mark.parametrize("kind", ["FLOAT", "DOUBLE", "BIT(9)"])
def test_a_key_whose_values_cannot_be_told_is_refused(ground: Ground, kind: str) -> None:
    ground.run(f"CREATE TABLE t (k {kind} NOT NULL PRIMARY KEY)")
    table = read_table(ground.link, ground.schema, "t")
    assert table is not None
    with pytest.raises(Refused, match="k: rows cannot be found by a key of"):
        row_key(table, ["k"])


def test_a_huge_transaction_comes_in_pieces_and_counts_only_at_its_end(ground: Ground) -> None:
    rows = 500_000
    ground.run(
        TABLE,
        "CREATE TABLE digits (n INT PRIMARY KEY)",
        f"INSERT INTO digits VALUES {', '.join(f'({n})' for n in range(1000))}",
    )
    with (
        ground.reading("item") as reading,
        Link(ground.address, settings=COMPARING, answer_seconds=100) as other,
    ):
        other.run(
            f"INSERT INTO item (id) SELECT a.n * 1000 + b.n FROM digits a, digits b WHERE a.n < {rows // 1000}"
        )
        end = ground.end()
        assert reading.reader.wait_until(end, 5 * SECONDS)
        assert len(reading.sink.of("item")) == rows
        assert reading.sink.most < rows // 4
        assert [one.order for one in reading.sink.positions][-1] == end.order


def test_an_event_that_fills_more_than_one_packet_is_put_together(ground: Ground) -> None:
    ground.run("CREATE TABLE item (t LONGTEXT, id INT PRIMARY KEY)")
    with (
        ground.server.having(max_allowed_packet=64 << 20),
        ground.reading("item") as reading,
        Link(ground.address) as other,
    ):
        for size in (17_000_000, 40_000_000, (1 << 24) - 1, 10):
            other.run(f"INSERT INTO item VALUES (REPEAT('x', {size}), {size})")
        assert reading.keys_of("item") == ids(17_000_000, 40_000_000, (1 << 24) - 1, 10)


def test_transactions_with_tagged_names_are_read_like_others(ground: Ground) -> None:
    if ground.flavour.mariadb or ground.link.value("SELECT @@GLOBAL.gtid_mode") != "ON":
        pytest.skip("only MySQL with GTIDs has them")
    ground.run(TABLE, ROWS)
    with (
        ground.reading("item") as reading,
        Link(ground.address, settings={"gtid_next": "AUTOMATIC:billing"}) as other,
    ):
        ground.run("UPDATE item SET n = 8 WHERE id = 1")
        other.run("UPDATE item SET n = 9 WHERE id = 2")
        assert reading.keys_of("item") == ids(1, 2)
        position = reading.reader.position
        assert position.gtid.count(":") == 1
    with ground.reading("item", start=position) as reading:
        ground.run("UPDATE item SET n = 9 WHERE id = 3")
        assert reading.keys_of("item") == ids(3)


def test_a_full_sink_holds_the_reader_back(ground: Ground) -> None:
    ground.run(TABLE)
    with ground.reading("item") as reading:
        reading.catch_up()
        reading.sink.holding.set()
        ground.run("INSERT INTO item (id) VALUES (1)")  # ends the read that is under way
        assert reading.sink.refused.wait(SECONDS)
        ground.run("INSERT INTO item (id) VALUES (2)")
        ground.run("INSERT INTO item (id) VALUES (3)")
        end = ground.end()
        assert not reading.reader.wait_until(end, 0.3)
        reading.sink.holding.clear()
        assert reading.reader.wait_until(end, SECONDS)
        assert reading.sink.of("item") == ids(1, 2, 3)
