"""The normal form of SQLite's schema texts: what stays when comments, spaces, quoting and letter case go."""

from functools import lru_cache

from engine.lexer import Kind, Token, significant
from engine.sqlite.quoting import KEYWORDS

# A name in double quotes stands for a string when nothing has that name, so its quotes and case are dropped only where a
# string cannot stand: behind one of these words, beside a dot, in the column list of REFERENCES, or when it is a column.
_BEFORE_NAME = frozenset(
    {
        "REFERENCES",
        "CONSTRAINT",
        "COLLATE",
        "TABLE",
        "INTO",
        "UPDATE",
        "FROM",
        "JOIN",
        "ON",
        "INDEX",
        "VIEW",
        "TRIGGER",
    }
)


def name_at(found: list[Token]) -> int:
    """Index of the object's name in the tokens of a CREATE statement (IF NOT EXISTS and a qualifier skipped)."""
    at = 1
    while found[at].word in ("UNIQUE", "TEMP", "TEMPORARY", "VIRTUAL"):
        at += 1
    at += 1  # TABLE, INDEX, VIEW, TRIGGER
    if found[at].word == "IF" and found[at + 1].word == "NOT":
        at += 3
    if found[at + 1].text == ".":
        at += 2
    return at


@lru_cache(maxsize=4096)
def normal_form(sql: str, names: frozenset[str] = frozenset(), *, keep_case: bool = False) -> str:
    """The text behind the object's name, normalised; *names* are lower-case names that may stand in double quotes."""
    found = significant(sql)
    rest = found[name_at(found) + 1 :]
    if rest and rest[-1].text == ";":
        rest.pop()
    prefix = "unique " if len(found) > 1 and found[1].word == "UNIQUE" else ""
    return prefix + " ".join(_normal(rest, at, names, keep_case) for at in range(len(rest)))


def _normal(found: list[Token], at: int, names: frozenset[str], keep_case: bool) -> str:
    token = found[at]
    keep_case = keep_case or _is_default_text(found, at)
    if token.kind is Kind.WORD:
        return token.text if keep_case and token.word not in KEYWORDS else token.text.lower()
    if token.kind is Kind.QUOTED and (token.text[0] in "`[" or _must_be_name(found, at, names)):
        name = token.name if keep_case else token.name.lower()
        return name if name.isidentifier() else '"' + name + '"'
    if token.kind is Kind.NUMBER:
        return token.text.lower()
    return token.text


def _is_default_text(found: list[Token], at: int) -> bool:
    """SQLite takes a bare or quoted word behind DEFAULT for a text, letter by letter, whatever has that name."""
    if not at or found[at - 1].word != "DEFAULT" or (at > 1 and found[at - 2].word == "SET"):
        return False
    token = found[at]
    if token.kind is Kind.WORD:
        return token.word not in KEYWORDS | {"TRUE", "FALSE"}
    return token.kind is Kind.QUOTED


def _must_be_name(found: list[Token], at: int, names: frozenset[str]) -> bool:
    if found[at].name.lower() in names or (at and found[at - 1].word in _BEFORE_NAME):
        return True
    beside = found[max(at - 1, 0)].text, found[at + 1].text if at + 1 < len(found) else ""
    return "." in beside or _in_referenced_columns(found, at)


def _in_referenced_columns(found: list[Token], at: int) -> bool:
    while at and found[at].text != "(":
        if found[at].kind not in (Kind.QUOTED, Kind.WORD) and found[at].text != ",":
            return False
        at -= 1
    return at >= 2 and found[at - 2].word == "REFERENCES"
