"""What the key reader tells of changes on real servers, and where it says it is."""

import pytest

from engine.mysql.binlog.errors import TableChanged
from tests.engine.mysql.binlog.rig import SECONDS, Ground

TABLE = "CREATE TABLE item (id BIGINT PRIMARY KEY, a VARCHAR(20), n INT)"


def test_inserts_updates_and_deletes_tell_the_keys_they_touched(ground: Ground) -> None:
    ground.run(TABLE, "INSERT INTO item VALUES (1, 'old', 1), (2, 'old', 2)")
    with ground.reading("item") as reading:
        ground.run(
            "INSERT INTO item VALUES (-3, NULL, 3)",
            "UPDATE item SET a = 'new' WHERE id = 1",
            "UPDATE item SET id = 20 WHERE id = 2",
        )
        assert reading.keys_of("item") == {("-3",), ("1",), ("2",), ("20",)}
        ground.run("DELETE FROM item WHERE id = 20")
        reading.sink.found.clear()
        ground.run("DELETE FROM item WHERE id = -3")
        assert ("-3",) in reading.keys_of("item")


def test_the_reader_stands_at_the_end_of_the_log_when_all_is_read(ground: Ground) -> None:
    ground.run(TABLE)
    with ground.reading("item") as reading:
        ground.run("INSERT INTO item VALUES (1, '', 1)", "FLUSH LOGS", "INSERT INTO item VALUES (2, '', 1)")
        end = ground.end()
        assert reading.reader.wait_until(end, SECONDS)
        assert reading.reader.position.order == end.order
        assert reading.sink.of("item") == {("1",), ("2",)}


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE item",
        "ALTER TABLE item ADD COLUMN c INT",
        "CREATE INDEX by_a ON item (a)",
        "RENAME TABLE item TO other",
        "DROP TABLE item",
        "CREATE TRIGGER t BEFORE INSERT ON item FOR EACH ROW SET NEW.n = 1",
        "CREATE TABLE child (i BIGINT, FOREIGN KEY (i) REFERENCES item (id))",
    ],
)
def test_a_definition_that_changes_a_watched_table_ends_the_reading(ground: Ground, statement: str) -> None:
    ground.run(TABLE)
    with ground.reading("item") as reading:
        ground.run(statement)
        with pytest.raises(TableChanged, match=statement.split()[0]):
            reading.catch_up()
