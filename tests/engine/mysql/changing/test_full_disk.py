"""A target whose disk fills while a table is copied: told in words, nothing lost, on by itself once there is room."""

import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pymysql
import pytest
from pymysql.connections import Connection

from engine.base import Signal, Standing
from engine.errors import TargetUnavailable
from engine.mysql.address import parse_address
from engine.mysql.changing.disk_space import DiskSpace
from engine.mysql.link import Link
from engine.mysql.ownership.ending import COMMITTING, end
from engine.mysql.process_list import process_list
from engine.mysql.trouble import Lost, Trouble
from tests.engine.driving import drive
from tests.engine.mysql.changing.orders import COLUMNS, ORDERS, caller, many
from tests.engine.mysql.changing.plans import Shop
from tests.engine.mysql.planning.places import address_of
from tests.servers.flavours import FLAVOURS
from tests.servers.private import PrivateServer
from tests.servers.server import Server, server_of

ROWS = 40_000
MEBIBYTE = 1 << 20
FREE = 10 * MEBIBYTE
"""Less than what the copy takes."""
SOME = 80 * MEBIBYTE
"""By 64 MariaDB makes its system tablespace larger at a time."""
WITHOUT_LOG = "--skip-log-bin"
"""Whoever waits for room in the binary log waits for a minute at least, and nobody is answered meanwhile."""


class Disk:
    """A small file system of our own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    @property
    def free(self) -> int:
        """Bytes."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def leave(self, free: int) -> None:
        """Fill it, or make room, until so many bytes are free."""
        self._ballast.touch()
        with self._ballast.open("r+b") as file:
            for _ in range(5):
                size = os.fstat(file.fileno()).st_blocks * 512 + self.free - free
                file.truncate(size)
                with suppress(OSError):  # the server has taken some meanwhile
                    os.posix_fallocate(file.fileno(), 0, size)
                    return

    def clear(self) -> None:
        """Give back what `leave` took."""
        self._ballast.unlink()


@pytest.fixture
def disk() -> Iterator[Disk]:
    folder = Path(tempfile.mkdtemp(prefix="disk-"))  # the path of a server's socket may not be long
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip(f"NOT RUN: no file system can be mounted here (root may): {mounted.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


@contextmanager
def cramped(known: Server, disk: Disk, *options: str) -> Iterator[Server]:
    """A server whose data lie on that disk."""
    with PrivateServer(FLAVOURS[known.flavour], options=options, place=disk.folder) as own:
        yield server_of(own)


@pytest.fixture
def shop(server: Server, disk: Disk) -> Iterator[Shop]:
    with cramped(server, disk, WITHOUT_LOG) as own:
        shop = Shop(own, ORDERS.replace("VARCHAR(40)", "VARCHAR(600)"))
        shop.run(f"INSERT INTO orders {many(ROWS, note='x' * 500)}", "ANALYZE TABLE orders")
        yield shop


def test_a_full_disk_is_told_and_the_copy_goes_on_when_there_is_room(shop: Shop, disk: Disk) -> None:
    change = shop.copy("orders", "MODIFY quantity BIGINT NOT NULL", columns=COLUMNS)
    disk.leave(FREE)
    sized = r"disk is full: make room.*as its table has \(orders [2-9][0-9](\.[0-9])? MiB\)"
    with pytest.raises(TargetUnavailable, match=sized), shop.session() as session:
        drive(session, change, caller())
    with pytest.raises(TargetUnavailable, match="disk is full: make room"), shop.session(2) as session:
        drive(session, change, caller())
    disk.clear()
    shop.run("UPDATE orders SET note = 'mine' WHERE id = 3")
    with shop.session(3) as session:
        assert drive(session, change, caller()) is Signal.GO
        assert session.standing(change) is Standing.DONE
    assert shop.rows("SELECT COUNT(*), SUM(quantity) FROM orders") == [
        (ROWS, sum(i % 7 for i in range(ROWS + 1)))
    ]
    assert shop.rows("SELECT note FROM orders WHERE id = 3") == [("mine",)]
    assert shop.left_behind() == []


def test_a_cancel_needs_some_room_and_gives_back_what_the_copy_took(shop: Shop, disk: Disk) -> None:
    change = shop.copy("orders", "MODIFY quantity BIGINT NOT NULL", columns=COLUMNS)
    disk.leave(FREE)
    with pytest.raises(TargetUnavailable, match="disk is full"), shop.session() as session:
        drive(session, change, caller())
    disk.leave(SOME)  # a server that can write nothing at all cannot be told to remove it
    with shop.session(2) as session:
        assert session.discard(caller()) is Signal.GO
    assert shop.left_behind() == []
    assert not list(disk.folder.rglob("*__osc_*"))


def test_a_commit_that_waits_for_room_in_the_log_is_not_ended(server: Server, disk: Disk) -> None:
    """MySQL would take that for a failure of its log, and end itself."""
    with cramped(server, disk) as own, own.connect(database="mysql", autocommit=True) as writer:
        with writer.cursor() as cursor:
            cursor.execute("CREATE TABLE big (id INT PRIMARY KEY, pad VARCHAR(7000) CHARSET latin1)")
            cursor.execute("INSERT INTO big VALUES (1, '')")
        with Link(address_of(own, "mysql")) as link:
            disk.leave(MEBIBYTE // 4)
            thread = threading.Thread(target=fill_the_log, args=(writer,))
            thread.start()
            # Whole seconds are told: a commit of a moment may be in its "first second".
            while not any(one.state in COMMITTING and one.seconds > 2 for one in process_list(link)):
                assert thread.is_alive()
            with pytest.raises(TargetUnavailable, match="must not be ended there: is the server's disk full"):
                end(link, "CONNECTION", writer.thread_id())  # type: ignore[no-untyped-call]
            assert own.pid is not None
            with pytest.raises(Trouble, match="the target's disk is full: make room"):
                DiskSpace(address_of(own, "mysql")).check(Lost("the read operation timed out", 2013))
            own.kill()
            thread.join()


def test_a_table_in_memory_has_another_limit() -> None:
    room = DiskSpace(parse_address("mysql://root@127.0.0.1:1/shop"))
    with pytest.raises(Trouble, match="raise max_heap_table_size"):
        room.check(Trouble("The table 't' is full (1114)", 1114))


def fill_the_log(writer: "Connection[Any]") -> None:
    """Until the server is gone."""
    with suppress(pymysql.MySQLError), writer.cursor() as cursor:
        while True:
            cursor.execute("UPDATE big SET pad = REPEAT(CHAR(97 + RAND() * 20), 7000) WHERE id = 1")
