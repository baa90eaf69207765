"""Runs a change's statements one after the other: as they were reviewed, by the algorithm that was reviewed, or not at all."""

import re
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial

from engine import faults
from engine.base import Change, Control, Progress, Signal
from engine.errors import DriftFound, Refused, TargetUnavailable
from engine.mysql.changing.family import NOT_LOCKED, family_of, locked
from engine.mysql.changing.growth import refuse_grown
from engine.mysql.changing.server_copy import ServerCopy, server_copy
from engine.mysql.changing.stages import Stage, stage_of
from engine.mysql.changing.standing import differs, statements_run
from engine.mysql.children import relatives_of
from engine.mysql.link import DDL_SETTINGS
from engine.mysql.ownership.watch import Watch
from engine.mysql.process_list import Process
from engine.mysql.quoting import quote_name
from engine.mysql.shown import NAME, unquoted
from engine.mysql.sizes import estimate
from engine.mysql.spec import Algorithm, Statement, Step
from engine.mysql.trouble import (
    INTERRUPTED,
    NO_PRIVILEGE,
    NOT_IN_TIME,
    NOT_THAT_WAY,
    OF_A_VALUE,
    ServerRefused,
    Tolerated,
    Trouble,
    Waited,
)
from engine.mysql.waiting.lock_budget import LockBudget
from engine.mysql.waiting.lock_retry import LockRetry
from engine.mysql.waiting.running import Running

QUICK_SECONDS = 0.5
"""What is over so soon is not watched."""
LOOK_SECONDS = 0.25
SHOWN = 300
"""Characters of a statement that people are shown: they tell the column where the server does not."""
BLIND_SECONDS = 60.0
"""So long the second connection may fail before the first is given up, too."""
BUILDING = (Algorithm.INPLACE, Algorithm.NOCOPY)
"""Work that may take hours while everybody goes on, and needs a lock when it is done."""
READING = (*BUILDING, Algorithm.COPY)
"""Work that goes through the rows; of all else there are none to be done, however long it waits for a lock."""
LAST_LOCK_SECONDS = {"MariaDB": 600, "MySQL": 60}
"""So long it may wait for that lock while nobody queues behind it. Should we die meanwhile, MariaDB notices and ends the wait;
MySQL does so only then, or when the next owner ends the connection."""

_REFERRED = re.compile(rf"(?i)\bREFERENCES (?:{NAME}\.)?({NAME})")


