"""What the server does with an engine's session, for tests that have no server."""

import time
from typing import Any

from engine.base import DEFAULT_VOLUME, Change, Control, Progress, Session, Signal
from engine.errors import DriftFound, Refused


class Caller:
    """A Control that goes on, counts, and does what a test hung on a report."""

    def __init__(self, *signals: Signal) -> None:
        self.signals = list(signals)
        self.reports: list[Progress] = []
        self.pauses = 0
        self.on_report: Any = None
        self.on_clear: Any = None
        self.wanted_volume = DEFAULT_VOLUME
        self.rests = False  # really pause: there is another writer

    def report(self, progress: Progress) -> Signal:
        """Note it."""
        self.reports.append(progress)
        if self.on_report is not None:
            answer = self.on_report(progress)
            if isinstance(answer, Signal):
                return answer
        return self.signals.pop(0) if self.signals else Signal.GO

    def clear_to_cut_over(self) -> Signal:
        """Go."""
        if self.on_clear is not None:
            answer = self.on_clear()
            if isinstance(answer, Signal):
                return answer
        return Signal.GO

    def pause(self, seconds: float) -> None:
        """Tests lose no time, unless there is another writer."""
        self.pauses += 1
        if self.rests:
            time.sleep(seconds)

    def volume(self) -> int:
        """As the test wants it."""
        return self.wanted_volume


def drive(session: Session, change: Change, control: Control) -> Signal:
    """What the server does for one change, also when it fails for good."""
    try:
        for step in (session.prepare, session.cut_over):
            signal = step([change], control)
            if signal is not Signal.GO:
                return signal
        return session.tidy(control)
    except (Refused, DriftFound) as error:
        session.give_up(str(error))
        session.discard(control)
        raise
