"""Watching an apply to its end, through restarts of the server; then saying how it ended."""

import time
from collections.abc import Callable

from cli.errors import ApiError, CliError, Exit, Interrupted, Unreachable
from cli.keyboard import Keyboard
from cli.output import Output
from cli.place import Place
from cli.replies import NOT_MOVING, Progress
from cli.reservation import release_mine
from cli.steering import DETACH, Detached, Steering
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


class Watch:
    """One person's or program's look at an apply until it rests or ends."""

    def __init__(
        self, place: Place, apply_id: str, display: Display, keyboard: Keyboard, steering: Steering
    ) -> None:
        self._place = place
        self._apply_id = apply_id
        self._display = display
        self._keyboard = keyboard
        self._steering = steering
        self._outage = Outage()
        self._poll = LOCAL_POLL_SECONDS if place.local is not None else POLL_SECONDS

    def to_the_end(self) -> Progress:
        """The last answer. Errors that pass are waited out, others fly; Detached when the person leaves."""
        while True:
            progress = self._ask()
            if progress is None:
                continue
            self._display.show(progress)
            if progress.state in NOT_MOVING:
                return progress
            self._rest(progress)

    def _ask(self) -> Progress | None:
        try:
            progress = self._place.api.progress(self._apply_id)
        except (Unreachable, ApiError) as error:
            if isinstance(error, ApiError) and not error.passing:
                raise
            self._wait_out(error)
            return None
        self._outage.over()
        return progress

    def _wait_out(self, error: CliError) -> None:
        wait = self._outage.next_wait(error)
        self._display.lost(str(error), wait)
        if self._keyboard.wait(wait) == DETACH:
            raise Detached
        self._place.reconnect()

    def _rest(self, progress: Progress) -> None:
        """Until the next look, or until a key has told the apply something."""
        until = time.monotonic() + self._poll
        while (left := until - time.monotonic()) > 0:
            key = self._keyboard.wait(left)
            if key and (said := self._steering.press(key, progress)):
                self._display.tell(said)
                return


def follow(place: Place, output: Output, apply_id: str, *, cutover_asked: bool = False) -> Progress:
    """Watch to the end, as it suits the output. Ctrl-C or a key detaches: Interrupted, saying what becomes of the apply."""
    try:
        with Keyboard(wanted=output.live) as keyboard:
            steering = Steering(place, apply_id, listening=keyboard.listening, cutover_asked=cutover_asked)
            with make_display(output, steering) as display:
                return Watch(place, apply_id, display, keyboard, steering).to_the_end()
    except (KeyboardInterrupt, Detached):
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
