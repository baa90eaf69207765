"""`schemabot rollback`: back to the schema from before an apply."""

import click

from cli.errors import Exit
from cli.options import named, server_options, watch_output_options, words_argument
from cli.output import Output
from cli.place import Wanted, open_place
from cli.submission import Terms, attach, check, submit
from cli.views.plan import plan_view

REMEDY = "write the schema you want into files (schemabot pull makes the start), then plan and apply them"


@click.command()
@words_argument
@server_options
@click.option("-y", "--auto-approve", "yes", is_flag=True, help="Do not ask.")
@click.option(
    "--allow-unsafe", is_flag=True, help="Roll back also what may lose data (a column added since, …)."
)
@click.option("--defer-cutover", is_flag=True, help="Prepare everything, then wait for `schemabot cutover`.")
@click.option("-w/", "--watch/--no-watch", default=True, help="Watch until it is done (the default).")
@click.option("--no-lock", is_flag=True, help="Do not take the database's lock.")
@click.option("--force", is_flag=True, help="Take the lock from whoever holds it.")
@watch_output_options
def rollback(
    words: tuple[str, ...],
    wanted: Wanted,
    yes: bool,
    allow_unsafe: bool,
    defer_cutover: bool,
    watch: bool,
    no_lock: bool,
    force: bool,
    output: Output,
) -> Exit:
    """Go back to the schema from before an apply.

    Plans from the schema that the apply found, shows that plan, asks, and applies it like any other: rows stay, what
    the apply renamed gets its old name back with its rows and values, but what the apply added goes with all it holds
    since, which needs --allow-unsafe. Refused where the values of something renamed would be lost, because later
    changes renamed or dropped it: roll those back first.

    \b
      schemabot rollback apply-0123456789abcdef
      schemabot rollback shop.db --allow-unsafe -y

    Exit codes are those of `schemabot apply`.
    """
    with open_place(named(wanted, words), drive=True) as place:
        found = place.apply()
        plan = place.api.rollback_plan(found.apply_id)
        output.show(plan_view([plan]))
        terms = Terms(
            yes=yes,
            allow_unsafe=allow_unsafe,
            defer_cutover=defer_cutover,
            watch=watch,
            lock=not no_lock,
            force=force,
            word="Rollback",
        )
        active = place.api.database_progress(plan.database, plan.environment)
        if active.state and not active.ended:
            return attach(place, output, active, plan, terms)
        check(plan, output, allow_unsafe=allow_unsafe, remedy=REMEDY)
        if plan.empty:
            output.say("Nothing to roll back.")
            document = {"apply_id": "", "database": plan.database, "environment": plan.environment}
            output.line(document | {"plan_id": plan.plan_id, "state": "no_changes"})
            return Exit.OK
        return submit(place, output, plan, terms)
