"""A change that runs as it does because its table was small does not run when the table has grown since."""

from engine.errors import DriftFound
from engine.mysql.link import Link
from engine.mysql.sizes import GROWN_BYTES, GROWN_ROWS, shown_bytes, size_of
from engine.mysql.spec import Statement


def refuse_grown(link: Link, schema: str, statement: Statement) -> None:
    """DriftFound: writers, or replicas, would wait for longer than the plan said. Waited: the table is locked."""
    name = statement.subject(schema, "ALTER TABLE", "RENAME TABLE")
    if not statement.small or name is None:
        return
    rows, bytes_ = size_of(link, schema, name, counted_to=GROWN_ROWS)
    if rows > GROWN_ROWS or bytes_ > GROWN_BYTES:
        raise DriftFound(
            f"{name} has grown to about {rows:,} rows ({shown_bytes(bytes_)}) since the plan was made, which "
            "changes it as a small table: plan again"
        )
