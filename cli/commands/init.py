"""`schemabot init`: a schema directory made from a live database, proven to change nothing."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import yaml

from cli.errors import Exit, Refused
from cli.options import complete_files, complete_folders, named, output_option, server_options
from cli.output import Output
from cli.place import Place, Wanted, open_place
from cli.planning import make_plans, read_source
from cli.project import CONFIG_NAME
from cli.pulled import checked_files, compare, write
from cli.replies import Plan
from cli.views.text import GREEN, count, one_line

CONFIG_HEAD = '# Which database the files in this folder describe: docs/cli.md, "The schema directory".\n'


@click.command()
@click.argument("words", nargs=-1, metavar="[DATABASE_FILE | DATABASE]", shell_complete=complete_files)
@server_options
@click.option(
    "-o",
    "--output-dir",
    "directory",
    default="schema",
    show_default=True,
    metavar="DIR",
    shell_complete=complete_folders,
    help="The folder to make.",
)
@output_option
def init(words: tuple[str, ...], wanted: Wanted, directory: str, output: Output) -> Exit:
    """Make a schema directory from a live database.

    Writes schemabot.yaml and one file for each table, after a plan of these very files has shown that they change
    nothing. Never overwrites: a folder that holds a schema already is refused.

    \b
    A SQLite file, no server needed:
      schemabot init shop.db -o schema/
    A server's database:
      schemabot init shop -e production -o schema/shop

    With --json: one document, {"directory", "database", "environment", "written"}.
    """
    root = Path(directory)
    _check_free(root)
    with open_place(named(wanted, words), drive=False) as place:
        environment = place.environment()
        files = checked_files(place.api.pull(place.named_database(), environment))
        config = _config(place, root)
        _prove(place, root, files, environment)
        after = place.command("plan", "-s", directory)
    written = _write(root, files, config)
    for path in written:
        output.say(f"wrote {path}")
    output.document(
        {"directory": directory, "database": config["database"], "environment": environment}
        | {"written": [str(path) for path in written]}
    )
    output.say(f"{count(len(written), 'file')} in {root}: a plan of them changes nothing.", GREEN)
    output.hint(f"Edit them, then: {after}")
    return Exit.OK


def _check_free(root: Path) -> None:
    if root.exists() and not root.is_dir():
        raise Refused(f"{root} is a file", "name another folder by -o DIR")
    found = [path for name in (CONFIG_NAME, "*.sql", "vschema.json", "*/*.sql") for path in root.glob(name)]
    if found:
        raise Refused(
            f"{root} holds a schema already: {', '.join(sorted(map(str, found))[:5])}",
            "nothing was written; name another folder by -o DIR, or renew the files by `schemabot pull`",
        )


def _config(place: Place, root: Path) -> dict[str, Any]:
    """What schemabot.yaml says: enough to plan from that folder without any other word."""
    config: dict[str, Any] = {"database": place.named_database(), "type": place.database_type()}
    if place.file is not None:
        return config | {"target": os.path.relpath(place.file.resolve(), root.resolve())}
    deployment = place.wanted.project.deployment if place.wanted.project else ""
    config["environments"] = place.api.environments(place.database, deployment)
    return config | ({"deployment": deployment} if deployment else {})


def _prove(place: Place, root: Path, files: Mapping[str, Mapping[str, str]], environment: str) -> None:
    """Plan the files as they will be read again; Refused unless that changes nothing."""
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder, root.name or "schema")
        write(draft, compare(draft, files))
        [plan] = make_plans(place, read_source(str(draft)), [environment])
    if plan.errors or not plan.empty:
        raise Refused(
            f"the live schema cannot be told in files that change nothing: {_difference(plan)}",
            "nothing was written; `schemabot pull` writes the files anyway: compare them with the live schema",
        )


def _difference(plan: Plan) -> str:
    return "; ".join(plan.errors) or "; ".join(one_line(change.ddl) for change in plan.changes) or "VSchema"


def _write(root: Path, files: Mapping[str, Mapping[str, str]], config: Mapping[str, Any]) -> tuple[Path, ...]:
    """All of it, or nothing."""
    writing = compare(root, files)
    text = CONFIG_HEAD + yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True)
    whole = replace(writing, new={root / CONFIG_NAME: text, **writing.new})
    write(root, whole)
    return tuple(whole.new)
