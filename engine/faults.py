"""Named points of an execution where a test strikes: it stops, kills or fails the process there. For every engine."""

from collections.abc import Callable

Hook = Callable[[str], None]


def _nothing(_: str) -> None:
    """In service nothing happens at a fault point."""


_hook: Hook = _nothing


def install(hook: Hook | None) -> None:
    """Call *hook* with the name of every point that is reached from now on; None: nothing any more."""
    global _hook
    _hook = hook or _nothing


def reached(point: str) -> None:
    """Say that the execution came to *point*: `begun:…`, `before_commit:…`, `after_commit:…` of a transaction."""
    _hook(point)
