"""Compare every row with its copy before the swap: in short reads, beside the application, without the write lock.

Keys in the delta table are excused: their rows are read again anyway. The bounds of a read are kept as SQL values in a TEMP
table, so that no value of a row passes through Python.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from engine.base import Control, Signal
from engine.errors import Refused
from engine.sqlite.changing import checkpoints
from engine.sqlite.changing.batch_sizer import BatchSizer, ThrottleSettings
from engine.sqlite.changing.checkpoints import Phase
from engine.sqlite.changing.comparison import affinities, all_of, same_value
from engine.sqlite.changing.online import OnlineRebuild
from engine.sqlite.quoting import quote_name
from engine.sqlite.spec import HELPER_MARK
from engine.sqlite.walking import walking_order

SAVE_SECONDS = 0.5
"""How often the place is written down on the target (and the waiting keys are applied)."""
READING = ThrottleSettings(hold_seconds=0.02, rest_seconds=0.002)
MANY_KEYS = 500
FRESH_SECONDS = 5.0
"""So long a comparison stands. A write that fires no trigger (to an open BLOB, or with triggers switched off) is not noted."""


class Verification:
    """The comparison of one filled shadow with its source."""

    def __init__(self, work: OnlineRebuild) -> None:
        self._work = work
        self._connection = work.connection
        self._rebuild = work.rebuild
        self._source = quote_name(work.rebuild.source)
        self._shadow = quote_name(work.rebuild.shadow)
        self._delta = quote_name(work.names.delta)
        self._mark = quote_name(work.names.mark)
        self._walk = f"temp.{quote_name(f'{work.rebuild.source}{HELPER_MARK}t')}"
        # Copies are walked in the order of their own index, which may be another than that of the source.
        order = walking_order(self._connection, work.rebuild.shadow, work.rebuild.new_key)
        self._new_order = order or tuple(range(len(work.key.new_columns)))
        self._sizer = BatchSizer(READING, rows=100)
        self._saved_at = time.monotonic()
        self._kinds = affinities(self._connection, work.rebuild.source)
        self._new_kinds = affinities(self._connection, work.rebuild.shadow)

    def run(self, control: Control) -> Signal:
        """Compare all; the work's phase is READY at the end. Refused: something differs."""
        self._load()
        with self._work.hold.reading():
            self._work.orphans.check_children()
        while self._work.checkpoint.phase is not Phase.READY:
            phase = self._work.checkpoint.phase
            if phase is Phase.CHECK:
                done = self._step(self._compare, f"{self._source} AS s", "s")
            elif self._key_kept():
                done = self._step(self._phantoms, f"{self._shadow} AS n", "n")
            else:
                done = self._count()
            if done or time.monotonic() - self._saved_at > SAVE_SECONDS:
                self._save(done=done)
            signal = self._rest(control)
            if signal is not Signal.GO:
                self._save(done=False)
                return signal
        self._connection.execute(f"DROP TABLE {self._walk}")
        return Signal.GO

    def look_again(self, control: Control) -> Signal:
        """Right before the cutover: all anew when the comparison is of some time ago, as it is of a copy that waited; then
        whether every row has its parents still, for these are not watched. Refused.
        """
        if not self._fresh():
            self._enter(Phase.CHECK)
            signal = self.run(control)
            if signal is not Signal.GO:
                return signal
        self._load()
        with self._work.hold.reading():
            self._work.orphans.check_children()
        done = not self._work.orphans
        while not done:
            done = self._step(self._parents, f"{self._source} AS s", "s")
            signal = self._rest(control)
            if signal is not Signal.GO:
                return signal
        self._connection.execute(f"DROP TABLE {self._walk}")
        return Signal.GO

    def _rest(self, control: Control) -> Signal:
        signal = self._work.report(control, "verifying")
        if signal is not Signal.GO:
            return signal
        if not self._work.hold.wal:
            control.pause(self._sizer.settings.hold_seconds)  # a read keeps others from committing there
        while self._work.backlog() > MANY_KEYS:
            signal = self._work.catch_up(control)
            if signal is not Signal.GO:
                return signal
        return Signal.GO

    # -- the place ----------------------------------------------------------------------------------------------

    def _load(self) -> None:
        places = self._work.key.place_list
        self._connection.execute(f"DROP TABLE IF EXISTS {self._walk}")
        self._connection.execute(f"CREATE TEMP TABLE {self._walk[5:]} (at TEXT PRIMARY KEY, {places})")
        self._connection.execute(
            f"""
            INSERT INTO {self._walk} (at, {places})
            SELECT 'low', {places} FROM {self._mark} WHERE at = 'check'
            """
        )

    def _save(self, *, done: bool) -> None:
        """Write the place down on the target; *done*: the phase is over."""
        phase = self._work.checkpoint.phase
        if done:
            phase = Phase.EXTRA if phase is Phase.CHECK else Phase.READY
            self._connection.execute(f"DELETE FROM {self._walk}")
        places = self._work.key.place_list
        self._enter(
            phase,
            f"INSERT INTO {self._mark} (at, {places}) SELECT 'check', {places} FROM {self._walk} WHERE at = 'low'",
        )
        self._saved_at = time.monotonic()

    def _enter(self, phase: Phase, *notes: str) -> None:
        """Be in *phase*, on the target, too, at the place that *notes* write down."""
        work = self._work
        moved = replace(work.checkpoint, phase=phase)
        with work.hold.transaction("check"):
            self._connection.execute(f"DELETE FROM {self._mark} WHERE at = 'check'")
            if phase is Phase.READY:
                notes += (
                    f"INSERT OR REPLACE INTO {self._mark} (at, k0) VALUES ('ready', unixepoch('subsec'))",
                )
            for note in notes:
                self._connection.execute(note)
            checkpoints.put(self._connection, moved)
        work.state = moved

    def _fresh(self) -> bool:
        found = self._connection.execute(
            f"SELECT abs(unixepoch('subsec') - k0) < ? FROM {self._mark} WHERE at = 'ready'", (FRESH_SECONDS,)
        ).get
        return bool(found)

    # -- reading ------------------------------------------------------------------------------------------------

    def _step(self, look: Callable[[str], None], table: str, alias: str) -> bool:
        """Look at the next range of keys of *table*; whether it was the last."""
        key = self._work.key
        places = key.place_list
        columns = tuple(f"{alias}.{c}" for c in (key.columns if alias == "s" else key.new_columns))
        order = self._new_order if alias == "n" else range(len(columns))
        walk = tuple((columns[i], key.places[i]) for i in order)
        after = self._bound(">", walk, "low")
        rows = self._sizer.rows
        with self._work.hold.reading():
            began = time.monotonic()
            self._connection.execute(
                f"""
                INSERT OR REPLACE INTO {self._walk} (at, {places})
                SELECT 'high', {", ".join(columns)} FROM {table} WHERE {after}
                 ORDER BY {", ".join(column for column, _ in walk)} LIMIT 1 OFFSET ?
                """,
                (rows - 1,),
            )
            last = self._connection.changes() == 0
            upto = "" if last else f" AND {self._bound('<=', walk, 'high')}"
            look(after + upto)
            self._sizer.note(rows, time.monotonic() - began)
        if not last:
            self._connection.execute(
                f"""
                INSERT OR REPLACE INTO {self._walk} (at, {places})
                SELECT 'low', {places} FROM {self._walk} WHERE at = 'high'
                """
            )
        return last

    def _bound(self, sign: str, walk: tuple[tuple[str, str], ...], at: str) -> str:
        if at == "low":
            known = self._connection.execute(f"SELECT count(*) FROM {self._walk} WHERE at = 'low'").get
            if not known:
                return "true"
        columns = ", ".join(column for column, _ in walk)
        values = ", ".join(f"+{place}" for _, place in walk)
        return f"({columns}) {sign} (SELECT {values} FROM {self._walk} WHERE at = '{at}')"

    def _compare(self, where: str) -> None:
        """Every source row of the range has its copy, equal in every column that is copied."""
        key = self._work.key
        join = f"""{self._source} AS s LEFT JOIN {self._shadow} AS n ON {key.same_row("s", "n")}"""
        pairs = [
            same_value(old, self._kinds[old.lower()], new, self._new_kinds[new.lower()])
            for new, old in self._rebuild.columns
        ]
        if self._work.kept_rowid is not None:
            number, original = self._work.kept_rowid
            pairs.append(f"n.{number} = s.{original}")
        same = all_of(pairs)
        row = self._connection.execute(
            f"""
            SELECT {key.shown("s")}, n.{key.new_columns[0]} IS NULL FROM {join}
             WHERE {where} AND (n.{key.new_columns[0]} IS NULL OR NOT ({same}))
               AND ({key.of("s")}) NOT IN (SELECT {key.value_list} FROM {self._delta})
             LIMIT 1
            """
        ).get
        if row is not None:
            self._differs(f"the row with {row[0]} {'is missing in' if row[1] else 'differs from'} the copy")
        self._parents(where)

    def _parents(self, where: str) -> None:
        """Every copy of the range has the parents that new foreign keys demand."""
        key = self._work.key
        copies = f"""{self._source} AS s JOIN {self._shadow} AS n ON {key.same_row("s", "n")}"""
        waiting = f"({key.of('s')}) IN (SELECT {key.value_list} FROM {self._delta})"
        self._work.orphans.check(copies, f"{where} AND NOT {waiting}", key.shown("s"))

    def _phantoms(self, where: str) -> None:
        """Every copy of the range has its original."""
        key = self._work.key
        shown_key = self._connection.execute(
            f"""
            SELECT {key.new_shown("n")} FROM {self._shadow} AS n
             WHERE {where} AND NOT EXISTS (SELECT 1 FROM {self._source} AS s WHERE {key.same_source("s", "n")})
               AND ({", ".join(f"n.{c}" for c in key.new_columns)}) NOT IN
                   (SELECT {key.value_list} FROM {self._delta})
             LIMIT 1
            """
        ).get
        if shown_key is not None:
            self._differs(f"the row with {shown_key} is in the copy only")

    def _count(self) -> bool:
        """The key changes its type, so copies cannot be looked up in the source: there must not be more of them."""
        key = self._work.key
        changed = f"SELECT {key.value_list} FROM {self._delta}"
        with self._work.hold.reading():
            originals, copies = self._connection.execute(
                f"""
                SELECT (SELECT count(*) FROM {self._source})
                     - (SELECT count(*) FROM {self._source} WHERE {key.among(changed)}),
                       (SELECT count(*) FROM {self._shadow})
                     - (SELECT count(*) FROM {self._shadow} WHERE {key.new_among(changed)})
                """
            ).get
        if originals != copies:
            self._differs(f"{originals} rows became {copies}")
        return True

    def _key_kept(self) -> bool:
        rebuild = self._rebuild
        pairs = zip(rebuild.key, rebuild.new_key, strict=True)
        return all(self._kinds[old.lower()] == self._new_kinds[new.lower()] for old, new in pairs)

    def _differs(self, what: str) -> None:
        raise Refused(f"{self._rebuild.table}: {what}; nothing was changed: plan again")
