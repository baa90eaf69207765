"""Changed keys out of a delta table that triggers write: where the server's log cannot be read.

The triggers append keys and do nothing else, so no write of the application fails because the shadow does not take its row. They
commit with the application's own transaction, so what is in the delta table is visible in the source; and a key leaves the
delta table in the transaction that applies it, so the table is its own checkpoint.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from engine.base import Signal
from engine.errors import DriftFound
from engine.mysql.capturing.capture import Capture
from engine.mysql.capturing.deferred_keys import DeferredKeys
from engine.mysql.capturing.edges import an_edge_is_gone
from engine.mysql.children import has_children_now
from engine.mysql.link import Link
from engine.mysql.names import MOMENTS, Names
from engine.mysql.ownership.hold import Hold
from engine.mysql.quoting import quote_name, quote_table
from engine.mysql.receiving import receives
from engine.mysql.shadow.keys import Literals, lots
from engine.mysql.shadow.shape import Shape
from engine.mysql.shadow.table_identity import TableIdentity, identity_of, numbers_of
from engine.mysql.tables import Column
from engine.mysql.waiting.lock_retry import LockRetry

LOAD = 10_000
"""Rows of the delta table that are read at once: twenty batches of the applier, or more."""
MERGED = 1_000_000
"""The same where rows are in each other's way: a bound for our memory, not measured."""
SYNC_SECONDS = 5.0
"""So long one wait for what has changed may take; whoever waits asks again."""
LOOK_SECONDS = 0.05
"""How often it is looked whether it is applied."""


