"""A server that takes small packets: lists of long keys go to it in as many statements as it takes."""

from contextlib import nullcontext

import pytest

from engine.base import Signal
from engine.errors import Refused
from engine.mysql.trouble import Trouble
from tests.engine.mysql.capturing.rig import unread
from tests.engine.mysql.copying.rig import Rig, Watcher, make_rig, prepare
from tests.engine.striking import struck
from tests.servers.flavours import FLAVOURS
from tests.servers.numbers import numbers
from tests.servers.private import PrivateServer
from tests.servers.server import Server, server_of

SMALLEST = 1_048_576
ROWS = 600
LONG = "CONCAT(LPAD({n}, 4, '0'), REPEAT('k', {length}))"
KEYS = {
    "bytes": ("VARBINARY(2800)", 2700),
    "characters": ("VARCHAR(760) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", 750),
}


def long_keyed(server: Server, kind: str, *clauses: str) -> Rig:
    column, length = KEYS[kind]
    # Four bytes for a character make it as long as a key can be.
    letter = "k" if kind == "bytes" else "\N{GRINNING FACE}"
    key = LONG.format(n="i", length=length).replace("'k'", f"'{letter}'")
    create = f"CREATE TABLE t (k {column} NOT NULL PRIMARY KEY, n INT NOT NULL) ENGINE = InnoDB;;"
    return make_rig(server, f"{create} INSERT INTO t SELECT {key}, i FROM {numbers(ROWS)}", clauses)


@pytest.mark.parametrize("capture", ["log", "triggers"])
@pytest.mark.parametrize("kind", KEYS)
def test_rows_with_long_keys_are_kept_in_step_in_small_packets(
    server: Server, kind: str, capture: str
) -> None:
    rig = long_keyed(server, kind, "ADD extra INT NOT NULL DEFAULT 7")
    with (
        unread(rig) if capture == "triggers" else nullcontext(),
        server.having(max_allowed_packet=SMALLEST),
        rig.copying(rig.step()) as copy,
    ):
        prepare(copy, Watcher())
        rig.run("UPDATE t SET n = n + 1000", "DELETE FROM t WHERE n > 1500")
        prepare(copy, Watcher())
        rig.run("UPDATE t SET n = n + 1000")
        with rig.locked(copy) as link:
            assert rig.assert_same(link) == 500
        copy.discard(Watcher())


@pytest.mark.parametrize("clause", ["ADD extra INT NOT NULL DEFAULT 7", "MODIFY k {key}, ADD extra INT"])
def test_long_keys_that_differ_are_mended_in_small_packets(server: Server, clause: str) -> None:
    """Where keys sort alike on both sides ranges are compared, else lists."""
    other = "VARCHAR(760) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL"
    rig = long_keyed(server, "characters", clause.format(key=other))

    def strike(point: str) -> None:
        if point == "after_commit:chunk":
            rig.run(f"UPDATE {rig.shadow} SET n = n + 1")

    with server.having(max_allowed_packet=SMALLEST), rig.copying(rig.step()) as copy:
        with struck(strike):
            prepare(copy, Watcher())
        assert copy.checkpoint.repairs == ROWS
        with rig.locked(copy) as link:
            assert rig.assert_same(link) == ROWS
        copy.discard(Watcher())


@pytest.mark.parametrize("late", [False, True])
def test_a_row_that_does_not_fit_is_named_by_its_long_key_in_small_packets(
    server: Server, late: bool
) -> None:
    """Whether the chunk that copies it meets it or it comes when all is copied, among many others."""
    rig = long_keyed(server, "bytes", "MODIFY n SMALLINT NOT NULL")
    too_large = "UPDATE t SET n = 40000 WHERE n = 567"
    with server.having(max_allowed_packet=SMALLEST), rig.copying(rig.step()) as copy:
        if late:
            prepare(copy, Watcher())
            rig.run("UPDATE t SET n = -n WHERE n <> 567")
        rig.run(too_large)
        with pytest.raises(Refused, match=r"row with k = _binary x'30353637.*nothing was changed"):
            prepare(copy, Watcher())
        copy.discard(Watcher())


def test_a_change_that_takes_more_of_the_log_than_a_packet_is_followed(server: Server) -> None:
    """Both images of a row together: the server sends its log in packets of any size."""
    create = "CREATE TABLE t (k INT PRIMARY KEY, n INT NOT NULL, pad MEDIUMBLOB NOT NULL);;"
    rig = make_rig(
        server, f"{create} INSERT INTO t VALUES (1, 1, REPEAT('a', 900000)), (2, 2, '')", ["ADD extra INT"]
    )
    with server.having(max_allowed_packet=SMALLEST), rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        rig.run("UPDATE t SET n = 3, pad = REPEAT('b', 900001) WHERE k = 1")
        with rig.locked(copy) as link:
            assert rig.assert_same(link) == 2
        copy.discard(Watcher())


HEAVY = (
    "SET sql_log_bin = 0;; CREATE TABLE t (id INT PRIMARY KEY, v INT NOT NULL, pad MEDIUMTEXT NOT NULL);; "
    f"INSERT INTO t SELECT i, 1, REPEAT('x', 3000) FROM {numbers(300)}"
)


def test_chunks_and_batches_are_cut_to_what_a_transaction_may_write(server: Server) -> None:
    """Where a single row, taken out and put in again, is more than that the limit is named."""
    with PrivateServer(FLAVOURS[server.flavour], options=["--max-binlog-cache-size=131072"]) as own:
        rig = make_rig(server_of(own), HEAVY, ["MODIFY v BIGINT NOT NULL"])
        with rig.copying(rig.step()) as copy:
            prepare(copy, Watcher())
            rig.run(
                *(f"UPDATE t SET v = 2 WHERE id BETWEEN {low} AND {low + 9}" for low in range(1, 200, 10))
            )
            rig.run("INSERT INTO t VALUES (301, 1, REPEAT('y', 200000))")
            prepare(copy, Watcher())
            with rig.locked(copy) as link:
                assert rig.assert_same(link) == 301
            rig.run("SET SESSION binlog_row_image = MINIMAL", "UPDATE t SET v = 2 WHERE id = 301")
            with pytest.raises(Trouble, match="max_binlog_cache_size"):
                prepare(copy, Watcher())
            assert copy.discard(Watcher()) is Signal.GO
