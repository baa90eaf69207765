"""The command line at a terminal: a person answers, watches a bar, presses Ctrl-C."""

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

import pytest

from tests.cli.rig import LIMIT_SECONDS, kinds_of_quantity, make_shop, write_schema

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


@pytest.mark.parametrize("width", [80, 120])
def test_a_person_says_yes_and_watches_to_the_end(width: int) -> None:
    shop = make_shop()
    with terminal(width, "apply", "shop.db", "-s", write_schema()) as seen:
        seen.wait_for("Only 'yes' goes on")
        seen.type("yes\n")
        assert seen.end() == 0, seen.text
        assert "✓ completed" in seen.text
        assert "Apply completed" in seen.text
        view = seen.text[seen.text.index("Apply started") :]
        assert max(len(line) for line in view.splitlines() if not line.startswith(("Apply", "Lock"))) <= width
    assert kinds_of_quantity(shop) == ["integer"]


@pytest.mark.parametrize("answer", ["y\n", "no\n", "\n", "\x04"])
def test_any_other_answer_changes_nothing(answer: str) -> None:
    shop = make_shop()
    with terminal(80, "apply", "shop.db", "-s", write_schema()) as seen:
        seen.wait_for("Only 'yes' goes on")
        seen.type(answer)
        assert seen.end() in (1, 130), seen.text
    assert kinds_of_quantity(shop) == ["text"]


def test_interrupting_the_question_ends_with_130_and_nothing_begun() -> None:
    shop = make_shop()
    with terminal(80, "apply", "shop.db", "-s", write_schema()) as seen:
        seen.wait_for("Only 'yes' goes on")
        seen.type("\x03")
        assert seen.end() == 130, seen.text
        assert "Nothing was changed." in seen.text
    assert kinds_of_quantity(shop) == ["text"]


def test_interrupting_the_view_says_how_to_go_on_and_leaves_the_cursor_visible() -> None:
    make_shop()
    with terminal(80, "apply", "shop.db", "-s", write_schema(), "-y", "--defer-cutover") as seen:
        seen.wait_for("schemabot cutover shop.db apply-")
        seen.type("\x03")
        assert seen.end() == 130, seen.text
        assert "rests at its checkpoint" in seen.text
        assert "schemabot progress shop.db apply-" in seen.text
        assert seen._seen.rindex(b"\x1b[?25h") > seen._seen.rindex(b"\x1b[?25l")
