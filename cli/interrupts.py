"""Ends that others ask for, beside Ctrl-C."""

import signal
from types import FrameType


def interrupt_on_signals() -> None:
    """Let SIGTERM, and a terminal that is closed, end a command that has something to hand back the way Ctrl-C does (AV-4).

    One that was started so that it outlives its terminal (nohup) goes on.
    """

    def interrupt(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:  # one terminal that closes sends it more than once
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)
