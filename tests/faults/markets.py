"""Where the shops of the fault tests are, each kind with what can be done to it: one class per kind, one interface."""

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import pymysql

from tests.faults import shop
from tests.faults.server_shop import AFTER, Blocker, ServerShop, make_template
from tests.faults.shop import Shop, SqliteShop
from tests.servers.server import Server


class Market(ABC):
    """Targets of one kind, made when they are asked for."""

    kind: ClassVar[str]  # of the databases, as the configuration has it
    desired: ClassVar[str]  # the file that every shop is planned with
    strikes: ClassVar[Mapping[str, float]] = {}
    """What can be done to the targets (methods of that name), and how often compared to the other strikes."""

    @property
    @abstractmethod
    def dsn(self) -> str:
        """Of a database, its name being put in for {database}."""

    @abstractmethod
    def shop(self, database: str) -> Shop:
        """A new one."""

    def heal(self) -> None:
        """Undo every strike."""
        return


class SqliteMarket(Market):
    """Files in a folder."""

    kind = "sqlite"
    desired = shop.AFTER

    def __init__(self, folder: Path, rows: int) -> None:
        self._folder = folder
        self._rows = rows

    @property
    def dsn(self) -> str:
        return str(self._folder / "{database}.sqlite")

    def shop(self, database: str) -> Shop:
        return SqliteShop(Path(self.dsn.format(database=database)), self._rows)


class ServerMarket(Market):
    """Databases on a server of our own, which may be killed."""

    kind = "mysql"
    desired = AFTER
    strikes: ClassVar[Mapping[str, float]] = {
        "kill_server": 1.5, "kill_connections": 4, "block_table": 6,
    }  # fmt: skip

    def __init__(self, server: Server, rows: int) -> None:
        server.needs_control()
        self._server = server
        self._rows = rows
        self._template = server.fresh_database()
        self._shops: dict[str, ServerShop] = {}
        self._blockers: list[Blocker] = []
        make_template(server, self._template, rows)

    @property
    def dsn(self) -> str:
        stands_for = self._server.url(f"{self._template}_DATABASE", query="ssl_mode=disabled")
        return stands_for.replace("DATABASE", "{database}")

    def shop(self, database: str) -> Shop:
        name = f"{self._template}_{database}"
        self._shops[name] = made = ServerShop(self._server, name, self._rows, self._template)
        return made

    @property
    def worst_stall(self) -> float:
        """The longest that a write of any application took, in seconds."""
        return max((made.worst_stall for made in self._shops.values()), default=0.0)

    # -- strikes ----------------------------------------------------------------------------------------------------

    def kill_server(self, chance: random.Random) -> None:
        """kill -9, and up again after a while."""
        self._server.kill()
        time.sleep(chance.uniform(0.0, 1.5))
        self._server.start()

    def kill_connections(self, chance: random.Random) -> None:
        """Every connection, the applications' too, again and again for a while."""
        end = time.monotonic() + chance.uniform(0.1, 1.0)
        while time.monotonic() < end:
            with suppress(pymysql.MySQLError, OSError):
                self._kill_all()
            time.sleep(0.1)

    def _kill_all(self) -> None:
        with self._server.connect(autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT id FROM information_schema.processlist WHERE db LIKE %s AND id <> CONNECTION_ID()",
                (f"{self._template}%",),
            )
            for (number,) in cursor.fetchall():
                with suppress(pymysql.MySQLError):  # it is gone already
                    cursor.execute(f"KILL {number}")

    def block_table(self, chance: random.Random) -> None:
        """Somebody's transaction stays open for a while: a cutover has to wait for it."""
        self._blockers = [blocker for blocker in self._blockers if blocker.is_alive()]
        names = [name for name, made in self._shops.items() if not made.done.is_set()]
        if names and len(self._blockers) < 3:
            blocker = Blocker(self._server, chance.choice(names), chance.uniform(0.2, 4.0))
            blocker.start()
            self._blockers.append(blocker)

    def heal(self) -> None:
        """The server runs, nobody blocks."""
        self._server.start()
        for blocker in self._blockers:
            blocker.end()
