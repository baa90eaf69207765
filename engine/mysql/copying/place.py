"""Where the copy of one table stands: known in memory, and written down on the target now and then."""

import time
from dataclasses import replace
from typing import Any

from engine.mysql.capturing.capture import Capture
from engine.mysql.link import Link
from engine.mysql.ownership.hold import Hold
from engine.mysql.shadow import checkpoints
from engine.mysql.shadow.checkpoints import Checkpoint, Phase
from engine.mysql.spec import Step
from engine.mysql.trouble import Waited

SAVE_SECONDS = 2.0
"""How often the checkpoint is written."""


class Place:
    """Of one copy; used by the session's thread. *changes* are fields of the checkpoint by their names."""

    def __init__(self, hold: Hold, step: Step) -> None:
        self._hold = hold
        self.state: Checkpoint | None = checkpoints.find(hold, step)
        """None: nothing is there of the copy."""
        self.unsaved_since: float | None = None
        """Since when it could not be written, as nobody may write."""
        self._capture: Capture | None = None
        self._link: Link | None = None
        self._saved_at = 0.0
        self._saved: tuple[object, ...] = ()
        self._moved = False

    @property
    def checkpoint(self) -> Checkpoint:
        """What is there of it, once it is begun."""
        assert self.state is not None
        return self.state

    def begin(self, state: Checkpoint, capture: Capture, link: Link) -> None:
        """Go on from *state*: from here on *capture* tells up to where all is applied, and *link* writes it."""
        self.state = state
        self._capture, self._link = capture, link
        self._saved = self._reached

    def end(self) -> None:
        """The capture and the connection are closed; the checkpoint stays."""
        self._capture = self._link = None

    def start_over(self, reason: str) -> None:
        """What was copied is void, for *reason*; how often that was is known until it is written. Refused: too often."""
        self.state = self.checkpoint.from_the_start(reason)

    def forget(self) -> None:
        """Everything of the copy was removed."""
        self.state = None

    def keep(self, **changes: Any) -> None:
        """The work has come so far, which is written when it is time."""
        self.state = replace(self.checkpoint, **changes)

    def save(self, **changes: Any) -> None:
        """The work has come so far: write that now, with the position up to which all is applied."""
        assert self._capture is not None
        self.put(replace(self.checkpoint, position=self._capture.position, **changes))

    def save_when_due(self) -> None:
        """Save it every few seconds; where nobody may write, later."""
        if time.monotonic() - self._saved_at <= SAVE_SECONDS:
            return
        try:
            self.save()
        except Waited:
            self._saved_at = time.monotonic()
            self.unsaved_since = self.unsaved_since or self._saved_at

    def put(self, state: Checkpoint) -> None:
        """Write it as it is given: before anything is captured, or once nothing has to be any more."""
        checkpoints.put(self._hold, self._link or self._hold.link, state)
        self.state = state
        self._saved_at = time.monotonic()
        self.unsaved_since = None
        self._moved = self._moved or self._reached != self._saved
        self._saved = self._reached

    def moved(self) -> bool:
        """Whether what is written has moved on since this was asked last."""
        moved, self._moved = self._moved, False
        return moved

    @property
    def _reached(self) -> tuple[object, ...]:
        """Whoever comes to another one has made progress; not what is compared beside a build, which may fail each time."""
        state = self.checkpoint
        return (state.phase, None if state.phase is Phase.INDEX else state.low, state.rows_copied)
