"""A command line behind a pseudo-terminal: what a person sees and types."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.cli.rig import LIMIT_SECONDS

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A command line behind a pseudo-terminal of a given width."""

    def __init__(self, width: int, *words: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, width, 0, 0))
        root = str(Path(__file__).resolve().parents[2])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "schemabot", *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env=os.environ | {"PYTHONPATH": root, "TERM": "xterm-256color"},
        )
        os.close(slave)
        os.set_blocking(self._master, False)
        self._seen = b""

    @property
    def text(self) -> str:
        """What was written so far, without colours and cursor movements; each redrawing begins a line."""
        return ESCAPES.sub("", self._seen.decode("utf-8", "replace")).replace("\r", "\n")

    def wait_for(self, part: str) -> None:
        """Read until *part* was written."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while part not in self.text:
            assert self._read() or time.monotonic() < deadline, f"no {part!r} in: {self.text}"

    def _read(self) -> bool:
        """Whether something new came; never waits long."""
        try:
            news = os.read(self._master, 65_536)
        except BlockingIOError:
            time.sleep(0.02)
            return False
        except OSError:  # the other side is closed
            assert self.process.wait(LIMIT_SECONDS) is not None
            return False
        self._seen += news
        return bool(news)

    def modes(self) -> list[Any]:
        """How the terminal treats what is typed."""
        return termios.tcgetattr(self._master)[:4]

    def set_modes(self, modes: list[Any]) -> None:
        """Change that."""
        termios.tcsetattr(self._master, termios.TCSANOW, [*modes, *termios.tcgetattr(self._master)[4:]])

    def type(self, keys: str) -> None:
        """Type."""
        os.write(self._master, keys.encode())

    def end(self) -> int:
        """Read to the end; the exit code."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while self.process.poll() is None:
            assert self._read() or time.monotonic() < deadline, f"still running: {self.text}"
        while self._read():
            pass
        return self.process.returncode

    def press_to_the_end(self, key: str) -> int:
        """Press *key* every now and then: right behind other keys it would be part of a pasted text. The exit code."""
        deadline = time.monotonic() + LIMIT_SECONDS
        pressed = 0.0
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"still running: {self.text}"
            if time.monotonic() - pressed > 0.5:
                self.type(key)
                pressed = time.monotonic()
            self._read()
        return self.end()

    def close(self) -> None:
        """End it, however it stands."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(LIMIT_SECONDS)
        os.close(self._master)


@contextmanager
def terminal(width: int, *words: str) -> Iterator[Terminal]:
    opened = Terminal(width, *words)
    try:
        yield opened
    finally:
        opened.close()
