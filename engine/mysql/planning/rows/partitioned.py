"""SQL that tells the rows that no partition of a table takes."""

import re
from collections.abc import Mapping, Sequence, Set

from engine.mysql.planning.mentions import mentions
from engine.mysql.planning.partitions import read_partitioning, values_of
from engine.mysql.quoting import quote_name
from engine.mysql.shown import in_utf8, joined, pieces, split_list

_MOVING = ("PARTITION BY ", "REORGANIZE PARTITION ")
_MAXVALUE = "MAXVALUE"


def homeless(now: str, wanted: str, parts: Sequence[str], altered: Set[str]) -> str:
    """A condition on the rows as they will be; empty: no row moves, or there is room for all.

    *now*, *wanted*: the texts from PARTITION BY on. *parts*: of the ALTERs. *altered*: columns that become others, lower case.
    Rows that go with a dropped partition need no other.
    """
    found = read_partitioning(wanted)
    if not (any(part.startswith(_MOVING) for part in parts) or mentions(found.head, altered, bare=True)):
        return ""
    kind = re.match(r"PARTITION BY (RANGE|LIST)\b", found.head)
    if kind is None or not found.definitions:
        return ""
    terms = _terms(found.head)
    values = [values_of(text) for text in (*found.definitions.values(), *_dropped(now, parts).values())]
    takes = _below if kind[1] == "RANGE" else _among
    taken = [condition for one in values for condition in takes(terms, one)]
    return "" if "TRUE" in taken else f"NOT COALESCE({' OR '.join(taken)}, TRUE)"


def _dropped(now: str, parts: Sequence[str]) -> Mapping[str, str]:
    names = [part for part in parts if part.startswith("DROP PARTITION ")]
    definitions = read_partitioning(now).definitions if names else {}
    return {name: text for name, text in definitions.items() if any(quote_name(name) in one for one in names)}


def _terms(head: str) -> list[str]:
    """The columns, or the one expression, by which rows are told apart."""
    found = list(pieces(head))
    elements, _ = split_list(found, next(at for at, piece in enumerate(found) if piece.text == "("))
    return [joined(element) for element in elements]


def _below(terms: Sequence[str], bounds: Sequence[str] | None) -> list[str]:
    """A row is in a range when it is less than its bounds; NULL is less than anything, which COALESCE sees to."""
    return ["TRUE"] if bounds is None else [_less(terms, bounds)]


def _less(terms: Sequence[str], bounds: Sequence[str]) -> str:
    if bounds[0] == _MAXVALUE:
        return "TRUE"
    bound = in_utf8(bounds[0])
    less = f"{terms[0]} < {bound}"
    if len(bounds) == 1:
        return less
    return f"({less} OR ({terms[0]} = {bound} AND {_less(terms[1:], bounds[1:])}))"


def _among(terms: Sequence[str], values: Sequence[str] | None) -> list[str]:
    if values is None:
        return ["TRUE"]
    return [" AND ".join(_equal(terms, value)) for value in values]


def _equal(terms: Sequence[str], value: str) -> list[str]:
    """One value, or of several columns a list of them in parentheses."""
    several = [joined(one) for one in split_list(list(pieces(value)), 0)[0]] if len(terms) > 1 else [value]
    return [f"{term} <=> {in_utf8(one)}" for term, one in zip(terms, several, strict=True)]
