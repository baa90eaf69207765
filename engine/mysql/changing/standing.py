"""Where a change stands, found by looking at its tables: which of its statements have run, whether its copy is live (RC-4)."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from engine.base import Standing
from engine.errors import DriftFound
from engine.mysql.catalog import fingerprints
from engine.mysql.link import Link
from engine.mysql.spec import Fingerprints, Step

SHOWN = 200
"""Characters of each statement that are shown."""
_KEYS = """
    SELECT LOWER(CONSTRAINT_NAME) FROM information_schema.TABLE_CONSTRAINTS
    WHERE CONSTRAINT_SCHEMA = %s AND CONSTRAINT_TYPE = 'FOREIGN KEY'
"""


def statements_run(link: Link, step: Step) -> int:
    """How many of the step's statements have run. DriftFound when the tables are as they are at no point of it (RC-2)."""
    return _point(link, step.schema, _states([step]))


def standing_of(link: Link, step: Step) -> Standing:
    """FITS also stands for a step that was begun. DriftFound."""
    return Standing.DONE if statements_run(link, step) == len(_states([step])) - 1 else Standing.FITS


class Course:
    """The steps of a plan in their order. Those that touch the same tables are looked at as one.

    The server rewrites a table that refers to a renamed one. What was reviewed of a later change of it is how it reads then:
    before that it fits all the same, and the first change is done however the later one has altered that table.
    """

    def __init__(self, steps: Sequence[Step] = ()) -> None:
        self._steps = steps

    def standing(self, link: Link, step: Step) -> Standing:
        """As `standing_of`. FITS also stands for a step that has to wait for one before it."""
        tied = self._tied(step)
        if len(tied) < 2:
            return standing_of(link, step)
        try:
            point = _point(link, step.schema, _states(tied))
        except DriftFound as drift:
            # Perhaps of a table that has nothing to do with this step.
            with suppress(DriftFound):
                return standing_of(link, step)
            raise drift from None
        end = len(_states(tied[: tied.index(step) + 1])) - 1
        return Standing.DONE if point >= end else Standing.FITS

    def _tied(self, step: Step) -> list[Step]:
        """All steps that touch a table of *step*, or of one of these, in their order."""
        names, count = {name for name, _ in step.after}, 0
        while count < len(names):
            count = len(names)
            for other in self._steps:
                touched = {name for name, _ in other.after}
                if other.schema == step.schema and not names.isdisjoint(touched):
                    names |= touched
        return [
            other
            for other in self._steps
            if other.schema == step.schema and any(name in names for name, _ in other.after)
        ]


def unfinished(link: Link, table: str, step: Step) -> str:
    """Of the change of *table*: the statements that have run while others have not, and the foreign keys that are missing for
    it; empty: it is as before, or done.
    """
    found: list[str] = []
    with suppress(DriftFound):
        done, total = statements_run(link, step), len(step.statements)
        if done in (0, total):
            return ""
        texts = "; ".join(statement.sql[:SHOWN] for statement in step.statements[:done])
        found.append(f"{done} of the {total} statements for {table} have run and stay ({texts})")
    if keys := _missing(link, step):
        what = f"foreign key {', '.join(keys)}"
        found.append(f"{what} is not enforced until this change, or a new plan of it, has run to its end")
    return "; ".join(found)


def differs(link: Link, schema: str, expected: Fingerprints) -> str | None:
    """The first table that is not as *expected*; None: all are."""
    wanted = dict(expected)
    live = fingerprints(link, schema, list(wanted))
    return next((name for name, found in live.items() if found != wanted[name]), None)


def _point(link: Link, schema: str, states: Sequence[dict[str, str | None]]) -> int:
    """At which of *states* the tables are. DriftFound: at none."""
    live = fingerprints(link, schema, list(states[0]))
    # From the end: where two points look the same, nothing is left to do in between.
    for count in range(len(states) - 1, -1, -1):
        if states[count] == live:
            return count
    raise DriftFound(_difference(states, live))


def _states(steps: Sequence[Step]) -> list[dict[str, str | None]]:
    """What all tables of *steps*, one after the other, are at their begin, after each statement, and at the end of each."""
    known: dict[str, str | None] = {}
    for step in reversed(steps):
        known |= {**dict(step.after), **dict(step.before)}
    states = [dict(known)]
    for step in steps:
        for statement in step.statements:
            known.update(statement.after)
            states.append(dict(known))
        known.update(step.after)
        if step.statements:
            states[-1] = dict(known)
        else:
            states.append(dict(known))
    return states


def _difference(states: Sequence[dict[str, str | None]], live: Mapping[str, str | None]) -> str:
    names = sorted(name for name, found in live.items() if all(found != state.get(name) for state in states))
    # Each table may be as it is at some point, but not all of them at the same.
    name = names[0] if names else min(live)
    what = "does not exist any more" if live[name] is None else "was changed"
    return f"{name} {what} since the plan was made: plan again"


def _missing(link: Link, step: Step) -> list[str]:
    """Of the foreign keys that the change drops and makes again those that are not there. A schema has each name once."""
    if not step.suspended:
        return []
    there = {name for (name,) in link.rows(_KEYS, step.schema)}
    return [
        f"{key.name} of {key.table}"
        for key in step.suspended
        if not {key.name.lower(), key.was.lower()} & there
    ]
