"""The live tables as files that lead back to them: what the plan renames is annotated, so that a rollback keeps the data."""

from collections.abc import Mapping

from engine.annotations import way_back
from engine.file_names import file_name
from engine.lexer import MYSQL
from engine.mysql.planning.renames import Renames
from engine.mysql.tables import Table
from engine.table_text import read_table_text


def files_back(tables: Mapping[str, Table], renames: Renames) -> dict[str, str]:
    """File name → text of a live table, it and its columns saying what the plan renames them to."""
    new_names = {old: new for new, old in renames.tables.items()}
    return {
        file_name(name): f"{_annotated(table, new_names.get(name, name), renames)};\n"
        for name, table in sorted(tables.items())
    }


def _annotated(table: Table, new_name: str, renames: Renames) -> str:
    text = table.text
    for new, old in renames.of(new_name).items():
        column = read_table_text(text, MYSQL).column(old)
        if column is not None:
            # On a line above it: behind it the comment might stand inside of a version comment.
            text = f"{text[: column.start]}-- {way_back(new)}\n  {text[column.start :]}"
    return text if new_name == table.name else f"-- {way_back(new_name)}\n{text}"
