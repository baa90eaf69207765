"""`schemabot apply`: plan, show, ask, apply, and watch until it is done."""

import click

from cli.errors import Exit, WrongUsage
from cli.options import schema_options, server_options, watch_output_options, with_file
from cli.output import Output
from cli.place import Place, Wanted, open_place
from cli.planning import make_plans, read_source, remote_names, say_passed_over, wanted_for
from cli.replies import Plan, Progress
from cli.submission import Terms, attach, check, submit
from cli.views.plan import plan_view, type_name


@click.command()
@schema_options
@server_options
@click.option("-y", "--auto-approve", "yes", is_flag=True, help="Do not ask.")
@click.option(
    "--allow-unsafe",
    is_flag=True,
    help="Apply also what may lose data, or makes writers of a big table wait.",
)
@click.option("--defer-cutover", is_flag=True, help="Prepare everything, then wait for `schemabot cutover`.")
@click.option("--defer-deploy", is_flag=True, help="Vitess: prepare, then wait for `schemabot start`.")
@click.option("--skip-revert", is_flag=True, help="Vitess: keep no revert window after the deploy.")
@click.option("--branch", default="", metavar="NAME", help="Vitess: prepare the change on this branch.")
@click.option("-w/", "--watch/--no-watch", default=True, help="Watch until it is done (the default).")
@click.option("--no-lock", is_flag=True, help="Do not take the database's lock.")
@click.option("--force", is_flag=True, help="Take the lock from whoever holds it.")
@click.option(
    "--yield", "give_back", is_flag=True, help="Release the lock when this command ends, finished or not."
)
@click.option("--repository", default="", metavar="OWNER/NAME", help="The repository the files are from.")
@click.option(
    "--pull-request", type=click.IntRange(min=1), metavar="N", help="The pull request they are from."
)
@watch_output_options
def apply(
    database_file: str,
    schema_dir: str,
    wanted: Wanted,
    yes: bool,
    allow_unsafe: bool,
    defer_cutover: bool,
    defer_deploy: bool,
    skip_revert: bool,
    branch: str,
    watch: bool,
    no_lock: bool,
    force: bool,
    give_back: bool,
    repository: str,
    pull_request: int | None,
    output: Output,
) -> Exit:
    """Make the database what the files say.

    Plans, shows the plan, asks, applies, and watches. Large tables are copied in the background while they stay in
    use. Ctrl-C only stops the watching: a server goes on with the work. Without a server the work itself is in this
    command: interrupted, it rests at a checkpoint and the next `apply` or `progress` goes on from there.

    Keys while watching in a terminal: s stop, c cutover (each pressed twice), d detach.

    \b
    A SQLite file, no server needed:
      schemabot apply shop.db -s schema/
    A server's database, unasked, with the cutover held back:
      schemabot apply -s schema/shop -e production -y --defer-cutover

    Exit code 0: done, or nothing to do. 1: failed or refused. 3: unsafe without --allow-unsafe. 5: stopped or
    cancelled before the end. With --json: one line for each answer while watching; needs -y.
    """
    if no_lock and (force or give_back):
        raise WrongUsage(
            "--no-lock takes no lock, so --force and --yield mean nothing with it", "leave one away"
        )
    source = read_source(schema_dir, repository, pull_request)
    with open_place(wanted_for(with_file(wanted, database_file), source), drive=True) as place:
        environment = place.environment()
        say_passed_over(source, output)
        [found] = make_plans(place, source, [environment])
        active = place.api.database_progress(found.database, environment)
        names = remote_names(place, environment)
        terms = Terms(
            yes=yes,
            allow_unsafe=allow_unsafe,
            defer_cutover=defer_cutover,
            watch=watch,
            lock=not no_lock,
            force=force,
            give_back=give_back,
            defer_deploy=defer_deploy,
            skip_revert=skip_revert,
            branch=branch,
            **names,
        )
        terms.check_engine(found)
        return _apply(place, output, found, active, terms)


def _apply(place: Place, output: Output, plan: Plan, active: Progress, terms: Terms) -> Exit:
    live = bool(active.state) and not active.ended
    if not (plan.empty and live):
        output.show(plan_view([plan], title=f"{type_name(plan.database_type)} Schema Change Apply"))
    if live:
        return attach(place, output, active, plan, terms)
    check(plan, output, allow_unsafe=terms.allow_unsafe)
    if plan.empty:
        document = {"apply_id": "", "database": plan.database, "environment": plan.environment}
        output.line(document | {"plan_id": plan.plan_id, "state": "no_changes"})
        return Exit.OK
    output.say("")
    return submit(place, output, plan, terms)
