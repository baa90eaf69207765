"""How SchemaBot marks a table that it made on the target: by the apply's id at the end of the table's COMMENT.

The catalogue reads a marked table as if the mark were not there, so the mark may stay when a shadow goes live.
"""

import re

from engine.mysql.spec import DELTA_SUFFIX, OLD_SUFFIX, OWN_PREFIX, SHADOW_SUFFIX

_MARK = re.compile(r"\s?\[schemabot ([0-9A-Za-z_.:-]+)\]\Z")


def marked(comment: str, apply_uid: str) -> str:
    """*comment* of a table with the mark of the apply behind it."""
    return f"{without_mark(comment)} [schemabot {apply_uid}]".lstrip()


def mark_of(comment: str) -> str | None:
    """The id of the apply that made the table with that *comment*; None when it is not ours."""
    found = _MARK.search(comment)
    return found[1] if found else None


def without_mark(comment: str) -> str:
    """*comment* as people wrote it."""
    return _MARK.sub("", comment)


def is_helper_name(name: str) -> bool:
    """Whether a table of that *name* is one that a change makes and removes, or one of SchemaBot's own."""
    lower = name.lower()
    return lower.endswith((SHADOW_SUFFIX, OLD_SUFFIX, DELTA_SUFFIX)) or lower.startswith(OWN_PREFIX)
