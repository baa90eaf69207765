"""`schemabot stop`, `start`, `cancel`, `cutover`: commands to a running apply."""

import time

import click

from cli.commanding import nothing_to_do, send, watch_or_hint
from cli.errors import Exit
from cli.options import named, output_option, server_options, watch_output_options, words_argument
from cli.output import Output
from cli.place import Place, Wanted, open_place
from cli.replies import Progress
from cli.reservation import release_mine
from cli.views.text import GREEN, ORANGE, count, state_word
from cli.watch import LOCAL_POLL_SECONDS, conclude, follow

SETTLE_SECONDS = 5.0
"""How long `cancel` waits for the clean-up before it says that it goes on."""


@click.command()
@words_argument
@server_options
@output_option
def stop(words: tuple[str, ...], wanted: Wanted, output: Output) -> Exit:
    """Pause an apply at its checkpoint. `schemabot start` goes on from there.

    What is live already stays live; the copy made so far is kept, and the database stays reserved for this apply.

    \b
      schemabot stop apply-0123456789abcdef
      schemabot stop shop.db

    Exit code 0 also when there was nothing to stop any more.
    """
    with open_place(named(wanted, words), drive=False) as place:
        found = place.apply()
        if found.ended or found.state == "stopped":
            return nothing_to_do(
                output, found, f"Nothing to stop: {found.apply_id} is {state_word(found.state)}."
            )
        answer = send(place, "stop", found)
        output.document(answer | {"apply_id": found.apply_id})
        if answer.get("error_message"):
            output.say(f"{found.apply_id}: {answer['error_message']}")
            return Exit.OK
        stopped, skipped = answer.get("stopped_count") or 0, answer.get("skipped_count") or 0
        output.say(
            f"Schema change stopped: {found.apply_id}, {count(int(stopped), 'change')} paused, {int(skipped)} finished before.",
            ORANGE,
        )
        _after_stop(place, output, found)
    return Exit.OK


def _after_stop(place: Place, output: Output, found: Progress) -> None:
    output.hint(
        f"{found.database} stays reserved for it\n"
        f"go on:   {place.command('start', found.apply_id)}\n"
        f"give up: {place.command('cancel', found.apply_id)}"
    )


@click.command()
@words_argument
@server_options
@click.option(
    "-w", "--watch/--no-watch", default=False, help="Watch until it is done (always, without a server)."
)
@watch_output_options
def start(words: tuple[str, ...], wanted: Wanted, watch: bool, output: Output) -> Exit:
    """Go on with a stopped apply.

    Where an apply waits for its deploy (Vitess, see apply --defer-deploy), this deploys it.

    \b
      schemabot start apply-0123456789abcdef -w
      schemabot start shop.db

    Exit code 0 also when it is running or completed already; with --watch as the apply ends.
    """
    with open_place(named(wanted, words), drive=True) as place:
        found = place.apply()
        if found.state == "completed":
            return nothing_to_do(output, found, f"Nothing to start: {found.apply_id} is completed.")
        if found.moving and found.state != "waiting_for_deploy":
            output.say(f"{found.apply_id} is {state_word(found.state)} already.")
        else:
            answer = send(place, "start", found)
            output.line(answer | {"apply_id": found.apply_id})
            output.say(f"Schema change resumed: {found.apply_id}", GREEN)
        return watch_or_hint(place, output, found, watch=watch)


@click.command()
@words_argument
@server_options
@click.option(
    "-w", "--watch/--no-watch", default=False, help="Watch until it is done (always, without a server)."
)
@watch_output_options
def cutover(words: tuple[str, ...], wanted: Wanted, watch: bool, output: Output) -> Exit:
    """Make a prepared change live (see apply --defer-cutover).

    \b
      schemabot cutover apply-0123456789abcdef -w
      schemabot cutover shop.db

    Exit code 0: asked for, or completed already; with --watch as the apply ends.
    """
    with open_place(named(wanted, words), drive=True) as place:
        found = place.apply()
        if found.state == "completed":
            return nothing_to_do(output, found, f"Nothing to cut over: {found.apply_id} is completed.")
        answer = send(place, "cutover", found)
        output.line(answer | {"apply_id": found.apply_id})
        output.say(f"Cutover requested: {found.apply_id}", GREEN)
        return watch_or_hint(place, output, found, watch=watch, cutover_asked=True)


@click.command()
@words_argument
@server_options
@click.option(
    "-w",
    "--watch/--no-watch",
    default=False,
    help="Watch the clean-up to its end (always, without a server).",
)
@watch_output_options
def cancel(words: tuple[str, ...], wanted: Wanted, watch: bool, output: Output) -> Exit:
    """Give an apply up; what is live already stays.

    What it prepared is removed.

    A cancelled apply cannot be started again. To pause one, use `schemabot stop`.

    \b
      schemabot cancel apply-0123456789abcdef
      schemabot cancel shop.db

    Exit code 0: asked for, or it was over already. An apply that completes before the command reaches it is
    reported as completed.
    """
    with open_place(named(wanted, words), drive=True) as place:
        found = place.apply()
        if found.ended:
            return nothing_to_do(
                output, found, f"Nothing to cancel: {found.apply_id} is {state_word(found.state)}."
            )
        answer = send(place, "cancel", found)
        output.line(answer | {"apply_id": found.apply_id})
        output.say(f"Cancel requested: {found.apply_id}", ORANGE)
        if watch or place.in_process:
            return conclude(place, output, follow(place, output, found.apply_id), aim="cancelled")
        _settle(place, output, found)
    return Exit.OK


def _settle(place: Place, output: Output, found: Progress) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    current = place.api.progress(found.apply_id)
    while not current.ended and time.monotonic() < deadline:
        time.sleep(LOCAL_POLL_SECONDS)
        current = place.api.progress(found.apply_id)
    if current.ended:
        release_mine(place, output, current)
        output.say(f"Apply {state_word(current.state)}: {found.apply_id}", ORANGE)
    else:
        output.hint(f"What it prepared is being removed; look: {place.command('progress', found.apply_id)}")
