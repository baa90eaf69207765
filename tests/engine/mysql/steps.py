"""The step of an online copy, as a planner would make it; what it makes of the table is found by a plain ALTER TABLE."""

from collections.abc import Sequence

from engine.mysql.catalog import fingerprints
from engine.mysql.link import DDL_SETTINGS, Link
from engine.mysql.quoting import quote_table
from engine.mysql.spec import Copy, Step
from tests.engine.mysql.planning.places import address_of
from tests.servers.server import Server


def copy_step(
    server: Server,
    schema: str,
    table: str,
    clauses: Sequence[str],
    columns: Sequence[tuple[str, str]],
    key: Sequence[str],
) -> Step:
    """Of the clauses of its ALTER TABLEs; *columns* that are copied are (new name, old name), *key* has old names."""
    new_name = {old: new for new, old in columns}
    with Link(address_of(server, schema), settings=DDL_SETTINGS) as link:
        before = fingerprints(link, schema, [table])
        after = _altered(server, link, schema, table, clauses)
    return Step(
        schema=schema,
        before=tuple(before.items()),
        after=tuple(after.items()),
        copy=Copy(
            source=table,
            table=table,
            clauses=tuple(clauses),
            columns=tuple(columns),
            key=tuple(key),
            new_key=tuple(new_name.get(column, column) for column in key),
        ),
    )


def _altered(
    server: Server, link: Link, schema: str, table: str, clauses: Sequence[str]
) -> dict[str, str | None]:
    scratch = server.fresh_database()
    altered = quote_table(scratch, table)
    try:
        link.run(f"CREATE TABLE {altered} LIKE {quote_table(schema, table)}")
        for clause in clauses:
            link.run(f"ALTER TABLE {altered} {clause}")
        return fingerprints(link, scratch, [table])
    finally:
        server.drop_database(scratch)
