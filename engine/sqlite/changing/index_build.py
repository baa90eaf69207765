"""Build a secondary index of the filled shadow in small steps.

An index kept while rows are copied costs a random page of the file per row, written twice: six times one INSERT … SELECT was
measured where values come in no order. CREATE INDEX afterwards sorts, but holds the write lock all the time. So we sort into a
TEMP table (reading holds up nobody in WAL), append to a WITHOUT ROWID table whose key is the index's terms and the
rowid, batch by batch, and then call that b-tree the index: the two are stored alike (https://sqlite.org/fileformat2.html,
section 2.3 and 2.4). The whole shadow is put through SQLite's integrity check afterwards, before anything is live.

Meanwhile nobody writes to the shadow: keys wait in the delta table. It is an image of the source at one moment, so a
duplicate under a new unique index is a real one. Interrupted, the index that was being built is begun again.
"""

import time
from collections.abc import Callable
from dataclasses import replace

import apsw

from engine.base import Control, Signal
from engine.errors import Refused
from engine.lexer import significant
from engine.sqlite.changing import checkpoints
from engine.sqlite.changing.batch_sizer import BatchSizer
from engine.sqlite.changing.checkpoints import Phase
from engine.sqlite.changing.deferral import Term
from engine.sqlite.changing.keys import rowid_name
from engine.sqlite.changing.misfit import misfit
from engine.sqlite.changing.online import OnlineRebuild
from engine.sqlite.changing.removal import Removal
from engine.sqlite.changing.swap import writable_schema
from engine.sqlite.quoting import quote_name
from engine.sqlite.spec import IndexSpec

LOOK_SECONDS = 0.5
LOOK_STEPS = 20_000
"""Of SQLite's virtual machine, between two looks at the clock during a long read."""


