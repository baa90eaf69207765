"""The online copy of one table, from an empty shadow to equal rows under the lock."""

from itertools import product

import pytest

from engine.base import Signal
from engine.errors import Refused
from engine.mysql.catalog import fingerprints
from engine.mysql.link import Link
from engine.mysql.names import names_of
from tests.engine.mysql.copying.rig import INDEXED, Watcher, make_rig, prepare
from tests.servers.server import Server


def test_a_table_is_copied_and_compared_row_by_row(server: Server) -> None:
    rig = make_rig(server, INDEXED, ["MODIFY k BIGINT NOT NULL"])
    watcher = Watcher()
    with rig.copying(rig.step()) as copy:
        prepare(copy, watcher)
        with rig.locked(copy) as link:
            assert rig.assert_same(link) == 7200
        assert copy.checkpoint.repairs == 0
    rig.assert_as_altered()
    assert watcher.reports[-1].rows_copied == 7200


def test_a_number_becomes_the_text_that_it_is_shown_as(server: Server) -> None:
    """As ALTER TABLE has it: INSERT … SELECT makes 5 of 000005, 0 of the year 0000, 5.5 of 5.50, and 16777216 of a FLOAT that
    reads 16777200.
    """
    kinds = (
        "INT(6) ZEROFILL", "DECIMAL(9,3) ZEROFILL", "FLOAT ZEROFILL", "YEAR", "DOUBLE(10,2)", "FLOAT(7,2)", "INT", "DECIMAL(9,3)",
        "BIT(9)", "DOUBLE", "FLOAT",
    )  # fmt: skip
    made = list(product(kinds, ("VARCHAR(30)", "CHAR(30)", "TEXT", "VARBINARY(30)", "BLOB")))
    columns = ", ".join(f"c{number} {kind}" for number, (kind, _) in enumerate(made))
    given = {"YEAR": "0", "FLOAT": "16777217"}
    values = ", ".join(given.get(kind, "5.5") for kind, _ in made)
    rig = make_rig(
        server,
        f"CREATE TABLE t (id INT PRIMARY KEY, {columns});;"
        f"INSERT INTO t VALUES (1, {values}), (2{', NULL' * len(made)})",
        [", ".join(f"MODIFY c{number} {text}" for number, (_, text) in enumerate(made))],
    )
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
    rig.assert_as_altered()


def test_a_number_becomes_the_member_that_alter_table_makes_of_it(server: Server) -> None:
    """On MySQL the one of that name, on MariaDB the one of that number; a BIT is a number for both."""
    kinds = [
        "TINYINT",
        "INT",
        "INT(2) ZEROFILL",
        "BIGINT UNSIGNED",
        "DECIMAL(5,0)",
        "DECIMAL(5,2)",
        "FLOAT",
        "DOUBLE",
        "DOUBLE(9,1)",
        "BIT(2)",
    ]
    kinds += ["YEAR", "FLOAT(7,2) ZEROFILL"] * (server.flavour == "mysql")
    members = "('2','1','02','2.0','2.00','2002','0002.00')"
    made = list(product(kinds, ("ENUM", "SET")))
    columns = ", ".join(f"c{number} {kind}" for number, (kind, _) in enumerate(made))
    rig = make_rig(
        server,
        f"CREATE TABLE t (id INT PRIMARY KEY, {columns});;"
        f"INSERT INTO t VALUES (1{', 2' * len(made)}), (2{', NULL' * len(made)})",
        [", ".join(f"MODIFY c{number} {kind}{members}" for number, (_, kind) in enumerate(made))],
        unsafe=True,
    )
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
    rig.assert_as_altered()


def test_a_new_column_that_says_nothing_has_the_value_that_alter_table_gives(server: Server) -> None:
    kinds = (
        "INT", "DECIMAL(5,2)", "BIT(3)", "YEAR", "DATE", "DATETIME(2)", "TIME(1)", "CHAR(3)", "BLOB", "SET('a','b')", "ENUM('')",
        "ENUM('x''y')", "ENUM('é') CHARACTER SET latin1", "ENUM(0xE4FF) CHARACTER SET binary",
    )  # fmt: skip
    rig = make_rig(
        server,
        "CREATE TABLE t (id INT PRIMARY KEY);;INSERT INTO t VALUES (1)",
        [", ".join(f"ADD c{number} {kind} NOT NULL" for number, kind in enumerate(kinds))],
    )
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
    rig.assert_as_altered()


