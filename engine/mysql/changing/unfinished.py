"""What a change by several statements leaves when it ends before the last of them has run, in words."""

from contextlib import suppress

from engine.errors import DriftFound
from engine.mysql.changing.standing import statements_run
from engine.mysql.link import Link
from engine.mysql.spec import Step

SHOWN = 200
"""Characters of each statement that are shown."""
_KEYS = """
    SELECT LOWER(CONSTRAINT_NAME) FROM information_schema.TABLE_CONSTRAINTS
    WHERE CONSTRAINT_SCHEMA = %s AND CONSTRAINT_TYPE = 'FOREIGN KEY'
"""


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
