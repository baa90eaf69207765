"""The online rebuild of one table: stage, copy in batches, keep in step with the application.

One short transaction makes the shadow, its indexes, the delta table and the capture triggers. From then on every key the
application touches is in the delta table. A batch first takes these keys out of the shadow and reads their rows again,
then copies the next range of keys; both commit with the checkpoint. As the write lock is held from one to the
other, the shadow then is an exact image of the source up to the mark, whatever order the application wrote in: so
plain INSERTs do, and one that fails is a row that the new definition does not allow.
"""

import time
from dataclasses import replace
from functools import cached_property

import apsw

from engine.base import Change, Control, Progress, Signal
from engine.errors import DriftFound, Refused
from engine.sqlite.catalog import read_catalog
from engine.sqlite.changing import checkpoints
from engine.sqlite.changing.batch_sizer import QUICK, STEADY, BatchSizer
from engine.sqlite.changing.capture import Capture
from engine.sqlite.changing.checkpoints import Checkpoint, Phase
from engine.sqlite.changing.deferral import deferred_indexes, in_key_order
from engine.sqlite.changing.estimate import estimate_rows
from engine.sqlite.changing.guard import RowGuard
from engine.sqlite.changing.keys import Names, is_rowid, kept_rowid, key_of
from engine.sqlite.changing.misfit import misfit
from engine.sqlite.changing.orphans import Orphans
from engine.sqlite.changing.ownership import Hold
from engine.sqlite.quoting import quote_name
from engine.sqlite.spec import Rebuild, Step
from engine.sqlite.texts import with_parents_hidden
from engine.sqlite.walking import walking_order

BISECT_ROWS = 20_000
"""Among so many rows the one that is refused is looked for; among more the lock would be held too long."""


