"""The ALTERs that turn the partitions of one table into those of another."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.mysql.quoting import quote_name, quote_names
from engine.mysql.shown import NAME, Piece, joined, pieces, solid_pieces, split_list, unquoted

_NAMED = re.compile(rf"(?:DROP|REORGANIZE) PARTITION ({NAME}(?:, {NAME})*)(?: INTO \(|\Z)")
_COUNT = re.compile(r"\s*\bPARTITIONS (\d+)\s*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Partitioning:
    """A PARTITION BY text, taken apart. `definitions`: what follows PARTITION, by name, in order; empty for a mere `count`."""

    head: str
    definitions: Mapping[str, str]
    count: int = 0


def read_partitioning(text: str) -> Partitioning:
    """Take the text of a table's partitions apart, as the server writes it."""
    found = list(pieces(text))
    start = _definitions_at(found)
    if start is None:
        count = _COUNT.search(text)
        return Partitioning(
            head=_plain(_COUNT.sub("", text)), definitions={}, count=int(count[1]) if count else 1
        )
    elements, _ = split_list(found, start)
    definitions = {}
    for element in elements:
        name = element[2]
        definitions[unquoted(name.text) if name.kind == "name" else name.text] = joined(element)
    return Partitioning(head=_plain(joined(found[:start])), definitions=definitions)


def with_columns_renamed(text: str, renamed: Mapping[str, str]) -> str:
    """The partitions of a table some of whose columns have other names. *renamed*: new ones by the old ones, lower case."""
    found = list(pieces(text))
    start = _definitions_at(found)
    end = len(found) if start is None else start
    head = [
        _by_new_name(piece, called=_next_text(found, at) == "(", renamed=renamed)
        for at, piece in enumerate(found[:end])
    ]
    return "".join([*head, *(piece.text for piece in found[end:])])


def new_partitions(now: str, wanted: str) -> list[str]:
    """The partitions of the *wanted* ones that are not there *now*, where there are some and others are added."""
    if not now or not wanted:
        return []
    there = read_partitioning(now).definitions
    return [name for name in read_partitioning(wanted).definitions if there and name not in there]


def partition_alters(now: str, wanted: str, absorbed: Collection[str] = ()) -> list[list[str]]:
    """ALTERs, each of which must stand alone; none when the partitions are the same. *absorbed*: partitions that do not take
    their rows along when they go, where others can have them.
    """
    if now == wanted:
        return []
    if not wanted:
        return [["REMOVE PARTITIONING"]]
    if not now:
        return [[_plain(wanted)]]
    one, other = read_partitioning(now), read_partitioning(wanted)
    if one.head == other.head and one.definitions and other.definitions:
        return _lists(one, other, [_plain(wanted)], absorbed) or [[_plain(wanted)]]
    if one.head == other.head and one.count and other.count and "SUBPARTITION" not in one.head:
        more = other.count - one.count
        return [[f"ADD PARTITION PARTITIONS {more}" if more > 0 else f"COALESCE PARTITION {-more}"]]
    return [[_plain(wanted)]]


def drops_before_all_go(
    now: str, wanted: str, renamed: Mapping[str, str], absorbed: Collection[str]
) -> list[list[str]]:
    """The ALTERs that have to run before a way takes all partitions away and makes them again: rows that are to go with their
    partition would come into the others. *renamed*: new names of columns by the old ones, lower case.
    """
    one, other = read_partitioning(now), read_partitioning(wanted)
    if not one.definitions or not other.definitions or _words(one.head, renamed) != _words(other.head, {}):
        return []
    return [alter for alter in _lists(one, other, [_plain(wanted)], absorbed) if drops_rows(alter[0])]


def drops_rows(clauses: str) -> bool:
    """Whether rows go with partitions."""
    return clauses.startswith("DROP PARTITION ")


def moves_no_row(clauses: str) -> bool:
    """Of clauses about partitions: whether some only come, empty, or go with their rows."""
    return drops_rows(clauses) or clauses.startswith("ADD PARTITION (")


def reorganises(clauses: str) -> bool:
    """Whether the rows of some partitions move, and of those alone."""
    return clauses.startswith("REORGANIZE PARTITION ")


def named_partitions(clauses: str) -> tuple[str, ...]:
    """The partitions of the table that are dropped or reorganised."""
    found = _NAMED.match(clauses)
    return tuple(unquoted(name) for name in re.findall(NAME, found[1])) if found else ()


def values_of(definition: str) -> tuple[str, ...] | None:
    """What a partition says behind VALUES, as the server writes it; None: MAXVALUE, or whatever no other takes (DEFAULT)."""
    found = list(pieces(definition))
    at = next((at for at, piece in enumerate(found) if piece.word == "VALUES"), len(found))
    start = next(
        (at for at in range(at, len(found)) if found[at].text == "(" or found[at].word == "MAXVALUE"), None
    )
    if start is None or found[start].text != "(":
        return None
    return tuple(joined(value) for value in split_list(found, start)[0])


