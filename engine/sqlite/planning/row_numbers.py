"""Whether something outside of a table finds its rows by their hidden numbers."""

from engine.lexer import significant
from engine.sqlite.catalog import Catalog, Relation

_NAMES = {"rowid", "_rowid_", "oid"}


def found_by_number(table: Relation, live: Catalog) -> bool:
    """A full-text index has the rows of *table* as its content, or a trigger of the table hands their numbers on."""
    hidden = _NAMES - {column.name.lower() for column in table.columns}
    handed_on = any(
        token.name.lower() in hidden
        for trigger in table.triggers.values()
        for token in significant(trigger.sql)
    )
    return handed_on or any(
        _content(relation) == table.name.lower() for relation in live if relation.kind == "virtual"
    )


def _content(virtual: Relation) -> str:
    """The table whose rows are indexed (FTS: content = …), in lower case; empty: there is none."""
    found = significant(virtual.sql)
    for option, sign, value in zip(found, found[1:], found[2:], strict=False):
        if option.word == "CONTENT" and sign.text == "=":
            return value.name.lower()
    return ""