class StatementRun:
    """The statements of one change."""

    def __init__(self, watch: Watch, change: Change, step: Step, control: Control) -> None:
        self._watch = watch
        self._hold = watch.hold
        self._change = change
        self._step = step
        self._control = control
        self._rows_total = 0
        self._share = 0.0
        self._copy: ServerCopy | None = None  # what is under way, if it is one
        self._locks_children = self._hold.flavour.mariadb

    def run(self) -> Signal:
        """Run what has not run yet. GO when all have; DriftFound, Refused, Trouble; Lost: look again with a new hold."""
        done = statements_run(self._hold.link, self._step)
        if any(statement.algorithm in READING for statement in self._step.statements):
            self._rows_total = estimate(self._hold.link, self._step.schema, self._change.table).rows
        for number in range(done, len(self._step.statements)):
            statement = self._step.statements[number]
            self._copy = server_copy(self._watch, self._step.schema, statement)
            tied = self._tied_to(statement)
            retry = LockRetry(self._watch, self._control, self._tables(), self._report, beside=tied)
            signal = retry.until(partial(self._attempt, statement, number))
            if signal is not Signal.GO:
                return signal
        return Signal.GO

    def _attempt(self, statement: Statement, number: int) -> Signal:
        """RC-2: the tables are looked at again right before. GO when it has run."""
        if statements_run(self._hold.link, self._step) != number:
            raise DriftFound(f"{self._change.table} was changed by somebody else at this moment: plan again")
        self._hold.check_address()
        refuse_grown(self._hold.link, self._step.schema, statement)
        if self._copy is not None:
            self._copy.see_free()
        faults.reached("before_statement")
        budget = LockBudget(self._watch)
        try:
            with (
                self._settled(statement),
                self._with_children(statement),
                Running(self._hold.link, statement.sql + statement.algorithm.clause, self._watch) as running,
            ):
                signal = self._follow(running, statement, budget)
        except ServerRefused as error:
            if error.code == NOT_LOCKED and self._locks_children:
                self._locks_children = False
                return self._attempt(statement, number)
            raise self._explained(error, statement, first=number == 0) from error
        except Waited:
            # What was ended may have taken effect all the same.
            if statements_run(self._hold.link, self._step) == number:
                if self._copy is not None and budget.worked and not budget.keeps_server_waiting:
                    self._copy.thrown_away()
                raise
            signal = Signal.GO
        if signal is Signal.GO:
            faults.reached("after_statement")
            self._check(statement)
        return signal

    def _settled(self, statement: Statement) -> AbstractContextManager[None]:
        """What takes long to build waits longer for its last lock than the server would let it: we end it when it is time."""
        if statement.algorithm not in BUILDING:
            return nullcontext()
        return self._hold.link.having(
            {"lock_wait_timeout": LAST_LOCK_SECONDS[self._hold.flavour.vendor]},
            {"lock_wait_timeout": DDL_SETTINGS["lock_wait_timeout"]},
        )

    @contextmanager
    def _with_children(self, statement: Statement) -> Iterator[None]:
        """MariaDB waits in InnoDB for whoever has written to a child, as long for each as for one, and heeds no KILL there: what
        is over in a moment has them before.
        """
        table = statement.subject(self._step.schema, "ALTER TABLE")
        momentary = statement.algorithm is Algorithm.INSTANT and self._locks_children
        family = family_of(self._hold.link, self._step.schema, table) if momentary and table else []
        with ExitStack() as stack:
            with Tolerated(*NO_PRIVILEGE):  # LOCK TABLES may be missing
                if len(family) > 1:
                    stack.enter_context(locked(self._watch, family))
            yield

    def _follow(self, running: Running, statement: Statement, budget: LockBudget) -> Signal:
        if running.over(QUICK_SECONDS):
            running.outcome()
            return Signal.GO
        seen_at = time.monotonic()
        while not running.over(budget.next_look(LOOK_SECONDS)):
            try:
                process = running.look()
                if process is None:
                    break
                detail = self._look(process, statement, budget)
                seen_at = time.monotonic()
            except TargetUnavailable:
                if time.monotonic() - seen_at > BLIND_SECONDS:
                    raise
                continue
            if detail is None:
                return self._give_up(running, budget)
            signal = self._report(detail)
            if signal is not Signal.GO:
                return signal if self._ended(running) else Signal.GO
        running.outcome()
        return Signal.GO

    def _look(self, process: Process, statement: Statement, budget: LockBudget) -> str | None:
        """What goes on, for people; None: others have had to wait for too long."""
        if budget.spent(process):
            return None
        if budget.at_the_end:
            found = self._watch.blockers(self._tables())
            return (
                f"done but for the last moment, waiting for a lock on {self._change.table}: {found}".rstrip(
                    ": "
                )
            )
        stage = self._stage()
        self._share = max(self._share, stage.share)
        return _told(statement, stage)

    def _stage(self) -> Stage:
        flavour = self._hold.flavour
        found = self._watch.about(self._hold.link, lambda asking, number: stage_of(asking, flavour, number))
        return found or Stage(name="", share=0.0)

    def _give_up(self, running: Running, budget: LockBudget) -> Signal:
        """Waited, if it was not done at this moment."""
        if self._ended(running):
            if budget.keeps_server_waiting:
                raise Waited(
                    f"{self._change.table}: somebody wants a lock of the whole server (FLUSH TABLES WITH READ LOCK, a backup), "
                    "which waited, and all writers with it, for this change: it is made again later",
                    NOT_IN_TIME,
                )
            raise Waited(f"{self._change.table}: others would have waited too long for its locks", 0)
        return Signal.GO

    def _ended(self, running: Running) -> bool:
        """End the statement; False when it took effect all the same."""
        try:
            running.end()
            running.outcome()
        except Trouble as error:
            if error.code != INTERRUPTED and not isinstance(error, Waited):
                raise
            return True
        return False

    def _check(self, statement: Statement) -> None:
        name = differs(self._hold.link, self._step.schema, statement.after)
        if name is not None:
            raise DriftFound(f"{name} is not what was planned after {statement.sql[:200]}: plan again")

    def _explained(self, error: ServerRefused, statement: Statement, *, first: bool) -> Refused:
        done = "nothing was changed" if first else "the statements of the change before this one have run"
        verbs = ("ALTER TABLE", "CREATE TABLE", "DROP TABLE", "RENAME TABLE")
        table = statement.subject(self._step.schema, *verbs) or self._change.table
        if error.code in NOT_THAT_WAY and statement.algorithm is not Algorithm.PLAIN:
            return Refused(
                f"{self._change.table}: the server does not take this by ALGORITHM={statement.algorithm.value.upper()} "
                f"as it did when the plan was made; {done}: plan again, or, where that gives the same plan, rebuild "
                f"the table (ALTER TABLE {quote_name(self._change.table)} FORCE), which rids it of what hinders it ({error})"
            )
        if error.code in OF_A_VALUE:
            return Refused(
                f"{table}: a row does not fit the new definition: {error.said} by {statement.sql[:SHOWN]}; {done}: "
                "correct the row or the definition, then plan again"
            )
        return Refused(f"{table}: {error}")

    def _tables(self) -> list[tuple[str, str]]:
        found = [(self._step.schema, name) for name, _ in self._step.before]
        return list(dict.fromkeys([*found, *(self._copy.tables if self._copy else ())]))

    def _tied_to(self, statement: Statement) -> list[tuple[str, str]]:
        """Other tables of the schema that foreign keys tie to the table, by now or by the statement."""
        link, schema = self._hold.link, self._step.schema
        names = [name for table, _ in statement.after for name in relatives_of(link, schema, table)]
        return [(schema, name) for name in [*names, *map(unquoted, _REFERRED.findall(statement.sql))]]

    def _report(self, detail: str) -> Signal:
        return self._control.report(
            Progress(
                change=self._change,
                rows_copied=int(self._share * self._rows_total),
                rows_total=self._rows_total,
                detail=self._copy.told(detail) if self._copy else detail,
            )
        )


def _told(statement: Statement, stage: Stage) -> str:
    words = {
        Algorithm.INSTANT: "changing the catalogue",
        Algorithm.NOCOPY: "changing the table in place",
        Algorithm.INPLACE: "changing the table in place",
        Algorithm.COPY: "the server copies the table, writers wait",
        Algorithm.PLAIN: "running the statement",
    }
    return words[statement.algorithm] + (f": {stage.name}" if stage.name else "")
