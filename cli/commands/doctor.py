"""`schemabot doctor`: look at everything a change needs before it is needed, and say what to mend."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.api import Api
from cli.checkup import examine_server
from cli.client import Client
from cli.commands.serve import read_config
from cli.errors import CliError, Exit, WrongUsage
from cli.options import complete_files, complete_profiles, output_option
from cli.output import Output
from cli.place import Wanted
from cli.profile import find_endpoint
from cli.views.checkup import Note, checkup_view, verdict_sentence

if TYPE_CHECKING:
    from server.config import Config

Sections = Iterable[tuple[str, list[Note]]]


@click.command()
@click.argument("database_file", required=False, default="", shell_complete=complete_files)
@click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The config.toml of a server on this machine: its store and its targets are looked at.",
)
@click.option("--endpoint", default="", metavar="URL", help="A server, looked at from outside.")
@click.option(
    "--profile",
    default="",
    metavar="NAME",
    help="A profile of ~/.schemabot/config.yaml.",
    shell_complete=complete_profiles,
)
@output_option
@click.pass_context
def doctor(
    context: click.Context,
    database_file: str,
    config_file: Path | None,
    endpoint: str,
    profile: str,
    output: Output,
) -> Exit:
    """Look for what has to be mended before a change can run.

    With -c reads the configuration like `serve` and looks at all it names: addresses, secrets, the store, and each
    database (whether it can be reached, privileges, journal or binlog settings, room on the disk). Without it a server
    is looked at from outside. Changes nothing anywhere.

    \b
      schemabot doctor -c /etc/schemabot/config.toml
      schemabot doctor shop.db
      schemabot doctor --endpoint https://schemabot.example.org

    Every finding that is not good says what to do. Exit code 1 when something has to be mended. With --json: one
    document, {"ready", "sections"}.
    """
    top = context.find_object(Wanted) or Wanted()
    endpoint, profile = endpoint or top.endpoint, profile or top.profile
    if sum(map(bool, (database_file, config_file, endpoint))) > 1:
        raise WrongUsage("a file, -c and --endpoint are three things to look at", "name one of them")
    sections = []
    for about, notes in _sections(database_file, config_file, endpoint, profile):
        output.show(checkup_view(about, notes))
        sections.append((about, notes))
    every = [note for _, notes in sections for note in notes]
    ready = all(note.verdict != "bad" for note in every)
    output.document(
        {
            "ready": ready,
            "sections": [
                {"about": about, "found": [note.document() for note in notes]} for about, notes in sections
            ],
        }
    )
    output.say(*verdict_sentence(every))
    return Exit.OK if ready else Exit.FAILED


def _sections(database_file: str, config_file: Path | None, endpoint: str, profile: str) -> Sections:
    if config_file is not None:
        return _of_config(config_file)
    if database_file:
        return _of_file(Path(database_file))
    found = find_endpoint(endpoint, profile)
    if not found:
        raise WrongUsage(
            "nothing to look at",
            "name a configuration (-c config.toml), a SQLite file, or a server (--endpoint URL)",
        )
    return _of_server(found)


def _of_config(config_file: Path) -> Iterator[tuple[str, list[Note]]]:
    about = f"configuration {config_file}"
    try:
        config = read_config(config_file)
    except CliError as error:
        problems = str(error).splitlines()
        yield (
            about,
            [Note(verdict="bad", subject="setting", text=text, remedy=error.hint) for text in problems],
        )
        return
    yield (
        about,
        [Note(verdict="good", subject="settings", text="every key is known and has a value it can have")],
    )
    yield from _examined(config)


def _of_file(file: Path) -> Iterator[tuple[str, list[Note]]]:
    file = file.resolve()
    from cli.local import database_name, store_beside

    config = read_config(None, "127.0.0.1:0", str(store_beside(file)), (f"{database_name(file)}={file}",))
    # The daemon inside a command has nothing to set: the first section is about a server's own.
    _, *rest = _examined(config)
    yield from rest


def _examined(config: "Config") -> Iterator[tuple[str, list[Note]]]:
    from server.examination import examine

    for section in examine(config):
        yield (
            section.about,
            [
                Note(verdict=found.verdict.value, subject=found.subject, text=found.text, remedy=found.remedy)
                for found in section.found
            ],
        )


def _of_server(endpoint: str) -> Iterator[tuple[str, list[Note]]]:
    client = Client(endpoint)
    try:
        yield from examine_server(Api(client))
    finally:
        client.close()
