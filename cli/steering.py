"""What a person who watches an apply can do to it with a key, and what they are told it waits for."""

import time

from cli.errors import CliError
from cli.place import Place
from cli.replies import Progress
from cli.reservation import owner

SURE_SECONDS = 10.0
"""A key that commands is pressed twice, the second time within so long."""
MEANINGS = {
    "stop": "pause it at its checkpoint",
    "cutover": "make the prepared change live now",
    "start": "deploy it now",
    "revert": "undo the change",
    "skip-revert": "keep the change for good",
}
DONE = {
    "stop": "Stop requested.",
    "cutover": "Cutover requested.",
    "start": "Deploy requested.",
    "revert": "Revert requested.",
    "skip-revert": "The change stays.",
}
WAITING = {"cutover": "Waiting for cutover", "start": "Waiting for deploy"}
WINDOW = (("r", "revert"), ("k", "skip-revert"))
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
        verbs = [verb for _, verb in self._offered(progress) if verb != "stop"]
        if not verbs:
            return ""
        keys = f", press {self._offered(progress)[-1][0]} twice or run" if self._listening else ""
        if progress.state == "revert_window":
            title = "The change is live and can still be reverted. Revert it, or keep it for good:"
        else:
            title = f"{WAITING[verbs[0]]}. When you are ready{keys}:"
        return "\n".join([title, *(f"  {self._place.command(verb, self._apply_id)}" for verb in verbs)])

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
        """Keys and the commands they stand for, as the state allows."""
        if progress.state == "revert_window":
            return list(WINDOW)
        found = [("s", "stop")]
        if progress.deferred and not self._cutover_asked:
            found.append(("c", "cutover"))
        if progress.state == "waiting_for_deploy":
            found.append(("c", "start"))
        return found

    def _command(self, verb: str, progress: Progress) -> str:
        try:
            answer = self._place.api.control(verb, progress, owner())
        except CliError as error:
            return f"{verb} failed: {error}"
        if answer.get("accepted") is not True:
            return f"{verb} refused: {answer.get('error_message') or 'the server gave no reason'}"
        self._cutover_asked = self._cutover_asked or verb == "cutover"
        return str(answer.get("error_message") or DONE[verb])
