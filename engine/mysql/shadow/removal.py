"""Takes the helper objects of a copy off the target."""

from collections.abc import Callable
from dataclasses import replace

from engine import faults
from engine.base import Signal
from engine.mysql.ownership.hold import Hold
from engine.mysql.quoting import quote_table
from engine.mysql.shadow import checkpoints
from engine.mysql.shadow.checkpoints import Checkpoint, Phase
from engine.mysql.trouble import Waited

BUSY_SECONDS = 1.0
TRIES = 30
"""A helper may be in use for a moment: a backup reads it, a person looks at it."""

Breathe = Callable[[str], Signal]
"""Between two steps: told what goes on; reports, and says whether to go on."""


class Removal:
    """The removal of what one checkpoint names. May be repeated."""

    def __init__(self, hold: Hold, checkpoint: Checkpoint, breathe: Breathe) -> None:
        self._hold = hold
        self._checkpoint = checkpoint
        self._names = checkpoint.names
        self._breathe = breathe

    def run(self) -> Signal:
        """Remove the replaced table of a change that is live, or everything of one that is not; then the checkpoint."""
        live = self._checkpoint.phase is Phase.OLD
        if not live:
            checkpoints.put(self._hold, self._hold.link, replace(self._checkpoint, phase=Phase.DISCARD))
        for moment in "iud":
            signal = self._drop("TRIGGER", self._names.trigger(moment))
            if signal is not Signal.GO:
                return signal
        for table in (self._names.old if live else self._names.shadow, self._names.delta):
            signal = self._drop("TABLE", table)
            if signal is not Signal.GO:
                return signal
        checkpoints.remove(self._hold, self._checkpoint)
        return Signal.GO

    def _drop(self, kind: str, name: str) -> Signal:
        """Drop one thing, if it is there. The servers we support drop a table without walking the buffer pool."""
        if not self._exists(kind, name):
            return Signal.GO
        tries = 0
        while True:
            faults.reached(f"drop:{kind.lower()}")
            try:
                self._hold.link.run(f"DROP {kind} IF EXISTS {quote_table(self._checkpoint.schema, name)}")
            except Waited:
                tries += 1
                if tries > TRIES:
                    raise
            else:
                return self._breathe("removing what is not needed any more")
            signal = self._breathe(f"waiting: the {kind.lower()} {name} is in use and cannot be dropped yet")
            if signal is not Signal.GO:
                return signal

    def _exists(self, kind: str, name: str) -> bool:
        # DROP TRIGGER would wait for a lock on the table even where there is nothing to drop.
        return bool(
            self._hold.link.value(
                f"SELECT COUNT(*) FROM information_schema.{kind}S WHERE {kind}_SCHEMA = %s AND {kind}_NAME = %s",
                self._checkpoint.schema,
                name,
            )
        )
