"""`schemabot volume`, `revert` and `skip-revert`: commands that only some engines can service."""

import click

from cli.commanding import nothing_to_do, send, watch_or_hint
from cli.errors import Exit, Refused
from cli.options import named, output_option, server_options, watch_output_options, words_argument
from cli.output import Output
from cli.place import Place, Wanted, open_place
from cli.replies import Progress
from cli.views.text import GREEN, ORANGE, state_word

PACEABLE = frozenset(
    {"running", "cutting_over", "waiting_for_cutover", "failed_retryable", "stopped", "pending"}
)


@click.command()
@words_argument
@server_options
@click.option(
    "-v",
    "--volume",
    "level",
    type=click.IntRange(1, 11),
    required=True,
    metavar="1-11",
    help="1 is the gentlest, 11 the fastest. An apply begins with 3.",
)
@click.option("-w", "--watch/--no-watch", default=False, help="Watch until it is done.")
@watch_output_options
def volume(words: tuple[str, ...], wanted: Wanted, level: int, watch: bool, output: Output) -> Exit:
    """Change how hard a running copy works.

    Louder copies faster and takes more of the database; quieter leaves it to the application. Kept with the apply,
    through restarts. docs/mysql.md tells what each volume does. Not every engine can: SQLite paces itself and refuses.

    \b
      schemabot volume apply-0123456789abcdef -v 8
      schemabot volume shop -e production -v 2 -w

    Exit code 0 also when the apply is completed already.
    """
    with open_place(named(wanted, words), drive=False) as place:
        found = place.apply()
        if found.state == "completed":
            return nothing_to_do(output, found, f"Nothing to pace: {found.apply_id} is completed.")
        if found.state not in PACEABLE:
            raise Refused(
                f"{found.apply_id} is {state_word(found.state)}: there is no copy to pace",
                f"look at it: {place.command('progress', found.apply_id)}",
            )
        answer = send(place, "volume", found, volume=level)
        output.line(answer | {"apply_id": found.apply_id})
        before = answer.get("previous_volume")
        output.say(f"Volume of {found.apply_id}: {f'{before} → ' if before else ''}{level}", GREEN)
        return watch_or_hint(place, output, found, watch=watch)


@click.command()
@words_argument
@server_options
@output_option
def revert(words: tuple[str, ...], wanted: Wanted, output: Output) -> Exit:
    """Undo a finished change inside its revert window.

    Only Vitess keeps such a window, for a while after the deploy. Elsewhere, and afterwards, use `schemabot rollback`.

    \b
      schemabot revert apply-0123456789abcdef
      schemabot revert shop -e production
    """
    with open_place(named(wanted, words), drive=False) as place:
        found = _in_window(place)
        output.document(send(place, "revert", found) | {"apply_id": found.apply_id})
        output.say(f"Revert requested: {found.apply_id}", ORANGE)
        output.hint(f"look at it: {place.command('progress', found.apply_id)}")
    return Exit.OK


@click.command("skip-revert")
@words_argument
@server_options
@output_option
def skip_revert(words: tuple[str, ...], wanted: Wanted, output: Output) -> Exit:
    """End a revert window early: the change stays.

    \b
      schemabot skip-revert apply-0123456789abcdef
      schemabot skip-revert shop -e production
    """
    with open_place(named(wanted, words), drive=False) as place:
        found = _in_window(place)
        output.document(send(place, "skip-revert", found) | {"apply_id": found.apply_id})
        output.say(f"The change stays: {found.apply_id} can no longer be reverted", GREEN)
    return Exit.OK


def _in_window(place: Place) -> Progress:
    found = place.apply()
    if found.state != "revert_window":
        raise Refused(
            f"{found.apply_id} is {state_word(found.state)}, not inside a revert window",
            f"go back to the schema before it: {place.command('rollback', found.apply_id)}",
        )
    return found
