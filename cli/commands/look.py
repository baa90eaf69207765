"""`schemabot progress`, `status`, `history`, `logs`: looking at applies."""

import time

import click

from cli.errors import ApiError, CliError, Exit, Unreachable
from cli.options import named, output_option, server_options, watch_output_options, words_argument
from cli.output import Output
from cli.place import Place, Wanted, open_place
from cli.replies import Event, Progress
from cli.views.display import lost_sentence, reconnecting
from cli.views.progress import ProgressView
from cli.views.tables import applies_table, event_line
from cli.views.text import YELLOW
from cli.watch import Outage, conclude, follow

FOLLOW_SECONDS = 1.0
FOLLOW_LIMIT = 200
MOST_EVENTS = 10_000
"""As many as one answer may have."""


@click.command()
@words_argument
@server_options
@click.option(
    "-w", "--watch/--no-watch", default=None, help="Watch until it is done (the default without --json)."
)
@watch_output_options
def progress(words: tuple[str, ...], wanted: Wanted, watch: bool | None, output: Output) -> Exit:
    """Show how far an apply is, and watch it to its end.

    Names an apply by its id, by its database (the active apply, else the latest) or by its SQLite file. Without a
    server, an interrupted apply on a SQLite file is gone on with.

    \b
      schemabot progress apply-0123456789abcdef
      schemabot progress shop -e staging
      schemabot progress shop.db

    Watching ends like the apply: exit code 0 completed, 1 failed, 5 stopped or cancelled. With --json: one document;
    with --json --watch: one line for each answer.
    """
    watching = not output.as_json if watch is None else watch
    with open_place(named(wanted, words), drive=watching) as place:
        found = place.apply()
        if watching and found.moving:
            return conclude(place, output, follow(place, output, found.apply_id))
        show(place, output, found, watching=watching)
        return conclude(place, output, found) if watching else Exit.OK


def show(place: Place, output: Output, found: Progress, *, watching: bool = False) -> None:
    """One look at an apply, all of its tables."""
    output.show(ProgressView(found, whole=True, with_error=found.state != "failed" or not output.live))
    if watching:
        output.line(found.raw)
    else:
        output.document(found.raw)
    if found.deferred:
        output.hint(f"Waiting for cutover. When you are ready:\n  {place.command('cutover', found.apply_id)}")
    elif found.moving and place.in_process:
        output.hint(f"Nobody is at work on it now. Go on: {place.command('progress', found.apply_id)}")


@click.command()
@words_argument
@server_options
@output_option
def status(words: tuple[str, ...], wanted: Wanted, output: Output) -> Exit:
    """List the latest applies of all databases, or show one.

    With a database, every apply of that one.

    \b
      schemabot status
      schemabot status apply-0123456789abcdef
      schemabot status shop -e production
      schemabot status shop.db

    With --json: one document, {"active_count", "applies"}; with a database {"database", "applies"}.
    """
    with open_place(named(wanted, words), drive=False) as place:
        if place.wanted.apply_id:
            show(place, output, place.apply())
            return Exit.OK
        if place.local is None and place.wanted.database:
            answer, applies = place.api.history(place.wanted.database, place.wanted.environment)
            if not applies:
                place.check_known()
        else:
            answer, applies = place.api.status()
        output.document(answer)
        if not applies:
            named_one = place.wanted.database
            output.say(f"No schema changes{f' on {named_one}' if named_one else ''} yet.")
            if named_one:
                output.hint(f"Those of all databases: {place.command('status')}")
            return Exit.OK
        output.show(applies_table(applies, with_database=True))
        active = sum(apply.state not in ("completed", "failed", "cancelled", "reverted") for apply in applies)
        output.hint(f"{active} active. Look at one: {place.command('progress', applies[0].apply_id)}")
    return Exit.OK


@click.command()
@words_argument
@server_options
@output_option
def history(words: tuple[str, ...], wanted: Wanted, output: Output) -> Exit:
    """List every apply of one database, newest first.

    \b
      schemabot history shop -e production
      schemabot history shop.db

    With --json: one document, {"database", "applies"}.
    """
    with open_place(named(wanted, words), drive=False) as place:
        environment = "" if place.local is not None else place.wanted.environment
        answer, applies = place.api.history(place.named_database(), environment)
        if not applies:
            place.check_known()
        output.document(answer)
        if applies:
            output.show(applies_table(applies, with_database=False))
        else:
            output.say(f"No schema changes on {place.database} yet.")
    return Exit.OK


@click.command()
@words_argument
@server_options
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, MOST_EVENTS),
    default=50,
    show_default=True,
    help="At most so many.",
)
@click.option("-f", "--follow", "following", is_flag=True, help="Go on printing until the apply ends.")
@click.option(
    "-a", "--apply-id", default="", metavar="ID", help="The apply; the same as naming it as a word."
)
@output_option
def logs(
    words: tuple[str, ...], wanted: Wanted, limit: int, following: bool, apply_id: str, output: Output
) -> Exit:
    """Show what happened to an apply, event by event.

    \b
      schemabot logs apply-0123456789abcdef
      schemabot logs shop -e staging -f
      schemabot logs shop.db -n 10

    With --json: one document, {"apply_id", "logs"}; with --json -f: one line for each event.
    """
    words = (*words, apply_id) if apply_id else words
    with open_place(named(wanted, words), drive=False) as place:
        apply_id = place.apply().apply_id
        answer, events = place.api.logs(apply_id, limit)
        if not following:
            output.document(answer)
            for event in events:
                output.show(event_line(event))
            return Exit.OK
        _follow(place, output, apply_id, events)
    return Exit.OK


def _follow(place: Place, output: Output, apply_id: str, events: list[Event]) -> None:
    """Print events as they come, until the apply rests and all were printed."""
    outage = Outage()
    seen = 0
    while True:
        seen = _print_new(output, events, seen)
        try:
            found = place.api.progress(apply_id)
            events = _since(place, apply_id, seen)
            outage.over()
        except (Unreachable, ApiError) as error:
            if isinstance(error, ApiError) and not error.passing:
                raise
            _wait_out(place, output, error, outage.next_wait(error))
            continue
        if not found.moving or place.in_process:
            _print_new(output, events, seen)
            if found.moving:
                output.hint(f"Nobody is at work on it now. Go on: {place.command('progress', apply_id)}")
            return
        time.sleep(FOLLOW_SECONDS)


def _since(place: Place, apply_id: str, seen: int) -> list[Event]:
    """The newest events, with all that are newer than *seen*: while all of them are, there may be more."""
    limit = FOLLOW_LIMIT
    while True:
        _, events = place.api.logs(apply_id, limit)
        if len(events) < limit or events[0].id <= seen or limit == MOST_EVENTS:
            return events
        limit = min(limit * 10, MOST_EVENTS)


def _wait_out(place: Place, output: Output, error: CliError, seconds: float) -> None:
    output.line(reconnecting(str(error), seconds))
    output.say(lost_sentence(str(error), seconds), YELLOW)
    time.sleep(seconds)
    place.reconnect()


def _print_new(output: Output, events: list[Event], seen: int) -> int:
    for event in events:
        if event.id > seen:
            output.show(event_line(event))
            output.line(
                {"id": event.id, "level": event.level, "event_type": event.event_type}
                | {"message": event.message, "created_at": event.created_at}
            )
            seen = event.id
    return seen
