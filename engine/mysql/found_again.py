"""Whether the rows of a table are found in a copy of it, by a key whose columns have other types there."""

import re
from collections.abc import Sequence

from engine.mysql.tables import Column, cuts_spaces

MINDS_SPACES = re.compile("_0900_|_nopad_|^binary$")
"""In the names of collations that mind spaces at the end."""
_BENDING = frozenset({"members", "binary", "moment", "time", "year"})
"""Kinds of key columns that are not changed by an online copy."""


def bent(key: Sequence[tuple[Column, Column]]) -> str:
    """A column of the key, given by its columns before and after, that bends; empty: there is none."""
    # Where one text is compared otherwise, all of them are found by their letters alone.
    alike = all(old.collation == new.collation for old, new in key)
    return next((old.name for old, new in key if _bends(old, new, alike=alike)), "")


def _bends(before: Column, after: Column, *, alike: bool) -> bool:
    """Whether a value of the key may not be found again in the copy by how it reads in the table. *alike*: its texts are compared
    as before.

    ENUM and SET are told by number, binary ones are padded, fractions and times of day are cut, a CHAR, or a VARCHAR that is too
    short, loses spaces at the end, which a collation may mind, and a text is compared with a number as a float, which is the
    same for many; whole numbers, other texts, and dates that become moments stay equal.
    """
    if before.column_type == after.column_type:
        return False
    types, kinds = {before.data_type, after.data_type}, {before.kind, after.kind}
    numbers = kinds <= {"whole", "decimal"} and before.scale <= after.scale
    minded = not alike or bool(MINDS_SPACES.search(before.collation or ""))
    texts = types <= {"char", "varchar"} and not (minded and cuts_spaces(before, after))
    same = len(types) == 1 and types.isdisjoint({"decimal", "char", "varchar"})
    to_moment = (before.data_type, after.data_type) == ("date", "datetime")
    return not to_moment and (bool(kinds & _BENDING) or not (numbers or texts or same))
