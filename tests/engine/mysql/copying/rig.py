"""One table on a server, a copy of it, and a look at every row: what the tests of the online copy share."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from engine.base import DEFAULT_VOLUME, Change, Job, Progress, Signal, Strategy
from engine.mysql.address import Address
from engine.mysql.capturing.stream import Stream
from engine.mysql.catalog import read_table
from engine.mysql.copying.online import OnlineCopy
from engine.mysql.link import Link
from engine.mysql.names import names_of
from engine.mysql.ownership.hold import Hold
from engine.mysql.ownership.watch import Watch
from engine.mysql.quoting import quote_name, quote_table
from engine.mysql.spec import Step
from engine.mysql.tables import Column, Table
from tests.engine.driving import Caller
from tests.engine.mysql.planning.places import account, address_of
from tests.engine.mysql.steps import copy_step
from tests.servers.numbers import numbers
from tests.servers.server import Server

LIMIT_SECONDS = 60.0
FINAL_SECONDS = 5.0
"""So long the last changes may take under the locks."""
INDEXED = f"""
CREATE TABLE t (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    k INT NOT NULL,
    c CHAR(32) CHARACTER SET latin1 NOT NULL,
    v VARCHAR(120) NOT NULL,
    n VARCHAR(255) DEFAULT NULL,
    d DATETIME(3) NOT NULL,
    KEY k (k), KEY v (v)
)
;;
INSERT INTO t (k, c, v, n, d)
SELECT i % 97, CONCAT('c', i), CONCAT('v', i), IF(i % 3, NULL, i), '2024-01-01 10:11:12.125' FROM {numbers(900)}
;;
INSERT INTO t (k, c, v, n, d) SELECT k, c, v, n, d FROM t
;;
INSERT INTO t (k, c, v, n, d) SELECT k, c, v, n, d FROM t
;;
INSERT INTO t (k, c, v, n, d) SELECT k, c, v, n, d FROM t
"""
"""7,200 rows with two indexes that can be put off."""
Hook = Callable[[Progress], Signal | None]


class Watcher(Caller):
    """One who hears of a copy, answers what a hook says, really pauses, and fails a test that hangs."""

    def __init__(
        self, hook: Hook | None = None, *, volume: int = DEFAULT_VOLUME, limit: float = LIMIT_SECONDS
    ) -> None:
        super().__init__()
        self.on_report = hook
        self.wanted_volume = volume
        self.rests = True
        self._until = time.monotonic() + limit

    def report(self, progress: Progress) -> Signal:
        assert time.monotonic() < self._until, f"not done in time: {progress}"
        return super().report(progress)

    def details(self) -> list[str]:
        """What was told, each once, in order."""
        return list(dict.fromkeys(progress.detail for progress in self.reports))


@dataclass
class Rig:
    """A database of its own with the table to copy."""

    server: Server
    schema: str
    source: str
    clauses: Sequence[str]
    renames: dict[str, str] = field(default_factory=dict)  # old name -> new name
    dropped: Sequence[str] = ()
    fence: int = 1
    key: Sequence[str] = ()
    unsafe: bool = False
    account: Address | None = None  # of the copy, when it is not the server's own

    def link(self, **options: Any) -> Link:
        """A connection like an application's."""
        return Link(address_of(self.server, self.schema), **options)

    def run(self, *statements: str) -> None:
        """Run statements as somebody else would."""
        with self.link(settings=NATIVE) as link:
            for statement in statements:
                link.run(statement)

    def value(self, sql: str) -> Any:
        """One value."""
        with self.link() as link:
            return link.value(sql)

    def step(self) -> Step:
        """The step of the copy, as a planner would make it."""
        key = tuple(self.key) or self._live().row_key
        return copy_step(self.server, self.schema, self.source, self.clauses, self.columns, key)

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """(new, old), of those that are copied."""
        gone = {name.lower() for name in self.dropped}
        return tuple(
            (self.renames.get(c.name, c.name), c.name)
            for c in all_columns(self._live())
            if not c.generated and c.name.lower() not in gone
        )

    def _live(self) -> Table:
        with self.link() as link:
            table = read_table(link, self.schema, self.source)
        assert table is not None
        return table

    @contextmanager
    def copying(self, step: Step, uid: str = "apply-1") -> Iterator[OnlineCopy]:
        """The copy as one owner has it; the connections are closed afterwards, whatever happened."""
        job = Job(apply_uid=uid, fence=self.fence, owner="tests", namespaces=(self.schema,))
        self.fence += 1
        hold = Hold(self._address(), job)
        stream = Stream(hold)
        watch = Watch(hold)
        copy = None
        try:
            hold.take()
            copy = OnlineCopy(watch, stream, change(step, unsafe=self.unsafe), step)
            yield copy
        finally:
            if copy is not None:
                copy.close()
            stream.close()
            watch.close()
            hold.close()

    def _address(self) -> Address:
        return self.account or address_of(self.server, self.schema)

    @contextmanager
    def copied_by(self, *grants: str) -> Iterator[Address]:
        """Inside, the copy is made by a user of its own who has *grants*."""
        with account(self.server, *grants, schema=self.schema) as self.account:
            yield self.account
        self.account = None

    @property
    def table(self) -> str:
        return quote_table(self.schema, self.source)

    @property
    def shadow(self) -> str:
        return quote_table(self.schema, names_of(self.source).shadow)

    @contextmanager
    def locked(self, copy: OnlineCopy, *meanwhile: str) -> Iterator[Link]:
        """As in a cutover: writers are locked out, and the rest is applied; *meanwhile* somebody gets statements in before."""
        link = copy.hold.link
        copy.look()
        self.run(*meanwhile)
        names = ", ".join(f"{quote_table(self.schema, name)} WRITE" for name in copy.locks)
        link.run(f"LOCK TABLES {names}")
        try:
            copy.final_apply(link, FINAL_SECONDS)
            yield link
        finally:
            link.run("UNLOCK TABLES")

    def assert_same(self, link: Link) -> int:
        """Every row of the table is in the copy, equal in each column that both have, and no other; how many."""
        step = self.columns
        old = sorted(
            link.rows(f"SELECT {', '.join(quote_name(o) for _, o in step)} FROM {self.table}"), key=repr
        )
        new = sorted(
            link.rows(f"SELECT {', '.join(quote_name(n) for n, _ in step)} FROM {self.shadow}"), key=repr
        )
        missing = [row for row in old if row not in set(new)][:5] if old != new else []
        extra = [row for row in new if row not in set(old)][:5] if old != new else []
        assert old == new, f"{len(old)} rows became {len(new)}; missing or stale: {missing}, wrong: {extra}"
        return len(old)

    def assert_as_altered(self) -> None:
        """The copy holds, byte by byte, what a plain ALTER TABLE of the table gives; nobody writes meanwhile."""
        native = quote_table(self.schema, "native_")
        with self.link(settings=NATIVE) as link:
            link.run(f"CREATE TABLE {native} LIKE {self.table}")
            columns = ", ".join(quote_name(old) for _, old in self.columns) + "".join(
                f", {quote_name(name)}" for name in self.dropped
            )
            link.run(f"INSERT INTO {native} ({columns}) SELECT {columns} FROM {self.table}")
            for clause in self.clauses:
                link.run(f"ALTER TABLE {native} {clause}")
            made = read_table(link, self.schema, "native_")
            assert made is not None
            told = ", ".join(
                f"HEX({quote_name(c.name)})" if c.data_type == "vector" else quote_name(c.name)
                for c in all_columns(made)
            )
            rows = [
                sorted(link.rows(f"SELECT {told} FROM {name}"), key=repr) for name in (native, self.shadow)
            ]
            link.run(f"DROP TABLE {native}")
        assert rows[0] == rows[1]

    def leftovers(self) -> list[str]:
        """Names of helper objects that are there."""
        with self.link() as link:
            tables = link.rows(
                "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s", self.schema
            )
            triggers = link.rows(
                "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s", self.schema
            )
        return sorted(name for (name,) in (*tables, *triggers) if "__osc_" in name)


