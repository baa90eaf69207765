"""What is drawn from Hypothesis, in words; the simplest comes out when a failure is made smaller."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")
_FAR = 3 * 10**15 + 7
"""Hypothesis now and then draws a number that stands somewhere in our code. None so far off does, and so a seed gives the same
pair however the code changes elsewhere."""


class Draw(Protocol):
    """What Hypothesis hands to a composite strategy."""

    def __call__(self, strategy: "st.SearchStrategy[T]", label: object = None) -> T:
        """A value of the strategy."""


class Choosing:
    """Choices for a schema on one flavour of server."""

    def __init__(self, draw: Draw, flavour: str) -> None:
        self._draw = draw
        self.flavour = flavour

    @property
    def mysql(self) -> bool:
        """Not MariaDB."""
        return self.flavour == "mysql"

    def among(self, options: Sequence[T]) -> T:
        """One of them; the first is the simplest."""
        return options[self.between(0, len(options) - 1)]

    def chance(self, percent: int) -> bool:
        """True so often; False is simpler."""
        return self.between(0, 99) >= 100 - percent

    def between(self, least: int, most: int) -> int:
        """A number; the least is the simplest."""
        return self._draw(st.integers(_FAR + least, _FAR + most)) - _FAR

    def some(self, options: Sequence[T], most: int) -> list[T]:
        """One or more of them, each once."""
        left, found = list(options), []
        for _ in range(self.between(1, min(most, len(left)))):
            found.append(left.pop(self.between(0, len(left) - 1)))
        return found
