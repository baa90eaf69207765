"""Take tables and helpers off the target in small steps, so that no step holds the write lock for long."""

from collections.abc import Callable
from dataclasses import replace

from engine.base import Signal
from engine.sqlite.changing import checkpoints
from engine.sqlite.changing.batch_sizer import QUICK, STEADY, BatchSizer
from engine.sqlite.changing.checkpoints import Checkpoint, Phase
from engine.sqlite.changing.keys import rowid_name
from engine.sqlite.changing.ownership import Hold
from engine.sqlite.quoting import quote_name, quote_names
from engine.sqlite.sizes import is_wide, rows_up_to

INDEX_ROWS = 2_000_000
"""Of a table with more rows an index is not dropped as a whole (that reads all of it) but emptied with the rows."""
QUIET_ROWS = 200
QUIET_BYTES = 1024 * 1024
"""A table with so few rows, and so little in them, is dropped at once."""

Breathe = Callable[[str], Signal]
"""Between two steps: told what goes on; reports, rests, and says whether to go on."""


class Removal:
    """The removal of what one checkpoint names."""

    def __init__(self, hold: Hold, checkpoint: Checkpoint, breathe: Breathe) -> None:
        self._hold = hold
        self._connection = hold.connection
        self._checkpoint = checkpoint
        self._names = checkpoint.names
        self._breathe = breathe
        self._sizer = BatchSizer(QUICK if hold.wal else STEADY, rows=1)  # a row may be megabytes wide

    def run(self) -> Signal:
        """Remove the replaced table of a change that is live, or everything of one that is not. May be repeated."""
        if self._checkpoint.phase is Phase.OLD:
            tables = [self._names.old]
            self._drop_key_index()
        else:
            tables = [self._names.filler, self._names.shadow, self._names.delta, self._names.mark]
            self._uncapture()
        for table in tables:
            signal = self.drop_table(table)
            if signal is not Signal.GO:
                return signal
        with self._hold.transaction("forget"):
            checkpoints.remove(self._connection, self._checkpoint)
        return Signal.GO

    def _exists(self, kind: str, name: str) -> bool:
        row = self._connection.execute(
            "SELECT 1 FROM sqlite_schema WHERE type = ? AND lower(name) = lower(?)", (kind, name)
        ).get
        return row is not None

    def _uncapture(self) -> None:
        """First of all the application's writes get rid of our triggers."""
        with self._hold.transaction("uncapture"):
            for trigger in self._names.triggers:
                self._connection.execute(f"DROP TRIGGER IF EXISTS {quote_name(trigger)}")
            checkpoints.put(self._connection, replace(self._checkpoint, phase=Phase.DISCARD))

    def _drop_key_index(self) -> None:
        if self._exists("index", self._names.key_index):
            with self._hold.transaction("drop_key_index"):
                self._connection.execute(f"DROP INDEX {quote_name(self._names.key_index)}")

    def drop_table(self, table: str) -> Signal:
        """Remove one table, if it exists."""
        if not self._exists("table", table):
            return Signal.GO
        for step in (self._drop_indexes, self._drain):
            signal = step(table)
            if signal is not Signal.GO:
                return signal
        with self._hold.transaction("drop"):
            self._connection.execute(f"DROP TABLE IF EXISTS {quote_name(table)}")
        return self._breathe("removing the old table")

    def _drop_indexes(self, table: str) -> Signal:
        if self._checkpoint.rows_total > INDEX_ROWS:
            return Signal.GO
        rows = self._connection.execute(
            "SELECT name FROM pragma_index_list(?) WHERE origin = 'c' ORDER BY name", (table,)
        ).fetchall()
        for (name,) in rows:
            with self._hold.transaction("drop_index"):
                self._connection.execute(f"DROP INDEX {quote_name(str(name))}")
            signal = self._breathe("removing the old table")
            if signal is not Signal.GO:
                return signal
        return Signal.GO

    def _drain(self, table: str) -> Signal:
        key = self._any_key(table)
        while key is not None:
            with self._hold.transaction("drain"):
                rows = self._delete_some(table, key)
            if rows < self._sizer.rows:
                break
            self._sizer.note(rows, self._hold.last_hold, self._hold.last_work)
            signal = self._breathe("removing the old table")
            if signal is not Signal.GO:
                return signal
        return Signal.GO

    def _delete_some(self, table: str, key: str) -> int:
        name = quote_name(table)
        rows = rows_up_to(self._connection, table, QUIET_ROWS)
        if rows == 0 or (rows <= QUIET_ROWS and not is_wide(self._connection, table, QUIET_BYTES)):
            return 0
        self._connection.execute(
            f"DELETE FROM {name} WHERE ({key}) IN (SELECT {key} FROM {name} ORDER BY {key} LIMIT ?)",
            (self._sizer.rows,),
        )
        return self._connection.changes()

    def _any_key(self, table: str) -> str | None:
        """Something unique to walk the table by."""
        rowid = rowid_name(self._connection, table)
        if rowid is not None:
            return rowid
        rows = self._connection.execute(
            "SELECT name FROM pragma_table_xinfo(?) WHERE pk > 0 ORDER BY pk", (table,)
        ).fetchall()
        return quote_names([str(name) for (name,) in rows]) if rows else None