class DeltaCapture(Capture):
    """The triggers and the delta table of one copy."""

    position = None

    def __init__(self, hold: Hold, shape: Shape, names: Names, identity: TableIdentity | None = None) -> None:
        """*identity*: that of the capture that was made before, None where it is still to `make`."""
        self._hold = hold
        self._shape = shape
        self._names = names
        self._delta = quote_table(shape.schema, names.delta)
        self._begun: dict[Literals, list[int]] = {}
        self._deferred = DeferredKeys()
        self._mark = 0
        self.identity = identity
        self.tables = (names.delta,)

    def make(self, retry: LockRetry) -> Signal:
        """Create the delta table and the triggers, each of which has to wait until no transaction uses the table."""
        link = self._hold.link
        columns = ", ".join(
            f"k{n} {_type(column)} NOT NULL" for n, column in enumerate(self._shape.key.columns)
        )
        link.run(
            f"CREATE TABLE {self._delta} (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, {columns}) "
            "ENGINE = InnoDB"
        )
        for statement in self._triggers():
            signal = retry.until(partial(self._run, statement))
            if signal is not Signal.GO:
                return signal
        self.identity = self._see(link)
        return Signal.GO

    def _run(self, statement: str) -> Signal:
        self._hold.link.run(statement)
        return Signal.GO

    def _triggers(self) -> Iterator[str]:
        for moment, event, body in (
            ("i", "INSERT", self._note("NEW")),
            ("d", "DELETE", self._note("OLD")),
            (
                "u",
                "UPDATE",
                f"BEGIN {self._note('OLD')}; IF {self._moved()} THEN {self._note('NEW')}; END IF; END",
            ),
        ):
            name = quote_table(self._shape.schema, self._names.trigger(moment))
            yield f"CREATE TRIGGER {name} AFTER {event} ON {self._shape.source} FOR EACH ROW {body}"

    def _note(self, row: str) -> str:
        places = ", ".join(self._places())
        return f"INSERT INTO {self._delta} ({places}) VALUES ({', '.join(self._values(row))})"

    def _values(self, row: str) -> list[str]:
        return [_noted(column, f"{row}.{quote_name(column.name)}") for column in self._shape.key.columns]

    def _places(self) -> list[str]:
        """The columns of the delta table that hold a key."""
        return [f"k{n}" for n in range(len(self._shape.key.columns))]

    def _moved(self) -> str:
        pairs = zip(self._values("OLD"), self._values("NEW"), strict=True)
        return f"NOT ({' AND '.join(f'BINARY {old} = BINARY {new}' for old, new in pairs)})"

    # -- capturing ----------------------------------------------------------------------------------------------

    def rotate(self, link: Link) -> None:
        if self._deferred.gives_way(self._begun):
            self._load(link, LOAD + sum(map(len, self._begun.values())))

    def merge(self, link: Link) -> bool:
        """Of more than MERGED changes what is behind them is taken for duplicates, rather than waited for without an end."""
        self._load(link, MERGED)
        return True

    def next_batch(self, limit: int) -> list[Literals]:
        return [key for key, _ in zip(self._begun, range(limit), strict=False)]

    def forget(self, link: Link, keys: Sequence[Literals]) -> None:
        ids = [str(one) for key in keys for one in self._begun.get(key, ())]
        for some in lots(ids, lambda one: len(one) + 2, link.list_bytes):
            link.run(f"DELETE FROM {self._delta} WHERE id IN ({', '.join(some)})")

    def applied(self, keys: Sequence[Literals]) -> None:
        for key in keys:
            self._begun.pop(key, None)
        self._deferred.applied(keys)

    def defer(self, keys: Sequence[Literals]) -> None:
        for key in keys:
            if key in self._begun:
                self._begun[key] = self._begun.pop(key)
                self._deferred.defer([key])

    def requeue(self, keys: Sequence[Literals]) -> None:
        for key in keys:
            self._begun.setdefault(key, [])

    def _load(self, link: Link, most: int) -> None:
        selected = ", ".join(self._shape.key.select_expressions(self._places()))
        rows = link.rows(f"SELECT id, {selected} FROM {self._delta} ORDER BY id LIMIT {most}")
        found: dict[Literals, list[int]] = {}
        for one, *key in rows:
            found.setdefault(tuple(map(str, key)), []).append(int(one))
        # What was deferred stays behind what is new.
        behind = {key: found.pop(key, []) for key in self._begun}
        self._begun = {**found, **behind}

    # -- how far ------------------------------------------------------------------------------------------------

    def waiting(self, link: Link, keys: Sequence[Literals]) -> set[Literals] | None:
        selected = ", ".join(self._shape.key.select_expressions(self._places()))
        rows = link.rows(f"SELECT {selected} FROM {self._delta} ORDER BY id LIMIT {LOAD + 1}")
        if len(rows) > LOAD:
            return None
        spelled = self._shape.key.spelled
        waiting = {spelled(tuple(map(str, row))) for row in rows}
        return {key for key in keys if spelled(key) in waiting}

    def mark(self, link: Link) -> None:
        self._check(link)
        self._mark = self._last(link)

    def received(self) -> bool:
        """Triggers tell at once."""
        return True

    def caught_up(self, link: Link) -> bool:
        """While something old enough is begun the server is not asked: it reads deleted notes, too, that a snapshot keeps."""
        if any(ids and ids[0] <= self._mark for ids in self._begun.values()):
            return False
        return self._through(link, self._mark)

    def sync(self, link: Link) -> bool:
        mark = self._last(link)
        for _ in range(int(SYNC_SECONDS / LOOK_SECONDS)):
            if self._through(link, mark):
                return True
            link.value("SELECT SLEEP(%s)", LOOK_SECONDS)
        return False

    def _through(self, link: Link, mark: int) -> bool:
        """Whether all up to *mark* is applied."""
        first = link.value(f"SELECT MIN(id) FROM {self._delta}")
        return first is None or int(first) > mark

    def look(self, link: Link) -> None:
        self._check(link)
        if who := receives(link, self._hold.flavour):
            raise self._drifted(f"may have got rows by replication, which fires no triggers ({who}),")

    def reach_end(self, link: Link, seconds: float) -> None:  # noqa: ARG002
        """It is all in the table."""
        assert self.identity is not None
        happened = self.identity.differs(self._see(link))
        if happened:
            raise self._drifted(happened)
        if has_children_now(link, self._hold.flavour, self._shape.schema, self._names.source):
            raise self._drifted("got a foreign key to it")
        self._begun, self._deferred = {}, DeferredKeys()

    def nothing_came(self, link: Link, seconds: float) -> bool:  # noqa: ARG002
        assert self.identity is not None
        numbers = numbers_of(link, self._hold.flavour, self._shape.schema, self._names.source)
        if happened := self.identity.differs(replace(self.identity, numbers=numbers)):
            raise self._drifted(happened)
        return link.row(f"SELECT 1 FROM {self._delta} LIMIT 1") is None

    def backlog(self, link: Link) -> int:
        first, last = link.rows(f"SELECT MIN(id), MAX(id) FROM {self._delta}")[0]
        return 0 if last is None else int(last) - int(first) + 1

    def close(self) -> None:
        """The triggers stay: they are the capture."""
        self._begun, self._deferred = {}, DeferredKeys()

    def _check(self, link: Link) -> None:
        """DriftFound when the triggers are not there any more."""
        triggers = link.value(
            "SELECT COUNT(*) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s AND EVENT_OBJECT_TABLE = %s "
            "AND TRIGGER_NAME IN (%s, %s, %s)",
            self._shape.schema,
            self._names.source,
            *(self._names.trigger(moment) for moment in MOMENTS),
        )
        if triggers != 3:
            raise self._drifted("was made anew")

    def _see(self, link: Link) -> TableIdentity:
        return identity_of(link, self._hold.flavour, self._shape.schema, self._names.source)

    def _drifted(self, happened: str) -> DriftFound:
        return DriftFound(f"{self._names.source} {happened} while it was copied: plan again")

    def check_end(self, link: Link) -> None:
        """A TRUNCATE that the server does not tell shows, unless the keys at the ends came again."""
        if an_edge_is_gone(link, self._shape):
            raise self._drifted("was truncated")

    def _last(self, link: Link) -> int:
        return int(link.value(f"SELECT MAX(id) FROM {self._delta}") or 0)


def _noted(column: Column, value: str) -> str:
    """A moment as it is in UTC: in the zone of the session that fires the trigger two of them may read alike, an hour apart.

    Of an ENUM or SET its number.
    """
    if column.members:
        return f"({value} + 0)"
    if column.data_type != "timestamp":
        return value
    since = f"UNIX_TIMESTAMP({value})"  # of the zero date it is 0, on MariaDB NULL
    return f"IF({since} > 0, TIMESTAMP'1970-01-01 00:00:00' + INTERVAL {since} SECOND, '0000-00-00')"


def _type(column: Column) -> str:
    if column.members:  # which the catalog does not tell right beyond the BMP
        return "BIGINT UNSIGNED"
    if column.charset is None:
        return column.column_type.replace("timestamp", "datetime", 1)
    return f"{column.column_type} CHARACTER SET {column.charset} COLLATE {column.collation}"
