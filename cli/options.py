"""Options that many commands share, read into one record."""

import functools
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from cli.errors import CliError, WrongUsage
from cli.output import Output
from cli.place import Wanted, looks_like_file, project_here, read_words
from cli.profile import profile_names

F = TypeVar("F", bound=Callable[..., Any])

TIME = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|)")
TIME_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}
WORDS = "[DATABASE_FILE | DATABASE] [APPLY_ID]"


def complete_files(_context: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
    """Let the shell complete a file."""
    return [CompletionItem(typed, type="file")]


def complete_folders(
    _context: click.Context, _parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Let the shell complete a folder."""
    return [CompletionItem(typed, type="dir")]


def complete_profiles(
    _context: click.Context, _parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """The profiles that are written down."""
    return [CompletionItem(name) for name in profile_names() if name.startswith(typed)]


def server_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--endpoint, --profile, -d, -e: handed to the command as `wanted`."""

    @click.option(
        "--endpoint", default="", metavar="URL", help="The server, for example http://127.0.0.1:13370."
    )
    @click.option(
        "--profile",
        default="",
        metavar="NAME",
        help="A profile of ~/.schemabot/config.yaml.",
        shell_complete=complete_profiles,
    )
    @click.option("-d", "--database", default="", metavar="NAME", help="A database of the server.")
    @click.option(
        "-e", "--environment", default="", metavar="NAME", help="One of the database's environments."
    )
    @click.pass_context
    @functools.wraps(function)
    def command(context: click.Context, /, **given: Any) -> Any:
        top = context.find_object(Wanted) or Wanted()
        wanted = Wanted(
            endpoint=given.pop("endpoint") or top.endpoint,
            profile=given.pop("profile") or top.profile,
            database=given.pop("database"),
            environment=given.pop("environment"),
        )
        return function(wanted=wanted, **given)

    return command


def output_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--json: handed to the command as `output`."""

    @click.option("--json", "as_json", is_flag=True, help="Machine output: JSON on stdout.")
    @functools.wraps(function)
    def command(*, as_json: bool, **given: Any) -> Any:
        return function(output=Output(as_json=as_json), **given)

    return command


def watch_output_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """--json, -o and --log-heartbeat of the commands that watch: handed to the command as `output`."""

    @click.option("--json", "as_json", is_flag=True, help="Machine output: JSON on stdout.")
    @click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice(["interactive", "log", "json"]),
        default="interactive",
        show_default=True,
        help="How to watch: a view that redraws itself where a terminal can, plain lines, or JSON lines.",
    )
    @click.option(
        "--log-heartbeat",
        "heartbeat",
        callback=_seconds,
        default="10s",
        show_default=True,
        metavar="TIME",
        help="With plain lines: how often at least to say how far it is.",
    )
    @functools.wraps(function)
    def command(*, as_json: bool, form: str, heartbeat: float, **given: Any) -> Any:
        wants_json = as_json or form == "json"
        output = Output(as_json=wants_json, lines=form == "log", heartbeat_seconds=heartbeat)
        try:
            return function(output=output, **given)
        except CliError as error:
            error.as_json = wants_json
            raise

    return command


def _seconds(context: click.Context, parameter: click.Parameter, text: str) -> float:
    """The seconds in `500ms`, `10s`, `2m`, `1h`, or a bare number of them."""
    found = TIME.fullmatch(text.strip())
    seconds = float(found[1]) * TIME_UNITS[found[2]] if found else 0.0
    if not 0 < seconds <= 86_400:
        problem = f"{text!r} is not a time; write it like 10s or 2m, a day at most"
        raise click.BadParameter(problem, context, parameter)
    return seconds


def words_argument(function: F) -> F:
    """Up to two words that name an apply, a SQLite file or a database."""
    return click.argument("words", nargs=-1, metavar=WORDS, shell_complete=complete_files)(function)


def schema_options(function: F) -> F:
    """The SQLite file and the schema directory of plan and apply."""
    function = click.argument("database_file", required=False, default="", shell_complete=complete_files)(
        function
    )
    return click.option(
        "-s",
        "--schema-dir",
        "--schema_dir",
        "schema_dir",
        default=".",
        show_default=True,
        metavar="DIR",
        help="The folder with the schema files, and with schemabot.yaml if there is one.",
        shell_complete=complete_folders,
    )(function)


def named(wanted: Wanted, words: tuple[str, ...]) -> Wanted:
    """*wanted* with what the *words* name; without any, with the project of this folder."""
    if len(words) > 2:
        raise WrongUsage(f"too many arguments: {' '.join(words)}", "name one database and one apply at most")
    found = read_words(words, endpoint=wanted.endpoint)
    if found.database and wanted.database and found.database != wanted.database:
        raise WrongUsage(f"{found.database} and -d {wanted.database} name two databases", "name one of them")
    if found.file is not None and wanted.database:
        raise WrongUsage(f"{found.file} and -d {wanted.database} name two databases", "name one of them")
    project = None if found.file or found.database or wanted.database else project_here()
    return replace(
        wanted,
        file=found.file,
        apply_id=found.apply_id,
        database=found.database or wanted.database,
        project=project,
    )


def with_file(wanted: Wanted, database_file: str) -> Wanted:
    """*wanted* with the SQLite file of plan and apply, which need not exist yet."""
    if not database_file:
        return wanted
    path = Path(database_file)
    if path.is_dir():
        raise WrongUsage(
            f"{database_file} is a folder", "name the SQLite file; the schema's folder goes behind -s"
        )
    if not path.exists() and not looks_like_file(database_file):
        raise WrongUsage(
            f"no such database file: {database_file}",
            f"a database of a server is named by -d {database_file}",
        )
    if wanted.database:
        raise WrongUsage(f"{database_file} and -d {wanted.database} name two databases", "name one of them")
    return replace(wanted, file=path)
