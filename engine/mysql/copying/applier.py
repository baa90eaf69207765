"""Brings the rows whose keys changed from the source to the shadow, in batches, until none waits."""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress

from engine.errors import EngineError, Refused
from engine.mysql.capturing.capture import Capture
from engine.mysql.copying.chunk_sizer import FEWEST_BYTES
from engine.mysql.copying.filling import Collision, first_unfit, lossy, refresh
from engine.mysql.link import Link
from engine.mysql.ownership.hold import Hold
from engine.mysql.shadow.keys import Literals
from engine.mysql.shadow.shape import Shape
from engine.mysql.trouble import NO_PRIVILEGE, NO_SUCH_TABLE, TOO_MUCH, ServerRefused, Waited

OF_THE_TABLE = NO_PRIVILEGE | {1036, 1051, 1054, 1100, NO_SUCH_TABLE}
"""Refusals that no single row is to blame for: a table or column is gone, or a privilege."""

BATCH = 500
COMPOSITE_BATCH = 200
"""The most keys of a transaction, of one column and of several. Not measured: how long it takes decides, by BATCH_SECONDS."""
BATCH_SECONDS = 0.04
"""So long the application may wait for a row of a batch: within the 20 to 50 ms for which chunks were found to lock rows well."""
MOST_COLLISIONS = 20
"""So often a row may meet another in a new unique index although every row that had changed until then had been taken out."""


class Applier:
    """Used by one thread."""

    def __init__(self, hold: Hold, shape: Shape, waiting: Capture, row_bytes: int) -> None:
        """*row_bytes*: what a row weighs, about. Of heavy ones it begins with few: a whole batch might take minutes."""
        self._hold = hold
        self._shape = shape
        self._waiting = waiting
        self._most = BATCH if len(shape.key.columns) == 1 else COMPOSITE_BATCH
        self._limit = max(1, min(self._most, FEWEST_BYTES // max(row_bytes, 1)))
        self._collisions: Counter[Literals] = Counter()
        self._held: dict[Literals, float] = {}

    @property
    def held_since(self) -> float | None:
        """Since when the row that has waited longest could not be applied, as others hold it."""
        return next(iter(self._held.values()), None)

    @property
    def held(self) -> str:
        """Which row that is."""
        key = next(iter(self._held), None)
        if key is None:
            return ""
        more = f" and {len(self._held) - 1:,} more" if len(self._held) > 1 else ""
        return f"the row {self._shape.key.shown(key)}{more} of {self._shape.copy.source}"

    def step(self, link: Link, *, locked: bool = False) -> int:
        """One transaction: how many keys were applied; 0 when nothing is left of the generation, or nothing could be.

        *locked*: *link* holds both tables by LOCK TABLES, and may touch no other. Refused: a row does not fit.
        Waited: a row is more than a transaction may write.
        """
        keys = next(self._shape.lots(self._waiting.next_batch(self._limit), link.list_bytes), ())
        if not keys:
            return 0
        began = time.monotonic()
        try:
            if not self._apply(link, keys, locked=locked):
                return 0
        except Waited as error:
            if error.code == TOO_MUCH and len(keys) == 1:
                raise
            self._put_off(keys)
            return 0
        except ServerRefused as error:
            if error.code in OF_THE_TABLE:
                raise
            raise self._unfit(link, keys, error) from error
        self._waiting.applied(keys)
        for key in keys if self._collisions or self._held else ():
            self._collisions.pop(key, None)
            self._held.pop(key, None)
        self._pace(len(keys), time.monotonic() - began)
        return len(keys)

    def _apply(self, link: Link, keys: Sequence[Literals], *, locked: bool) -> bool:
        """Whether no other row was in the way."""
        try:
            with self._transaction(link, locked=locked):
                refresh(link, self._shape, keys)
                self._waiting.forget(link, keys)
        except Collision as collision:
            self._collided(link, keys, collision, locked=locked)
            return False
        return True

    def _transaction(self, link: Link, *, locked: bool) -> AbstractContextManager[None]:
        """START TRANSACTION would give up table locks; under them each statement commits by itself, and nobody else can see."""
        return nullcontext() if locked else self._hold.transaction(link, "apply")

    def _pace(self, keys: int, seconds: float) -> None:
        """That fewer than the limit were quick says nothing about more."""
        if seconds > 2 * BATCH_SECONDS:
            self._limit = max(1, self._limit // 2)
        elif seconds < BATCH_SECONDS and keys >= self._limit:
            self._limit = min(self._most, self._limit * 2)

    def _put_off(self, keys: Sequence[Literals]) -> None:
        """Somebody holds one of the rows, perhaps for long (a prepared XA transaction): the others go on, in smaller lots."""
        self._limit = max(1, self._limit // 4)
        self._waiting.defer(keys)
        if len(keys) == 1:  # else nobody knows which it was
            self._held.setdefault(keys[0], time.monotonic())

    def _collided(self, link: Link, keys: Sequence[Literals], collision: Collision, *, locked: bool) -> None:
        """Take all that waits out of the shadow: no stale row is in the way then, when all that was committed waits here."""
        if self._waiting.merge(link):
            self._collisions.update(keys)
            if max(self._collisions[key] for key in keys) > MOST_COLLISIONS:
                raise duplicate(self._shape, collision)
        waiting = self._waiting.next_batch(sys.maxsize)
        for at in range(0, len(waiting), self._most):
            for some in self._shape.lots(waiting[at : at + self._most], link.list_bytes):
                with self._transaction(link, locked=locked):
                    link.run(self._shape.take_out(some))
        self._limit = max(1, self._limit // 4)  # so that in the end only the row in question is counted
        self._waiting.defer(keys)

    def _unfit(self, link: Link, keys: Sequence[Literals], error: ServerRefused) -> Refused:
        def fits(some: Sequence[Literals]) -> bool:
            try:
                link.run("START TRANSACTION")
                refresh(link, self._shape, some)
            except (ServerRefused, Collision):
                return False
            finally:
                with suppress(EngineError):
                    link.run("ROLLBACK")
            return True

        example = f" (in the row with {self._shape.key.shown(first_unfit(keys, fits))})"
        return lossy(self._shape, str(error), example)


def duplicate(shape: Shape, collision: Collision) -> Refused:
    """What to say when two rows really are in each other's way."""
    said = str(collision).replace(shape.new.name, shape.copy.table)
    return Refused(
        f"{shape.copy.table}: two rows have the same value under the new unique index {', '.join(shape.fresh_uniques)}: "
        f"{said}; nothing was changed: correct the rows, then plan again"
    )
