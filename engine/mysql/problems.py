"""What keeps something from being done as it would be best, each with what helps against it."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One reason."""

    what: str  # as a phrase
    remedy: str = ""  # a statement, or what to do; may be empty

    def __str__(self) -> str:
        return f"{self.what}: {self.remedy}" if self.remedy else self.what


def whats(problems: Iterable[Problem]) -> str:
    """All of them in a phrase."""
    return "; ".join(problem.what for problem in problems)


def remedies(problems: Iterable[Problem]) -> str:
    """What would help against all of them; may be empty."""
    return "; ".join(problem.remedy for problem in problems if problem.remedy)
