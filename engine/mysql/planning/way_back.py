"""The live tables as files that lead back to them: what the plan renames or splits is annotated, so a rollback keeps the data."""

from collections.abc import Mapping

from engine.annotations import split_off, way_back
from engine.file_names import file_name
from engine.lexer import MYSQL
from engine.mysql.planning.partitions import new_partitions
from engine.mysql.planning.renames import Renames
from engine.mysql.tables import Table
from engine.table_text import read_table_text


def files_back(tables: Mapping[str, Table], wanted: Mapping[str, Table], renames: Renames) -> dict[str, str]:
    """File name → text of a live table, it and its columns saying what the plan to the *wanted* ones renames them to."""
    new_names = {old: new for new, old in renames.tables.items()}
    return {
        file_name(name): f"{_annotated(table, wanted.get(new_names.get(name, name)), renames)};\n"
        for name, table in sorted(tables.items())
    }


def _annotated(table: Table, wanted: Table | None, renames: Renames) -> str:
    if wanted is None:
        return table.text
    text = table.text
    for new, old in renames.of(wanted.name).items():
        column = read_table_text(text, MYSQL).column(old)
        if column is not None:
            # On a line above it: behind it the comment might stand inside of a version comment.
            text = f"{text[: column.start]}-- {way_back(new)}\n  {text[column.start :]}"
    above = [split_off(name) for name in new_partitions(table.partitions, wanted.partitions)]
    if wanted.name != table.name:
        above.append(way_back(wanted.name))
    return "".join([*(f"-- {line}\n" for line in above), text])
