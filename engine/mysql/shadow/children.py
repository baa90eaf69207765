"""Foreign keys that refer to a table: they go along when it is renamed, and would keep the replaced one alive."""

from collections.abc import Sequence

from engine.mysql.flavour import Flavour
from engine.mysql.link import Link
from engine.mysql.shadow.witness import name_in_innodb
from engine.mysql.trouble import ServerRefused


def has_children(link: Link, schema: str, table: str) -> bool:
    """Whether a foreign key refers to the table. MariaDB looks through all tables of all schemas for it: not under a lock."""
    return bool(
        link.value(
            """
            SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS
             WHERE UNIQUE_CONSTRAINT_SCHEMA = %s AND REFERENCED_TABLE_NAME = %s
            """,
            schema,
            table,
        )
    )


def children_elsewhere(link: Link, tables: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Tables in schemas other than those of *tables* that refer to one of them by a foreign key, as (schema, name)."""
    if not tables:
        return []
    schemas = sorted({schema for schema, _ in tables})
    parents = " OR ".join("(UNIQUE_CONSTRAINT_SCHEMA = %s AND REFERENCED_TABLE_NAME = %s)" for _ in tables)
    rows = link.rows(
        f"""
        SELECT DISTINCT CONSTRAINT_SCHEMA, TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS
         WHERE ({parents}) AND CONSTRAINT_SCHEMA NOT IN ({", ".join(["%s"] * len(schemas))})
        """,
        *(part for table in tables for part in table),
        *schemas,
    )
    return [(str(schema), str(name)) for schema, name in rows]


def has_children_now(link: Link, flavour: Flavour, schema: str, table: str) -> bool:
    """The same while the application waits; what MariaDB does not tell an account without PROCESS is not seen."""
    if not flavour.mariadb:
        return has_children(link, schema, table)
    try:
        found = link.value(
            "SELECT COUNT(*) FROM information_schema.INNODB_SYS_FOREIGN WHERE REF_NAME = BINARY %s",
            name_in_innodb(schema, table),
        )
    except ServerRefused:
        return False
    return bool(found)
