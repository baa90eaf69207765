"""`schemabot pull`: the live schema as files."""

from pathlib import Path

import click

from cli.errors import Exit, Refused
from cli.options import complete_files, complete_folders, named, output_option, server_options
from cli.output import Output
from cli.place import Wanted, open_place
from cli.project import CONFIG_NAME
from cli.pulled import Writing, checked_files, compare, write
from cli.views.text import YELLOW, count


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
    help="Where to write.",
)
@click.option("--force", is_flag=True, help="Overwrite files that differ.")
@output_option
def pull(words: tuple[str, ...], wanted: Wanted, directory: str, force: bool, output: Output) -> Exit:
    """Write the live schema into a folder as files.

    They plan as "no change". One file for each table with its indexes and triggers. Files that are there and differ
    are left alone unless --force is given. Tables of MySQL and MariaDB whose names begin with _ are left out, as plans
    leave them alone, unless another table refers to them.

    \b
      schemabot pull shop.db -o schema/
      schemabot pull shop -e production -o schema/shop

    With --json: one document, {"directory", "written", "unchanged"}.
    """
    with open_place(named(wanted, words), drive=False) as place:
        answer = place.api.pull(place.named_database(), place.environment())
        again = place.command("plan", "-s", directory, *([] if place.file else ["-d", place.database]))
    root = Path(directory)
    writing = compare(root, checked_files(answer))
    if writing.changed and not force:
        listed = ", ".join(str(path) for path in writing.changed)
        raise Refused(
            f"{count(len(writing.changed), 'file')} would be overwritten: {listed}",
            "nothing was written; pull into another folder by -o DIR, or add --force",
        )
    write(root, writing)
    report(output, root, writing)
    output.hint(f"Compare it with the live schema: {again}")
    return Exit.OK


def report(output: Output, root: Path, writing: Writing) -> None:
    """Say what was written."""
    for path in writing.new:
        output.say(f"wrote     {path}")
    for path in writing.changed:
        output.say(f"replaced  {path}", YELLOW)
    for path in writing.same:
        output.say(f"unchanged {path}", "dim")
    for path in writing.strangers:
        output.say(f"{path} is not part of the live schema: a plan of this folder would create it", YELLOW)
    output.document(
        {
            "directory": str(root),
            "written": [str(path) for path in (*writing.new, *writing.changed)],
            "unchanged": [str(path) for path in writing.same],
            "not_in_the_live_schema": [str(path) for path in writing.strangers],
        }
    )
    if not (root / CONFIG_NAME).exists() and not output.as_json:
        written = len(writing.new) + len(writing.changed)
        output.say(f"{count(written, 'file')} written to {root}")
