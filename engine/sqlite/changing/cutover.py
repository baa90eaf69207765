"""Make changes live: one guarded transaction, verified by fingerprint before it commits."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import apsw

from engine import faults
from engine.base import Standing
from engine.errors import DriftFound, Refused
from engine.lexer import significant
from engine.sqlite.catalog import read_catalog
from engine.sqlite.changing import checkpoints
from engine.sqlite.changing.checkpoints import Checkpoint, Phase
from engine.sqlite.changing.growth import refuse_grown
from engine.sqlite.changing.misfit import told_of_rows
from engine.sqlite.changing.offline import rebuild_at_once
from engine.sqlite.changing.online import OnlineRebuild
from engine.sqlite.changing.ownership import Hold
from engine.sqlite.changing.swap import set_aside, swap
from engine.sqlite.sizes import DROP_BYTES, DROP_ROWS, is_wide, rows_up_to
from engine.sqlite.spec import OLD_SUFFIX, Step

BACKLOG_KEYS = 200
"""With more keys waiting, another round of catching up comes before the cutover."""


class Cutover:
    """The cutover on one connection."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def standing(self, step: Step) -> Standing:
        """Where *step* stands on the live target; inside a transaction. DriftFound."""
        live = read_catalog(self._connection, {step.source, step.table})
        renamed = step.source.lower() != step.table.lower()
        source, table = live.fingerprint(step.source), live.fingerprint(step.table)
        if table == step.after and not (renamed and source is not None and step.before is not None):
            return Standing.DONE
        if source == step.before and not (renamed and table is not None):
            return Standing.FITS
        what = "does not exist any more" if source is None else "was changed"
        raise DriftFound(f"{step.source} {what} since the plan was made: plan again")

    def run(
        self, hold: Hold, steps: Sequence[Step], online: Mapping[str, OnlineRebuild], *, patient: bool
    ) -> bool:
        """All *steps*, or nothing. False when the application wrote too much meanwhile: catch up and come again."""
        with self._safe(hold), hold.transaction("cutover"):
            if patient and any(rebuild.backlog() > BACKLOG_KEYS for rebuild in online.values()):
                return False
            for rebuild in online.values():
                rebuild.capture.check()
                rebuild.apply_all()
                rebuild.orphans.check_noted()
            for step in steps:
                self._make_live(hold, step, online.get(step.source))
                faults.reached(f"live:{step.table}")
        return True

    @contextlib.contextmanager
    def _safe(self, hold: Hold) -> Iterator[None]:
        """What is live now must survive a power cut; in WAL the copy before it need not sync at every commit."""
        if not hold.wal:
            yield
            return
        self._connection.execute("PRAGMA synchronous = FULL")
        try:
            yield
        finally:
            self._connection.execute("PRAGMA synchronous = NORMAL")

    def _make_live(self, hold: Hold, step: Step, rebuild: OnlineRebuild | None) -> None:
        if self.standing(step) is Standing.DONE:
            raise DriftFound(f"{step.table} was changed by somebody else at this moment: plan again")
        refuse_grown(self._connection, step)
        if rebuild is not None:
            swap(self._connection, rebuild.rebuild, rebuild.names)
            checkpoints.put(self._connection, replace(rebuild.checkpoint, phase=Phase.OLD))
            self._run_statements(step)
        elif step.rebuild is not None:
            rebuild_at_once(self._connection, step.rebuild)
            self._run_statements(step)
        elif rows := self._large_drop(step):
            set_aside(self._connection, step.source)
            checkpoints.put(self._connection, _leftover(hold, step, rows))
        else:
            self._run_statements(step)
        live = read_catalog(self._connection, {step.table}).fingerprint(step.table)
        if live != step.after:
            raise Refused(
                f"{step.table}: the outcome is not what was planned; nothing was changed: plan again"
            )

    def _run_statements(self, step: Step) -> None:
        for statement in step.statements:
            with told_of_rows(step.table, statement):
                self._connection.execute(statement)

    def _large_drop(self, step: Step) -> int:
        """How many rows (about) a table has that is to be dropped in small steps; 0: drop it as it stands."""
        if step.after is not None or len(step.statements) != 1:
            return 0
        if [token.word for token in significant(step.statements[0])[:2]] != ["DROP", "TABLE"]:
            return 0
        live = read_catalog(self._connection, {step.source}).get(step.source)
        if live is None or live.kind != "table":
            return 0
        rows = rows_up_to(self._connection, step.source, DROP_ROWS)
        return max(rows, 1) if rows > DROP_ROWS or is_wide(self._connection, step.source, DROP_BYTES) else 0


def _leftover(hold: Hold, step: Step, rows: int) -> Checkpoint:
    return Checkpoint(
        apply_uid=hold.job.apply_uid,
        source=step.source,
        shadow=step.source + OLD_SUFFIX,
        phase=Phase.OLD,
        rows_copied=rows,
        rows_total=rows,
        spec=checkpoints.digest(step),
    )
