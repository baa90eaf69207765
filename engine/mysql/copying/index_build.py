"""Builds the indexes that the shadow was filled without, while its rows are compared and the application's changes applied."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from engine.base import Control, Signal
from engine.errors import EngineError
from engine.mysql.catalog import read_table
from engine.mysql.copying.table_copy import GATHER_SECONDS, TableCopy
from engine.mysql.copying.verify import Verification
from engine.mysql.copying.volume import settings_of
from engine.mysql.link import Link
from engine.mysql.shadow.checkpoints import Phase
from engine.mysql.shadow.inspection import read_shadow
from engine.mysql.shadow.shape import FILLING
from engine.mysql.shadow.table_identity import other_numbers
from engine.mysql.trouble import NOT_IN_TIME, NOT_ONLINE, OUTRUN, ServerRefused, Trouble, Waited
from engine.mysql.waiting.running import Running
from engine.mysql.waiting.server_queue import ServerQueue

LOOK_SECONDS = 0.02
THREADS = ("innodb_parallel_read_threads", "innodb_ddl_threads")
"""MySQL's, which builds with four of each by itself; as many as the copy has leave the application more of the processors."""
FALSE_DUPLICATE = 1859
"""Seen on MySQL 9.7 of an index that is not unique, while rows were changed and changed again: none that are put off are."""


def build_and_compare(work: TableCopy, control: Control) -> Signal:
    """Build what is missing while rows are compared; the phase is READY at the end, or CHECK when nothing was missing."""
    missing = missing_indexes(work)
    if work.checkpoint.low is None:
        work.place.keep(shadow_numbers=work.shadow_numbers())
    if not missing:
        return _built(work, control, Phase.CHECK)
    with _building(work, missing, control.volume()) as build:
        signal = Verification(work, beside=build).run(control)
        while signal is Signal.GO and not build.finished:
            signal = work.turn(control, "building indexes", gather=GATHER_SECONDS)
    return _built(work, control, Phase.READY) if signal is Signal.GO else signal


def _built(work: TableCopy, control: Control, phase: Phase) -> Signal:
    """All indexes are there. If the shadow is another table now all rows are compared again: whether the build copied it, or
    somebody emptied it, does not show.
    """
    shadow = read_shadow(work.hold.link, work.step)
    signal = _analyse(work, control)
    if signal is Signal.GO:
        numbers = work.shadow_numbers()
        if other_numbers(work.checkpoint.shadow_numbers, numbers):
            phase = Phase.CHECK
            work.place.keep(shadow_numbers=numbers, low=None)
        work.place.save(phase=phase, deferred=(), shadow_fingerprint=shadow.fingerprint)
    return signal


def _analyse(work: TableCopy, control: Control) -> Signal:
    """Have the server's estimates made. Of a table that is told to have many pages looked at that takes minutes."""
    signal = Signal.GO
    with (
        work.hold.further_link() as link,
        Running(link, f"ANALYZE TABLE {work.shape.shadow}", work.watch) as running,
    ):
        while signal is Signal.GO and not (running.over(LOOK_SECONDS) or running.finished):
            signal = work.turn(control, "estimating the rows of the copy", gather=GATHER_SECONDS)
        if signal is Signal.GO:
            running.outcome()
    return signal


def missing_indexes(work: TableCopy) -> tuple[str, ...]:
    """Those put off that an interrupted build has not made; one ALTER makes all or none."""
    table = read_table(work.hold.link, work.step.schema, work.names.shadow)
    has = {index.line for index in table.indexes} if table is not None else set()
    return tuple(line for line in work.checkpoint.deferred if line not in has)


class _Build:
    """One that is under way."""

    def __init__(self, work: TableCopy, running: Running) -> None:
        self._source = work.copy.source
        self._running = running
        self._queue = ServerQueue(work.watch)

    @property
    def finished(self) -> bool:
        """Whether it is over. Raises what it raised; Waited when nobody can write because of it."""
        if self._queue.too_long():
            raise Waited(
                "somebody wants a lock of the whole server (FLUSH TABLES WITH READ LOCK, a backup), which waited, and all "
                f"writers with it, for the indexes of our copy of {self._source}: they are built again later",
                NOT_IN_TIME,
            )
        return self._running.finished


@contextmanager
def _building(work: TableCopy, lines: Sequence[str], volume: int) -> Iterator[_Build]:
    """The build under way, on a connection of its own; at the end it is over or ended."""
    link = work.hold.open_link({**FILLING, "lock_wait_timeout": 60})
    try:
        if not work.hold.flavour.mariadb:
            threads = settings_of(volume, busy=work.throttle.busy).threads
            link.set(dict.fromkeys(THREADS, threads))
        with Running(link, partial(_build, work.shape.shadow, lines), work.watch) as running:
            try:
                yield _Build(work, running)
            finally:
                if not running.over(0):
                    with suppress(EngineError):  # whoever comes next finds it done or ends it
                        running.end()
    finally:
        work.hold.close_link(link)


def _build(table: str, lines: Sequence[str], link: Link) -> None:
    """Whoever writes to the shadow is us: where the server cannot keep up with that, it waits until the indexes are there."""
    statement = f"ALTER TABLE {table} " + ", ".join(f"ADD {line}" for line in lines)
    try:
        link.run(f"{statement}, ALGORITHM=INPLACE, LOCK=NONE")
    except (ServerRefused, Trouble) as error:
        if error.code in NOT_ONLINE:
            link.run(statement)
        elif error.code in (OUTRUN, FALSE_DUPLICATE):
            link.run(f"{statement}, ALGORITHM=INPLACE, LOCK=SHARED")
        else:
            raise
