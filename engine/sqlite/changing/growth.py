"""A change that runs in one transaction because its table was small does not run when the table has grown since."""

import apsw

from engine.errors import DriftFound
from engine.sqlite.sizes import GROWN_BYTES, GROWN_ROWS, is_wide, rows_up_to
from engine.sqlite.spec import Step


def refuse_grown(connection: apsw.Connection, step: Step) -> None:
    """DriftFound: writers would wait for longer than the plan said."""
    if not step.small or not connection.table_exists("main", step.source):
        return
    if rows_up_to(connection, step.source, GROWN_ROWS) > GROWN_ROWS:
        grown = f"{GROWN_ROWS:,} rows"
    elif is_wide(connection, step.source, GROWN_BYTES):
        grown = f"{GROWN_BYTES // 1024**2} MiB"
    else:
        return
    raise DriftFound(
        f"{step.source} has grown to more than {grown} since the plan was made, which changes it as a small table: "
        "plan again"
    )
