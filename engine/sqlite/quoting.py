"""The one place where a name becomes SQL text for SQLite."""

import re

import apsw

_SIMPLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
KEYWORDS = frozenset(word.upper() for word in apsw.keywords)
_RESERVED = KEYWORDS | {"TRUE", "FALSE", "NEW", "OLD", "EXCLUDED"}


def quote_name(name: str) -> str:
    """*name* as an identifier: bare when that is safe, else in double quotes.

    Bare is preferred not for looks only: SQLite reads an unknown name in double quotes as a *string*, so a misspelt
    "column" would be copied as text; a bare one is an error.
    """
    if _SIMPLE.match(name) and name.upper() not in _RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


def quote_names(names: tuple[str, ...] | list[str]) -> str:
    """A list of identifiers, separated by commas."""
    return ", ".join(quote_name(name) for name in names)
