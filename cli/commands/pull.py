"""`schemabot pull`: the live schema as files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from cli.errors import ApiError, CliError, Exit, Refused
from cli.options import named, output_option, server_options
from cli.output import Output
from cli.place import Wanted, open_place
from cli.project import CONFIG_NAME
from cli.views.text import YELLOW, count


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """What a pull does to a folder."""

    new: Mapping[Path, str]
    changed: Mapping[Path, str]
    same: tuple[Path, ...]
    strangers: tuple[Path, ...]  # schema files of the folder that the live schema knows nothing of


@click.command()
@click.argument("words", nargs=-1, metavar="[DATABASE_FILE | DATABASE]")
@server_options
@click.option(
    "-o",
    "--output-dir",
    "directory",
    default="schema",
    show_default=True,
    metavar="DIR",
    help="Where to write.",
)
@click.option("--force", is_flag=True, help="Overwrite files that differ.")
@output_option
def pull(words: tuple[str, ...], wanted: Wanted, directory: str, force: bool, output: Output) -> Exit:
    """Write the live schema into a folder as files.

    They plan as "no change". One file for each table with its indexes and triggers. Files that are there and differ
    are left alone unless --force is given.

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
    write(writing)
    report(output, root, writing)
    output.hint(f"Compare it with the live schema: {again}")
    return Exit.OK


def checked_files(answer: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The files in the server's answer. ApiError when a name could lead out of the folder."""
    found = answer.get("files")
    files: dict[str, dict[str, str]] = {}
    for namespace, entries in (found if isinstance(found, dict) else {}).items():
        texts = entries.get("files", entries) if isinstance(entries, dict) else {}
        for name, text in texts.items() if isinstance(texts, dict) else ():
            if not isinstance(text, str) or not _plain(name) or not (_plain(namespace) or namespace == "."):
                raise ApiError(200, f"the server sent a file that cannot be written: {namespace!r}/{name!r}")
            files.setdefault(namespace, {})[name] = text
    if not files:
        raise Refused(
            "the live schema is empty: there is nothing to write", "create the first table by plan and apply"
        )
    return files


def _plain(name: str) -> bool:
    return (
        bool(name) and "/" not in name and "\\" not in name and "\0" not in name and name not in (".", "..")
    )


def compare(root: Path, files: Mapping[str, Mapping[str, str]]) -> Writing:
    """What of *files* is new under *root*, what differs, what is there already. One namespace lies flat."""
    flat = len(files) == 1
    wanted = {
        (root if flat else root / namespace) / name: text
        for namespace, texts in files.items()
        for name, text in sorted(texts.items())
    }
    present = {path: _read(path) for path in wanted}
    folders = {path.parent for path in wanted}
    strangers = [
        path for folder in sorted(folders) for path in sorted(folder.glob("*.sql")) if path not in wanted
    ]
    return Writing(
        new={path: text for path, text in wanted.items() if present[path] is None},
        changed={path: text for path, text in wanted.items() if present[path] not in (None, text)},
        same=tuple(path for path, text in wanted.items() if present[path] == text),
        strangers=tuple(strangers),
    )


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CliError(
            f"{path} cannot be read: {error.strerror}", "pull into another folder by -o DIR"
        ) from error


def write(writing: Writing) -> None:
    """Write what is new or changed."""
    for path, text in {**writing.new, **writing.changed}.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        except OSError as error:
            raise CliError(
                f"{path} cannot be written: {error.strerror}", "pull into another folder by -o DIR"
            ) from error


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
