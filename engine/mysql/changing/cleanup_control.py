"""Cleans up whatever a person says meanwhile: what ends the apply anyhow is neither stopped nor cancelled, only handed back."""

from engine.base import Control, Progress, Signal


class CleanupControl:
    """A Control that says HALT or GO, as the caller's does; implements `engine.base.Control`."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def report(self, progress: Progress) -> Signal:
        """Pass it on."""
        return _only_halt(self._control.report(progress))

    def clear_to_cut_over(self) -> Signal:
        """Pass it on."""
        return _only_halt(self._control.clear_to_cut_over())

    def pause(self, seconds: float) -> None:
        """Pass it on."""
        self._control.pause(seconds)

    def volume(self) -> int:
        """Pass it on."""
        return self._control.volume()


def _only_halt(signal: Signal) -> Signal:
    return signal if signal is Signal.HALT else Signal.GO
