"""Builds the indexes that the shadow was filled without, while its rows are compared and the application's changes applied."""

import threading
from dataclasses import replace

from engine.base import Control, Signal
from engine.errors import EngineError
from engine.mysql.catalog import read_table
from engine.mysql.copying.underway import GATHER_SECONDS, Underway
from engine.mysql.copying.verify import Verification
from engine.mysql.link import Link
from engine.mysql.ownership.ending import end
from engine.mysql.ownership.hold import Hold
from engine.mysql.shadow.checkpoints import Phase
from engine.mysql.shadow.inspection import read_shadow
from engine.mysql.shadow.shape import FILLING, Shape
from engine.mysql.trouble import ServerRefused, Trouble
from engine.mysql.waiting.running import Running

NOT_ONLINE = (1845, 1846)
LOOK_SECONDS = 0.02
END_SECONDS = 0.5
"""So long a build may take to end before it is told again."""
OUTRUN = 1799
"""More was written meanwhile than innodb_online_alter_log_max_size holds."""
FALSE_DUPLICATE = 1859
"""Seen on MySQL 9.7 of an index that is not unique, while rows were changed and changed again: none that are put off are."""


def build_and_compare(work: Underway, control: Control) -> Signal:
    """Build what is missing while rows are compared; the phase is READY at the end, or CHECK when nothing was missing."""
    missing = missing_indexes(work)
    if not missing:
        return _built(work, control, Phase.CHECK)
    with IndexBuild(work.hold, work.shape, missing) as build:
        signal = Verification(work, beside=build).run(control)
        while signal is Signal.GO and not build.finished:
            signal = work.turn(control, "building indexes", gather=GATHER_SECONDS)
    return _built(work, control, Phase.READY) if signal is Signal.GO else signal


def _built(work: Underway, control: Control, phase: Phase) -> Signal:
    """All indexes are there."""
    shadow = read_shadow(work.hold.link, work.step)
    signal = _analyse(work, control)
    if signal is Signal.GO:
        work.move(replace(work.checkpoint, phase=phase, deferred=(), shadow_fingerprint=shadow.fingerprint))
    return signal


def _analyse(work: Underway, control: Control) -> Signal:
    """Have the server's estimates made. Of a table that is told to have many pages looked at that takes minutes."""
    signal = Signal.GO
    with (
        work.hold.further_link() as link,
        Running(link, f"ANALYZE TABLE {work.shape.shadow}") as running,
    ):
        while signal is Signal.GO and not running.over(LOOK_SECONDS):
            signal = work.turn(control, "estimating the rows of the copy", gather=GATHER_SECONDS)
        if signal is Signal.GO:
            running.outcome()
    return signal


def missing_indexes(work: Underway) -> tuple[str, ...]:
    """Those put off that an interrupted build has not made; one ALTER makes all or none."""
    table = read_table(work.hold.link, work.step.schema, work.names.shadow)
    has = {index.line for index in table.indexes} if table is not None else set()
    return tuple(line for line in work.checkpoint.deferred if line not in has)


class IndexBuild:
    """One ALTER TABLE in a thread of its own; a context manager, at whose end the statement is over or ended."""

    def __init__(self, hold: Hold, shape: Shape, lines: tuple[str, ...]) -> None:
        self._hold = hold
        self._shape = shape
        self._adds = ", ".join(f"ADD {line}" for line in lines)
        self._link: Link | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="index-build")

    @property
    def finished(self) -> bool:
        """Whether it is done. Raises what it ended with."""
        if self._thread.is_alive():
            return False
        if self._error is not None:
            raise self._error
        return True

    def __enter__(self) -> "IndexBuild":
        self._link = self._hold.open_link(settings={**FILLING, "lock_wait_timeout": 60}, answer_seconds=None)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._link is not None
        if self._thread.is_alive():
            try:
                with self._hold.further_link() as other:
                    while self._thread.is_alive():  # between two statements nothing is ended
                        end(other, "QUERY", self._link.id)
                        self._thread.join(END_SECONDS)
            except EngineError:
                self._link.hang_up()  # whoever comes next finds it done or ends it
        self._thread.join()
        self._hold.close_link(self._link)

    def _run(self) -> None:
        try:
            self._build()
        except BaseException as error:  # noqa: BLE001 - carried over to the session's thread, which raises it
            self._error = error

    def _build(self) -> None:
        """Whoever writes to the shadow is us: where the server cannot keep up with that, it waits until the indexes are there."""
        assert self._link is not None
        statement = f"ALTER TABLE {self._shape.shadow} {self._adds}"
        try:
            self._link.run(f"{statement}, ALGORITHM=INPLACE, LOCK=NONE")
        except (ServerRefused, Trouble) as error:
            if error.code in NOT_ONLINE:
                self._link.run(statement)
            elif error.code in (OUTRUN, FALSE_DUPLICATE):
                self._link.run(f"{statement}, ALGORITHM=INPLACE, LOCK=SHARED")
            else:
                raise
