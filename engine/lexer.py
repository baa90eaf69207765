"""Cut SQL text into tokens, each with its place. Knows quotes and comments; knows no grammar."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache


class Kind(Enum):
    """What a token is, as far as quotes and comments tell."""

    SPACE = "space"
    COMMENT = "comment"
    STRING = "string"  # 'x', x'00'
    QUOTED = "quoted"  # "x" `x` [x]: nearly always a name
    NUMBER = "number"
    WORD = "word"
    SIGN = "sign"
    BAD = "bad"  # a quote that never closes


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text and where it begins."""

    kind: Kind
    text: str
    start: int

    @property
    def end(self) -> int:
        """Offset just behind the token."""
        return self.start + len(self.text)

    @property
    def word(self) -> str:
        """The word in upper case, to compare with keywords; empty for anything but a bare word."""
        return self.text.upper() if self.kind is Kind.WORD else ""

    @property
    def name(self) -> str:
        """The token read as a name: its quotes taken off."""
        if self.kind is Kind.QUOTED or (self.kind is Kind.STRING and self.text[0] == "'"):
            closing = self.text[-1]
            return self.text[1:-1].replace(closing * 2, closing)
        return self.text


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one database quotes and comments: a pattern whose named groups are the kinds."""

    pattern: re.Pattern[str]
    constraints: frozenset[str]  # words that begin an element of CREATE TABLE that is no column


SQLITE = Dialect(
    re.compile(
        r"""
          (?P<space>[\s\ufeff]+)
        | (?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))
        | (?P<string>[xX]?'(?:[^']|'')*')
        | (?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])
        | (?P<number>0[xX][0-9a-fA-F_]+|(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?)
        | (?P<word>[^\W\d][\w$]*)
        | (?P<bad>['"`\[])
        | (?P<sign>->>|->|\|\||<<|>>|<=|>=|==|!=|<>|.)
        """,
        re.VERBOSE | re.DOTALL,
    ),
    frozenset({"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"}),
)


@lru_cache(maxsize=16)
def mysql_dialect(delimiter: str = ";") -> Dialect:
    """MySQL and MariaDB while *delimiter* ends statements.

    The marks of a version comment (`/*!80016 … */`) count as space: what is between them is SQL. The line with which
    mariadb-dump begins (`/*M!999999\\- enable the sandbox mode */`) is meant for its client: a comment.
    """
    inside = f"(?!{re.escape(delimiter)})"  # a word ends before a delimiter like $$
    return Dialect(
        re.compile(
            rf"""
              (?P<sign>{re.escape(delimiter)})
            | (?P<comment>--(?=\s|\Z)[^\n]*|\#[^\n]*|/\*(?!M?!(?!999999)).*?\*/)
            | (?P<space>[\s\ufeff]+|/\*M?!\d*|\*/)
            | (?P<string>[xXbBnN]?'(?:[^'\\]|\\.|'')*')
            | (?P<quoted>"(?:[^"\\]|\\.|"")*"|`(?:[^`]|``)*`)
            | (?P<word>(?:{inside}[\w$])*{inside}[^\W\d](?:{inside}[\w$])*)
            | (?P<number>\d+(?:\.\d*)?)
            | (?P<bad>['"`]|/\*)
            | (?P<other>.)
            """,
            re.VERBOSE | re.DOTALL,
        ),
        frozenset(
            [
                "CONSTRAINT",
                "PRIMARY",
                "UNIQUE",
                "CHECK",
                "FOREIGN",
                "KEY",
                "INDEX",
                "FULLTEXT",
                "SPATIAL",
                "LIKE",
            ]
        ),
    )


MYSQL = mysql_dialect()

_KINDS = {kind.value: kind for kind in Kind}


def tokens(text: str, dialect: Dialect = SQLITE) -> Iterator[Token]:
    """All tokens of *text*, spaces and comments too: joined they are the text again."""
    for match in dialect.pattern.finditer(text):
        yield token_of(match)


def token_of(match: re.Match[str]) -> Token:
    """The token that a match of a dialect's pattern is."""
    return Token(_KINDS.get(match.lastgroup or "", Kind.SIGN), match.group(), match.start())


def significant(text: str, dialect: Dialect = SQLITE) -> list[Token]:
    """The tokens that mean something: neither space nor comment."""
    return [token for token in tokens(text, dialect) if token.kind not in (Kind.SPACE, Kind.COMMENT)]


def without_comments(text: str, dialect: Dialect = SQLITE) -> str:
    """*text* on one line: comments and line breaks become single spaces."""
    pieces = [
        " " if token.kind in (Kind.SPACE, Kind.COMMENT) else token.text for token in tokens(text, dialect)
    ]
    joined: list[str] = []
    for piece in pieces:
        if piece != " " or (joined and joined[-1] != " "):
            joined.append(piece)
    return "".join(joined).strip()
