"""Watching an apply to its end, through restarts of the server; then saying how it ended."""

import time
from collections.abc import Callable

from cli.errors import ApiError, CliError, Exit, Interrupted, Unreachable
from cli.output import Output
from cli.place import Place
from cli.replies import NOT_MOVING, Progress
from cli.reservation import release_mine
from cli.views.display import Display, elapsed, make_display
from cli.views.text import GREEN, ORANGE, count, state_word

POLL_SECONDS = 1.0
LOCAL_POLL_SECONDS = 0.3
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 8.0
GIVE_UP_SECONDS = 900.0
"""How long nobody may answer before a watcher gives up; the apply does not notice."""


class Outage:
    """How long nobody has answered, and how long to wait before the next try."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: float | None = None
        self._wait = FIRST_WAIT_SECONDS

    def over(self) -> None:
        """Somebody answered."""
        self._since = None
        self._wait = FIRST_WAIT_SECONDS

    def next_wait(self, error: CliError) -> float:
        """Seconds to wait: doubling from half a second to eight. Raises *error* when it has lasted too long."""
        if self._since is None:
            self._since = self._clock()
        if self._clock() - self._since > GIVE_UP_SECONDS:
            raise error
        wait = self._wait
        self._wait = min(LONGEST_WAIT_SECONDS, wait * 2)
        return wait


def watch(place: Place, apply_id: str, display: Display) -> Progress:
    """Show the apply until it rests or ends. Errors that pass are waited out; others fly."""
    outage = Outage()
    poll = LOCAL_POLL_SECONDS if place.local is not None else POLL_SECONDS
    while True:
        try:
            progress = place.api.progress(apply_id)
        except (Unreachable, ApiError) as error:
            if isinstance(error, ApiError) and not error.passing:
                raise
            wait = outage.next_wait(error)
            display.lost(str(error), wait)
            time.sleep(wait)
            place.reconnect()
            continue
        outage.over()
        display.show(progress)
        if progress.state in NOT_MOVING:
            return progress
        time.sleep(poll)


def follow(place: Place, output: Output, apply_id: str, *, cutover_asked: bool = False) -> Progress:
    """`watch` with the display that suits the output. Ctrl-C detaches: Interrupted, saying what becomes of the apply."""

    def cutover(progress: Progress) -> str:
        if not progress.deferred or cutover_asked:
            return ""
        return f"Waiting for cutover. When you are ready:\n  {place.command('cutover', apply_id)}"

    try:
        with make_display(output, cutover) as display:
            return watch(place, apply_id, display)
    except KeyboardInterrupt:
        raise detached(place, output, apply_id) from None


def detached(place: Place, output: Output, apply_id: str) -> Interrupted:
    """What a person is told who stopped looking."""
    look, stop = place.command("progress", apply_id), place.command("stop", apply_id)
    if place.in_process:
        output.hint("Letting go at the next checkpoint …")
        return Interrupted(f"Interrupted. {apply_id} rests at its checkpoint.", f"go on with it: {look}")
    return Interrupted(f"Detached. {apply_id} goes on.", f"look again: {look}\nstop it:    {stop}")


def conclude(
    place: Place, output: Output, progress: Progress, *, aim: str = "completed", give_back: bool = True
) -> Exit:
    """Say how the apply ended and (*give_back*) release its lock. Success is to have reached the state *aim*.

    Raises CliError for a failed one.
    """
    if progress.ended and give_back:
        release_mine(place, output, progress)
    if progress.state == "failed":
        raise CliError(
            f"{progress.apply_id} failed: {progress.error or 'no reason was recorded'}",
            f"read its log: {place.command('logs', progress.apply_id)}\n"
            "a failed apply never moves again: put the cause right, then plan and apply anew",
        )
    done = f"{progress.finished_tables()} of {count(len(progress.tables), 'change')} live"
    if progress.state == "completed":
        output.say(f"Apply completed: {progress.apply_id}, {done}{elapsed(progress)}.", GREEN)
    elif progress.state == "stopped":
        output.say(
            f"Apply stopped: {progress.apply_id}, {done}; the rest is paused at its checkpoint.", ORANGE
        )
        output.hint(
            f"go on: {place.command('start', progress.apply_id)}\ngive up: {place.command('cancel', progress.apply_id)}"
        )
    else:
        output.say(f"Apply {state_word(progress.state)}: {progress.apply_id}, {done}.", ORANGE)
    return Exit.OK if progress.state == aim else Exit.ENDED_EARLY
