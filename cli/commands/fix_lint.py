"""`schemabot fix-lint`: mend in the schema files what a linter would find and a program can mend."""

import difflib
from pathlib import Path

import click

from cli.errors import CliError, Exit, Refused
from cli.fixing import NotUnderstood, mend
from cli.options import complete_folders, output_option
from cli.output import Output
from cli.project import load_project, read_schema_files
from cli.views.text import DIM, GREEN, RED, count


@click.command("fix-lint")
@click.option(
    "-s",
    "--schema-dir",
    "--schema_dir",
    "schema_dir",
    default=".",
    show_default=True,
    metavar="DIR",
    help="The folder with the schema files.",
    shell_complete=complete_folders,
)
@click.option("--dry-run", is_flag=True, help="Show what would be mended; write nothing.")
@output_option
def fix_lint(schema_dir: str, dry_run: bool, output: Output) -> Exit:
    """Mend schema files of MySQL tables.

    AUTO_INCREMENT columns become BIGINT; latin1 and utf8 become utf8mb4; FLOAT and DOUBLE become DECIMAL; TIMESTAMP
    and DATETIME columns get a default. Files that hold anything but one CREATE TABLE are passed over, and named. Neither
    a server nor a database is asked: plan afterwards, and look at what that would do to the rows.

    \b
      schemabot fix-lint -s schema/ --dry-run
      schemabot fix-lint -s schema/

    Exit code 1 when something is left that only a person can mend. With --json: one document, {"fixed", "left",
    "passed_over"}.
    """
    project = load_project(Path(schema_dir))
    if project is not None and project.type == "sqlite":
        raise Refused(
            "fix-lint knows MySQL's types only, and this is a SQLite schema", "plan shows its findings"
        )
    fixed: dict[str, list[str]] = {}
    left: dict[str, list[str]] = {}
    passed_over: dict[str, str] = {}
    for path, text in _files(schema_dir):
        try:
            mended, done, remaining = mend(text)
        except NotUnderstood as error:
            passed_over[str(path)] = str(error)
            continue
        if done:
            fixed[str(path)] = done
            _tell(output, path, text, mended, done)
            if not dry_run:
                _write(path, mended)
        if remaining:
            left[str(path)] = remaining
    output.document({"fixed": fixed, "left": left, "passed_over": passed_over})
    for name, why in passed_over.items():
        output.say(f"{name}: passed over, as {why}")
    if not fixed and not left:
        output.say("Nothing to mend in what was read." if passed_over else "Nothing to mend.", GREEN)
    return _conclude(output, fixed, left, dry_run=dry_run)


def _files(schema_dir: str) -> list[tuple[Path, str]]:
    namespaces = read_schema_files(schema_dir).files
    root = Path(schema_dir)
    return [
        (path, text)
        for namespace, files in namespaces.items()
        for name, text in files.items()
        if (path := root / name if (root / name).is_file() else root / namespace / name).suffix == ".sql"
    ]


def _tell(output: Output, path: Path, before: str, after: str, done: list[str]) -> None:
    output.say(str(path), "bold")
    for line in done:
        output.say(f"  {line}")
    for line in list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))[2:]:
        output.say(f"    {line}", {"+": GREEN, "-": RED}.get(line[:1], DIM))


def _write(path: Path, text: str) -> None:
    try:
        path.write_bytes(text.encode())
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror}", "see its owner and mode") from error


def _conclude(
    output: Output, fixed: dict[str, list[str]], left: dict[str, list[str]], *, dry_run: bool
) -> Exit:
    if fixed:
        output.say(f"{count(len(fixed), 'file')} {'would be ' if dry_run else ''}mended.", GREEN)
        output.hint("See what that does to the live schema: schemabot plan")
    for path, problems in left.items():
        for problem in problems:
            output.say(f"{path}: {problem}", RED)
    return Exit.FAILED if left else Exit.OK
