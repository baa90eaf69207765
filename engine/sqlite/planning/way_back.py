"""The live schema as files that lead back to it: what the plan renames is annotated, so that a rollback keeps the data."""

from collections.abc import Mapping

from engine.annotations import old_name, way_back, without
from engine.file_names import file_name
from engine.sqlite.catalog import Catalog, Relation
from engine.sqlite.planning.renames import Renames
from engine.sqlite.pull import named, relation_text
from engine.table_text import read_table_text


def files_back(live: Catalog, renames: Renames) -> Mapping[str, str]:
    """File name → text of the live schema, each renamed table and column saying what the plan renames it to."""
    new_tables = {old.lower(): new for new, old in renames.tables.items()}
    return {
        file_name(relation.name): relation_text(relation, _annotated(relation, new_tables, renames))
        for relation in live
    }


def _annotated(relation: Relation, new_tables: Mapping[str, str], renames: Renames) -> str:
    new_table = new_tables.get(relation.name.lower(), relation.name)
    # One that tells of an earlier rename would be taken for the way back.
    sql = without(named(relation), old_name)
    for new, old in renames.of(new_table).items():
        element = read_table_text(sql).column(old)
        if element is not None:
            end = element.start + len(element.text)
            sql = f"{sql[:end]} /* {way_back(new)} */{sql[end:]}"
    return sql if new_table == relation.name else f"/* {way_back(new_table)} */\n{sql}"
