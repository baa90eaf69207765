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
    reading = _Reading(sql, dialect)
    return TableText(
        elements=tuple(
            _element(sql, group, reading.beside.get(at, []), dialect)
            for at, group in enumerate(reading.groups)
            if group
        ),
        comments=tuple(reading.of_table),
    )


_TABLE = -1
"""The table itself among those that comments belong to; the others are places in `groups`."""


class _Reading:
    """The groups of tokens between the commas, and the comments of each.

    A comment belongs to what stands before it on its line; behind a comma or the first parenthesis to what follows there, if
    anything does; on a line of its own to what comes next, or ends there. All behind the last parenthesis are of the table.
    """

    def __init__(self, sql: str, dialect: Dialect) -> None:
        self.groups: list[list[Token]] = [[]]
        self.of_table: list[Token] = []
        self.beside: dict[int, list[Token]] = {}
        self._sql = sql
        self._tokens = [token for token in tokens(sql, dialect) if token.kind is not Kind.SPACE]
        self._pending: list[Token] = []
        self._depth = 0
        self._closed = False
        self._owner = _TABLE
        self._last: Token | None = None  # that means something: of the elements, or their first parenthesis
        for at, token in enumerate(self._tokens):
            if token.kind is Kind.COMMENT:
                self._comment(at)
            elif not self._closed:
                self._take(token)

    def _comment(self, at: int) -> None:
        token = self._tokens[at]
        if self._last is None or self._closed:
            self.of_table.append(token)
        elif not self._on_one_line(self._last, token) or (self._parted and self._goes_on(at)):
            self._pending.append(token)
        elif self._owner == _TABLE:
            self.of_table.append(token)
        else:
            self.beside.setdefault(self._owner, []).append(token)

    @property
    def _parted(self) -> bool:
        """Whether the next token begins an element."""
        return not self.groups[-1]

    def _goes_on(self, at: int) -> bool:
        """Whether more than comments follows on the line of the comment *at*."""
        for before, token in zip(self._tokens[at:], self._tokens[at + 1 :], strict=False):
            if not self._on_one_line(before, token):
                return False
            if token.kind is not Kind.COMMENT:
                return True
        return False

    def _on_one_line(self, before: Token, token: Token) -> bool:
        return "\n" not in self._sql[before.end : token.start]

    def _take(self, token: Token) -> None:
        """Take a token that means something."""
        self._depth += (token.text == "(") - (token.text == ")")
        if self._depth == 0:
            if token.text == ")":
                self.beside.setdefault(len(self.groups) - 1, []).extend(self._pending)
                self._closed = True
            return
        if self._last is not None:
            self._place(token)
        self._last = token

    def _place(self, token: Token) -> None:
        self._owner = len(self.groups) - 1
        if self._depth == 1 and token.text == ",":
            self.groups.append([])
            return
        if self._pending:
            self.beside.setdefault(self._owner, []).extend(self._pending)
            self._pending = []
        self.groups[-1].append(token)


def _element(sql: str, group: list[Token], comments: list[Token], dialect: Dialect) -> Element:
    first = group[0]
    return Element(
        column="" if first.word in dialect.constraints else first.name,
        text=sql[first.start : group[-1].end],
        start=first.start,
        words=frozenset(token.word for token in group if token.word),
        comments=tuple(comments),
    )
