"""The one place where a name becomes SQL text for MySQL and MariaDB."""

from collections.abc import Iterable

LONGEST = 64
"""Characters in a name."""
# Old names bring warnings on MySQL; these character sets hold the old ones' characters in the same bytes.
_NEWER = {"utf8": "utf8mb4", "utf8mb3": "utf8mb4", "ucs2": "utf16"}


def quote_name(name: str) -> str:
    """*name* as an identifier in backticks, which mean a name in every sql_mode."""
    return "`" + name.replace("`", "``") + "`"


def quote_names(names: Iterable[str]) -> str:
    """A list of identifiers, separated by commas."""
    return ", ".join(quote_name(name) for name in names)


def quote_table(schema: str, table: str) -> str:
    """A table with its schema in front."""
    return f"{quote_name(schema)}.{quote_name(table)}"


def introducer(charset: str) -> str:
    """What stands before bytes in hexadecimal that are a text in *charset*."""
    return f"_{_NEWER.get(charset, charset)} x"
