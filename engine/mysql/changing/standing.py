"""Where a change stands, found by looking at its tables: which of its statements have run, whether its copy is live (RC-4)."""

from collections.abc import Mapping

from engine.base import Standing
from engine.errors import DriftFound
from engine.mysql.catalog import fingerprints
from engine.mysql.link import Link
from engine.mysql.spec import Fingerprints, Step


def statements_run(link: Link, step: Step) -> int:
    """How many of the step's statements have run. DriftFound when the tables are as they are at no point of it (RC-2)."""
    states = _states(step)
    live = fingerprints(link, step.schema, list(states[0]))
    # From the end: where two points look the same, nothing is left to do in between.
    for count in range(len(states) - 1, -1, -1):
        if states[count] == live:
            return count
    raise DriftFound(_difference(states, live))


def standing_of(link: Link, step: Step) -> Standing:
    """FITS also stands for a step that was begun. DriftFound."""
    return Standing.DONE if statements_run(link, step) == len(_states(step)) - 1 else Standing.FITS


def differs(link: Link, schema: str, expected: Fingerprints) -> str | None:
    """The first table that is not as *expected*; None: all are."""
    wanted = dict(expected)
    live = fingerprints(link, schema, list(wanted))
    return next((name for name, found in live.items() if found != wanted[name]), None)


def _states(step: Step) -> list[dict[str, str | None]]:
    """What all tables of the step are at its begin, after each statement, and at its end."""
    known = {**dict(step.after), **dict(step.before)}
    states = [dict(known)]
    for statement in step.statements:
        known.update(statement.after)
        states.append(dict(known))
    final = {**known, **dict(step.after)}
    if step.statements:
        states[-1] = final
    else:
        states.append(final)
    return states


def _difference(states: list[dict[str, str | None]], live: Mapping[str, str | None]) -> str:
    names = sorted(name for name, found in live.items() if all(found != state.get(name) for state in states))
    # Each table may be as it is at some point, but not all of them at the same.
    name = names[0] if names else min(live)
    what = "does not exist any more" if live[name] is None else "was changed"
    return f"{name} {what} since the plan was made: plan again"