class OnlineRebuild:
    """The work on one table, as far as it is not live yet."""

    def __init__(self, hold: Hold, change: Change, step: Step, rebuild: Rebuild) -> None:
        self.hold = hold
        self.change = change
        self.step = step
        self.rebuild = rebuild
        self.connection = hold.connection
        self.names = Names(source=rebuild.source, shadow=rebuild.shadow)
        self.key = key_of(rebuild)
        settings = QUICK if hold.wal else STEADY
        self.sizer = BatchSizer(settings)
        self._delta_sizer = BatchSizer(settings)
        # A read as long as sorting takes would keep writers from committing in any mode but WAL.
        self.deferred = deferred_indexes(rebuild) if hold.wal else {}
        self._only_deltas = False
        self._source = quote_name(rebuild.source)
        self._shadow = quote_name(rebuild.shadow)
        self._delta = quote_name(self.names.delta)
        self._mark = quote_name(self.names.mark)
        self.state = checkpoints.find(self.connection, hold.job.apply_uid, rebuild.source)

    @property
    def checkpoint(self) -> Checkpoint:
        """Where the work stands, once it is staged."""
        assert self.state is not None
        return self.state

    @cached_property
    def capture(self) -> Capture:
        """What notes the application's writes."""
        return Capture(self.connection, self.rebuild, self.names, self.key)

    @cached_property
    def _guard(self) -> RowGuard:
        return RowGuard(self.connection, self.rebuild)

    @cached_property
    def kept_rowid(self) -> tuple[str, str] | None:
        """The names, in copy and source, of the hidden row numbers that are copied, too; once it is staged."""
        return kept_rowid(self.connection, self.rebuild) if self.rebuild.keep_rowids else None

    @cached_property
    def _pairs(self) -> list[tuple[str, str]]:
        """(in the copy, in the source): the names of all that is copied."""
        columns = [(quote_name(new), quote_name(old)) for new, old in self.rebuild.columns]
        return columns if self.kept_rowid is None else [self.kept_rowid, *columns]

    @cached_property
    def orphans(self) -> Orphans:
        """The rows of the copy that have no parent, once it is staged."""
        return Orphans(self.connection, self.rebuild, self.names, self.key)

    # -- staging ------------------------------------------------------------------------------------------------

    def stage(self) -> None:
        """Make the helpers and begin to capture. DriftFound, Refused: nothing was made."""
        rows = estimate_rows(self.hold, self.rebuild.source)
        with self.hold.transaction("stage"):
            self._check_source()
            self.capture.check_possible()
            self._check_names()
            compiled = self._compiles()
            self.connection.execute(with_parents_hidden(self.rebuild.create))
            for index in self.rebuild.indexes:
                terms = self.deferred.get(index.name)
                if terms is None or in_key_order(self.connection, self.rebuild, self.key, terms):
                    self.connection.execute(index.shadow_sql)
            self._index_key()
            self.connection.execute(
                f"CREATE TABLE {self._delta} (seq INTEGER PRIMARY KEY, {self.key.place_list})"
            )
            self.connection.execute(f"CREATE TABLE {self._mark} (at TEXT PRIMARY KEY, {self.key.place_list})")
            for trigger in self.capture.triggers:
                self.connection.execute(trigger)
            if compiled and not self._compiles():
                raise Refused(
                    f"{self.rebuild.source}: its changes cannot be captured by triggers; plan again offline"
                )
            self.state = Checkpoint(
                apply_uid=self.hold.job.apply_uid,
                source=self.rebuild.source,
                shadow=self.rebuild.shadow,
                phase=Phase.COPY,
                rows_copied=0,
                rows_total=rows,
                spec=checkpoints.digest(self.step),
            )
            checkpoints.put(self.connection, self.state)

    def _check_source(self) -> None:
        live = read_catalog(self.connection, {self.rebuild.source}).fingerprint(self.rebuild.source)
        if live != self.step.before:
            raise DriftFound(f"{self.rebuild.source} was changed since the plan was made: plan again")

    def _check_names(self) -> None:
        names = [
            self.names.shadow,
            self.names.old,
            self.names.delta,
            self.names.mark,
            self.names.key_index,
            self.names.filler,
        ]
        names += [
            self.names.filler,
            *self.names.triggers,
            *(index.shadow_name for index in self.rebuild.indexes),
        ]
        for name in names:
            row = self.connection.execute(
                "SELECT type, name FROM sqlite_schema WHERE lower(name) = lower(?)", (name,)
            ).get
            if row is not None:
                raise Refused(
                    f"the {row[0]} {row[1]} is in the way and not of this apply; remove it, then plan again"
                )

    def _compiles(self) -> bool:
        """Whether writes to the source compile here, triggers included (they may call functions that only others have)."""
        column = self.key.columns[0]
        try:
            for statement in (
                f"EXPLAIN INSERT INTO {self._source} DEFAULT VALUES",
                f"EXPLAIN UPDATE {self._source} SET {column} = {column}",
                f"EXPLAIN DELETE FROM {self._source}",
            ):
                self.connection.execute(statement).fetchall()
        except apsw.SQLError:
            return False
        return True

    def _index_key(self) -> None:
        """Rows of the shadow must be found by key, and no two rows may end as one."""
        shadow, columns = self.rebuild.shadow, self.rebuild.new_key
        if is_rowid(self.connection, shadow, columns) or walking_order(self.connection, shadow, columns):
            return
        self.connection.execute(
            f"CREATE UNIQUE INDEX {quote_name(self.names.key_index)} "
            f"ON {self._shadow} ({self.key.new_byte_list})"
        )

    # -- copying ------------------------------------------------------------------------------------------------

    def copy_batch(self) -> None:
        """One transaction: what the application changed, then the next range of keys, then the checkpoint."""
        moved = None
        with self.hold.transaction("batch"):
            began = time.monotonic()
            drained = self._apply_deltas()
            spent = time.monotonic() - began
            if drained and (self._only_deltas or spent < self.sizer.settings.hold_seconds):
                moved = self._moved(*self._copy_range())
                checkpoints.put(self.connection, moved)
        self._only_deltas = drained and moved is None
        if moved is not None:
            self.sizer.note(
                moved.rows_copied - self.checkpoint.rows_copied,
                self.hold.last_hold - spent,
                self.hold.last_work - spent,
            )
            self.state = moved

    def _moved(self, copied: int, finished: bool) -> Checkpoint:
        state = self.checkpoint
        rows = state.rows_copied + copied
        return replace(
            state,
            rows_copied=rows,
            rows_total=rows if finished else max(rows, state.rows_total),
            phase=Phase.INDEX if finished else Phase.COPY,
        )

    def _copy_range(self) -> tuple[int, bool]:
        """Copy the rows behind the mark, as many as are to go together; how many, and whether they were the last."""
        after = self._above_mark()
        key, mark = self.key, self._mark
        self.connection.execute(
            f"""
            INSERT OR REPLACE INTO {mark} (at, {key.place_list})
            SELECT 'to', {", ".join(key.columns)} FROM {self._source} WHERE {after}
             ORDER BY {key.column_list} LIMIT 1 OFFSET ?
            """,
            (self.sizer.rows - 1,),
        )
        finished = self.connection.changes() == 0
        copied = self._fill(after if finished else f"{after} AND {self._bound('<=', 'to')}")
        if not finished:
            self.connection.execute(
                f"""
                INSERT OR REPLACE INTO {mark} (at, {key.place_list})
                SELECT 'copy', {key.place_list} FROM {mark} WHERE at = 'to'
                """
            )
        return copied, finished

    def _marked(self) -> bool:
        return bool(self.connection.execute(f"SELECT count(*) FROM {self._mark} WHERE at = 'copy'").get)

    def _above_mark(self) -> str:
        return self._bound(">", "copy") if self._marked() else "true"

    def _bound(self, sign: str, at: str, *, searched: bool = True) -> str:
        key = self.key
        columns = ", ".join(column if searched else f"+{column}" for column in key.columns)
        return f"({columns}) {sign} (SELECT {key.value_list} FROM {self._mark} WHERE at = '{at}')"

    def _fill(self, where: str) -> int:
        """Copy the rows of the source that *where* selects. Refused, naming one that the new definition forbids.

        OR ABORT overrides a conflict clause in the new definition, which would drop or replace rows without a word.
        """
        try:
            self._insert(where, -1)
        except apsw.ConstraintError as error:
            raise self._violation(error, where) from error
        return self.connection.changes()

    def _insert(self, where: str, limit: int) -> None:
        self._guard.check(where, self.key.shown("s"))
        self.connection.execute(
            f"""
            INSERT OR ABORT INTO {self._shadow} ({", ".join(new for new, _ in self._pairs)})
            SELECT {", ".join(old for _, old in self._pairs)} FROM {self._source} WHERE {where}
             ORDER BY {self.key.column_list} LIMIT ?
            """,
            (limit,),
        )

    # -- keeping in step ----------------------------------------------------------------------------------------

    def backlog(self) -> int:
        """About how many keys wait in the delta table."""
        first, last = self.connection.execute(
            f"SELECT (SELECT min(seq) FROM {self._delta}), (SELECT max(seq) FROM {self._delta})"
        ).get
        return 0 if last is None else int(last) - int(first) + 1

    def follow(self) -> bool:
        """One transaction that applies waiting keys, as many as are to go together; whether none is left."""
        with self.hold.transaction("follow"):
            return self._apply_deltas()

    def catch_up(self, control: Control) -> Signal:
        """Apply what waits until nothing does."""
        while not self.follow():
            signal = self.breathe(control, "catching up")
            if signal is not Signal.GO:
                return signal
        return Signal.GO

    def apply_all(self) -> None:
        """Apply every waiting key, inside the caller's transaction."""
        last = self.connection.execute(f"SELECT max(seq) FROM {self._delta}").get
        if last is not None:
            self._apply_whole(last)

    def _apply_deltas(self) -> bool:
        began = time.monotonic()
        last = self.connection.execute(f"SELECT max(seq) FROM {self._delta}").get
        if last is None:
            return True
        upto = self.connection.execute(
            f"SELECT max(seq) FROM (SELECT seq FROM {self._delta} ORDER BY seq LIMIT ?)",
            (self._delta_sizer.rows,),
        ).get
        if upto == last:
            self._apply_whole(last)
        elif not self._apply_part(upto):
            self._apply_whole(last)
            upto = last
        self._delta_sizer.note(self._delta_sizer.rows if upto < last else self.connection.changes(),
                              time.monotonic() - began)  # fmt: skip
        return bool(upto == last)

    def _apply_part(self, upto: int) -> bool:
        """Apply the oldest keys. False, and nothing done: a unique value has moved to them from a key that still waits."""
        self.connection.execute("SAVEPOINT part")
        try:
            self._remove(upto)
            self._insert(self._changed(upto), -1)
            self._forget(upto)
        except apsw.ConstraintError:
            self.connection.execute("ROLLBACK TO part")
            return False
        finally:
            self.connection.execute("RELEASE part")
        return True

    def _apply_whole(self, last: int) -> None:
        self._remove(last)
        self._fill(self._changed(last))
        self._forget(last)

    def _remove(self, upto: int) -> None:
        self.connection.execute(f"DELETE FROM {self._shadow} WHERE {self.key.new_among(self._keys(upto))}")

    def _forget(self, upto: int) -> None:
        """These keys are applied. While rows are copied their parents need no look: the check comes yet."""
        if self.checkpoint.phase not in (Phase.COPY, Phase.INDEX):
            self.orphans.note(upto)
        self.connection.execute(f"DELETE FROM {self._delta} WHERE seq <= ?", (upto,))

    def _changed(self, upto: int) -> str:
        """Which rows of the source to read again: those behind the mark will be copied anyway."""
        where = self.key.among(self._keys(upto))
        if self.checkpoint.phase is not Phase.COPY:
            return where
        # Searched by the mark, all rows up to it would be read, as SQLite prefers where ANALYZE once found few.
        return f"{where} AND {self._bound('<=', 'copy', searched=False)}" if self._marked() else "false"

    def _keys(self, upto: int) -> str:
        return f"SELECT {self.key.value_list} FROM {self._delta} WHERE seq <= {int(upto)}"

    # -- what went wrong, and how far it is ---------------------------------------------------------------------

    def _violation(self, error: apsw.Error, where: str) -> Refused:
        """Find the first row that the new definition refuses; nothing of the statement that failed is left."""
        rows = self.connection.execute(
            f"SELECT count(*) FROM (SELECT 1 FROM {self._source} WHERE {where} LIMIT {BISECT_ROWS + 1})"
        ).get
        example = "" if rows > BISECT_ROWS else f" (first in the row with {self._first_refused(where, rows)})"
        what = str(error).replace(self.rebuild.shadow, self.rebuild.table)
        return misfit(self.rebuild.table, what + example)

    def _first_refused(self, where: str, rows: int) -> str:
        low, high = 1, max(int(rows), 1)
        while low < high:
            middle = (low + high) // 2
            self.connection.execute("SAVEPOINT trial")
            try:
                self._insert(where, middle)
                low = middle + 1
            except apsw.ConstraintError:
                high = middle
            self.connection.execute("ROLLBACK TO trial")
            self.connection.execute("RELEASE trial")
        key = self.connection.execute(
            f"""
            SELECT {self.key.shown("s")} FROM {self._source} AS s WHERE {where}
             ORDER BY {self.key.column_list} LIMIT 1 OFFSET ?
            """,
            (low - 1,),
        ).get
        return str(key)

    def breathe(self, control: Control, detail: str, *, durable: bool = True) -> Signal:
        """Between two transactions: report, and leave the lock to others for a while."""
        signal = self.report(control, detail, durable=durable)
        if signal is Signal.GO:
            control.pause(self.hold.still_to_rest(self.sizer.settings.rest_seconds))
        return signal

    def report(self, control: Control, detail: str, *, durable: bool = False) -> Signal:
        """Say how far the copy is."""
        state = self.checkpoint
        return control.report(
            Progress(
                change=self.change,
                rows_copied=state.rows_copied,
                rows_total=state.rows_total,
                detail=detail,
                durable=durable,
            )
        )
