"""Foreign keys that refer to a table: they go along when it is renamed, and would keep the replaced one alive."""

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


def children_of(link: Link, schema: str, table: str) -> list[str]:
    """The other tables of the same schema whose foreign keys refer to the table; not under a lock, as above."""
    found = link.rows(
        """
        SELECT DISTINCT TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS
         WHERE UNIQUE_CONSTRAINT_SCHEMA = %s AND REFERENCED_TABLE_NAME = %s
           AND CONSTRAINT_SCHEMA = UNIQUE_CONSTRAINT_SCHEMA AND TABLE_NAME <> REFERENCED_TABLE_NAME
        """,
        schema,
        table,
    )
    return sorted(str(name) for (name,) in found)


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
