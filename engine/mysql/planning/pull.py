"""The live schemas as files, one per table. Planned, they change nothing."""

from collections.abc import Iterable, Mapping, Sequence

from engine.base import SchemaFiles
from engine.errors import Refused
from engine.file_names import file_name
from engine.mysql.address import Address
from engine.mysql.catalog import read_tables
from engine.mysql.flavour import flavour_of
from engine.mysql.link import Link
from engine.mysql.spec import ALONE, OWN_PREFIX, SYSTEM_SCHEMAS
from engine.mysql.tables import Table


def pull_mysql(address: Address, namespace: str) -> SchemaFiles:
    """The schema of the DSN as files of *namespace*; without one in it every schema that this user sees, by its name."""
    with Link(address, schema="") as link:
        flavour_of(link)
        if address.database:
            return {namespace: _files(link, address.database)}
        found = {schema: _files(link, schema) for schema in _schemas(link)}
    if not found:
        raise Refused(
            "the dsn names no database, and this user sees none on the server: make one, or name it in the dsn"
        )
    return found


def _files(link: Link, schema: str) -> dict[str, str]:
    """Without the tables that a plan leaves alone when the files have them not, but for those that the others need."""
    tables = read_tables(link, schema)
    return tables_files(with_parents([name for name in tables if not name.startswith(ALONE)], tables))


def with_parents(names: Iterable[str], tables: Mapping[str, Table]) -> dict[str, Table]:
    """Those of *tables*, and what they refer to by foreign keys: without it they cannot be made."""
    found: dict[str, Table] = {}
    left = list(names)
    while left:
        name = left.pop()
        if name in tables and name not in found:
            found[name] = tables[name]
            keys = tables[name].foreign_keys
            left += [key.parent for key in keys if key.parent_schema == tables[name].schema]
    return found


def tables_files(tables: Mapping[str, Table]) -> dict[str, str]:
    """File name → text, the same for the same schema."""
    return {file_name(name): f"{tables[name].text};\n" for name in sorted(tables)}


def _schemas(link: Link) -> Sequence[str]:
    rows = link.rows("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY SCHEMA_NAME")
    return [
        name
        for (name,) in rows
        if name.lower() not in SYSTEM_SCHEMAS and not name.lower().startswith(OWN_PREFIX)
    ]
