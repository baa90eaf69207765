"""Positions that are no more, connections that break, servers that restart: what the reader says, and that nothing is missed."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

import pytest

from engine.mysql.binlog.errors import PositionGone, PositionRewound, StreamUnusable
from engine.mysql.binlog.position import Position
from engine.mysql.binlog.reader import KeyReader
from engine.mysql.binlog.watched import Key, TableName
from engine.mysql.trouble import Lost
from tests.engine.mysql.binlog.rig import SECONDS, Collector, Ground, purge
from tests.waiting import until

TABLE = "CREATE TABLE item (id INT PRIMARY KEY, n INT)"


def ids(*numbers: int) -> set[tuple[str, ...]]:
    return {(str(number),) for number in numbers}


def dump_threads(ground: Ground) -> list[int]:
    return [
        int(row[0]) for row in ground.link.rows("SHOW PROCESSLIST") if str(row[4]).startswith("Binlog Dump")
    ]


def wait_for_the_end(reader: KeyReader) -> BaseException:
    """What ended the reading."""

    def ended() -> BaseException | None:
        try:
            reader.check()
        except BaseException as error:  # noqa: BLE001
            return error
        return None

    return until("the reader ends", ended)


def read_position(ground: Ground) -> Position:
    """Of a reader that has read something: with a GTID and the file's birth."""
    with ground.reading("item") as reading:
        ground.run("REPLACE INTO item VALUES (99, 1)")
        reading.catch_up()
        return reading.reader.position


def test_a_purged_position_is_gone(ground: Ground) -> None:
    ground.run(TABLE)
    start = read_position(ground)
    until("nobody reads", lambda: not dump_threads(ground))  # the server keeps what it thinks is being read
    purge(ground.link)
    with pytest.raises(PositionGone, match=start.file), ground.reading("item", start=start):
        pass


def test_a_position_behind_the_end_is_of_another_history(ground: Ground) -> None:
    ground.run(TABLE)
    end = ground.end()
    with (
        pytest.raises(PositionRewound, match="ends at"),
        ground.reading("item", start=replace(end, offset=end.offset + 1)),
    ):
        pass
    later = replace(end, file=f"{end.file.partition('.')[0]}.999999", offset=4)
    with pytest.raises(PositionRewound, match="history"), ground.reading("item", start=later):
        pass


def test_a_transaction_the_server_does_not_know_is_of_another_history(ground: Ground) -> None:
    ground.run(TABLE)
    if ground.server.is_one("mysql") and ground.link.value("SELECT @@GLOBAL.gtid_mode") == "OFF":
        pytest.skip("this MySQL gives transactions no names")
    position = read_position(ground)
    assert position.gtid
    unknown = "0-1-999999999" if ground.flavour.mariadb else f"{position.gtid.partition(':')[0]}:999999999"
    with (
        pytest.raises(PositionRewound, match="999999999"),
        ground.reading("item", start=replace(position, gtid=unknown)),
    ):
        pass


def test_another_file_of_the_same_name_is_of_another_history(ground: Ground) -> None:
    ground.run(TABLE)
    position = read_position(ground)
    assert position.birth
    with ground.reading("item", start=replace(position, birth=position.birth - 1)) as reading:
        assert isinstance(wait_for_the_end(reading.reader), PositionRewound)
    with ground.reading("item", start=position) as reading:
        ground.run("INSERT INTO item VALUES (5, 5)")
        assert reading.keys_of("item") == ids(5)


def test_a_log_that_was_reset_has_no_place_to_go_on_from(ground: Ground) -> None:
    ground.server.needs_control()
    ground.run(TABLE)
    position = read_position(ground)
    ground.run("RESET MASTER" if ground.flavour.mariadb else "RESET BINARY LOGS AND GTIDS")
    with pytest.raises((PositionGone, PositionRewound)), ground.reading("item", start=position):
        pass


def test_a_position_in_the_middle_of_an_event_is_refused(ground: Ground) -> None:
    ground.run(TABLE, "INSERT INTO item VALUES (1, 1)")
    end = ground.end()
    with ground.reading("item", start=replace(end, offset=end.offset - 3)) as reading:
        error = wait_for_the_end(reading.reader)
        assert isinstance(error, StreamUnusable | Lost)


