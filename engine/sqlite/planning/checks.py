"""The CHECK expressions in a CREATE TABLE text."""

from dataclasses import dataclass

from engine.lexer import Kind, Token, significant, without_comments
from engine.table_text import Element, read_table_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One CHECK: its expression, that expression normalised, the words in it, and the column it stands at (or none)."""

    text: str
    form: str
    names: frozenset[str]
    column: str


def check_expressions(sql: str) -> list[Check]:
    """All CHECKs of a CREATE TABLE statement, in their order."""
    return [check for element in read_table_text(sql).elements for check in _of(element)]


def normal_checks(sql: str) -> set[str]:
    """Their normal forms."""
    return {check.form for check in check_expressions(sql)}


def _of(element: Element) -> list[Check]:
    found = significant(element.text)
    checks = []
    for at, token in enumerate(found[:-1]):
        if token.word == "CHECK" and found[at + 1].text == "(":
            inside = _inside(found, at + 1)
            if inside:
                text = without_comments(element.text[inside[0].start : inside[-1].end])
                checks.append(_check(text, inside, element.column))
    return checks


def _inside(found: list[Token], opening: int) -> list[Token]:
    depth = 0
    for at in range(opening, len(found)):
        depth += {"(": 1, ")": -1}.get(found[at].text, 0)
        if depth == 0:
            return found[opening + 1 : at]
    return []


def _check(text: str, inside: list[Token], column: str) -> Check:
    return Check(
        text=text,
        form=" ".join(token.text if token.kind is Kind.STRING else token.name.lower() for token in inside),
        names=frozenset(token.name.lower() for token in inside if token.kind in (Kind.WORD, Kind.QUOTED)),
        column=column,
    )
