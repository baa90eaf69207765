"""The elements of a CREATE TABLE text: which piece is which column, which comment belongs to what."""

from dataclasses import dataclass
from functools import lru_cache

from engine.lexer import SQLITE, Dialect, Kind, Token, tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """A column definition or a table constraint. Offsets are those of the text."""

    column: str  # its name; empty for a constraint
    text: str
    start: int
    words: frozenset[str]  # its bare words, upper case
    comments: tuple[Token, ...]  # beside it or above it

    def has(self, *words: str) -> bool:
        """Whether one of *words* stands in it, outside quotes."""
        return any(word in self.words for word in words)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableText:
    """A CREATE TABLE text, taken apart."""

    elements: tuple[Element, ...]
    comments: tuple[Token, ...]  # those that belong to the table itself

    def column(self, name: str) -> Element | None:
        """The definition of the column *name*."""
        lowered = name.lower()
        return next((e for e in self.elements if e.column and e.column.lower() == lowered), None)


@lru_cache(maxsize=1024)
def read_table_text(sql: str, dialect: Dialect = SQLITE) -> TableText:
    """Take a valid CREATE TABLE statement apart at the commas of its outer parentheses."""
    depth = 0
    groups: list[list[Token]] = [[]]
    head: list[Token] = []  # comments of the table
    pending: list[Token] = []  # comments on lines of their own: of what comes next, or ends there
    beside: dict[int, list[Token]] = {}
    last: tuple[int, int] | None = None  # group and offset of the last token that means something
    for token in tokens(sql, dialect):
        if token.kind is Kind.SPACE:
            continue
        if token.kind is Kind.COMMENT:
            same_line = last is not None and "\n" not in sql[last[1] : token.start]
            if depth == 0 or (same_line and last is not None and last[0] < 0):
                head.append(token)
            elif same_line and last is not None:
                beside.setdefault(last[0], []).append(token)
            else:
                pending.append(token)
            continue
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 or (depth == 1 and token.text == "(" and last is None):
            if depth == 1:
                last = (-1, token.end)
            if token.text == ")":
                beside.setdefault(len(groups) - 1, []).extend(pending)
                break
            continue
        last, pending = _place(token, depth, groups, beside, pending)
    return TableText(
        elements=tuple(
            _element(sql, group, beside.get(at, []), dialect) for at, group in enumerate(groups) if group
        ),
        comments=tuple(head),
    )


def _place(
    token: Token, depth: int, groups: list[list[Token]], beside: dict[int, list[Token]], pending: list[Token]
) -> tuple[tuple[int, int], list[Token]]:
    if depth == 1 and token.text == ",":
        groups.append([])
        return (len(groups) - 2, token.end), pending
    at = len(groups) - 1
    if pending:
        beside.setdefault(at, []).extend(pending)
        pending = []
    groups[at].append(token)
    return (at, token.end), pending


def _element(sql: str, group: list[Token], comments: list[Token], dialect: Dialect) -> Element:
    first = group[0]
    return Element(
        column="" if first.word in dialect.constraints else first.name,
        text=sql[first.start : group[-1].end],
        start=first.start,
        words=frozenset(token.word for token in group if token.word),
        comments=tuple(comments),
    )
