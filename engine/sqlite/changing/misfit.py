"""A row that the new definition does not take: it came since the plan was made, or the plan did not look."""

from collections.abc import Iterator
from contextlib import contextmanager

import apsw

from engine.errors import Refused

SHOWN = 300


def misfit(table: str, what: str) -> Refused:
    """What to say of it; *what* as SQLite has it. The transaction is rolled back."""
    return Refused(
        f"{table}: a row does not fit the new definition: {what}; nothing was changed: correct the row or the definition, "
        "then plan again"
    )


@contextmanager
def told_of_rows(table: str, sql: str) -> Iterator[None]:
    """Inside, *sql* runs on *table*; Refused, with its begin, for a row: SQLite itself need not tell table or column."""
    try:
        yield
    except apsw.ConstraintError as error:
        raise misfit(table, f"{error} by {sql[:SHOWN]}") from error
