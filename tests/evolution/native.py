"""What the server itself makes of a plan: its statements run on a twin of the schema, copies as plain ALTER TABLEs."""

from collections.abc import Iterator

from engine.base import Change
from engine.mysql.names import names_of
from engine.mysql.quoting import quote_names, quote_table
from engine.mysql.spec import Copy, Step
from engine.mysql.trouble import ServerRefused
from tests.evolution.ground import Ground

BY_COPY = ", ALGORITHM=COPY"


def run_natively(twin: Ground, change: Change) -> None:
    """ServerRefused: the server does not do that."""
    step = Step.from_json(change.spec)
    for statement in step.statements:
        _run(twin, statement.sql.replace(step.schema, twin.schema))
    if step.copy is not None:
        for sql in _as_altered(twin, step.copy):
            _run(twin, sql)


def _run(twin: Ground, sql: str) -> None:
    """An ALTER TABLE by copying all rows; what cannot be done so, the server's own way."""
    try:
        twin.link.run(sql + (BY_COPY if sql.startswith("ALTER TABLE") else ""))
    except ServerRefused:
        if not sql.startswith("ALTER TABLE"):
            raise
        twin.link.run(sql)


def _as_altered(twin: Ground, copy: Copy) -> Iterator[str]:
    """All rows first, then the change; under the name of our copy, as CHECKs are called after their table."""
    source, table, altered = (
        quote_table(twin.schema, name) for name in (copy.source, copy.table, names_of(copy.source).shadow)
    )
    plain = quote_names(column.name for column in twin.tables()[copy.source].columns if not column.generated)
    yield f"CREATE TABLE {altered} LIKE {source}"
    yield f"INSERT INTO {altered} ({plain}) SELECT {plain} FROM {source}"
    for clauses in copy.clauses:
        yield f"ALTER TABLE {altered} {clauses}"
    yield f"DROP TABLE {source}"
    yield f"RENAME TABLE {altered} TO {table}"