def _lists(
    now: Partitioning, wanted: Partitioning, anew: list[str], absorbed: Collection[str]
) -> list[list[str]]:
    """Partitions that are gone with nothing in their place are dropped or *absorbed*, new ones behind the last added, others
    reorganised, or all made *anew* where that would lose rows.

    Empty when those that stay would change their order.
    """
    same = [name for name, text in now.definitions.items() if wanted.definitions.get(name) == text]
    if same != [name for name in wanted.definitions if name in same]:
        return []
    drops: list[str] = []
    changes: list[list[str]] = []
    loses = False
    for gone, new, following in _gaps(list(now.definitions), list(wanted.definitions), same):
        definitions = [wanted.definitions[name] for name in new]
        if gone and not new:
            staying = [name for name in gone if name in absorbed and _takes_more(wanted, following)]
            drops += [name for name in gone if name not in staying]
            if staying and following is None:
                changes.append(anew)
            elif staying and following is not None:
                changes.append([_reorganised([*staying, following], [wanted.definitions[following]])])
        elif new and not gone and following is None:
            changes.append([f"ADD PARTITION ({', '.join(definitions)})"])
        elif new:
            if not gone and following is not None:
                gone, definitions = [following], [*definitions, wanted.definitions[following]]
            changes.append([_reorganised(gone, definitions)])
            loses = loses or not _keeps_rows([now.definitions[name] for name in gone], definitions)
    if now.head.startswith("PARTITION BY LIST") and (loses or _has_default(now) or _has_default(wanted)):
        changes = [anew] if changes else []
    return [*([[f"DROP PARTITION {quote_names(drops)}"]] if drops else []), *changes]


def _reorganised(gone: Sequence[str], definitions: Sequence[str]) -> str:
    return f"REORGANIZE PARTITION {quote_names(gone)} INTO ({', '.join(definitions)})"


def _takes_more(wanted: Partitioning, following: str | None) -> bool:
    """Whether another partition takes the rows of one that goes: the next range, or DEFAULT."""
    return _has_default(wanted) if wanted.head.startswith("PARTITION BY LIST") else following is not None


def _keeps_rows(gone: Sequence[str], new: Sequence[str]) -> bool:
    """Whether lists can be reorganised: the rows of a value that none of the *new* ones has the servers drop without a word."""
    before, after = ({value for text in some for value in values_of(text) or ()} for some in (gone, new))
    return before <= after


def _has_default(lists: Partitioning) -> bool:
    """MariaDB leaves the rows of DEFAULT where they are, and finds them no more, when another partition takes their values."""
    return any(values_of(text) is None for text in lists.definitions.values())


def _gaps(
    now: Sequence[str], wanted: Sequence[str], same: Sequence[str]
) -> Iterator[tuple[list[str], list[str], str | None]]:
    """What is gone and what is new before each that stays, and at the end."""
    one = other = 0
    for following in (*same, None):
        end = len(now) if following is None else now.index(following)
        other_end = len(wanted) if following is None else wanted.index(following)
        yield list(now[one:end]), list(wanted[other:other_end]), following
        one, other = end + 1, other_end + 1


def _words(head: str, renamed: Mapping[str, str]) -> list[str]:
    """Names as they will be, quoted or not. A word in front of a parenthesis is a function, or of the language."""
    found = solid_pieces(head)
    words = [unquoted(piece.text).lower() if piece.kind == "name" else piece.text.lower() for piece in found]
    calls = [following.text == "(" for following in found[1:]] + [False]
    return [
        word if call and piece.kind != "name" else renamed.get(word, word)
        for word, call, piece in zip(words, calls, found, strict=True)
    ]


def _by_new_name(piece: Piece, *, called: bool, renamed: Mapping[str, str]) -> str:
    """What is *called* and not quoted is a function, or of the language."""
    if piece.kind == "name":
        new = renamed.get(unquoted(piece.text).lower())
        return piece.text if new is None else quote_name(new)
    return piece.text if called or piece.kind != "word" else renamed.get(piece.text.lower(), piece.text)


def _definitions_at(found: Sequence[Piece]) -> int | None:
    """Where the list of the partitions opens."""
    depth = 0
    for at, piece in enumerate(found):
        if depth == 0 and piece.text == "(" and _next_word(found, at) == "PARTITION":
            return at
        depth += (piece.text == "(") - (piece.text == ")")
    return None


def _next_text(found: Sequence[Piece], at: int) -> str:
    return next((piece.text for piece in found[at + 1 :] if piece.kind != "space"), "")


def _next_word(found: Sequence[Piece], at: int) -> str:
    return next((piece.word for piece in found[at + 1 :] if piece.kind != "space"), "")


def _plain(text: str) -> str:
    """On one line, with single spaces outside quotes."""
    return "".join(" " if piece.kind == "space" else piece.text for piece in pieces(text)).strip()
