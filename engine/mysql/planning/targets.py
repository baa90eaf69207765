"""Which schema of the target each namespace of the files is for, and what is there now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.errors import BadFiles, Refused
from engine.mysql.address import Address
from engine.mysql.catalog import others, read_tables, unmanaged
from engine.mysql.flavour import Flavour
from engine.mysql.link import Link
from engine.mysql.planning.desired import Place
from engine.mysql.spec import SYSTEM_SCHEMAS
from engine.mysql.tables import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A schema as it is."""

    place: Place
    tables: Mapping[str, Table]
    others: Mapping[str, str]  # what else has the name of a table: kind by name
    unmanaged: tuple[tuple[str, str], ...]  # all that a plan leaves alone: kind and name


def schema_names(address: Address, namespaces: Iterable[str]) -> dict[str, str]:
    """Namespace → schema: the database of the DSN for the only one, else the schema of the same name. BadFiles."""
    names = sorted(namespaces)
    if not names:
        raise BadFiles(["the files have no namespace: put them into a folder"])
    if address.database and len(names) == 1:
        return {names[0]: address.database}
    if odd := sorted(set(names) & SYSTEM_SCHEMAS):
        raise BadFiles([f"{odd[0]}: this schema belongs to the server itself"])
    return {name: name for name in names}


def without_case(schemas: Mapping[str, str]) -> dict[str, str]:
    """*schemas* by the names in lower case, which is how such a server tells them. BadFiles: two of them are one there."""
    found = {namespace: schema.lower() for namespace, schema in schemas.items()}
    if len(set(found.values())) < len(found):
        raise BadFiles(
            [
                f"{', '.join(found)}: names that differ in upper and lower case only are one schema on this server"
            ]
        )
    if odd := set(found.values()) & SYSTEM_SCHEMAS:
        raise BadFiles([f"{min(odd)}: this schema belongs to the server itself"])
    return found


def read_live(link: Link, flavour: Flavour, namespace: str, schema: str) -> Live:
    """The schema as it is now. Refused when there is none."""
    row = link.row(
        "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s",
        schema,
    )
    if row is None:
        raise Refused(
            f"the server has no schema {schema} (or this user may not see it): make it first, empty"
        )
    place = Place(
        namespace=namespace,
        schema=schema,
        charset=str(row[0]),
        collation=str(row[1]),
        any_case=flavour.any_case,
    )
    return Live(
        place=place,
        tables=read_tables(link, schema),
        others=others(link, schema),
        unmanaged=unmanaged(link, schema),
    )
