"""Single keys of a person who watches: read without waiting for Enter; the terminal is put back as it was."""

import os
import select
import sys
import termios
import time
import tty
from types import TracebackType
from typing import Any, Self

LOCAL_MODES = 3
"""Where termios keeps the flags of line editing and echo."""
MOST_BYTES = 256
"""More at once was pasted, not typed."""


class Keyboard:
    """Its `wait` is the sleep of a watch, ended early by a key; a context manager.

    Only a terminal that this process has in the foreground is listened to; elsewhere nothing is ever pressed.
    """

    def __init__(self, *, wanted: bool) -> None:
        self._fd = sys.stdin.fileno() if wanted and sys.stdin.isatty() else -1
        self._before: list[Any] | None = None

    @property
    def listening(self) -> bool:
        """Whether keys are heard."""
        return self._before is not None

    def wait(self, seconds: float) -> str:
        """The key pressed within *seconds*, in lower case; "" when none was, or none that means anything."""
        if not self.listening or not self._in_front():
            time.sleep(seconds)
            return ""
        self._hear()
        ready, _, _ = select.select([self._fd], [], [], seconds)
        if not ready or not self._in_front():
            return ""
        typed = os.read(self._fd, MOST_BYTES)
        if not typed:  # the terminal is gone: a watch without a person goes on as one
            self._give_back()
            return ""
        # A cursor key is several bytes that begin with Escape, a pasted text is several letters: neither is a command.
        return typed.decode("ascii", "replace").lower() if len(typed) == 1 else ""

    def __enter__(self) -> Self:
        if self._fd >= 0 and self._in_front():
            self._before = termios.tcgetattr(self._fd)
            self._hear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back()

    def _in_front(self) -> bool:
        """Whether the terminal is ours now: taking it over, or reading it, from the background would stop the process."""
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError:  # the terminal was closed
            return False

    def _hear(self) -> None:
        """Keys one by one, not echoed; again after a shell had the terminal (Ctrl-Z, then fg)."""
        if termios.tcgetattr(self._fd)[LOCAL_MODES] & termios.ICANON:
            tty.setcbreak(self._fd, termios.TCSADRAIN)

    def _give_back(self) -> None:
        if self._before is not None and self._in_front():
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)
        self._before = None
