"""Where a command's words go: people's to the terminal, machines' as JSON on stdout, errors on stderr."""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from cli.errors import CliError, Interrupted
from cli.views.text import clean

HEARTBEAT_SECONDS = 10.0
PIPE_WIDTH = 100_000
"""Columns when nobody looks at a terminal: lines are not broken for a program that reads them."""


def make_console(*, stderr: bool = False) -> Console:
    """A console that takes every text literally."""
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console


class Output:
    """What one command prints. With *as_json* stdout holds JSON only, and words for people are left out.

    *lines*: a watch prints lines although it could redraw; while a table is at work at least every *heartbeat_seconds*.
    """

    def __init__(
        self,
        *,
        as_json: bool = False,
        lines: bool = False,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self.as_json = as_json
        self.heartbeat_seconds = heartbeat_seconds
        self._lines = lines
        self.console = make_console()

    @property
    def live(self) -> bool:
        """Whether a person looks at a terminal that can redraw."""
        if self.as_json or self._lines:
            return False
        return self.console.is_terminal and not self.console.is_dumb_terminal

    def show(self, renderable: RenderableType) -> None:
        """Print for people."""
        if not self.as_json:
            self.console.print(renderable)

    def say(self, text: str, style: str = "") -> None:
        """One sentence for people; whole even when it is longer than the line, so that commands in it can be copied."""
        if not self.as_json:
            self.console.print(Text(clean(text), style=style), soft_wrap=True)

    def hint(self, text: str) -> None:
        """What to do next."""
        self.say(text, "dim")

    def document(self, data: Mapping[str, Any]) -> None:
        """One JSON document, over several lines."""
        if self.as_json:
            print(json.dumps(data, indent=2), flush=True)

    def line(self, data: Mapping[str, Any]) -> None:
        """One JSON document on one line."""
        if self.as_json:
            print(json.dumps(data), flush=True)


def interactive() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty()


def show_error(error: CliError, *, as_json: bool) -> None:
    """`Error: …` and what to do next on stderr; with *as_json* also as a JSON line on stdout."""
    console = make_console(stderr=True)
    prefix = "" if isinstance(error, Interrupted) else "Error: "
    # Further lines are set in: none of them may pass for a line of ours.
    text = clean(str(error)).replace("\n", "\n  ")
    console.print(Text.assemble((prefix, "bold red"), text), soft_wrap=True)
    if error.hint:
        console.print(Text(clean(error.hint), style="dim"), soft_wrap=True)
    if as_json:
        json_error(error.code, str(error), error.hint)


def json_error(code: str, message: str, hint: str) -> None:
    """The same for a program, on stdout."""
    print(json.dumps({"error": {"code": code, "message": message, "hint": hint}}), flush=True)
