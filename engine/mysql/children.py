"""Foreign keys that refer to a table: they go along when it is renamed, and would keep the replaced one alive."""

from collections.abc import Sequence

from engine.mysql.flavour import Flavour
from engine.mysql.link import Link
from engine.mysql.trouble import NO_PRIVILEGE, Tolerated

_ENCODED = "CAST(CONVERT({name} USING filename) AS BINARY)"  # a character set that MySQL knows by no name
_REFERRED = {
    True: "SELECT COUNT(*) FROM information_schema.INNODB_SYS_FOREIGN "
    f"WHERE TRIM(TRAILING '@@@' FROM REF_NAME) = CONCAT({_ENCODED}, '/', {_ENCODED})",
    False: "SELECT COUNT(*) FROM information_schema.INNODB_FOREIGN "
    "WHERE REF_NAME = CAST(CONCAT({name}, '/', {name}) AS BINARY)",
}
"""By whether it is MariaDB."""


def has_children(link: Link, flavour: Flavour, schema: str, table: str) -> bool:
    """Whether a foreign key refers to the table. Without the PROCESS privilege those of tables that the account has no rights
    on are not seen, and MariaDB looks through all tables of all schemas for it: not under a lock.
    """
    found = _told_by_innodb(link, flavour, schema, table)
    return bool(_in_sight(link, schema, table) if found is None else found)


def has_children_now(link: Link, flavour: Flavour, schema: str, table: str) -> bool:
    """The same while the application waits; what MariaDB does not tell an account without PROCESS is not seen."""
    found = _told_by_innodb(link, flavour, schema, table)
    if found is None and not flavour.mariadb:
        found = _in_sight(link, schema, table)
    return bool(found)


def has_hidden_children(link: Link, flavour: Flavour, schema: str, table: str) -> bool | None:
    """Whether a foreign key of a table that the account has no rights on refers to it; None: PROCESS is missing to see that."""
    found = _told_by_innodb(link, flavour, schema, table)
    return None if found is None else found > 0 and found > _in_sight(link, schema, table)


def _told_by_innodb(link: Link, flavour: Flavour, schema: str, table: str) -> int | None:
    """How many refer to the table by InnoDB's own list, which has those of all schemas; None: it is not for this account."""
    with Tolerated(*NO_PRIVILEGE):  # PROCESS
        query = _REFERRED[flavour.mariadb].format(name=flavour.folded_sql)
        return int(link.value(query, schema, table))
    return None


def _in_sight(link: Link, schema: str, table: str) -> int:
    """How many of them the account may see."""
    found = link.value(
        """
        SELECT COUNT(*) FROM information_schema.REFERENTIAL_CONSTRAINTS
         WHERE UNIQUE_CONSTRAINT_SCHEMA = %s AND REFERENCED_TABLE_NAME = %s
        """,
        schema,
        table,
    )
    return int(found)


def relatives_of(link: Link, schema: str, table: str) -> list[str]:
    """The other tables of the same schema to which its own foreign keys refer, and those of `children_of`."""
    found = link.rows(
        """
        SELECT DISTINCT REFERENCED_TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS
         WHERE CONSTRAINT_SCHEMA = %s AND TABLE_NAME = %s
           AND CONSTRAINT_SCHEMA = UNIQUE_CONSTRAINT_SCHEMA AND TABLE_NAME <> REFERENCED_TABLE_NAME
        """,
        schema,
        table,
    )
    return sorted({*children_of(link, schema, table), *(str(name) for (name,) in found)})


def children_of(link: Link, schema: str, table: str) -> list[str]:
    """The other tables of the same schema whose foreign keys refer to the table; not under a lock: MariaDB looks through all
    tables of this schema.
    """
    found = link.rows(
        """
        SELECT DISTINCT TABLE_NAME FROM information_schema.REFERENTIAL_CONSTRAINTS
         WHERE CONSTRAINT_SCHEMA = %s AND UNIQUE_CONSTRAINT_SCHEMA = CONSTRAINT_SCHEMA
           AND REFERENCED_TABLE_NAME = %s AND TABLE_NAME <> REFERENCED_TABLE_NAME
        """,
        schema,
        table,
    )
    return sorted(str(name) for (name,) in found)


def children_elsewhere(link: Link, tables: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Tables in schemas other than those of *tables* that refer to one of them by a foreign key, as (schema, name); not under a
    lock: MariaDB looks through all tables of all schemas.
    """
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