def test_a_number_with_a_fraction_becomes_the_whole_one_that_alter_table_makes_of_it(server: Server) -> None:
    """Of -0.01 MySQL makes 0, where its INSERT refuses it; MariaDB refuses it in both."""
    least = "-0.01" if server.flavour == "mysql" else "0.01"
    rig = make_rig(
        server,
        "CREATE TABLE t (id INT PRIMARY KEY, f FLOAT, d DOUBLE, c DECIMAL(5,2), u DECIMAL(5,2));;"
        f"INSERT INTO t VALUES (1, 4.5, 4.5, 4.5, 4.5), (2, 5.5, 5.5, 5.5, {least}), (3, 0.4, 0.4, 0.4, 0.5), (4{', NULL' * 4})",
        ["MODIFY f BIT(9), MODIFY d BIT(9), MODIFY c BIT(9), MODIFY u INT UNSIGNED"],
        unsafe=True,
    )
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
    rig.assert_as_altered()


def test_a_row_that_the_new_definition_does_not_take_is_told_by_its_chunk(server: Server) -> None:
    """INSERT IGNORE leaves it out; where no partition takes it, it counts as one that is there already: only warnings tell."""
    rig = make_rig(
        server,
        "CREATE TABLE t (id INT PRIMARY KEY, n INT NOT NULL);;INSERT INTO t VALUES (1, 5), (2, -5), (3, 5)",
        ["PARTITION BY RANGE (id) (PARTITION low VALUES LESS THAN (2))"],
    )
    watcher = Watcher()
    with (
        rig.copying(rig.step()) as copy,
        pytest.raises(Refused, match=r"no partition for value 2.*first in the row with id = 2"),
    ):
        prepare(copy, watcher)
    assert not any("comparing" in detail for detail in watcher.details())


def test_a_copy_of_a_table_with_a_long_name_has_room_for_the_names_of_its_checks(mysql: Server) -> None:
    """MySQL makes them out of the table's name, and anew whenever it gets another one."""
    name = "t" * 58  # a longer one can have no CHECK without a name
    rig = make_rig(
        mysql,
        f"CREATE TABLE {name} (id INT PRIMARY KEY, n INT, CHECK (n < 9));;INSERT INTO {name} VALUES (1, 5)",
        ["MODIFY n BIGINT"],
        source=name,
    )
    step = rig.step()
    with rig.copying(step) as copy:
        prepare(copy, Watcher())
        rig.run(f"RENAME TABLE {name} TO `{names_of(name).old}`, {rig.shadow} TO {name}")
        assert fingerprints(copy.hold.link, rig.schema, [name]) == dict(step.after)


def test_what_makes_the_files_of_many_partitions_anew_is_waited_for(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = "CREATE TABLE t (id INT PRIMARY KEY, k INT, KEY k (k)) PARTITION BY HASH (id) PARTITIONS 3"
    rig = make_rig(server, table, ["MODIFY k BIGINT"])
    run, limits = Link.run, {}

    def noted(self: Link, sql: str, *args: object) -> int:
        if rig.shadow in sql and sql.startswith(("CREATE TABLE", "ALTER TABLE")):
            limits[sql.replace(rig.shadow, "s")] = self._connection._read_timeout  # type: ignore[attr-defined]
        return run(self, sql, *args)

    monkeypatch.setattr(Link, "run", noted)
    with rig.copying(rig.step()) as copy:
        assert copy.open(Watcher()) is Signal.GO
    assert limits == {
        f"CREATE TABLE s LIKE {rig.table}": None,
        "ALTER TABLE s MODIFY k BIGINT, ALGORITHM=COPY": None,
        "ALTER TABLE s DROP INDEX `k`": None,
    }
