"""What the commands to a running apply share: sending one, and what comes after it was accepted."""

from typing import Any

from cli.errors import Exit, Refused
from cli.output import Output
from cli.place import Place
from cli.replies import Progress
from cli.reservation import owner
from cli.watch import conclude, follow


def send(place: Place, verb: str, found: Progress, **more: Any) -> dict[str, Any]:
    """The server's answer; Refused with its reason when it did not accept."""
    answer = place.api.control(verb, found, owner(), **more)
    if answer.get("accepted") is not True:
        reason = str(answer.get("error_message") or "the server gave no reason")
        raise Refused(f"{verb} refused: {reason}", f"look at it: {place.command('progress', found.apply_id)}")
    return answer


def nothing_to_do(output: Output, found: Progress, sentence: str) -> Exit:
    """Say that the apply is where the command would have led it; success."""
    output.say(sentence)
    output.document({"accepted": True, "apply_id": found.apply_id, "state": found.state})
    return Exit.OK


def watch_or_hint(
    place: Place, output: Output, found: Progress, *, watch: bool, cutover_asked: bool = False
) -> Exit:
    """Watch the apply to its end, if that is wanted or nobody else would do the work; else say how to look."""
    if watch or place.in_process:
        last = follow(place, output, found.apply_id, cutover_asked=cutover_asked)
        return conclude(place, output, last)
    output.hint(f"look at it: {place.command('progress', found.apply_id)}")
    return Exit.OK
