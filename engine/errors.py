"""What can go wrong at a target, classed where it is caught: permanent or retryable.

What may or may not have run is retryable: the next owner looks at the target first (`Session.standing`).
"""


class EngineError(Exception):
    """Base of every error an engine raises; `retryable` is a fact of the class."""

    retryable = False


class Refused(EngineError):
    """Permanent: the change is wrong or not possible (syntax, privilege, duplicate key, lossy value, unsupported)."""


class DriftFound(EngineError):
    """Permanent: the live table is neither what was reviewed nor what was wanted; the message names it: plan again."""


class BadFiles(EngineError):
    """The desired files cannot be understood; `problems` are `file:line:column: message` lines."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class TargetUnavailable(EngineError):
    """Retryable: the target is locked, unreachable, read-only, out of space; nothing was decided."""

    retryable = True


class Unreachable(TargetUnavailable):
    """Retryable: nobody answers where the target should be, or lets us in, so no work on it was begun."""


class TargetHeld(TargetUnavailable):
    """Retryable: another apply (of another store) is changing this target; the message says who."""


class Fenced(EngineError):
    """A newer owner took the target (OW-5): write nothing more; the apply is no longer ours."""


class FenceAhead(Fenced):
    """That owner was of our apply and shows no life: our store is older than the target, a backup that was put back.

    `fence` is the one on the target; only a higher one gets past it.
    """

    def __init__(self, text: str, fence: int) -> None:
        super().__init__(text)
        self.fence = fence


class StoppedElsewhere(EngineError):
    """The work was stopped by a person where it is done: at rest until a person starts it. `who` did it, as it was told."""

    def __init__(self, text: str, who: str) -> None:
        super().__init__(text)
        self.who = who


class HeldUp(EngineError):
    """Retryable: the work waits for others; look again in `delay` seconds. It spends none of our attempts."""

    retryable = True

    def __init__(self, text: str, delay: float) -> None:
        super().__init__(text)
        self.delay = delay


class RetriesElsewhere(HeldUp):
    """The work is done elsewhere and waits there for its own next try: whoever does it counts, and gives up by himself."""