def test_after_a_killed_connection_the_next_reader_goes_on_where_the_first_one_stood(ground: Ground) -> None:
    ground.run(TABLE)
    with ground.reading("item") as reading:
        ground.run("INSERT INTO item VALUES (1, 1)")
        assert reading.keys_of("item") == ids(1)
        position = reading.reader.position
        for thread in dump_threads(ground):
            ground.run(f"KILL {thread}")
        ground.run("INSERT INTO item VALUES (2, 2)")
        assert isinstance(wait_for_the_end(reading.reader), Lost)
        with pytest.raises(Lost):
            reading.reader.wait_until(ground.end(), SECONDS)
        assert reading.reader.wait_until(position, 0.0)
    with ground.reading("item", start=position) as reading:
        assert reading.keys_of("item") == ids(2)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_restart_of_the_server_loses_no_key(ground: Ground, how: str) -> None:
    ground.server.needs_control()
    ground.run(TABLE)
    start = ground.end()
    sink = Collector()
    with KeyReader(ground.address, [ground.watched("item")], start, sink) as reader:
        ground.run("INSERT INTO item VALUES (1, 1)")
        getattr(ground.server, how)()
        assert isinstance(wait_for_the_end(reader), Lost)
    ground.server.start()
    ground.connect()
    ground.run("INSERT INTO item VALUES (2, 2)", "FLUSH LOGS", "INSERT INTO item VALUES (3, 3)")
    with KeyReader(ground.address, [ground.watched("item")], reader.position, sink) as reader:
        assert reader.wait_until(ground.end(), SECONDS)
    assert sink.of("item") == ids(1, 2, 3)
    again = Collector()
    with KeyReader(ground.address, [ground.watched("item")], start, again) as reader:
        assert reader.wait_until(ground.end(), SECONDS)
    assert again.of("item") == ids(1, 2, 3)


def test_every_position_that_was_told_is_one_to_go_on_from(ground: Ground) -> None:
    ground.run(TABLE)
    with ground.reading("item") as reading:
        for n in range(6):
            ground.run(
                "BEGIN",
                f"INSERT INTO item VALUES ({n}, 0)",
                f"UPDATE item SET n = 1 WHERE id = {n}",
                "COMMIT",
            )
            reading.catch_up()
            if n == 3:
                ground.run("FLUSH LOGS", "CREATE TABLE other (i INT)", "DROP TABLE other")
        places = list(reading.sink.positions)
    assert len(places) >= 6
    for place in places:
        with ground.reading("item", start=Position.from_json(place.to_json())) as reading:
            told = reading.keys_of("item")
        assert told == ids(*range(6 - len(told), 6))


def test_a_checksum_switched_on_the_way_is_noticed(ground: Ground) -> None:
    ground.run(TABLE)
    with ground.reading("item") as reading, ExitStack() as switched:
        ground.run("INSERT INTO item VALUES (1, 1)")
        for n, checksum in enumerate(("NONE", "CRC32", "NONE"), start=2):
            switched.enter_context(ground.server.having(binlog_checksum=checksum))
            ground.run(f"INSERT INTO item VALUES ({n}, 1)")
        assert reading.keys_of("item") == ids(1, 2, 3, 4)
        with ground.reading("item") as second:
            ground.run("INSERT INTO item VALUES (5, 1)")
            assert second.keys_of("item") == ids(5)


def test_readers_do_not_push_each_other_out(ground: Ground) -> None:
    ground.run(TABLE)
    with ground.reading("item") as first, ground.reading("item") as second:
        ground.run("INSERT INTO item VALUES (1, 1)")
        assert first.keys_of("item") == second.keys_of("item") == ids(1)


def test_what_the_sink_raises_comes_out_of_the_reader(ground: Ground) -> None:
    class Broken(Collector):
        def keys(self, table: TableName, keys: Sequence[Key]) -> None:
            raise ArithmeticError(str(keys[0][0]))

    ground.run(TABLE)
    start = ground.end()
    with KeyReader(ground.address, [ground.watched("item")], start, Broken()) as reader:
        ground.run("INSERT INTO item VALUES (7, 7)")
        with pytest.raises(ArithmeticError, match="7"):
            reader.wait_until(ground.end(), SECONDS)
        assert reader.position.order == start.order


def test_a_closed_reader_leaves_no_connection_behind(ground: Ground) -> None:
    ground.run(TABLE)
    with ground.reading("item"):
        until("it reads", lambda: len(dump_threads(ground)) == 1)
    ground.run("INSERT INTO item VALUES (1, 1)")  # the server notices when it has something to send
    until("it reads no more", lambda: not dump_threads(ground))
