"""Two servers of one flavour, the second one a replica of the first, for tests that need replication to be real."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from engine.mysql.flavour import flavour_of
from engine.mysql.link import Link
from tests.servers.flavours import ACCOUNT, FLAVOURS
from tests.servers.private import PrivateServer
from tests.servers.server import Server, server_of

LIMIT_SECONDS = 60.0
_GTIDS = ("--gtid-mode=ON", "--enforce-gtid-consistency=ON")


@dataclass(frozen=True, slots=True)
class Pair:
    """A primary, and what replicates from it."""

    primary: Server
    replica: Server

    def follow(self) -> None:
        """Have the replica replicate from the primary, from its very first transaction on."""
        place = f"HOST = '127.0.0.1', {{}}_PORT = {self.primary.port}, {{}}_USER = '{ACCOUNT}'"
        if self.replica.flavour == "mariadb":
            told = f"MASTER_{place}".replace("{}", "MASTER")
            self.tell(
                f"CHANGE MASTER TO {told}, MASTER_USE_GTID = slave_pos, MASTER_CONNECT_RETRY = 1, MASTER_SSL = 0"
            )
            self.tell("START SLAVE")
        else:
            told = f"SOURCE_{place}".replace("{}", "SOURCE")
            self.tell(
                f"CHANGE REPLICATION SOURCE TO {told}, SOURCE_CONNECT_RETRY = 1, GET_SOURCE_PUBLIC_KEY = 1"
            )
            self.tell("START REPLICA")

    def stop_applying(self) -> None:
        """The replica goes on to receive what it should do, and does none of it."""
        self.tell("STOP {} SQL_THREAD")

    def go_on_applying(self) -> None:
        """It does it."""
        self.tell("START {} SQL_THREAD")

    def promote(self) -> None:
        """The replica has all that the primary has, and follows it no more."""
        self.catch_up()
        self.tell("STOP {}", "RESET {} ALL")

    def catch_up(self) -> None:
        """Wait until the replica has all that the primary has now."""
        mariadb = self.primary.flavour == "mariadb"
        if mariadb:
            reached = f"SELECT MASTER_GTID_WAIT('{self._value('SELECT @@gtid_binlog_pos')}', {LIMIT_SECONDS})"
        else:
            status = self.named(self.primary, "SHOW BINARY LOG STATUS")
            reached = f"SELECT SOURCE_POS_WAIT('{status['File']}', {status['Position']}, {LIMIT_SECONDS})"
        (found,) = self.named(self.replica, reached).values()
        assert found is not None, self.status()
        assert found >= 0, self.status()

    def connected(self) -> bool:
        """Whether the replica receives from the primary, which then lists it."""
        return "to send event" in self.status()[f"{self._word.title()}_IO_State"]

    def status(self) -> dict[str, Any]:
        """What the replica says of its replication."""
        return self.named(self.replica, f"SHOW {self._word} STATUS")

    def tell(self, *statements: str) -> None:
        """Run them on the replica; {} stands for what its flavour calls one."""
        with self.replica.connect(autocommit=True) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement.format(self._word))

    @property
    def _word(self) -> str:
        return "SLAVE" if self.replica.flavour == "mariadb" else "REPLICA"

    def _value(self, sql: str) -> Any:
        return next(iter(self.named(self.primary, sql).values()))

    def named(self, server: Server, sql: str) -> dict[str, Any]:
        """The first row of a query by the names of its columns."""
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            row = cursor.fetchone()
            assert row is not None, sql
            return dict(zip([column[0] for column in cursor.description], row, strict=True))


@contextmanager
def receiving(link: Link) -> Iterator[None]:
    """Inside, the server of *link* is a replica of somebody who is not there."""
    if flavour_of(link).mariadb:
        made, gone = "CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = 9", "RESET SLAVE ALL"
    else:
        made, gone = (
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1', SOURCE_PORT = 9",
            "RESET REPLICA ALL",
        )
    link.run(made)
    try:
        yield
    finally:
        link.run(gone)


@contextmanager
def replicating(flavour: str, *options: str, of_replica: Sequence[str] = ()) -> Iterator[Pair]:
    """Both of their own and new; *options* are given to both of them."""
    with (
        _started(flavour, 1, *options) as primary,
        _started(flavour, 2, *options, *of_replica) as replica,
    ):
        pair = Pair(primary, replica)
        pair.follow()
        yield pair


@contextmanager
def _started(flavour: str, number: int, *options: str) -> Iterator[Server]:
    known = FLAVOURS[flavour]
    wanted = (f"--server-id={number}", *(() if flavour == "mariadb" else _GTIDS), *options)
    with PrivateServer(known, options=wanted) as own:
        yield server_of(own)
