"""The live schema as files: one per table with its indexes and triggers, one per view. Planned, they change nothing."""

from collections.abc import Mapping

import apsw

from engine.base import SchemaFiles
from engine.file_names import file_name
from engine.lexer import significant
from engine.sqlite.catalog import Catalog, Relation, read_catalog
from engine.sqlite.forms import name_at
from engine.sqlite.quoting import quote_name


def pull_files(connection: apsw.Connection, namespace: str) -> SchemaFiles:
    """The schema of *connection* as files of one namespace."""
    with connection:  # one moment: the catalogue is read in several statements
        catalog = read_catalog(connection)
    return {namespace: catalog_files(catalog)}


def catalog_files(catalog: Catalog) -> Mapping[str, str]:
    """File name → text, the same for the same schema."""
    return {file_name(relation.name): relation_text(relation, named(relation)) for relation in catalog}


def relation_text(relation: Relation, sql: str) -> str:
    """*sql*, which makes the relation, and after it its indexes and triggers."""
    parts = [*sorted(relation.indexes.items()), *sorted(relation.triggers.items())]
    return "".join(_ended(text.rstrip()) for text in (sql, *(part.sql for _, part in parts)))


def _ended(sql: str) -> str:
    """With its semicolon, which a comment at its end must not take in."""
    found = significant(sql)
    commented = bool(found) and "--" in sql[found[-1].end :]
    return f"{sql}\n;\n" if commented else f"{sql};\n"


def named(relation: Relation) -> str:
    """The CREATE text with its name quoted our way (ALTER TABLE … RENAME leaves its own quotes behind)."""
    found = significant(relation.sql)
    token = found[name_at(found)]
    return relation.sql[: token.start] + quote_name(relation.name) + relation.sql[token.end :]