def all_columns(table: Table) -> tuple[Column, ...]:
    """With a key that the server made by itself."""
    return (*table.columns, table.own_key) if table.own_key else table.columns


NATIVE = {"sql_mode": "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES"}


def change(step: Step, *, unsafe: bool = False) -> Change:
    """What the server would drive."""
    assert step.copy is not None
    return Change(
        namespace=step.schema,
        table=step.copy.table,
        change_type="alter",
        ddl="ALTER …;",
        strategy=Strategy.ONLINE,
        lock="none",
        unsafe=("rows are altered",) if unsafe else (),
    )


def prepare(copy: OnlineCopy, watcher: Watcher) -> None:
    """Open, fill and catch up, all of it."""
    assert copy.open(watcher) is Signal.GO
    assert copy.fill(watcher) is Signal.GO
    assert copy.catch_up(watcher) is Signal.GO


def make_rig(server: Server, create: str, clauses: Sequence[str], **options: Any) -> Rig:
    """A database with the table `t`, made by *create* and what follows it, separated by `;;`."""
    rig = Rig(
        server=server,
        schema=server.fresh_database(),
        source=options.pop("source", "t"),
        clauses=clauses,
        **options,
    )
    with rig.link(settings=NATIVE) as link:
        for statement in create.split(";;"):
            if statement.strip():
                link.run(statement)
    return rig


@contextmanager
def commits_stall(mariadb: Server, milliseconds: int) -> Iterator[None]:
    """Every commit is in the log so long before it is visible: semi-sync without a replica."""
    settings = {"wait_point": "AFTER_SYNC", "timeout": milliseconds, "wait_no_slave": "ON", "enabled": "ON"}
    with mariadb.having(**{f"rpl_semi_sync_master_{name}": value for name, value in settings.items()}):
        yield
