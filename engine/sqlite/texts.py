"""Change names inside stored CREATE texts, token by token; everything else stays as it is."""

from dataclasses import dataclass

from engine.lexer import Token, significant, without_comments
from engine.sqlite.quoting import quote_name
from engine.sqlite.spec import HELPER_MARK


def _name_after(sql: str, word: str) -> Token:
    """The name behind the first *word* (TABLE or INDEX) of a CREATE statement."""
    found = significant(sql)
    at = next(i for i, token in enumerate(found) if token.word == word) + 1
    if [token.word for token in found[at : at + 3]] == ["IF", "NOT", "EXISTS"]:
        at += 3
    return found[at]


def _splice(sql: str, token: Token, text: str) -> str:
    return sql[: token.start] + text + sql[token.end :]


def with_table_name(create: str, name: str) -> str:
    """The CREATE TABLE statement under another name."""
    return _splice(create, _name_after(create, "TABLE"), quote_name(name))


def with_index_name(create: str, name: str) -> str:
    """The CREATE INDEX statement under another name."""
    return _splice(create, _name_after(create, "INDEX"), quote_name(name))


def with_parents_hidden(create: str) -> str:
    """The CREATE TABLE statement with every foreign key pointing at a table that does not exist.

    A copy that still names its parents takes part in foreign keys: the application's DELETE of a parent row would fail
    (or cascade) because of rows that only the copy has. REFERENCES is a reserved word: bare, it is nothing else.
    """
    found = significant(create)
    for at in range(len(found) - 2, -1, -1):
        if found[at].word == "REFERENCES":
            parent = found[at + 1]
            create = _splice(create, parent, quote_name(f"{parent.name}{HELPER_MARK}p"))
    return create


def has_word(sql: str, word: str) -> bool:
    """Whether the reserved *word* (in upper case) stands in the statement, outside of quotes and comments."""
    return any(token.word == word for token in significant(sql))


@dataclass(frozen=True, slots=True)
class IndexText:
    """What an index is made of: the text of each term, and of its WHERE (None: the index is not partial)."""

    terms: tuple[str, ...]
    where: str | None


def index_text(create: str) -> IndexText:
    """Take a CREATE INDEX statement apart."""
    found = significant(create)
    opening = next(i for i, token in enumerate(found) if token.word == "ON") + 2
    depth, start = 0, found[opening].end
    terms: list[str] = []
    for at in range(opening, len(found)):
        sign = found[at].text
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if (sign == "," and depth == 1) or depth == 0:
            terms.append(_without_order(without_comments(create[start : found[at].start])))
            start = found[at].end
        if depth == 0:
            break
    rest = found[at + 1 :]
    where = without_comments(create[rest[0].end :]) if rest and rest[0].word == "WHERE" else None
    return IndexText(tuple(terms), where)


def generated_texts(create: str) -> list[str]:
    """The expressions of the generated columns of a CREATE TABLE statement: AS is a reserved word."""
    found = significant(create)
    return [
        create[found[at].end : found[_closing(found, at)].start]
        for at in range(1, len(found))
        if found[at].text == "(" and found[at - 1].word == "AS"
    ]


def _closing(found: list[Token], opening: int) -> int:
    depth = 0
    for at in range(opening, len(found)):
        depth += {"(": 1, ")": -1}.get(found[at].text, 0)
        if depth == 0:
            return at
    raise ValueError("a parenthesis is not closed")


def _without_order(term: str) -> str:
    last = significant(term)[-1]
    return term[: last.start] if last.word in ("ASC", "DESC") else term
