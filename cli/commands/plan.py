"""`schemabot plan`: what it takes to make the database what the files say."""

import click

from cli.errors import Exit
from cli.options import output_option, schema_options, server_options, with_file
from cli.output import Output
from cli.place import Place, Wanted, open_place
from cli.planning import groups, make_plans, read_source, say_passed_over, wanted_for
from cli.replies import Plan
from cli.views.plan import plan_view


@click.command()
@schema_options
@server_options
@click.option("--repository", default="", metavar="OWNER/NAME", help="The repository the files are from.")
@click.option(
    "--pull-request", type=click.IntRange(min=1), metavar="N", help="The pull request they are from."
)
@output_option
def plan(
    database_file: str,
    schema_dir: str,
    wanted: Wanted,
    repository: str,
    pull_request: int | None,
    output: Output,
) -> Exit:
    """Show what would change; change nothing.

    Reads the schema files, lets the server compare them with the live schema, and shows the DDL, how each change
    runs, what it locks, and what a linter has to say. Without -e every environment of the database is planned.

    \b
    A SQLite file, no server needed:
      schemabot plan shop.db -s schema/
    A server's database, from a folder with schemabot.yaml:
      schemabot plan -s schema/shop -e staging

    With --json: one document, environment → plan. A plan that cannot be applied ends with exit code 1.
    """
    source = read_source(schema_dir, repository, pull_request)
    with open_place(wanted_for(with_file(wanted, database_file), source), drive=False) as place:
        say_passed_over(source, output)
        plans = make_plans(place, source, place.environments())
        _show(output, plans)
        output.document({plan.environment: plan.raw for plan in plans})
        _what_next(place, output, plans, schema_dir)
    return Exit.FAILED if any(plan.errors for plan in plans) else Exit.OK


def _show(output: Output, plans: list[Plan]) -> None:
    for number, same in enumerate(groups(plans)):
        if number:
            output.say("")
        output.show(plan_view(same))


def _what_next(place: Place, output: Output, plans: list[Plan], schema_dir: str) -> None:
    ready = [plan for plan in plans if not plan.empty and not plan.errors]
    if not ready:
        if all(plan.empty and not plan.errors for plan in plans):
            output.hint(f"No schema changes detected in {', '.join(plan.environment for plan in plans)}.")
        return
    words = ["-s", schema_dir, *([] if place.file else ["-e", ready[0].environment])]
    if place.wanted.database:
        words += ["-d", place.wanted.database]
    if ready[0].unsafe:
        words.append("--allow-unsafe")
    output.hint(f"Apply it: {place.command('apply', *words)}")
