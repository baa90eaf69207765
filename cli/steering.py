"""What a person who watches an apply can do to it with a key, and what they are told it waits for."""

import time

from cli.errors import CliError
from cli.place import Place
from cli.replies import Progress
from cli.reservation import owner

SURE_SECONDS = 10.0
"""A key that commands is pressed twice, the second time within so long."""
COMMANDS = {"s": "stop", "c": "cutover"}
MEANINGS = {
    "stop": "pause it at its checkpoint",
    "cutover": "make the prepared change live now",
}
DONE = {"stop": "Stop requested", "cutover": "Cutover requested"}
DETACH = "d"


class Detached(Exception):
    """The person stops looking; the apply goes on."""


class Steering:
    """The keys of one watch; *listening*: whether there are keys at all."""

    def __init__(self, place: Place, apply_id: str, *, listening: bool, cutover_asked: bool) -> None:
        self._place = place
        self._apply_id = apply_id
        self._listening = listening
        self._cutover_asked = cutover_asked
        self._armed = ("", 0.0)

    def waits_for(self, progress: Progress) -> str:
        """What a parked apply waits for, and the command; "" for others."""
        if not progress.deferred or self._cutover_asked:
            return ""
        key = ", press c twice or run" if self._listening else ""
        return f"Waiting for cutover. When you are ready{key}:\n  {self._place.command('cutover', self._apply_id)}"

    def keys(self, progress: Progress, *, lost: bool = False) -> str:
        """The keys that mean something now, for the last line of the view; "" without a keyboard.

        *lost*: nobody answers, so nobody can be told anything.
        """
        if not self._listening or not progress.moving:
            return ""
        leaves = "leave, it rests at its checkpoint" if self._place.in_process else "detach, it goes on"
        offered = [] if lost else self._offered(progress)
        return " · ".join([*(f"{key} {verb}" for key, verb in offered), f"{DETACH} {leaves}"])

    def press(self, key: str, progress: Progress) -> str:
        """Do what *key* means; the sentence to show for it. Detached when the person stops looking."""
        if key == DETACH:
            raise Detached
        verb = dict(self._offered(progress)).get(key, "")
        if not verb:
            return ""
        armed, at = self._armed
        if armed != key or time.monotonic() - at > SURE_SECONDS:
            self._armed = (key, time.monotonic())
            return f"Press {key} again to {MEANINGS[verb]}."
        self._armed = ("", 0.0)
        return self._command(verb, progress)

    def _offered(self, progress: Progress) -> list[tuple[str, str]]:
        cutover = progress.deferred and not self._cutover_asked
        return [(key, verb) for key, verb in COMMANDS.items() if verb != "cutover" or cutover]

    def _command(self, verb: str, progress: Progress) -> str:
        try:
            answer = self._place.api.control(verb, progress, owner())
        except CliError as error:
            return f"{verb} failed: {error}"
        if answer.get("accepted") is not True:
            return f"{verb} refused: {answer.get('error_message') or 'the server gave no reason'}"
        self._cutover_asked = self._cutover_asked or verb == "cutover"
        return str(answer.get("error_message") or f"{DONE[verb]}.")
