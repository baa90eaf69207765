"""The one place where a name becomes SQL text for MySQL and MariaDB."""

from collections.abc import Iterable

LONGEST = 64
"""Characters in a name."""


def quote_name(name: str) -> str:
    """*name* as an identifier in backticks, which mean a name in every sql_mode."""
    return "`" + name.replace("`", "``") + "`"


def quote_names(names: Iterable[str]) -> str:
    """A list of identifiers, separated by commas."""
    return ", ".join(quote_name(name) for name in names)


def quote_table(schema: str, table: str) -> str:
    """A table with its schema in front."""
    return f"{quote_name(schema)}.{quote_name(table)}"
