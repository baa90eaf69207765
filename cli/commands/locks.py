"""`schemabot locks` and `unlock`: who holds which database."""

import click

from cli.errors import ApiError, Exit, Refused
from cli.options import named, output_option, server_options, words_argument
from cli.output import Output
from cli.place import Place, Wanted, open_place
from cli.reservation import owner
from cli.views.tables import locks_table
from cli.views.text import GREEN


@click.command()
@words_argument
@server_options
@output_option
def locks(words: tuple[str, ...], wanted: Wanted, output: Output) -> Exit:
    """List the databases that somebody holds.

    `apply` takes the lock of its database, and a command of the same user on the same host that sees the apply end
    releases it. The server does not: what was begun with --no-watch stays locked until somebody watches its end by
    `progress`, or releases it by `unlock` (from another host or user with --force).

    \b
      schemabot locks
      schemabot locks shop.db

    With --json: one document, {"locks"}.
    """
    with open_place(named(wanted, words), drive=False) as place:
        answer, found = place.api.locks()
        output.document(answer)
        if not found:
            output.say("No locks.")
            return Exit.OK
        output.show(locks_table(found))
        output.hint(f"Release one: {place.command('unlock', *_naming(place, found[0].database))}")
    return Exit.OK


def _naming(place: Place, database: str) -> tuple[str, ...]:
    return () if place.file else ("-d", database)


@click.command()
@words_argument
@server_options
@click.option(
    "-t",
    "--type",
    "kind",
    default="",
    metavar="TYPE",
    help="sqlite, mysql or vitess, if the server cannot tell.",
)
@click.option("--force", is_flag=True, help="Release it although somebody else holds it.")
@output_option
def unlock(words: tuple[str, ...], wanted: Wanted, kind: str, force: bool, output: Output) -> Exit:
    """Release the lock of a database.

    \b
      schemabot unlock -d shop
      schemabot unlock shop.db --force

    Exit code 0 also when nobody held it.
    """
    with open_place(named(wanted, words), drive=False) as place:
        database = place.named_database()
        kind = kind or place.database_type()
        try:
            released = place.api.release_lock(database, kind, owner(), force=force)
        except ApiError as error:
            if error.status != 403:
                raise
            held = place.api.lock(database, kind)
            raise Refused(
                f"{database} is held by {held.owner if held else 'somebody else'}, not by you ({owner()})",
                f"ask them, or take it away: {place.command('unlock', *_naming(place, database), '--force')}",
            ) from error
        output.document({"database": database, "type": kind, "released": released})
        if released:
            output.say(f"Lock released: {database}", GREEN)
        else:
            output.say(f"No lock found on {database}.")
    return Exit.OK
