"""The signals that ask a process to end, beside Ctrl-C."""

import signal
from collections.abc import Callable
from types import FrameType


def interrupt_on_signals() -> None:
    """Let SIGTERM, and a terminal that is closed, end a command that has something to hand back the way Ctrl-C does (AV-4)."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    on_hangup(interrupt)


def on_hangup(handler: Callable[[int, FrameType | None], None]) -> None:
    """Unless the process was started so that it outlives its terminal (nohup)."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, handler)