class IndexBuild:
    """The indexes that the shadow lacks yet."""

    def __init__(self, work: OnlineRebuild) -> None:
        self._work = work
        self._hold = work.hold
        self._connection = work.connection
        self._shadow = quote_name(work.rebuild.shadow)
        self._filler = quote_name(work.names.filler)
        self._sorted = f"temp.{quote_name(work.names.filler + 's')}"
        self._sizer = BatchSizer(work.sizer.settings, rows=500)

    def run(self, control: Control) -> Signal:
        """Build what is missing, check all; the work's next phase is CHECK. Refused: a unique index finds duplicates."""
        for index in self._work.rebuild.indexes:
            if not self._attached(index):
                signal = self._build(index, control)
                if signal is not Signal.GO:
                    return signal
        signal = self._examine(control)
        if signal is Signal.GO:
            moved = replace(self._work.checkpoint, phase=Phase.CHECK)
            with self._hold.transaction("indexed"):
                checkpoints.put(self._connection, moved)
            self._work.state = moved
        return signal

    def _build(self, index: IndexSpec, control: Control) -> Signal:
        steps: tuple[Callable[[], Signal], ...] = (
            lambda: self._clear(control),
            lambda: self._sort(index, control),
            lambda: self._fill(control),
        )
        for step in steps:
            signal = step()
            if signal is not Signal.GO:
                return signal
        self._attach(index)
        self._connection.execute(f"DROP TABLE {self._sorted}")
        return self._work.breathe(control, "building indexes")

    def _clear(self, control: Control) -> Signal:
        """Remove what an interrupted build left."""
        self._connection.execute(f"DROP TABLE IF EXISTS {self._sorted}")
        removal = Removal(
            self._hold,
            self._work.checkpoint,
            lambda _: self._work.breathe(control, "building indexes", durable=False),
        )
        return removal.drop_table(self._work.names.filler)

    def _sort(self, index: IndexSpec, control: Control) -> Signal:
        terms = self._work.deferred[index.name]
        rowid = rowid_name(self._connection, self._work.rebuild.shadow)
        assert rowid is not None
        places = ", ".join(f"c{i}" for i in range(len(terms)))
        self._connection.execute(
            f"CREATE TEMP TABLE {self._sorted[5:]} (seq INTEGER PRIMARY KEY, {places}, r)"
        )
        signal = self._long_read(
            f"""
            INSERT INTO {self._sorted} ({places}, r)
            SELECT {", ".join(term.value for term in terms)}, {rowid} FROM {self._shadow}
             ORDER BY {", ".join(f"{term.value} {term.collate}" for term in terms)}, {rowid}
            """,
            control,
        )
        unique = "UNIQUE" in (token.word for token in significant(index.sql)[:2])
        if signal is Signal.GO and unique:
            signal = self._refuse_duplicates(terms, rowid, control)
        if signal is Signal.GO:
            columns = ", ".join(f"c{i} {term.collate}" for i, term in enumerate(terms))
            with self._hold.transaction("make_filler"):
                self._connection.execute(
                    f"CREATE TABLE {self._filler} ({columns}, r, PRIMARY KEY ({places}, r)) WITHOUT ROWID"
                )
        return signal

    def _refuse_duplicates(self, terms: tuple[Term, ...], rowid: str, control: Control) -> Signal:
        same = " AND ".join(f"a.c{i} = b.c{i} {term.collate}" for i, term in enumerate(terms))
        found: list[object] = []
        signal = self._long_read(
            f"""
            SELECT b.r FROM {self._sorted} AS a JOIN {self._sorted} AS b ON b.seq = a.seq + 1 WHERE {same} LIMIT 1
            """,
            control,
            found,
        )
        if found:
            table = self._work.rebuild.table
            shown = self._connection.execute(
                f"SELECT {self._work.key.new_shown('n')} FROM {self._shadow} AS n WHERE n.{rowid} = ?",
                (found[0],),
            ).get
            columns = ", ".join(f"{table}.{term.column}" for term in terms)
            raise misfit(table, f"UNIQUE constraint failed: {columns} (first in the row with {shown})")
        return signal

    def _fill(self, control: Control) -> Signal:
        last = self._connection.execute(f"SELECT coalesce(max(seq), 0) FROM {self._sorted}").get
        columns = ", ".join(
            str(name)
            for (name,) in self._connection.execute(
                "SELECT name FROM pragma_table_xinfo(?)", (self._work.names.filler,)
            )
        )
        done = 0
        while done < last:
            rows = self._sizer.rows
            with self._hold.transaction("fill_index"):
                self._connection.execute(
                    f"""
                    INSERT INTO {self._filler} ({columns})
                    SELECT {columns} FROM {self._sorted} WHERE seq > ? AND seq <= ? ORDER BY seq
                    """,
                    (done, done + rows),
                )
            self._sizer.note(rows, self._hold.last_hold, self._hold.last_work)
            done += rows
            signal = self._work.breathe(control, "building indexes", durable=False)
            if signal is not Signal.GO:
                return signal
        return Signal.GO

    def _attach(self, index: IndexSpec) -> None:
        """From now on the filled b-tree is the index."""
        with self._hold.transaction("attach_index"):
            with writable_schema(self._connection):
                self._connection.execute(
                    """
                    UPDATE sqlite_schema SET type = 'index', name = ?, tbl_name = ?, sql = ?
                     WHERE type = 'table' AND lower(name) = lower(?)
                    """,
                    (index.shadow_name, self._work.rebuild.shadow, index.shadow_sql, self._work.names.filler),
                )
            mark = quote_name(self._work.names.mark)
            self._connection.execute(f"INSERT OR IGNORE INTO {mark} (at) VALUES ('built')")
            version = self._connection.execute("PRAGMA schema_version").get
            self._connection.execute(f"PRAGMA schema_version = {version + 1}")  # others read the schema anew
            if not self._attached(index):
                raise Refused(f"{self._work.rebuild.table}: the index {index.name} could not be attached")

    def _examine(self, control: Control) -> Signal:
        mark = quote_name(self._work.names.mark)
        if not self._connection.execute(f"SELECT count(*) FROM {mark} WHERE at = 'built'").get:
            return Signal.GO
        found: list[object] = []
        name = quote_name(self._work.rebuild.shadow)
        signal = self._long_read(f"PRAGMA integrity_check({name})", control, found)
        if signal is Signal.GO and found != ["ok"]:
            raise Refused(
                f"{self._work.rebuild.table}: the indexes of the copy are damaged ({found[0]}); try again"
            )
        return signal

    def _attached(self, index: IndexSpec) -> bool:
        return bool(
            self._connection.execute(
                "SELECT count(*) FROM pragma_index_list(?) WHERE lower(name) = lower(?)",
                (self._work.rebuild.shadow, index.shadow_name),
            ).get
        )

    def _long_read(self, statement: str, control: Control, found: list[object] | None = None) -> Signal:
        """Run one long statement that reads the target; it reports, and ends early when the report says so."""
        signal = Signal.GO
        looked_at = time.monotonic()

        def look() -> bool:
            nonlocal signal, looked_at
            if time.monotonic() - looked_at > LOOK_SECONDS:
                looked_at = time.monotonic()
                signal = self._work.report(control, "building indexes")
            return signal is not Signal.GO

        self._connection.set_progress_handler(look, LOOK_STEPS)
        try:
            rows = self._connection.execute(statement).fetchall()
        except apsw.InterruptError:
            if signal is Signal.GO:
                raise
            return signal
        finally:
            self._connection.set_progress_handler(None)
        if found is not None:
            found.extend(row[0] for row in rows)
        return self._work.report(control, "building indexes")
