"""Takes the helper objects of a copy off the target."""

from dataclasses import replace
from functools import partial

from engine import faults
from engine.base import Control, Signal
from engine.mysql.catalog import exists
from engine.mysql.names import MOMENTS
from engine.mysql.ownership.watch import Watch
from engine.mysql.quoting import quote_table
from engine.mysql.shadow import checkpoints
from engine.mysql.shadow.checkpoints import Checkpoint, Phase
from engine.mysql.trouble import Waited
from engine.mysql.waiting.lock_retry import LockRetry, Say

TRIES = 30
"""A table of ours may be in use for a moment: a backup reads it, a person looks at it."""


class Removal:
    """The removal of what one checkpoint names. May be repeated."""

    def __init__(self, watch: Watch, checkpoint: Checkpoint, control: Control, breathe: Say) -> None:
        """*breathe* is called between two steps."""
        self._hold = watch.hold
        self._checkpoint = checkpoint
        self._names = checkpoint.names
        self._breathe = breathe
        self._live = checkpoint.phase is Phase.OLD
        # Triggers went along with the table when it was replaced.
        bearer = self._names.old if self._live else checkpoint.source
        self._retry = LockRetry(watch, control, [(checkpoint.schema, bearer)], breathe)

    def run(self) -> Signal:
        """Remove the replaced table of a change that is live, or everything of one that is not; then the checkpoint."""
        if not self._live:
            checkpoints.put(self._hold, self._hold.link, replace(self._checkpoint, phase=Phase.DISCARD))
        for moment in MOMENTS:
            signal = self._drop_trigger(self._names.trigger(moment))
            if signal is not Signal.GO:
                return signal
        for table in (self._names.old if self._live else self._names.shadow, self._names.delta):
            signal = self._drop_table(table)
            if signal is not Signal.GO:
                return signal
        checkpoints.remove(self._hold, self._checkpoint)
        return Signal.GO

    def _drop_trigger(self, name: str) -> Signal:
        """The application uses the table that it is on, and must not queue behind us for long."""
        # DROP TRIGGER would wait for a lock on the table even where there is nothing to drop.
        if not exists(self._hold.link, "TRIGGER", self._checkpoint.schema, name):
            return Signal.GO
        signal = self._retry.until(partial(self._drop, "TRIGGER", name))
        return self._breathe("removing what is not needed any more") if signal is Signal.GO else signal

    def _drop_table(self, name: str) -> Signal:
        """Drop one of our own, if it is there. The servers we support drop a table without walking the buffer pool."""
        if not exists(self._hold.link, "TABLE", self._checkpoint.schema, name):
            return Signal.GO
        tries = 0
        while True:
            try:
                self._drop("TABLE", name)
            except Waited:
                tries += 1
                if tries > TRIES:
                    raise
            else:
                return self._breathe("removing what is not needed any more")
            signal = self._breathe(f"waiting: the table {name} is in use and cannot be dropped yet")
            if signal is not Signal.GO:
                return signal

    def _drop(self, kind: str, name: str) -> Signal:
        faults.reached(f"drop:{kind.lower()}")
        with self._hold.link.without_limit():  # many partitions are many files
            self._hold.link.run(f"DROP {kind} IF EXISTS {quote_table(self._checkpoint.schema, name)}")
        return Signal.GO
