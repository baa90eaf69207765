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

from cli.api import Api
from cli.client import Client
from cli.place import Place, Wanted
from cli.replies import Progress
from cli.steering import Steering
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

    def modes(self) -> list[object]:
        """How the terminal treats what is typed."""
        return termios.tcgetattr(self._master)[:4]

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


# -- keys ---------------------------------------------------------------------------------------------------------

PARKED = ("apply", "shop.db", "-y", "--defer-cutover", "-s")


def test_c_pressed_twice_makes_the_change_live() -> None:
    shop = make_shop()
    with terminal(80, *PARKED, write_schema()) as seen:
        seen.wait_for("s stop · c cutover · d leave")
        seen.type("c")
        seen.wait_for("Press c again to make the prepared change live now.")
        assert kinds_of_quantity(shop) == ["text"]
        seen.type("c")
        assert seen.end() == 0, seen.text
    assert kinds_of_quantity(shop) == ["integer"]


def test_s_pressed_twice_pauses_and_says_how_to_go_on() -> None:
    shop = make_shop()
    with terminal(80, *PARKED, write_schema()) as seen:
        seen.wait_for("s stop")
        seen.type("s")
        seen.wait_for("Press s again to pause it at its checkpoint.")
        seen.type("s")
        assert seen.end() == 5, seen.text
        assert "■ stopped" in seen.text
        assert "go on: schemabot start shop.db apply-" in seen.text
    assert kinds_of_quantity(shop) == ["text"]


def test_d_leaves_and_the_terminal_is_as_it_was() -> None:
    make_shop()
    with terminal(80, *PARKED, write_schema()) as seen:
        before = seen.modes()
        seen.wait_for("d leave, it rests at its checkpoint")
        assert seen.modes() != before, "keys are read one by one, and not echoed"
        seen.type("d")
        assert seen.end() == 130, seen.text
        assert "rests at its checkpoint" in seen.text
        assert seen.modes() == before


def test_two_different_keys_a_cursor_key_and_a_pasted_text_command_nothing() -> None:
    shop = make_shop()
    with terminal(80, *PARKED, write_schema()) as seen:
        seen.wait_for("c cutover")
        for keys, answer in (("c", "Press c again"), ("s", "Press s again"), ("\x1b[D", ""), ("css", "")):
            seen.type(keys)
            seen.wait_for(answer)
        assert seen.press_to_the_end("d") == 130, seen.text
    assert kinds_of_quantity(shop) == ["text"]


def test_c_means_nothing_while_no_cutover_is_due() -> None:
    nobody = Place(api=Api(Client("http://127.0.0.1:1")), wanted=Wanted())
    steering = Steering(nobody, "apply-1", listening=True, cutover_asked=False)
    running = Progress.read({"state": "running", "apply_id": "apply-1"})
    assert steering.keys(running) == "s stop · d detach, it goes on"
    assert (steering.press("c", running), steering.press("c", running)) == ("", "")


def test_a_key_whose_command_fails_says_so_and_the_watch_goes_on() -> None:
    nobody = Place(api=Api(Client("http://127.0.0.1:1")), wanted=Wanted())
    steering = Steering(nobody, "apply-1", listening=True, cutover_asked=False)
    running = Progress.read({"state": "running", "apply_id": "apply-1", "database": "shop"})
    assert steering.press("s", running).startswith("Press s again")
    assert steering.press("s", running).startswith("stop failed: cannot connect")


def test_with_lines_wanted_there_are_no_keys_and_no_redrawing() -> None:
    make_shop()
    with terminal(80, "apply", "shop.db", "-y", "-o", "log", "-s", write_schema()) as seen:
        assert seen.end() == 0, seen.text
        assert "orders: completed" in seen.text
        assert "d leave" not in seen.text
        assert b"\x1b[?25l" not in seen._seen
