"""The reference part of docs/cli.md, written from the commands themselves: `python -m tests.cli.reference` renews it."""

import inspect
import textwrap
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from cli.main import program

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/cli.md"
BEGIN = "<!-- The rest is written by `make reference` from the commands; a test holds it to them. -->\n"
SHARED_BY = 5
"""An option of so many commands, in the same words, is told once."""


def reference() -> str:
    """The whole generated part."""
    shared = _shared()
    parts = [
        "## Reference",
        "Every command takes `-h` (`--help`). Before the command stand:",
        _table(_options(program)),
    ]
    parts += ["These options mean the same wherever a command has them:", _table(shared)]
    for name, command in program.commands.items():
        parts += list(_command(name, command, shared))
    return "\n\n".join(parts) + "\n"


def document(text: str) -> str:
    """*text* with its generated part renewed."""
    kept, begin, _ = text.partition(BEGIN)
    if not begin:
        raise ValueError(f"{DOCUMENT} has no line {BEGIN!r}")
    return f"{kept}{BEGIN}\n{reference()}"


def _options(command: click.Command) -> list[click.Option]:
    return [found for found in command.params if isinstance(found, click.Option) and not found.hidden]


def _row(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts) if "_" not in name)
    value = "" if option.is_flag or option.count else f" {option.make_metavar(click.Context(program))}"
    default = ""
    if option.show_default and option.default not in (None, "", False):
        default = f" Default: `{option.default}`."
    return f"| {names}{value.replace('|', chr(92) + '|')} | {option.help}{default} |"


def _table(options: list[click.Option]) -> str:
    return "\n".join(["| option | meaning |", "|---|---|", *map(_row, options)])


def _shared() -> list[click.Option]:
    every = [option for command in program.commands.values() for option in _options(command)]
    often = Counter(_row(option) for option in every)
    found = {_row(option): option for option in every if often[_row(option)] >= SHARED_BY}
    return list(found.values())


def _command(name: str, command: click.Command, shared: list[click.Option]) -> Iterator[str]:
    rows = {_row(option) for option in shared}
    own = [option for option in _options(command) if _row(option) not in rows]
    context = click.Context(command, info_name=f"schemabot {name}")
    yield f"### `schemabot {name}`"
    yield "```\n" + command.get_usage(context).removeprefix("Usage: ") + "\n```"
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        yield _paragraph(paragraph)
    if own:
        yield _table(own)
    also = [option.opts[0] for option in _options(command) if _row(option) in rows]
    if also:
        yield "Also: " + ", ".join(f"`{option}`" for option in also) + "."


def _paragraph(text: str) -> str:
    if text.startswith("\b"):
        return "```\n" + textwrap.dedent(text.removeprefix("\b").strip("\n")) + "\n```"
    return " ".join(text.split())


if __name__ == "__main__":
    DOCUMENT.write_text(document(DOCUMENT.read_text()))
